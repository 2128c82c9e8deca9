"""`queue_between_processes.py` for TensorFlow 1: Python loops around `Session.run`, each in its worker's process."""

from __future__ import annotations

from functools import partial
from typing import Any

from competitors import serve
from measure import seconds_once
from programs.traffic import CASES, CHECKED, Ends, build
from tf1_cluster import Cluster

SESSIONS: dict[str, tuple[Any, Ends]] = {}  # case -> the session of this worker and the ends of the queue


def run(tf: Any, server: Any, _task: int, case: str, end: str, times: int) -> float:
    """Run the field `end` of the case's `Ends` several times.  Returns the last value, or 0.0 for an operation."""
    if case not in SESSIONS:
        graph = tf.Graph()
        with graph.as_default():
            ends = build(tf, CASES[case], case)
        SESSIONS[case] = tf.Session(server.target, graph=graph), ends
    sess, ends = SESSIONS[case]
    op, value = getattr(ends, end), None
    for _ in range(times):
        value = sess.run(op)
    return 0.0 if value is None else float(value)


def both(cluster: Cluster, case: str, steps: int) -> None:
    cluster.call([(worker, "tf1_queue.run", [case, end, steps]) for worker, end in enumerate(("put", "take"))])


def sample(cluster: Cluster, case: str) -> float:
    return CASES[case].items / seconds_once(lambda: both(cluster, case, CASES[case].steps))


def fact(cluster: Cluster, case: str) -> list[float]:
    cluster.call([(0, "tf1_queue.run", [case, "init", 1])])
    both(cluster, case, CHECKED)
    return cluster.call([(1, "tf1_queue.run", [case, "total", 1])])


def main() -> None:
    import tensorflow.compat.v1 as tf

    cluster = Cluster()
    serve(
        f"TensorFlow {tf.__version__}",
        {case: partial(sample, cluster, case) for case in CASES},
        {case: partial(fact, cluster, case) for case in CASES},
    )


if __name__ == "__main__":
    main()

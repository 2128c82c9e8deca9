"""`repeat.py` for TensorFlow 1: `Session.run` in a Python loop, in this process or in the process of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from competitors import Fact, serve
from measure import Sample, seconds_once
from programs.repeat import COUNTED, COUNTS, LOCAL, NO_OP, PLACES, RUNS, WORKER, build, case
from tf1_cluster import Cluster


class Loop:
    """The loop bodies and their session."""

    def __init__(self, tf: Any, where: str, target: str) -> None:
        graph, self._bodies, self._count = build(tf, PLACES[where])
        self._sess = tf.Session(target, graph=graph)

    def iteration(self, what: str) -> float:
        return seconds_once(lambda: self._repeat(what, RUNS)) / RUNS

    def counted(self) -> Sequence[float]:
        self._sess.run(self._count.initializer)
        self._repeat(COUNTS, COUNTED)
        return [float(self._sess.run(self._count))]

    def _repeat(self, what: str, runs: int) -> None:
        body = self._bodies[what]
        for _ in range(runs):
            self._sess.run(body)


LOOPS: dict[str, Loop] = {}  # the loops of this process


def on_worker(tf: Any, server: Any, _task: int, method: str, *arguments: str) -> Any:
    """Call a method of the `Loop` in a worker's process."""
    if WORKER not in LOOPS:
        LOOPS[WORKER] = Loop(tf, WORKER, server.target)
    return getattr(LOOPS[WORKER], method)(*arguments)


def main() -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    local, cluster = Loop(tf, LOCAL, ""), Cluster()

    def remote(method: str, *arguments: str) -> Any:
        return cluster.call([(1, "tf1_repeat.on_worker", [method, *arguments])])[0]

    samples: dict[str, Sample] = {}
    for what in (NO_OP, COUNTS):
        samples[case(what, LOCAL)] = lambda what=what: local.iteration(what)
        samples[case(what, WORKER)] = lambda what=what: remote("iteration", what)
    facts: dict[str, Fact] = {case(COUNTS, LOCAL): local.counted, case(COUNTS, WORKER): lambda: remote("counted")}
    serve(f"TensorFlow {tf.__version__}", samples, facts)


if __name__ == "__main__":
    main()

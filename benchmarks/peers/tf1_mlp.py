"""`mlp.py` for TensorFlow 1."""

from __future__ import annotations

from typing import Any

from competitors import serve
from measure import seconds_once
from programs import PS, WORKERS
from programs.mlp import BATCH, CLUSTER, ONE_PROCESS, STEPS, Trained, build
from tf1_cluster import Cluster

STEP: list[Any] = []  # what trains on one batch, in this worker's process


def train(tf: Any, server: Any, task: int, steps: int) -> None:
    """Between-graph: each worker has its own graph, and shares the weights by their names."""
    if not STEP:
        with tf.Graph().as_default() as graph:
            network = build(tf, PS, WORKERS)
        sess = tf.Session(server.target, graph=graph)
        sess.run(network.init)
        STEP.append(sess.make_callable(network.steps[task]))
    for _ in range(steps):
        STEP[0]()


def main() -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    one, cluster = Trained(tf), Cluster()

    def both(steps: int) -> None:
        cluster.call([(worker, "tf1_mlp.train", [steps]) for worker in range(len(WORKERS))])

    both(0)
    serve(
        f"TensorFlow {tf.__version__}",
        {
            ONE_PROCESS: lambda: BATCH * STEPS / seconds_once(lambda: one.train(STEPS)),
            CLUSTER: lambda: BATCH * STEPS * len(WORKERS) / seconds_once(lambda: both(STEPS)),
        },
        {ONE_PROCESS: one.fact},
    )


if __name__ == "__main__":
    main()

"""`mlp.py` for TensorFlow 1."""

from __future__ import annotations

from typing import Any

from competitors import serve
from measure import seconds_once
from programs import PS, WORKERS
from programs.mlp import BATCH, CHECKED, CLUSTER, ONE_PROCESS, STEPS, TOGETHER, Trained, build
from tf1_cluster import Cluster


class Replicas:
    """The network of this worker's process.  The workers share the weights, which have the same names everywhere."""

    def __init__(self, tf: Any, server: Any, task: int) -> None:
        with tf.Graph().as_default() as graph:
            self.network = build(tf, PS, WORKERS)
        self.sess = tf.Session(server.target, graph=graph)
        self.sess.run(self.network.init)
        self.step = self.sess.make_callable(self.network.steps[task])
        self.together = self.sess.make_callable(self.network.together)


MADE: list[Replicas] = []


def replicas(tf: Any, server: Any, task: int) -> Replicas:
    """Return the network of this process, and make it at the first call."""
    if not MADE:
        MADE.append(Replicas(tf, server, task))
    return MADE[0]


def train(tf: Any, server: Any, task: int, steps: int) -> None:
    """Train this worker's replica."""
    step = replicas(tf, server, task).step
    for _ in range(steps):
        step()


def train_together(tf: Any, server: Any, task: int, steps: int) -> None:
    """Train the replicas of all workers with synchronous steps."""
    step = replicas(tf, server, task).together
    for _ in range(steps):
        step()


def loss_together(tf: Any, server: Any, task: int) -> list[float]:
    """Return the loss after some synchronous steps."""
    made = replicas(tf, server, task)
    made.sess.run(made.network.init)
    train_together(tf, server, task, CHECKED)
    return [float(made.sess.run(made.network.loss))]


def main() -> None:
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    one, cluster = Trained(tf), Cluster()

    def both(steps: int) -> None:
        cluster.call([(worker, "tf1_mlp.train", [steps]) for worker in range(len(WORKERS))])

    def together(steps: int) -> None:
        cluster.call([(0, "tf1_mlp.train_together", [steps])])

    both(0)
    serve(
        f"TensorFlow {tf.__version__}",
        {
            ONE_PROCESS: lambda: BATCH * STEPS / seconds_once(lambda: one.train(STEPS)),
            CLUSTER: lambda: BATCH * STEPS * len(WORKERS) / seconds_once(lambda: both(STEPS)),
            TOGETHER: lambda: BATCH * STEPS * len(WORKERS) / seconds_once(lambda: together(STEPS)),
        },
        {ONE_PROCESS: one.fact, TOGETHER: lambda: list(cluster.call([(0, "tf1_mlp.loss_together", [])])[0])},
    )


if __name__ == "__main__":
    main()

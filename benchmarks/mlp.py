"""How many images a second does a small network learn from?

The network is 784-300-100-10 with ReLU, trained by gradient descent on batches of 128 images that are already in
memory. All systems start from the same weights and have the same loss after 20 steps. They train in one process with
one thread, and on 2 workers with a ps that holds the weights.

* **Asynchronous**: dflow has a loop (`Session.repeat`) for each worker. TensorFlow 1 has a Python loop in the process
  of each worker.
* **Synchronous**: one graph has a replica on each worker. The ps averages the gradients of the replicas and applies
  them. One loop runs all of this. dflow chooses where a loop runs, here on the ps. The loop of TensorFlow 1 is in the
  process of the first worker.
* **torch** has no ps. Both cases measure `DistributedDataParallel` in two processes (gloo), which is synchronous.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from competitors import Competitor, Here, Peer
from measure import IMAGES, rounds_asked, seconds_once
from programs import PS, WORKERS
from programs.mlp import BATCH, CHECKED, CLUSTER, ONE_PROCESS, STEPS, TOGETHER, Trained, build
from tables import Target, report

import dflow as df

REPLICAS = [Target(1.3, "TF1"), Target(1, "torch")]
TARGETS = {ONE_PROCESS: [Target(1)], CLUSTER: REPLICAS, TOGETHER: REPLICAS}


class Replicas:
    """A network with a replica on each worker and the weights on the ps."""

    def __init__(self, stack: ExitStack) -> None:
        target = stack.enter_context(df.cluster.EmbeddedCluster(ps=1, workers=2)).scheduler_address
        with df.Graph().as_default() as graph:
            self._network = build(df, PS, WORKERS)
        self._sess = stack.enter_context(df.Session(target, graph=graph))
        self._sess.run(self._network.init)

    def train(self, steps: int) -> None:
        loops: list[Any] = [self._sess.repeat(op, steps=steps, every=steps) for op in self._network.steps]
        for loop in loops:
            loop.join()

    def train_together(self, steps: int) -> None:
        self._sess.repeat(self._network.together, steps=steps, every=steps).join()

    def fact(self) -> list[float]:
        """Return the loss after some synchronous steps."""
        self._sess.run(self._network.init)
        self.train_together(CHECKED)
        return [float(self._sess.run(self._network.loss))]


def main() -> None:
    rounds = rounds_asked(__doc__)
    with ExitStack() as stack:
        one, replicas = Trained(df), Replicas(stack)
        ours = Here(
            "dflow",
            {
                ONE_PROCESS: lambda: BATCH * STEPS / seconds_once(lambda: one.train(STEPS)),
                CLUSTER: lambda: BATCH * STEPS * len(WORKERS) / seconds_once(lambda: replicas.train(STEPS)),
                TOGETHER: lambda: BATCH * STEPS * len(WORKERS) / seconds_once(lambda: replicas.train_together(STEPS)),
            },
            {ONE_PROCESS: one.fact, TOGETHER: replicas.fact},
        )
        competitors: list[Competitor] = [
            ours,
            Peer("TF1", "tensorflow", "tf1_mlp.py"),
            Peer("torch", "torch", "torch_mlp.py"),
        ]
        print(report(__doc__, IMAGES, competitors, TARGETS, rounds))


if __name__ == "__main__":
    main()

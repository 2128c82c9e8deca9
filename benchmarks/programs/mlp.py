"""A network for images of digits: 784-300-100-10, ReLU, softmax, plain gradient descent, batches of 128."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from measure import size

SIZES, BATCH, RATE = (784, 300, 100, 10), 128, 0.05
ONE_PROCESS = "one process, one thread"
CLUSTER = "1 ps + 2 workers, asynchronous"
TOGETHER = "1 ps + 2 workers, synchronous"
STEPS = size(200, 3)  # number of steps of each worker in a sample
CHECKED = 20  # number of steps before a fact


def weights() -> list[tuple[Any, Any]]:
    """Return the initial weights of all systems: a matrix and a bias for each layer."""
    rng = np.random.default_rng(1)
    return [(rng.normal(0, n**-0.5, (n, m)).astype(np.float32), np.zeros(m, np.float32)) for n, m in pairwise(SIZES)]


def data() -> tuple[Any, Any]:
    """Return the only batch, which every step uses: images [128, 784] and labels [128]."""
    rng = np.random.default_rng(2)
    return rng.random((BATCH, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], BATCH).astype(np.int32)


@dataclass(frozen=True)
class Network:
    """The operations of the network.

    steps: for each worker, the operation that trains on its batch.
    together: the operation that trains on the batches of all workers, with the mean of their gradients.
    loss: the loss of the first worker's replica.
    init: initializes all variables.
    """

    steps: Sequence[Any]
    together: Any
    loss: Any
    init: Any


def build(tf: Any, home: str, workers: Sequence[str]) -> Network:
    """Build the weights on the device `home`, and a replica of the network on each worker."""
    with tf.device(home):
        layers = [(tf.Variable(w, name="w"), tf.Variable(b, name="b")) for w, b in weights()]
    variables = [variable for layer in layers for variable in layer]
    optimizer, losses, towers = tf.train.GradientDescentOptimizer(RATE), [], []
    for worker in workers:
        with tf.device(worker):
            y, labels = (tf.Variable(part, trainable=False) for part in data())
            variables += [y, labels]
            for i, (w, b) in enumerate(layers):
                y = tf.matmul(y, w) + b
                y = tf.nn.relu(y) if i < len(layers) - 1 else y
            losses.append(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=y)))
            towers.append(optimizer.compute_gradients(losses[-1]))
    with tf.device(home):
        means = [(tf.add_n([g for g, _ in pairs]) / len(workers), pairs[0][1]) for pairs in zip(*towers, strict=True)]
    steps = [optimizer.apply_gradients(pairs) for pairs in towers]
    return Network(steps, optimizer.apply_gradients(means), losses[0], tf.variables_initializer(variables))


class Trained:
    """The network in a session of this process."""

    def __init__(self, tf: Any) -> None:
        with tf.Graph().as_default() as graph:
            self._network = build(tf, "/cpu:0", ["/cpu:0"])
            config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
            self._sess = tf.Session("", graph=graph, config=config)
        self._sess.run(self._network.init)
        self._step = self._sess.make_callable(self._network.steps[0])

    def train(self, steps: int) -> None:
        for _ in range(steps):
            self._step()

    def fact(self) -> list[float]:
        """Return the loss after some steps."""
        self._sess.run(self._network.init)
        self.train(CHECKED)
        return [float(self._sess.run(self._network.loss))]

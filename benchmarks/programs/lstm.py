"""A recurrent network: `dynamic_rnn` over sequences with an LSTM cell."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import Sample, seconds_a_call, size

STEPS, BATCH, UNITS, RATE = size(20, 3), size(20, 2), size(200, 8), 0.5
CHECKED = 3  # number of steps of training before a fact
TRAINING = "LSTM: a step of training"
FORWARD = "LSTM: outputs alone"


def _cells(tf: Any) -> Any:
    """`tf.nn.rnn_cell`; a new TensorFlow has it elsewhere, if Keras is of another version."""
    if not tf.__name__.startswith("tensorflow"):
        return tf.nn.rnn_cell
    return importlib.import_module("tensorflow.python.keras.layers.legacy_rnn.rnn_cell_impl")


class Trained:
    """The network in a session of this process, which trains on one batch."""

    def __init__(self, tf: Any) -> None:
        rng = np.random.default_rng(3)
        inputs, wanted = rng.normal(size=(2, BATCH, STEPS, UNITS)).astype(np.float32)
        kernel = (rng.normal(size=(2 * UNITS, 4 * UNITS)) * UNITS**-0.5).astype(np.float32)
        with tf.Graph().as_default() as graph:
            x, y = tf.Variable(inputs, trainable=False), tf.Variable(wanted, trainable=False)
            cell = _cells(tf).BasicLSTMCell(UNITS)
            outputs, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
            self._loss = tf.reduce_mean(tf.square(outputs - y))
            train = tf.train.GradientDescentOptimizer(RATE).minimize(self._loss)
            self._init = [tf.global_variables_initializer(), tf.assign(cell.weights[0], kernel)]
            last = outputs[:, -1, :1]
            config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
            self._sess = tf.Session("", graph=graph, config=config)
        self._start()
        self.step = self._sess.make_callable(train)
        self.forward = self._sess.make_callable(last)

    def _start(self) -> None:
        for op in self._init:
            self._sess.run(op)

    def fact(self) -> list[float]:
        """Return the loss after some steps."""
        self._start()
        for _ in range(CHECKED):
            self.step()
        return [float(self._sess.run(self._loss))]


def cases(tf: Any) -> tuple[dict[str, Sample], dict[str, Callable[[], list[float]]]]:
    """Return the samples, in seconds a step, and the facts."""
    trained = Trained(tf)
    samples: dict[str, Sample] = {
        TRAINING: lambda: seconds_a_call(trained.step, seconds=0.5),
        FORWARD: lambda: seconds_a_call(trained.forward, seconds=0.5),
    }
    return samples, {TRAINING: trained.fact}

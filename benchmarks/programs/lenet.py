"""A network with convolutions for images of digits, and its layers by themselves.

The network, with batches of 64 images [28, 28, 1]: 32 filters 5 x 5, pooling, 64 filters 5 x 5, pooling, 1024, 10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from measure import Sample, seconds_a_call, size

BATCH, RATE = size(64, 4), 0.01
CHECKED = 3  # number of steps before a fact
TRAINING = "LeNet: a step of training"
SHAPES = [(5, 5, 1, 32), (5, 5, 32, 64), (7 * 7 * 64, 1024), (1024, 10)]
LAYERS: Mapping[str, tuple[tuple[int, ...], tuple[int, ...], int]] = {  # case -> image, filter, stride
    "5 x 5 x 1 x 32, 28 x 28": ((64, 28, 28, 1), (5, 5, 1, 32), 1),
    "5 x 5 x 32 x 64, 14 x 14": ((64, 14, 14, 32), (5, 5, 32, 64), 1),
    "3 x 3 x 64 x 64, 56 x 56": ((4, 56, 56, 64), (3, 3, 64, 64), 1),
    "3 x 3 x 256 x 256, 14 x 14": ((8, 14, 14, 256), (3, 3, 256, 256), 1),
    "1 x 1 x 256 x 64, 56 x 56": ((4, 56, 56, 256), (1, 1, 256, 64), 1),
    "7 x 7 x 3 x 64, 224 x 224, step 2": ((2, 224, 224, 3), (7, 7, 3, 64), 2),
}


def _numbers(seed: int, *shape: int) -> Any:
    scale = float(np.prod(shape[:-1])) ** -0.5
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def _logits(tf: Any, images: Any, weights: list[Any], biases: list[Any]) -> Any:
    y = images
    for w, b in zip(weights[:2], biases[:2], strict=True):
        y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(y, w, [1, 1, 1, 1], "SAME"), b))
        y = tf.nn.max_pool(y, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    y = tf.nn.relu(tf.nn.bias_add(tf.matmul(tf.reshape(y, [BATCH, -1]), weights[2]), biases[2]))
    return tf.nn.bias_add(tf.matmul(y, weights[3]), biases[3])


class Trained:
    """The network in a session of this process, which trains on one batch."""

    def __init__(self, tf: Any) -> None:
        rng = np.random.default_rng(2)
        with tf.Graph().as_default() as graph:
            images = tf.Variable(rng.random((BATCH, 28, 28, 1), np.float32), trainable=False)
            labels = tf.Variable(rng.integers(0, 10, BATCH).astype(np.int32), trainable=False)
            weights = [tf.Variable(_numbers(i, *shape)) for i, shape in enumerate(SHAPES)]
            biases = [tf.Variable(np.zeros(shape[-1], np.float32)) for shape in SHAPES]
            logits = _logits(tf, images, weights, biases)
            self._loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
            train = tf.train.GradientDescentOptimizer(RATE).minimize(self._loss)
            self._init = tf.global_variables_initializer()
            self._sess = session(tf, graph)
        self._sess.run(self._init)
        self.step = self._sess.make_callable(train)

    def fact(self) -> list[float]:
        """Return the loss after some steps."""
        self._sess.run(self._init)
        for _ in range(CHECKED):
            self.step()
        return [float(self._sess.run(self._loss))]


def session(tf: Any, graph: Any) -> Any:
    """Return a session of one thread."""
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    return tf.Session("", graph=graph, config=config)


def layer(tf: Any, image: tuple[int, ...], window: tuple[int, ...], stride: int) -> Callable[[], Any]:
    """Return a function that computes a convolution and both of its gradients."""
    with tf.Graph().as_default() as graph:
        x, f = tf.Variable(_numbers(1, *image)), tf.Variable(_numbers(2, *window))
        y = tf.nn.conv2d(x, f, [1, stride, stride, 1], "SAME")
        # One value of each is fetched: TensorFlow does not compute what nobody asks for.
        both = [tf.reshape(it, [-1])[:1] for it in (y, *tf.gradients(y, [x, f]))]
        init, sess = tf.global_variables_initializer(), session(tf, graph)
    sess.run(init)
    step: Callable[[], Any] = sess.make_callable(both)
    return step


def cases(tf: Any) -> tuple[dict[str, Sample], dict[str, Callable[[], list[float]]]]:
    """Return the samples, in seconds a step, and the facts."""
    trained = Trained(tf)
    samples: dict[str, Sample] = {TRAINING: lambda: seconds_a_call(trained.step, seconds=1)}
    for name, (image, window, stride) in LAYERS.items():
        samples[name] = partial(seconds_a_call, layer(tf, (size(image[0], 1), *image[1:]), window, stride), 0.5)
    return samples, {TRAINING: trained.fact}

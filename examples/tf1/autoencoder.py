"""An autoencoder: images become 32 numbers, and images again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import synthetic

import dflow as tf


def layer(x: Any, size: int, activation: Any, seed: int) -> Any:
    """A layer whose weights start from a seed, in a scope of its own."""
    with tf.variable_scope(None, default_name="layer"):
        start = tf.glorot_uniform_initializer(seed=seed)
        weights = tf.get_variable("weights", [x.shape[1].value, size], initializer=start)
        return activation(tf.nn.xw_plus_b(x, weights, tf.get_variable("biases", initializer=tf.zeros([size]))))


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    images, labels = synthetic.digits(1000)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, 784])
        noisy = x + 0.1 * tf.random_normal(tf.shape(x), seed=2)
        with tf.variable_scope("encoder"):
            code = layer(layer(noisy, 128, tf.nn.elu, 3), 32, tf.nn.tanh, 4)
        with tf.variable_scope("decoder"):
            decoded = layer(layer(code, 128, tf.nn.elu, 5), 784, tf.nn.sigmoid, 6)
        loss = tf.losses.mean_squared_error(x, decoded)
        optimizer = tf.train.RMSPropOptimizer(0.01)
        gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, 1.0)
        train_step = optimizer.apply_gradients(zip(clipped, variables, strict=True))
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for pixels, _ in synthetic.batches(images, labels, 64, steps):
                yield sess.run([loss, train_step], {x: pixels})[0]
            encoder = tf.trainable_variables("encoder")
            print(
                f"{sum(it.shape.num_elements() for it in encoder)} numbers in {len(encoder)} variables of the encoder"
            )


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=200)

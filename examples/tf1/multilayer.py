"""A network of three layers with dropout, a learning rate that decays, and Adam."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import synthetic

import dflow as tf


def dense(x: Any, size: int, name: str, seed: int) -> Any:
    """A layer without an activation."""
    with tf.variable_scope(name):
        start = tf.truncated_normal_initializer(stddev=0.1, seed=seed)
        weights = tf.get_variable("weights", [x.shape[1].value, size], initializer=start)
        biases = tf.get_variable("biases", [size], initializer=tf.zeros_initializer())
        tf.add_to_collection("weights", tf.nn.l2_loss(weights))
        return tf.nn.xw_plus_b(x, weights, biases)


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    images, labels = synthetic.digits(1000)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, 784])
        y = tf.placeholder(tf.int32, [None])
        keep = tf.placeholder_with_default(1.0, [])
        hidden = tf.nn.relu(dense(x, 256, "hidden1", seed=2))
        hidden = tf.nn.dropout(hidden, keep_prob=keep, seed=3)
        hidden = tf.nn.relu(dense(hidden, 64, "hidden2", seed=4))
        logits = dense(hidden, 10, "output", seed=5)
        errors = tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.one_hot(y, 10), logits=logits)
        loss = tf.reduce_mean(errors) + 1e-4 * tf.add_n(tf.get_collection("weights"))
        global_step = tf.train.get_or_create_global_step()
        rate = tf.train.exponential_decay(0.002, global_step, 50, 0.9, staircase=True)
        train_step = tf.train.AdamOptimizer(rate).minimize(loss, global_step=global_step)
        accuracy = tf.reduce_mean(tf.cast(tf.nn.in_top_k(logits, y, 1), tf.float32))
        with tf.Session() as sess:
            tf.global_variables_initializer().run()
            for pixels, digits in synthetic.batches(images, labels, 64, steps):
                yield sess.run([train_step, loss], {x: pixels, y: digits, keep: 0.8})[1]
            pixels, digits = synthetic.digits(500, seed=1)
            print(f"accuracy on other images: {sess.run(accuracy, {x: pixels, y: digits}):.3f}")


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=200)

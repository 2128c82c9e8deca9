"""LeNet on images of 28 x 28 pixels, with summaries for TensorBoard and checkpoints."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import synthetic

import dflow as tf


def variable(shape: list[int], name: str, seed: int) -> Any:
    """A variable with a histogram in TensorBoard."""
    found = tf.Variable(tf.truncated_normal(shape, stddev=0.1, seed=seed), name=name)
    tf.summary.histogram(name, found)
    return found


def convolution(x: Any, channels: int, name: str, seed: int) -> Any:
    """A convolution of 5 x 5, an activation, and pooling of 2 x 2."""
    with tf.name_scope(name):
        weights = variable([5, 5, x.shape[3].value, channels], "weights", seed)
        biases = tf.Variable(tf.constant(0.1, shape=[channels]), name="biases")
        y = tf.nn.relu(tf.nn.conv2d(x, weights, strides=[1, 1, 1, 1], padding="SAME") + biases)
        return tf.nn.max_pool(y, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def dense(x: Any, size: int, name: str, seed: int) -> Any:
    """A layer without an activation."""
    with tf.name_scope(name):
        biases = tf.Variable(tf.constant(0.1, shape=[size]), name="biases")
        return tf.matmul(x, variable([x.shape[1].value, size], "weights", seed)) + biases


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    images, labels = synthetic.digits(600)
    with tf.Graph().as_default(), tempfile.TemporaryDirectory() as folder:
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, 784], name="images")
        y = tf.placeholder(tf.int64, [None], name="labels")
        pictures = tf.reshape(x, [-1, 28, 28, 1])
        tf.summary.image("images", pictures, max_outputs=2)
        pooled = convolution(convolution(pictures, 8, "conv1", 2), 16, "conv2", 3)
        hidden = tf.nn.relu(dense(tf.reshape(pooled, [-1, 7 * 7 * 16]), 64, "dense", 4))
        logits = dense(hidden, 10, "logits", 5)
        loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
        train_step = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
        tf.summary.scalar("loss", loss)
        tf.summary.scalar("accuracy", accuracy)
        summaries = tf.summary.merge_all()
        saver = tf.train.Saver(max_to_keep=2)
        others = dict(zip([x, y], synthetic.digits(200, seed=1), strict=True))
        with tf.Session() as sess, tf.summary.FileWriter(folder, sess.graph) as writer:
            sess.run(tf.global_variables_initializer())
            for step, (pixels, digits) in enumerate(synthetic.batches(images, labels, 32, steps)):
                yield sess.run([loss, train_step], {x: pixels, y: digits})[0]
                if step % 20 == 0:
                    writer.add_summary(sess.run(summaries, {x: pixels, y: digits}), step)
                    saver.save(sess, os.path.join(folder, "model"), global_step=step)
            path = saver.save(sess, os.path.join(folder, "model"), global_step=steps)
            expected = sess.run(accuracy, others)
        with tf.Session() as sess:
            saver.restore(sess, path)
            assert sess.run(accuracy, others) == expected
            print(f"accuracy on other images, with the variables of {os.path.basename(path)}: {expected:.3f}")


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=60)

"""Softmax regression: which digit does an image show?"""

from __future__ import annotations

from collections.abc import Iterator

import synthetic

import dflow as tf


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    images, labels = synthetic.digits(1000)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 784], name="x")
        y = tf.placeholder(tf.int32, [None], name="y")
        weights = tf.Variable(tf.zeros([784, 10]), name="weights")
        biases = tf.Variable(tf.zeros([10]), name="biases")
        logits = tf.matmul(x, weights) + biases
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        train_step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        right = tf.equal(tf.argmax(logits, 1), tf.cast(y, tf.int64))
        accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for pixels, digits in synthetic.batches(images, labels, 100, steps):
                yield sess.run([loss, train_step], {x: pixels, y: digits})[0]
            pixels, digits = synthetic.digits(500, seed=1)
            print(f"accuracy on other images: {accuracy.eval({x: pixels, y: digits}):.3f}")


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=200)

"""A classifier of sequences of different lengths: dynamic_rnn with the lengths, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

import synthetic

import dflow as tf

LONGEST, SIZE, CLASSES, BATCH = 15, 32, 3, 32


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    values, lengths, labels = synthetic.sequences(800, LONGEST, CLASSES)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, LONGEST, 2], name="x")
        length = tf.placeholder(tf.int32, [None], name="length")
        y = tf.placeholder(tf.int32, [None], name="y")
        with tf.variable_scope("model", initializer=tf.glorot_uniform_initializer(seed=2)):
            forward = tf.nn.rnn_cell.BasicLSTMCell(SIZE)
            backward = tf.nn.rnn_cell.DropoutWrapper(tf.nn.rnn_cell.GRUCell(SIZE), output_keep_prob=1.0)
            _, (last, first) = tf.nn.bidirectional_dynamic_rnn(
                forward, backward, x, sequence_length=length, dtype=tf.float32
            )
            weights = tf.get_variable("weights", [2 * SIZE, CLASSES])
        logits = tf.matmul(tf.concat([last.h, first], 1), weights)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        correct = tf.reduce_mean(tf.cast(tf.nn.in_top_k(logits, y, 1), tf.float32))
        train_step = tf.train.AdamOptimizer(0.01).minimize(loss)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for step in range(steps):
                rows = [(step * BATCH + i) % len(values) for i in range(BATCH)]
                feed = {x: values[rows], length: lengths[rows], y: labels[rows]}
                yield sess.run([loss, train_step], feed)[0]
            print(f"accuracy: {sess.run(correct, {x: values, length: lengths, y: labels}):.3f}")


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=300)

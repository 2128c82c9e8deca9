"""A model of characters: GRU cells that learn a text, and write one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import synthetic

import dflow as tf

TEXT = "the queue is full. the reader waits. a step takes a batch, and the queue has room. " * 40
SIZE, BATCH, LENGTH = 64, 16, 16


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step, the mean of the characters of a batch."""
    alphabet = sorted(set(TEXT))
    text = np.array([alphabet.index(letter) for letter in TEXT], np.int32)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        letters = tf.placeholder(tf.int32, [None, None], name="letters")
        following = tf.placeholder(tf.int32, [None, None], name="following")
        with tf.variable_scope("model", initializer=tf.random_uniform_initializer(-0.2, 0.2, seed=2)):
            cell = tf.nn.rnn_cell.GRUCell(SIZE)
            before = tf.placeholder_with_default(tf.zeros([tf.shape(letters)[0], SIZE]), [None, SIZE])
            outputs, after = tf.nn.dynamic_rnn(cell, tf.one_hot(letters, len(alphabet)), initial_state=before)
            weights = tf.get_variable("weights", [SIZE, len(alphabet)])
        logits = tf.tensordot(outputs, weights, 1)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=following, logits=logits))
        train_step = tf.train.AdamOptimizer(0.01).minimize(loss)
        likeliest = tf.argmax(logits[0, -1])
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for here, there in synthetic.windows(text, BATCH, LENGTH, steps):
                yield sess.run([loss, train_step], {letters: here, following: there})[0]
            written, state = [alphabet.index("t")], np.zeros([1, SIZE], np.float32)
            for _ in range(40):
                letter, state = sess.run([likeliest, after], {letters: [written[-1:]], before: state})
                written.append(int(letter))
            print("".join(alphabet[letter] for letter in written))


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=300)

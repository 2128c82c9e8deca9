"""A language model: two layers of LSTM cells say the next word of a text."""

from __future__ import annotations

from collections.abc import Iterator

import synthetic

import dflow as tf

VOCABULARY, SIZE, LAYERS, BATCH, LENGTH = 200, 48, 2, 16, 12


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step, the mean of the words of a batch."""
    text = synthetic.words(BATCH * LENGTH * 20 + BATCH, VOCABULARY)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        words = tf.placeholder(tf.int32, [BATCH, LENGTH], name="words")
        following = tf.placeholder(tf.int32, [BATCH, LENGTH], name="following")
        start = tf.random_uniform_initializer(-0.1, 0.1, seed=2)
        with tf.variable_scope("model", initializer=start):
            embeddings = tf.get_variable("embeddings", [VOCABULARY, SIZE])
            cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.LSTMCell(SIZE) for _ in range(LAYERS)])
            before = cell.zero_state(BATCH, tf.float32)
            inputs = tf.nn.embedding_lookup(embeddings, words)
            outputs, after = tf.nn.dynamic_rnn(cell, inputs, initial_state=before)
            weights = tf.get_variable("weights", [SIZE, VOCABULARY])
            biases = tf.get_variable("biases", [VOCABULARY], initializer=tf.zeros_initializer())
        logits = tf.nn.xw_plus_b(tf.reshape(outputs, [-1, SIZE]), weights, biases)
        labels = tf.reshape(following, [-1])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        variables = tf.trainable_variables()
        gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
        optimizer = tf.train.GradientDescentOptimizer(1.0)
        train_step = optimizer.apply_gradients(zip(gradients, variables, strict=True))
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            state = sess.run(before)
            for here, there in synthetic.windows(text, BATCH, LENGTH, steps):
                feed = {words: here, following: there, before: state}  # the state goes on from window to window
                found, state, _ = sess.run([loss, after, train_step], feed)
                yield found


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=300)

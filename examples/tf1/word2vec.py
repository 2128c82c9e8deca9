"""word2vec: embeddings of words, by noise-contrastive estimation of the words beside them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import synthetic

import dflow as tf

VOCABULARY, SIZE, BATCH, SAMPLED = 500, 32, 64, 16


def pairs(steps: int) -> Iterator[tuple[synthetic.Integers, synthetic.Integers]]:
    """For each step, words, and for each of them a word next to it."""
    text = synthetic.words(5000, VOCABULARY)
    rng = np.random.default_rng(1)
    for _ in range(steps):
        places = rng.integers(1, len(text) - 1, BATCH)
        yield text[places], text[places + rng.choice([-1, 1], BATCH)][:, None]


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        centre = tf.placeholder(tf.int32, [BATCH])
        context = tf.placeholder(tf.int64, [BATCH, 1])
        embeddings = tf.Variable(tf.random_uniform([VOCABULARY, SIZE], -1.0, 1.0, seed=2), name="embeddings")
        weights = tf.Variable(tf.truncated_normal([VOCABULARY, SIZE], stddev=SIZE**-0.5, seed=3), name="weights")
        biases = tf.Variable(tf.zeros([VOCABULARY]), name="biases")
        drawn = tf.random_uniform([SAMPLED], 0, VOCABULARY, tf.int64, seed=4)
        expected = SAMPLED / VOCABULARY  # how often a word is among those drawn
        noise = (drawn, tf.fill([BATCH, 1], expected), tf.fill([SAMPLED], expected))
        embedded = tf.nn.embedding_lookup(embeddings, centre)
        losses = tf.nn.nce_loss(weights, biases, context, embedded, SAMPLED, VOCABULARY, sampled_values=noise)
        loss = tf.reduce_mean(losses)
        train_step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        unit = tf.nn.l2_normalize(embeddings, 1)
        _, nearest = tf.nn.top_k(tf.matmul(tf.gather(unit, [0, 1, 2]), unit, transpose_b=True), k=4)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for words, beside in pairs(steps):
                yield sess.run([loss, train_step], {centre: words, context: beside})[0]
            for word, others in enumerate(sess.run(nearest)):
                print(f"nearest to word {word}: {others[1:].tolist()}")


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=500)

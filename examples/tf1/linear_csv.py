"""A linear model of the rows of a CSV file, with a metric that grows from batch to batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import synthetic

import dflow as tf


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    with tf.Graph().as_default(), tempfile.TemporaryDirectory() as folder:
        names = tf.train.string_input_producer([synthetic.csv_file(Path(folder))], shuffle=False)
        _, line = tf.TextLineReader(skip_header_lines=1).read(names)
        *columns, price = tf.decode_csv(line, record_defaults=[[0.0]] * 4)
        inputs, prices = tf.train.batch([tf.stack(columns), price], batch_size=32, capacity=128)
        weights = tf.get_variable("weights", [3], initializer=tf.zeros_initializer())
        bias = tf.get_variable("bias", [], initializer=tf.zeros_initializer())
        guesses = tf.reduce_sum(inputs * weights, axis=1) + bias
        loss = tf.losses.mean_squared_error(prices, guesses)
        with tf.variable_scope("metrics"):
            mean_error, add_errors = tf.metrics.mean_absolute_error(prices, guesses)
        train_step = tf.train.AdagradOptimizer(0.5).minimize(loss)
        with tf.Session() as sess:
            sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(coord=coord)
            try:
                for _ in range(steps):
                    yield sess.run([loss, add_errors, train_step])[0]
                print(
                    f"weights {sess.run(weights).round(2)}, bias {bias.eval():.2f}, mean error {mean_error.eval():.3f}"
                )
            finally:
                coord.request_stop()
                coord.join(threads)


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=300)

"""A network with convolutions on colour images, which queue runners read, with moving averages of its variables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import synthetic
from colour_network import inputs, total_loss

import dflow as tf


def train(steps: int) -> Iterator[float]:
    """Gives the loss of each step."""
    with tf.Graph().as_default(), tempfile.TemporaryDirectory() as folder:
        tf.set_random_seed(1)
        global_step = tf.train.get_or_create_global_step()
        with tf.device("/cpu:0"):
            images, labels = inputs(synthetic.colour_files(Path(folder)))
        loss = total_loss(images, labels)
        smooth = tf.train.ExponentialMovingAverage(0.9, name="average")
        with tf.control_dependencies([smooth.apply([loss])]):
            optimizer = tf.train.GradientDescentOptimizer(0.05)
            gradients = optimizer.compute_gradients(loss)
        apply_gradients = optimizer.apply_gradients(gradients, global_step=global_step)
        averages = tf.train.ExponentialMovingAverage(0.99, global_step)
        with tf.control_dependencies([apply_gradients]):
            train_step = averages.apply(tf.trainable_variables())
        with tf.Session(config=tf.ConfigProto(log_device_placement=False)) as sess:
            sess.run(tf.global_variables_initializer())
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess=sess, coord=coord)
            try:
                for _ in range(steps):
                    value, _ = sess.run([loss, train_step])
                    yield value
                print(f"smoothed loss: {sess.run(smooth.average(loss)):.3f}")
            finally:
                coord.request_stop()
                coord.join(threads)


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=100)

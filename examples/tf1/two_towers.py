"""The network with colour images on two towers, which share its variables: each step averages their gradients."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import synthetic
from colour_network import inputs, total_loss

import dflow as tf


def average(tower_gradients: list[list[tuple[Any, Any]]]) -> list[tuple[Any, Any]]:
    """Pairs of a gradient, the mean of those of all towers, and its variable."""
    return [
        (tf.reduce_mean(tf.stack([gradient for gradient, _ in pairs]), axis=0), pairs[0][1])
        for pairs in zip(*tower_gradients, strict=True)
    ]


def train(steps: int) -> Iterator[float]:
    """Gives the mean loss of the towers in each step."""
    with tf.Graph().as_default(), tf.device("/cpu:0"), tempfile.TemporaryDirectory() as folder:
        tf.set_random_seed(1)
        global_step = tf.train.get_or_create_global_step()
        images, labels = inputs(synthetic.colour_files(Path(folder)), batch_size=2 * 8)
        parts = zip(tf.split(images, 2), tf.split(labels, 2), strict=True)
        optimizer = tf.train.GradientDescentOptimizer(0.05)
        tower_gradients, losses = [], []
        for tower, (part, classes) in enumerate(parts):
            with (
                tf.device(f"/gpu:{tower}"),
                tf.name_scope(f"tower_{tower}") as scope,
                tf.variable_scope("network", reuse=tower > 0),
            ):
                losses.append(total_loss(part, classes, scope))
                tower_gradients.append(optimizer.compute_gradients(losses[-1]))
        loss = tf.add_n(losses) / 2.0
        train_step = optimizer.apply_gradients(average(tower_gradients), global_step=global_step)
        options = tf.ConfigProto(allow_soft_placement=True)  # a tower without its GPU is on the CPU
        with tf.Session(config=options) as sess:
            sess.run(tf.global_variables_initializer())
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess=sess, coord=coord)
            try:
                for _ in range(steps):
                    yield sess.run([loss, train_step])[0]
            finally:
                coord.request_stop()
                coord.join(threads)


if __name__ == "__main__":
    synthetic.main(train, __doc__, steps=100)

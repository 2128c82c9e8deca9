"""The network of the examples with colour images, and its input from files of fixed length."""

from __future__ import annotations

from typing import Any

import dflow as tf


def inputs(files: list[str], batch_size: int = 16) -> tuple[Any, Any]:
    """Batches of distorted images of 24 x 24 pixels and their classes, which queue runners read from files.

    Without threads that race with each other, each program sees the images in one order.
    """
    names = tf.train.string_input_producer(files, shuffle=False)
    _, record = tf.FixedLengthRecordReader(record_bytes=1 + 3 * 32 * 32).read(names)
    numbers = tf.decode_raw(record, tf.uint8)
    label = tf.cast(numbers[0], tf.int32)
    image = tf.transpose(tf.reshape(tf.strided_slice(numbers, [1], [1 + 3 * 32 * 32]), [3, 32, 32]), [1, 2, 0])
    image = tf.random_crop(tf.cast(image, tf.float32), [24, 24, 3], seed=11)
    image = tf.image.random_flip_left_right(image, seed=12)
    image = tf.image.random_brightness(image, max_delta=20, seed=13)
    image = image / 128.0 - 1.0
    images, labels = tf.train.batch([image, label], batch_size=batch_size, capacity=4 * batch_size)
    return images, labels


def variable(name: str, shape: list[int], stddev: float, seed: int, decay: float | None = None) -> Any:
    """A variable on the CPU; with `decay`, its weight is a part of the loss."""
    with tf.device("/cpu:0"):
        start = tf.truncated_normal_initializer(stddev=stddev, seed=seed)
        found = tf.get_variable(name, shape, initializer=start)
    if decay is not None:
        tf.add_to_collection("losses", tf.multiply(tf.nn.l2_loss(found), decay, name="decay"))
    return found


def logits_of(images: Any) -> Any:
    """Two convolutions with pooling and normalization, and two layers behind them."""
    y = images
    for name, channels, seed in [("conv1", 8, 1), ("conv2", 16, 2)]:
        with tf.variable_scope(name):
            weights = variable("weights", [5, 5, y.shape[3].value, channels], 0.1, seed)
            biases = tf.get_variable("biases", [channels], initializer=tf.constant_initializer(0.1))
            y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(y, weights, [1, 1, 1, 1], padding="SAME"), biases))
            y = tf.nn.max_pool(y, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME")
            y = tf.nn.lrn(y, 4, bias=1.0, alpha=0.001 / 9.0, beta=0.75)
    y = tf.reshape(y, [-1, y.shape[1:].num_elements()])
    for name, size, seed in [("dense", 48, 3), ("logits", 10, 4)]:
        with tf.variable_scope(name):
            weights = variable("weights", [y.shape[1].value, size], 0.1, seed, decay=0.001)
            y = tf.matmul(y, weights) + tf.get_variable("biases", [size], initializer=tf.constant_initializer(0.1))
            if name == "dense":
                y = tf.nn.relu(y)
    return y


def total_loss(images: Any, labels: Any, scope: str | None = None) -> Any:
    """The mean error, and the weights in the collection `losses`: those that were made in a scope."""
    errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits_of(images))
    tf.add_to_collection("losses", tf.reduce_mean(errors, name="errors"))
    return tf.add_n(tf.get_collection("losses", scope), name="total")

"""Convolutions and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, session, shape


def _numbers(*sizes: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=sizes)


def _with_gradients(tf: Any, build: Callable[..., Any], *values: Any) -> dict[str, Any]:
    """The result, its static shape, its name and kind, and its first and second gradients."""
    inputs = [tf.constant(value) for value in values]
    y = build(*inputs)
    weights = tf.cos(tf.reshape(tf.cast(tf.range(tf.size(y)), y.dtype), tf.shape(y)))
    first = tf.gradients(y, inputs, weights)
    again = [tf.cos(dx) for dx in first]
    second = tf.gradients([tf.reduce_sum(dx * w) for dx, w in zip(first, again, strict=True)], inputs)
    fetches = {"y": y, "first": first, "second": [g for g in second if g is not None]}
    with session(tf) as sess:
        return {**sess.run(fetches), "static": shape(y), "name": y.op.name, "type": y.op.type}


def images(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = _numbers(2, 7, 8, 3), _numbers(3, 2, 3, 4, seed=1)
    cases = {
        f"{padding} {strides} {rates}": (padding, strides, rates)
        for padding in ("SAME", "VALID", [[0, 0], [2, 1], [0, 3], [0, 0]])
        for strides, rates in (([1, 1, 1, 1], [1, 1, 1, 1]), ([1, 2, 3, 1], [1, 1, 1, 1]))
    }
    return {
        name: _with_gradients(tf, lambda x, f, p=p, s=s, r=r: tf.nn.conv2d(x, f, s, p, dilations=r), x, f)
        for name, (p, s, r) in cases.items()
    }


def dilated(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = _numbers(2, 7, 8, 3), _numbers(3, 2, 3, 4, seed=1)
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for padding in ("SAME", "VALID"):
            y = tf.nn.conv2d(x, f, [1, 1, 1, 1], padding, dilations=[1, 2, 3, 1])
            atrous = tf.nn.atrous_conv2d(x, f, 2, padding)
            back = tf.nn.atrous_conv2d_transpose(atrous, f, [2, 7, 8, 3], 2, padding)
            found[padding] = [*sess.run([y, atrous, back]), shape(y), shape(atrous), shape(back)]
    return found


def small_and_wide_images(tf: Any, folder: Path) -> dict[str, Any]:
    shapes = {
        "one point": ((2, 5, 5, 3), (1, 1, 3, 6)),
        "large window": ((2, 4, 4, 2), (7, 7, 2, 3)),
        "one row": ((3, 1, 40, 2), (1, 5, 2, 3)),
        "many channels": ((2, 4, 4, 8), (3, 3, 8, 40)),
        "one channel": ((2, 28, 28, 1), (5, 5, 1, 8)),
    }
    found = {}
    for name, (x, f) in shapes.items():
        for padding in ("SAME", "VALID"):
            if padding == "SAME" or f[0] <= x[1]:
                found[f"{name} {padding}"] = _with_gradients(
                    tf, lambda x, f, p=padding: tf.nn.conv2d(x, f, 1, p), _numbers(*x), _numbers(*f, seed=1)
                )
    return found


def sequences_and_volumes(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = _numbers(2, 9, 3), _numbers(3, 3, 4, seed=1)
    volume, window = _numbers(2, 4, 5, 6, 2), _numbers(2, 3, 2, 2, 3, seed=1)
    ones, twos = [1, 1, 1, 1, 1], [1, 2, 1, 2, 1]
    return {
        f"{kind} {padding}": _with_gradients(tf, build, *values)
        for padding in ("SAME", "VALID")
        for kind, build, values in (
            ("1", lambda x, f, p=padding: tf.nn.conv1d(x, f, 1, p), (x, f)),
            ("1, steps", lambda x, f, p=padding: tf.nn.conv1d(x, f, 2, p, name="named"), (x, f)),
            ("3", lambda x, f, p=padding: tf.nn.conv3d(x, f, ones, p), (volume, window)),
            ("3, steps", lambda x, f, p=padding: tf.nn.conv3d(x, f, twos, p), (volume, window)),
            ("any", lambda x, f, p=padding: tf.nn.convolution(x, f, p, strides=[2, 1, 1]), (volume, window)),
        )
    }


def transposed(tf: Any, folder: Path) -> dict[str, Any]:
    y, f = _numbers(2, 4, 3, 4), _numbers(3, 2, 3, 4, seed=1)
    volume, window = _numbers(2, 2, 3, 3, 3), _numbers(2, 3, 2, 2, 3, seed=1)
    line, taps = _numbers(2, 4, 4), _numbers(3, 3, 4, seed=1)
    return {
        "2": _with_gradients(tf, lambda y, f: tf.nn.conv2d_transpose(y, f, [2, 7, 6, 3], [1, 2, 2, 1]), y, f),
        "2, valid": _with_gradients(
            tf, lambda y, f: tf.nn.conv2d_transpose(y, f, [2, 9, 6, 3], [1, 2, 2, 1], "VALID", name="up"), y, f
        ),
        "3": _with_gradients(
            tf, lambda y, f: tf.nn.conv3d_transpose(y, f, [2, 4, 6, 5, 2], [1, 2, 2, 2, 1]), volume, window
        ),
        "1": _with_gradients(tf, lambda y, f: tf.nn.conv1d_transpose(y, f, [2, 7, 3], 2), line, taps),
    }


def each_channel(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = _numbers(2, 6, 7, 3), _numbers(3, 2, 3, 2, seed=1)
    points = _numbers(1, 1, 6, 5, seed=2)
    found = {}
    for padding in ("SAME", "VALID"):
        for step in (1, 2):
            steps = [1, step, step, 1]
            found[f"{padding} {step}"] = _with_gradients(
                tf, lambda x, f, s=steps, p=padding: tf.nn.depthwise_conv2d(x, f, s, p), x, f
            )
            found[f"separable {padding} {step}"] = _with_gradients(
                tf, lambda x, f, w, s=steps, p=padding: tf.nn.separable_conv2d(x, f, w, s, p), x, f, points
            )
    return found


def gradients_by_hand(tf: Any, folder: Path) -> dict[str, Any]:
    x, f, dy = _numbers(2, 5, 6, 3), _numbers(3, 2, 3, 4, seed=1), _numbers(2, 3, 3, 4, seed=2)
    steps = [1, 2, 2, 1]
    sizes = tf.placeholder(tf.int32, [4])
    to_x = tf.nn.conv2d_backprop_input(sizes, f, dy, steps, "SAME")
    to_f = tf.nn.conv2d_backprop_filter(x, [3, 2, 3, 4], dy, steps, "SAME")
    known = tf.nn.conv2d_backprop_input([2, 5, 6, 3], f, dy, steps, "SAME")
    with session(tf) as sess:
        values = sess.run([to_x, to_f, known], {sizes: [2, 5, 6, 3]})
        wrong = kind_of_error(lambda: sess.run(to_x, {sizes: [2, 9, 6, 3]}))
    return {"values": values, "static": [shape(to_x), shape(to_f), shape(known)], "wrong": wrong}


def other_gradients_by_hand(tf: Any, folder: Path) -> dict[str, Any]:
    x, f, dy = _numbers(2, 5, 6, 3), _numbers(3, 2, 3, 2, seed=1), _numbers(2, 3, 3, 6, seed=2)
    volume, window, dv = _numbers(1, 2, 3, 4, 2), _numbers(2, 2, 2, 2, 3, seed=1), _numbers(1, 2, 3, 4, 3, seed=2)
    steps, ones = [1, 2, 2, 1], [1, 1, 1, 1, 1]
    channels = [
        tf.nn.depthwise_conv2d_native(x, f, steps, "SAME"),
        tf.nn.depthwise_conv2d_native_backprop_input([2, 5, 6, 3], f, dy, steps, "SAME"),
        tf.nn.depthwise_conv2d_native_backprop_filter(x, [3, 2, 3, 2], dy, steps, "SAME"),
        tf.nn.depthwise_conv2d_backprop_input([2, 5, 6, 3], f, dy, steps, "SAME"),
        tf.nn.depthwise_conv2d_backprop_filter(x, [3, 2, 3, 2], dy, steps, "SAME"),
    ]
    volumes = [
        tf.nn.conv3d_backprop_filter(volume, [2, 2, 2, 2, 3], dv, ones, "SAME"),
        tf.nn.conv3d_backprop_filter_v2(volume, [2, 2, 2, 2, 3], dv, ones, "SAME"),
        tf.nn.conv_transpose(dv, window, [1, 2, 3, 4, 2], 1),
        tf.nn.conv_transpose(_numbers(2, 3, 3, 4), _numbers(3, 2, 3, 4, seed=1), [2, 5, 6, 3], 2),
        tf.nn.conv_transpose(_numbers(2, 3, 4), _numbers(3, 3, 4, seed=1), [2, 5, 3], 2),
    ]
    with session(tf) as sess:
        return {"values": sess.run([*channels, *volumes]), "static": [shape(it) for it in (*channels, *volumes)]}


def parts_with_holes(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = _numbers(2, 9, 8, 3), _numbers(3, 2, 3, 4, seed=1)

    def twice(image: Any, axes: int, padding: str) -> Any:
        return tf.nn.convolution(image, f, padding) * axes

    valid = tf.nn.with_space_to_batch(x, [2, 3], "VALID", twice)
    same = tf.nn.with_space_to_batch(x, [2, 1], "SAME", twice, filter_shape=[3, 2])
    plain = tf.nn.with_space_to_batch(x, [1, 1], "VALID", twice)
    with session(tf) as sess:
        return {"values": sess.run([valid, same, plain]), "static": [shape(it) for it in (valid, same, plain)]}


def morphology(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = _numbers(2, 5, 6, 3), _numbers(2, 3, 3, seed=1)
    found = {}
    with session(tf) as sess:
        for padding in ("SAME", "VALID"):
            for step, rate in ((1, 1), (2, 1), (1, 2)):
                steps, rates = [1, step, step, 1], [1, rate, rate, 1]
                values, taps = tf.constant(x), tf.constant(f)
                wide = tf.nn.dilation2d(values, taps, steps, rates, padding)
                thin = tf.nn.erosion2d(values, taps, steps, rates, padding)
                grads = tf.gradients([wide, thin], [values, taps])
                found[f"{padding} {step} {rate}"] = [*sess.run([wide, thin, *grads]), shape(wide), thin.op.name]
    return found


def what_does_not_fit(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = tf.placeholder(tf.float32, [2, 5, 6, 3]), tf.placeholder(tf.float32, [3, 2, 3, 4])
    four = [1, 1, 1, 1]
    wrong: dict[str, Callable[[], Any]] = {
        "padding": lambda: tf.nn.conv2d(x, f, four, "FOO"),
        "format": lambda: tf.nn.conv2d(x, f, four, "SAME", data_format="NHWX"),
        "window": lambda: tf.nn.conv2d(x, tf.zeros([6, 2, 3, 4]), four, "VALID"),
        "channels": lambda: tf.nn.conv2d(x, tf.zeros([3, 2, 2, 4]), four, "SAME"),
        "rank": lambda: tf.nn.conv2d(tf.zeros([5, 6, 3]), f, four, "SAME"),
        "pairs": lambda: tf.nn.conv2d(x, f, four, [[0, 0], [0, 0], [0, 0]]),
        "negative": lambda: tf.nn.conv2d(x, f, four, [[0, 0], [0, -1], [0, 0], [0, 0]]),
        "batch": lambda: tf.nn.conv2d(x, f, four, [[1, 0], [0, 0], [0, 0], [0, 0]]),
        "strides": lambda: tf.nn.conv2d(x, f, [1, 1, 1], "SAME"),
        "dtype": lambda: tf.nn.conv2d(x, tf.zeros([3, 2, 3, 4], tf.float64), four, "SAME"),
        "both": lambda: tf.nn.convolution(x, f, "SAME", strides=[2, 2], dilation_rate=[2, 2]),
        "sequence": lambda: tf.nn.conv1d(tf.zeros([2, 5, 3]), tf.zeros([3, 3, 4]), 1, "SAME", data_format="FOO"),
        "depth": lambda: tf.nn.depthwise_conv2d(x, tf.zeros([3, 2, 4, 1]), four, "SAME"),
    }
    return {name: kind_of_error(build) for name, build in wrong.items()}


def unknown_sizes(tf: Any, folder: Path) -> dict[str, Any]:
    x, f = tf.placeholder(tf.float64), tf.placeholder(tf.float64)
    part = tf.placeholder(tf.float32, [None, None, 6, None])
    y = tf.nn.conv2d(x, f, [1, 2, 1, 1], "SAME")
    grads = tf.gradients(y, [x, f])
    statics = [shape(y), shape(tf.nn.conv2d(part, tf.zeros([3, 2, 3, 4]), [1, 2, 2, 1], "VALID"))]
    statics.append(
        shape(tf.nn.convolution(tf.placeholder(tf.float32, [1, None, None, 3]), tf.zeros([3, 3, 3, 4]), "SAME"))
    )
    feeds = {x: _numbers(2, 5, 6, 3), f: _numbers(3, 2, 3, 4, seed=1)}
    with session(tf) as sess:
        return {"values": sess.run([y, *grads], feeds), "statics": statics}

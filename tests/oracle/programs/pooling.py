"""Pooling and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.programs.convolutions import _numbers, _with_gradients
from tests.oracle.tools import kind_of_error, session, shape


def images(tf: Any, folder: Path) -> dict[str, Any]:
    x = _numbers(2, 7, 8, 3)
    windows = {"2 2": (2, 2), "3 2": ([1, 3, 3, 1], [1, 2, 2, 1]), "3 1": ([3, 2], [1, 1]), "2 3": (2, 3)}
    found = {}
    for kind in ("max_pool", "avg_pool"):
        function = getattr(tf.nn, kind)
        for name, (ksize, strides) in windows.items():
            for padding in ("SAME", "VALID"):
                found[f"{kind} {name} {padding}"] = _with_gradients(
                    tf, lambda x, f=function, k=ksize, s=strides, p=padding: f(x, k, s, p), x
                )
    return found


def sequences_and_volumes(tf: Any, folder: Path) -> dict[str, Any]:
    line, volume = _numbers(2, 9, 3), _numbers(2, 4, 5, 6, 2).astype(np.float32)
    found = {}
    functions = {"max": (tf.nn.max_pool1d, tf.nn.max_pool3d), "avg": (tf.nn.avg_pool1d, tf.nn.avg_pool3d)}
    for padding in ("SAME", "VALID"):
        for kind, (one, three) in functions.items():
            found[f"{kind} 1 {padding}"] = _with_gradients(tf, lambda x, f=one, p=padding: f(x, 3, 2, p), line)
            found[f"{kind} 3 {padding}"] = _with_gradients(tf, lambda x, f=three, p=padding: f(x, 2, 2, p), volume)
    return found


def names_for_any_rank(tf: Any, folder: Path) -> dict[str, Any]:
    line, x, volume = _numbers(2, 9, 3), _numbers(2, 5, 6, 3), _numbers(2, 4, 5, 6, 2).astype(np.float32)
    functions = {
        "max": (tf.nn.max_pool_v2, tf.nn.max_pool2d),
        "avg": (tf.nn.avg_pool_v2, tf.nn.avg_pool2d),
    }
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for name, (pool, two) in functions.items():
            tensors = [*(pool(it, 2, 2, "SAME") for it in (line, x, volume)), two(x, 2, 1, "VALID")]
            found[name] = [[sess.run(it), shape(it)] for it in tensors]
    return found


def any_window(tf: Any, folder: Path) -> dict[str, Any]:
    x, line, volume = _numbers(2, 7, 8, 3), _numbers(2, 9, 3), _numbers(1, 5, 6, 7, 2).astype(np.float32)
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for kind in ("MAX", "AVG"):
            tensors = [
                tf.nn.pool(x, [2, 3], kind, "SAME", strides=[2, 3]),
                tf.nn.pool(x, [2, 3], kind, "VALID", dilation_rate=[2, 1], name="holes"),
                tf.nn.pool(line, [3], kind, "SAME"),
                tf.nn.pool(line, [3], kind, "VALID", dilation_rate=[2]),
                tf.nn.pool(volume, [2, 2, 2], kind, "VALID", strides=[1, 2, 1]),
            ]
            found[kind] = [[value, shape(tensor)] for value, tensor in zip(sess.run(tensors), tensors, strict=True)]
    return found


def places(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_numbers(2, 5, 6, 3))
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for padding in ("SAME", "VALID"):
            for batch in (False, True):
                y, where = tf.nn.max_pool_with_argmax(
                    x, [1, 2, 3, 1], [1, 2, 2, 1], padding, include_batch_in_index=batch
                )
                dx = tf.gradients(y, x, tf.cos(y))
                found[f"{padding} {batch}"] = [*sess.run([y, where, dx]), shape(y), shape(where), y.op.type]
    return found


def equal_values(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(np.array([[1, 1, 0], [1, 1, 1], [2, 0, 2]], np.float32).reshape(1, 3, 3, 1))
    empty = tf.constant(np.full((1, 4, 4, 1), np.nan, np.float32))
    with session(tf) as sess:
        values = {}
        for name, image in (("equal", x), ("nan", empty)):
            y = tf.nn.max_pool(image, 2, 1, "VALID")
            weights = tf.reshape(tf.cast(tf.range(1, tf.size(y) + 1), tf.float32), tf.shape(y))
            values[name] = sess.run(tf.gradients(y, image, weights))
        return values


def depth(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_numbers(2, 2, 3, 6))
    y = tf.nn.max_pool(x, [1, 1, 1, 3], [1, 1, 1, 3], "SAME")
    with session(tf) as sess:
        return {"y": sess.run(y), "static": shape(y)}


def what_does_not_fit(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [2, 5, 6, 3])
    wrong: dict[str, Callable[[], Any]] = {
        "padding": lambda: tf.nn.max_pool(x, 2, 2, "FOO"),
        "window": lambda: tf.nn.max_pool(x, [1, 6, 2, 1], 1, "VALID"),
        "zero": lambda: tf.nn.max_pool(x, 0, 1, "VALID"),
        "three": lambda: tf.nn.max_pool(x, [1, 2, 2], 1, "VALID"),
        "rank": lambda: tf.nn.avg_pool(tf.zeros([5, 6, 3]), 2, 2, "SAME"),
        "format": lambda: tf.nn.avg_pool(x, 2, 2, "SAME", data_format="NHWX"),
        "holes": lambda: tf.nn.pool(x, [2, 2], "MAX", "SAME", dilation_rate=[2, 2]),
        "kind": lambda: tf.nn.pool(x, [2, 2], "MIN", "SAME"),
        "steps": lambda: tf.nn.pool(x, [2, 2], "MAX", "SAME", strides=[3, 3]),
    }
    return {name: kind_of_error(build) for name, build in wrong.items()}


def fractions(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(_numbers(2, 9, 12, 3))
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for kind, function in (("max", tf.nn.fractional_max_pool), ("avg", tf.nn.fractional_avg_pool)):
            # the ratios divide the sizes: nothing is drawn
            for overlapping in (False, True):
                y, rows, columns = function(x, [1.0, 3.0, 2.0, 1.0], overlapping=overlapping)
                dx = tf.gradients(y, x, tf.cos(y))
                found[f"{kind} {overlapping}"] = [*sess.run([y, rows, columns, dx]), shape(y)]
    return found

"""Assertions, checks of numbers, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, names, session, shape

COMPARISONS = {
    "assert_equal": "==",
    "assert_none_equal": "!=",
    "assert_less": "<",
    "assert_less_equal": "<=",
    "assert_greater": ">",
    "assert_greater_equal": ">=",
}
SIGNS = {"assert_positive": ">", "assert_negative": "<", "assert_non_negative": ">=", "assert_non_positive": "<="}
PAIRS = (([1, 2], [1, 2]), ([1, 2], [0, 1]), ([1, 2], [2, 3]), ([1, 2], [2, 1]), ([], []))


def comparisons(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    x, y = (tf.placeholder(tf.float32, name=name) for name in ("big", "small"))
    with session(tf) as sess:
        for name, sign in COMPARISONS.items():
            op = getattr(tf, name)(x, y, message="the message")
            texts = (f"Condition x {sign} y did not hold", "the message", "x (big:0) = ", "y (small:0) = ")
            for a, b in PAIRS:
                run = kind_of_error(lambda op=op, a=a, b=b: sess.run(op, {x: a, y: b}), *texts)
                build = kind_of_error(lambda name=name, a=a, b=b: getattr(tf, name)(np.float32(a), np.float32(b)))
                found[f"{name} {a} {b}"] = [run, build]
        for name, sign in SIGNS.items():
            op = getattr(tf, name)(x)
            for value in ([1.0], [0.0], [-1.0], [], [[1.0, -1.0]]):
                text = f"Condition x {sign} 0 did not hold"
                found[f"{name} {value}"] = kind_of_error(lambda op=op, value=value: sess.run(op, {x: value}), text)
        near = tf.assert_near(x, y, rtol=0.1, atol=0.01)
        found["near"] = kind_of_error(lambda: sess.run(near, {x: [1.0, 2.0], y: [1.05, 2.1]}))
        found["far"] = kind_of_error(lambda: sess.run(near, {x: [1.0], y: [1.2]}), "x and y not equal to tolerance")
        found["shapes"] = kind_of_error(lambda: tf.assert_equal([1, 2, 3], [1, 2]))
        data = tf.assert_less(x, y, data=[x, "shown"], summarize=1)
        found["data"] = kind_of_error(lambda: sess.run(data, {x: [1, 2], y: [0, 0]}), "[1...] [shown]")
    return found


def conditions(tf: Any, folder: Path) -> dict[str, Any]:
    condition = tf.placeholder(tf.bool, name="condition")
    numbers = tf.constant([[1.0, 2.5], [3.0, 0.1]])
    op = tf.Assert(condition, ["text", numbers], summarize=3, name="check")
    every = tf.Assert(condition, [numbers, tf.constant([True, False])], summarize=-1)
    with session(tf) as sess:
        return {
            "holds": sess.run(op, {condition: True}),
            "fails": kind_of_error(lambda: sess.run(op, {condition: False}), "assertion failed: [text] [[1 2.5][3...]"),
            "all": kind_of_error(lambda: sess.run(every, {condition: False}), "[[1 2.5][3 0.1]] [1 0]"),
        }


def ranks(tf: Any, folder: Path) -> dict[str, Any]:
    x, scalar = tf.placeholder(tf.float32, name="x"), tf.constant(1.0)
    found = {
        "too small": kind_of_error(lambda: tf.assert_rank(scalar, 1), "must have rank 1"),
        "not integer": kind_of_error(lambda: tf.assert_rank(x, 0.5), "must be of type"),
        "no scalar": kind_of_error(lambda: tf.assert_rank(x, np.array([], np.int32)), "Rank must be a scalar"),
        "at least": kind_of_error(lambda: tf.assert_rank_at_least(scalar, 1), "must have rank at least 1"),
        "in": kind_of_error(lambda: tf.assert_rank_in(scalar, (1, 2)), "must have rank in"),
        "scalar": kind_of_error(lambda: tf.assert_scalar([1.0])),
        "type": kind_of_error(lambda: tf.assert_type(scalar, tf.int32), "must be of type"),
        "integer": kind_of_error(lambda: tf.assert_integer(scalar), "Expected"),
        "iterable": [kind_of_error(lambda it=it: tf.assert_proper_iterable(it)) for it in ([], (1,), "a", scalar, 1)],
        "dtypes": kind_of_error(lambda: tf.assert_same_float_dtype([scalar, tf.constant(1.0, tf.float64)])),
        "dtype": tf.assert_same_float_dtype([scalar]).name,
        "no float": kind_of_error(lambda: tf.assert_same_float_dtype([tf.constant(1)])),
        "numeric": [tf.is_numeric_tensor(scalar), tf.is_numeric_tensor(tf.constant("a")), tf.is_numeric_tensor(1)],
        "ascends": [],
    }
    ops = [tf.assert_rank(x, 1), tf.assert_rank_at_least(x, 1), tf.assert_rank_in(x, [0, 1])]
    with session(tf) as sess:
        for value in (1.0, [1.0], [[1.0]]):
            found[f"run {value}"] = [
                kind_of_error(lambda op=op, value=value: sess.run(op, {x: value}), "x:0 must have rank") for op in ops
            ]
        for value in ([1, 2, 3], [1, 1, 2], [[1, 2], [0, 5]], []):
            found["ascends"].append(sess.run([tf.is_non_decreasing(value), tf.is_strictly_increasing(value)]))
        ensured = tf.ensure_shape(x, [None, 2])
        found["ensured"] = [shape(ensured), sess.run(ensured, {x: np.ones((1, 2))})]
        found["other shape"] = kind_of_error(lambda: sess.run(ensured, {x: np.ones(2)}), "is not compatible with")
    found["known"] = kind_of_error(lambda: tf.ensure_shape(scalar, [1]))
    return found


def shapes_with_symbols(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.placeholder(tf.float32, [None, 3], name="x"), tf.placeholder(tf.float32, name="y")
    check = tf.debugging.assert_shapes([(x, ("N", "D")), (y, ("N",))])
    known, other = tf.ones([2, 3]), tf.ones([3, 4])
    with session(tf) as sess:
        return {
            "fits": kind_of_error(lambda: sess.run(check, {x: np.ones((2, 3)), y: np.ones(2)})),
            "size": kind_of_error(lambda: sess.run(check, {x: np.ones((2, 3)), y: np.ones(3)})),
            "rank": kind_of_error(lambda: sess.run(check, {x: np.ones((2, 3)), y: 1.0})),
            "known": kind_of_error(lambda: tf.debugging.assert_shapes([(known, (2, 4))])),
            "both": kind_of_error(lambda: tf.debugging.assert_shapes([(known, ("a", "b")), (other, ("b", "a"))])),
            "ends": kind_of_error(lambda: tf.debugging.assert_shapes([(known, (..., 3)), (other, ("*", 3, 4))])),
        }


def numbers(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, name="x")
    y = tf.check_numerics(tf.log(x), "a message", name="checked")
    gradient = tf.gradients(tf.check_numerics(x, "of x") * tf.constant(np.float32(np.inf)), x)[0]
    finite = tf.verify_tensor_all_finite(x, "not finite")
    every = tf.add_check_numerics_ops()
    with session(tf) as sess:
        return {
            "fine": sess.run(y, {x: [1.0]}),
            "nan": error(lambda: sess.run(y, {x: [-1.0]}), "a message : Tensor had NaN values"),
            "inf": error(lambda: sess.run(y, {x: [0.0]}), "a message : Tensor had Inf"),
            "both": error(lambda: sess.run(y, {x: [0.0, -1.0]}), "a message : Tensor had", "Inf", "NaN"),
            "gradient": kind_of_error(lambda: sess.run(gradient, {x: 1.0}), "detected in gradient. "),
            "finite": sess.run(finite, {x: [2.0]}),
            "not finite": kind_of_error(lambda: sess.run(finite, {x: [np.nan]}), "not finite"),
            "every": kind_of_error(lambda: sess.run(every, {x: [-1.0]})),
            "integers": kind_of_error(lambda: tf.check_numerics(tf.constant(1), "x")),
        }


def printed_names(tf: Any, folder: Path) -> dict[str, Any]:
    """What can be compared of printing: names, shapes and gradients."""
    x = tf.constant([1.0, 2.0], name="x")
    y = tf.Print(x, [x], "", first_n=0)
    op = tf.print("a", x, {"b": x}, output_stream=f"file://{folder}/out.txt", summarize=1, end="!\n")
    lines = tf.print([x, (x, "text")], tf.zeros([2, 2]), "x", output_stream=f"file://{folder}/out.txt", sep="; ")
    with session(tf) as sess:
        value, dx = sess.run([y, tf.gradients(y * y, x)[0]])
        sess.run(op)
        sess.run(lines)
    return {
        "value": value,
        "gradient": dx,
        "names": names([y, op]),
        "static": shape(y),
        "text": (folder / "out.txt").read_text(),
        "stream": kind_of_error(lambda: tf.print("a", output_stream="unknown")),
    }

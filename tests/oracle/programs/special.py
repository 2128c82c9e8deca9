"""Special functions, running sums, counts, products by labels: values, static shapes and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, outcomes, session, shape

X = np.array([[-2.5, -1.5, -0.5], [0.5, 1.5, 3.25]], np.float32)
P = np.array([[0.25, 0.5, 1.0], [1.5, 2.0, 4.5]], np.float32)
UNIT = np.array([[-0.9, -0.5, 0.0], [0.25, 0.5, 0.75]], np.float32)
ODD = np.array([0.0, np.nan, np.inf, -np.inf], np.float32)
EDGES = np.array([-3.0, -1.0, 0.0, 1.0, 1e-30, 1e30], np.float32)


def _values(tf: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    with session(tf) as sess:
        return sess.run(tensors)


def _with_gradients(tf: Any, builds: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """function, operands -> the value and the gradients of the operands."""
    found = {}
    for name, (function, *operands) in builds.items():
        tensors = [tf.constant(operand) for operand in operands]
        y = function(*tensors)
        found[name] = [y, *(dx for dx in tf.gradients(y, tensors) if dx is not None)]
    return _values(tf, found)


def of_one_argument(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.math
    any_number = [m.tan, m.sinh, m.cosh, m.asinh, m.atan, m.erf, m.erfc, m.bessel_i0, m.bessel_i1, m.bessel_i0e]
    any_number += [m.bessel_i1e, m.rint]
    found = {f"{i} {f.__name__}": (f, X) for i, f in enumerate(any_number)}
    found |= {f.__name__: (f, UNIT) for f in (m.asin, m.acos, m.atanh, m.erfinv)}
    found |= {f.__name__: (f, P) for f in (m.lgamma, m.digamma, tf.lbeta)}
    found |= {"acosh": (m.acosh, P + 1), "ndtri": (m.ndtri, P / 5), "erfcinv": (m.erfcinv, P / 5)}
    found |= {"i1e at 0": (m.bessel_i1e, np.zeros(2, np.float32))}
    return {key.split(" ", 1)[-1]: it for key, it in _with_gradients(tf, found).items()}


def at_the_edges(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.math
    functions = {"lgamma": m.lgamma, "digamma": m.digamma, "erf": m.erf, "erfc": m.erfc, "tan": m.tan, "asin": m.asin}
    functions |= {"atanh": m.atanh, "acosh": m.acosh, "asinh": m.asinh, "i0e": m.bessel_i0e, "rint": m.rint}
    found = {f"{name} {i}": f(values) for name, f in functions.items() for i, values in enumerate((ODD, EDGES))}
    found |= {
        "igamma": m.igamma([0.5, 1.0, 2.0, -1.0, 1.0], [0.0, np.inf, np.nan, 1.0, -1.0]),
        "igammac": m.igammac([0.5, 1.0, 2.0, -1.0, 1.0], [0.0, np.inf, np.nan, 1.0, -1.0]),
        "polygamma": m.polygamma([0.0, 1.0, 3.0, -1.0, 0.5], [2.0, 0.5, 1.5, 1.0, 1.0]),
        "zeta": m.zeta([2.0, 3.5, 1.0, 0.5, 2.0], [1.0, 2.0, 1.0, 1.0, -1.5]),
        "betainc": m.betainc([0.5, 1.0, 2.0], [0.5, 3.0, 2.0], [0.0, 1.0, 0.25]),
        "no nan": m.divide_no_nan([1.0, 0.0, 3.0], [0.0, 0.0, 2.0]),
        "multiply": m.multiply_no_nan([1.0, np.inf, np.nan], [2.0, 0.0, 0.0]),
        "reciprocal": m.reciprocal_no_nan([2.0, 0.0]),
        "xlogy": m.xlogy([0.0, 0.0, 2.0], [0.0, np.nan, 3.0]),
        "xdivy": m.xdivy([0.0, 0.0, 2.0], [0.0, np.nan, 4.0]),
        "nextafter": m.nextafter(np.array([1.0, 0.0, 2.0]), np.array([2.0, -1.0, 2.0])),
        "atan2": tf.atan2([0.0, -0.0, 1.0, 0.0], [-1.0, -1.0, 0.0, 0.0]),
    }
    return _values(tf, found)


def of_two_arguments(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.math
    pairs = {"atan2": (m.atan2, X, P[0]), "igamma": (m.igamma, P, P[1]), "igammac": (m.igammac, P[0], P)}
    pairs |= {"zeta": (m.zeta, P + 1, P[0]), "polygamma": (m.polygamma, np.array([1.0], np.float32), P)}
    pairs |= {"div_no_nan": (tf.div_no_nan, X, np.array([0.0, 2.0, 4.0], np.float32))}
    pairs |= {"xlogy": (m.xlogy, np.array([0.0, 1.0, 2.0], np.float32), P), "xdivy": (m.xdivy, P, X)}
    pairs |= {"betainc": (m.betainc, P, P + 1, np.full((2, 3), 0.3, np.float32))}
    return _with_gradients(tf, pairs)


def integers(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = np.array([-7, 7, -8, 5], np.int32), np.array([3, -2, 4, 9], np.int32)
    f, g = a.astype(np.float32) / 2, b.astype(np.float32)
    bits = np.array([1, 2, 31, 5], np.int32)
    return _values(
        tf,
        {
            "truncatediv": tf.truncatediv(a, b),
            "truncatemod": tf.truncatemod(a, b),
            "floats": [tf.truncatemod(f, g), tf.floormod(f, g)],
            "left": tf.bitwise.left_shift(a, bits),
            "right": tf.bitwise.right_shift(a, bits),
            "unsigned": tf.bitwise.right_shift(a.astype(np.uint8), bits.astype(np.uint8)),
            "and": tf.bitwise.bitwise_and(a, b),
            "invert": tf.bitwise.invert(a),
        },
    )


def complex_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    z = tf.constant(np.array([3 + 4j, -1j, -2 + 0j], np.complex64))
    x, y = tf.constant([1.0, -2.0]), tf.constant([0.5, 3.0])
    w = tf.complex(x, y)
    size = tf.real(w * tf.conj(w)) + tf.imag(w) + tf.angle(w)
    return _values(
        tf,
        {
            "parts": [tf.real(z), tf.imag(z), tf.angle(z), w],
            "of real": [tf.real(x), tf.imag(x), tf.angle(x)],
            "gradients": tf.gradients(size, [x, y]),
            "sums": [tf.math.reduce_euclidean_norm(z), tf.math.reduce_variance(z), tf.math.reduce_std(z)],
        },
    ) | {
        "mixed": kind_of_error(lambda: tf.complex(x, np.array([1.0, 2.0])), "incorrect types"),
        "static": shape(tf.complex(tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.float32, [3]))),
    }


def sums(tf: Any, folder: Path) -> dict[str, Any]:
    m, x = tf.math, tf.constant(X)
    p = tf.constant(P)
    found = {
        "norm": [m.reduce_euclidean_norm(x), m.reduce_euclidean_norm(x, 1, True), m.reduce_euclidean_norm([[3, 4]], 1)],
        "variance": [m.reduce_variance(x), m.reduce_variance(x, 0), m.reduce_std(x, [1], keepdims=True)],
        "accumulate": tf.accumulate_n([x, p, x]),
        "scaled": tf.scalar_mul(3, x),
        "polynomial": m.polyval([2.0, x, p], x),
        "none": m.polyval([], x),
        "count": tf.count_nonzero(input=x > 0, axis=0, dtype=tf.int32),
        "gradients": tf.gradients(m.reduce_euclidean_norm(x, 1), x) + tf.gradients(m.reduce_std(x, 0), x),
    }
    for exclusive in (False, True):
        for reverse in (False, True):
            key = f"exclusive: {exclusive}, reverse: {reverse}"
            product, total = (f(p, 1, exclusive, reverse) for f in (tf.cumprod, m.cumulative_logsumexp))
            found[key] = [product, total, *tf.gradients(product, p), *tf.gradients(tf.exp(total), p)]
    return _values(tf, found)


def counts(tf: Any, folder: Path) -> dict[str, Any]:
    numbers = np.array([1, 3, 3, 0, 7], np.int32)
    weights = tf.constant([1.0, 2.0, 0.5, -1.0, 3.0])
    labels, predictions = [0, 1, 2, 1], [0, 2, 2, 1]
    return _values(
        tf,
        {
            "bincount": [tf.bincount(numbers), tf.bincount(numbers, minlength=9), tf.bincount(numbers, maxlength=2)],
            "none": [tf.bincount(np.zeros(0, np.int32)), tf.bincount(np.zeros(0, np.int32), minlength=2)],
            "weighted": tf.bincount(numbers, weights, maxlength=5),
            "float": tf.bincount(numbers, dtype=tf.float32),
            "histogram": tf.histogram_fixed_width(X, [-1.0, 3.0], 4),
            "wide": tf.histogram_fixed_width(X, [-1.0, 3.0], 4, tf.int64),
            "bins": tf.histogram_fixed_width_bins(X, [-1.0, 3.0], 4),
            "confusion": [tf.confusion_matrix(labels, predictions), tf.confusion_matrix(labels, predictions, 4)],
            "weighed": tf.confusion_matrix(labels, predictions, dtype=tf.float32, weights=[1.0, 2.0, 3.0, 4.0]),
        },
    )


def wrong_counts(tf: Any, folder: Path) -> dict[str, Any]:
    one = tf.placeholder(tf.int64, [None])
    matrix = tf.confusion_matrix(one, [0, 1], 2)
    bins = tf.histogram_fixed_width([1.0], tf.placeholder_with_default([2.0, 1.0], [2]), 3)
    with session(tf) as sess:
        return {
            "negative": kind_of_error(lambda: sess.run(matrix, {one: [-1, 0]}), "`labels` contains negative values"),
            "too large": kind_of_error(lambda: sess.run(matrix, {one: [3, 0]}), "`labels` out of bound"),
            "range": kind_of_error(lambda: sess.run(bins), "value_range should satisfy"),
            "shapes": kind_of_error(lambda: tf.confusion_matrix([1, 2], [1, 2, 3])),
            "scalar": kind_of_error(lambda: tf.scalar_mul([1.0, 2.0], tf.constant([1.0, 2.0]))),
            "accumulate": kind_of_error(lambda: tf.accumulate_n([])),
            "dtype": kind_of_error(lambda: tf.accumulate_n([tf.constant(1.0)], tensor_dtype=tf.int32)),
            "polyval": kind_of_error(lambda: tf.math.polyval(tf.constant([1.0]), 2.0), "must be list"),
        }


def labels(tf: Any, folder: Path) -> dict[str, Any]:
    """Products by labels of axes, and over chosen axes."""
    rng = np.random.default_rng(1)
    a, b, c = (tf.constant(rng.normal(size=size).astype(np.float32)) for size in ((2, 3), (3, 4), (2, 2, 3)))
    found = {
        text: tf.einsum(text, *operands)
        for text, operands in {
            "ij,jk->ik": (a, b),
            "ij,jk": (a, b),
            "ij->j": (a,),
            "ij->": (a,),
            "bij,jk->bik": (c, b),
            "bij,bij->b": (c, c),
            "...ij,jk->...ik": (c, b),
            "i j, k j -> i k": (a, a),
            "ij,jk,bij->bk": (a, b, c),
        }.items()
    }
    found |= {
        "tensordot": tf.tensordot(c, b, 1),
        "axes": tf.tensordot(c, a, [[0, 2], [0, 1]]),
        "lists": tf.tensordot(c, c, ([0, 1], [1, 0])),
        "outer": tf.tensordot(a, b, 0),
        "gradient": tf.gradients(tf.einsum("bij,jk->bk", c, b) ** 2, [b, c]),
        "of tensordot": tf.gradients(tf.tensordot(c, a, [[0, 2], [0, 1]]) ** 2, [a, c]),
    }
    unknown, partly = tf.placeholder(tf.float32), tf.placeholder(tf.float32, [None, 3])
    with session(tf) as sess:
        values = sess.run(found)
        feeds = {unknown: np.ones((2, 3), np.float32), partly: np.ones((2, 3), np.float32)}
        at_run_time = outcomes(
            sess,
            {
                "unknown": lambda: tf.tensordot(unknown, b, 1),
                "both": lambda: tf.tensordot(unknown, partly, [[1], [1]]),
                "partly": lambda: tf.tensordot(partly, b, [[1], [0]]),
                "einsum": lambda: tf.einsum("ij,jk->ik", partly, b),
            },
            feeds,
        )
    static = {name: shape(tensor) for name, tensor in found.items() if "gradient" not in name and "of" not in name}
    return values | at_run_time | {"static": static}

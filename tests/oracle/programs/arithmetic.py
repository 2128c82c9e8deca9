"""Arithmetic, comparisons, reductions, arrays and neural networks: what functions compute, and the dtype of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import session

X = np.array([[-2.5, -1.5, -0.5], [0.5, 1.5, 3.25]], np.float32)
Y = np.array([[1.0, -2.0, 0.5], [4.0, 1.5, -3.0]], np.float32)
N = np.array([[-7, 5, 3], [8, -4, 6]], np.int32)
M = np.array([[2, -3, 4], [-5, 3, 6]], np.int32)
ODD = np.array([1.0, np.nan, np.inf, -np.inf], np.float32)


def _values(tf: Any, **tensors: Any) -> dict[str, Any]:
    with session(tf) as sess:
        return {name: sess.run(it) for name, it in tensors.items()}


def of_one_argument(tf: Any, folder: Path) -> dict[str, Any]:
    x, positive = tf.constant(X), tf.constant(np.abs(X))
    names = [
        "abs",
        "negative",
        "sign",
        "square",
        "exp",
        "expm1",
        "sin",
        "cos",
        "tanh",
        "sigmoid",
        "ceil",
        "floor",
        "round",
    ]
    found = {name: getattr(tf, name)(x) for name in names}
    found |= {name: getattr(tf, name)(positive) for name in ("sqrt", "rsqrt", "log", "log1p", "reciprocal")}
    found |= {f"int {name}": getattr(tf, name)(N) for name in ("abs", "negative", "sign", "square")}
    found |= {name: getattr(tf, name)(ODD) for name in ("is_finite", "is_inf", "is_nan")}
    complex_ = tf.constant([1 + 2j, -3j], tf.complex64)
    return _values(tf, **found, conj=tf.conj(complex_), real=tf.conj(x))


def of_two_arguments(tf: Any, folder: Path) -> dict[str, Any]:
    names = ["add", "subtract", "multiply", "maximum", "minimum", "squared_difference"]
    names += ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
    found = {name: getattr(tf, name)(X, Y) for name in names}
    found |= {f"int {name}": getattr(tf, name)(N, M) for name in names}
    found |= {f"broadcast {name}": getattr(tf, name)(X, Y[0]) for name in names}
    a, b = [True, True, False, False], [True, False, True, False]
    logical = {name: getattr(tf, name)(a, b) for name in ("logical_and", "logical_or", "logical_xor")}
    powers = {"pow": tf.pow(np.abs(X), Y), "int pow": tf.pow(N, 3), "not": tf.logical_not(a)}
    return _values(tf, **found, **logical, **powers, add_n=tf.add_n([X, Y, X]))


def divisions(tf: Any, folder: Path) -> dict[str, Any]:
    names = ["div", "divide", "truediv", "floordiv", "floor_div", "floormod", "mod"]
    found = {name: getattr(tf, name)(tf.constant(X), Y) for name in [*names, "realdiv"]}
    found |= {f"int {name}": getattr(tf, name)(tf.constant(N), M) for name in names}
    return _values(tf, **found)


def casts(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(X)
    found = {name: getattr(tf, name)(x) for name in ("to_float", "to_double", "to_int32", "to_int64")}
    found |= {name: tf.cast(N, name) for name in ("bool", "uint8", "int64", "float16", "bfloat16", "complex64")}
    return _values(tf, **found)


def reductions(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    for name in ("reduce_sum", "reduce_mean", "reduce_prod", "reduce_max", "reduce_min"):
        function = getattr(tf, name)
        found |= {name: function(X), f"{name} 0": function(X, 0), f"{name} keep": function(X, [1], keepdims=True)}
        found |= {f"int {name}": function(N), f"none {name}": function(np.zeros((0, 2), np.float32), 1)}
    found |= {name: getattr(tf, name)(X > 0, 1) for name in ("reduce_all", "reduce_any")}
    found |= {name: getattr(tf, name)(X, 1) for name in ("argmax", "argmin", "reduce_logsumexp", "cumsum")}
    found |= {
        "backwards": tf.cumsum(X, 1, exclusive=True, reverse=True),
        "dtype": tf.argmax(N, 0, output_type=tf.int32),
    }
    return _values(tf, **found, count=tf.count_nonzero(N), counts=tf.count_nonzero(X > 0, 0))


def norms(tf: Any, folder: Path) -> dict[str, Any]:
    clipped, norm = tf.clip_by_global_norm([X, Y], 2.0)
    return _values(
        tf,
        value=tf.clip_by_value(X, -1.0, 1.0),
        norm=tf.clip_by_norm(X, 2.0),
        rows=tf.clip_by_norm(X, 2.0, axes=[1]),
        first=clipped[0],
        second=clipped[1],
        total=norm,
        alone=tf.global_norm([X, Y]),
    )


def shapes(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(N)
    return _values(
        tf,
        reshape=tf.reshape(x, [3, -1]),
        expand=tf.expand_dims(x, -1),
        squeeze=tf.squeeze(tf.expand_dims(x, 0), [0]),
        transpose=tf.transpose(x),
        permuted=tf.transpose(tf.reshape(x, [1, 2, 3]), [2, 0, 1]),
        inverse=tf.invert_permutation([2, 0, 1]),
        shape=tf.shape(x),
        long=tf.shape(x, out_type=tf.int64),
        size=tf.size(x),
        rank=tf.rank(x),
        broadcast=tf.broadcast_to(x[0], [2, 3]),
        tile=tf.tile(x, [2, 1]),
        pad=tf.pad(x, [[1, 0], [0, 2]]),
        filled=tf.pad(x, [[1, 0], [0, 2]], constant_values=9),
        reflected=tf.pad(x, [[1, 0], [0, 2]], mode="REFLECT"),
    )


def parts(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(N)
    one, two, three = tf.unstack(x, axis=1)
    left, right = tf.split(x, [1, 2], 1)
    return _values(
        tf,
        slice=tf.slice(x, [0, 1], [2, -1]),
        strided=tf.strided_slice(x, [0, 2], [2, 0], [1, -1]),
        indexed=x[1, ::-1],
        axis=x[:, None, 1],
        gather=tf.gather(x, [2, 0], axis=1),
        mask=tf.boolean_mask(x, x > 3),
        unstacked=three - one + two,
        split=tf.concat([right, left], 1),
        stack=tf.stack([one, two], 1),
        parallel=tf.parallel_stack([one, two]),
        where=tf.where(x > 3, x, -x),
        places=tf.where(x > 3),
    )


def filled(tf: Any, folder: Path) -> dict[str, Any]:
    return _values(
        tf,
        fill=tf.fill([2, 2], 7.0),
        zeros=tf.zeros([2], tf.int64),
        ones=tf.ones([1, 2]),
        zeros_like=tf.zeros_like(N),
        ones_like=tf.ones_like(N, dtype=tf.float32),
        range=tf.range(2, 11, 3),
        down=tf.range(1.0, 0.0, -0.25),
        one_hot=tf.one_hot([0, 2, 5], 3),
        chosen=tf.one_hot([1, 0], 2, on_value=5, off_value=-1, axis=0),
    )


def networks(tf: Any, folder: Path) -> dict[str, Any]:
    nn, labels = tf.nn, np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], np.float32)
    return _values(
        tf,
        relu=nn.relu(X),
        sigmoid=nn.sigmoid(X),
        tanh=nn.tanh(X),
        softmax=nn.softmax(X),
        columns=nn.softmax(X, axis=0),
        log_softmax=nn.log_softmax(X),
        bias=nn.bias_add(X, [1.0, 2.0, 3.0]),
        l2=nn.l2_loss(X),
        kept=nn.dropout(tf.constant(X), keep_prob=1.0),
        top=nn.in_top_k(X, [2, 0], 2),
        first=nn.softmax_cross_entropy_with_logits(labels=labels, logits=X),
        second=nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=X),
        sparse=nn.sparse_softmax_cross_entropy_with_logits(labels=[2, 0], logits=X),
        logistic=nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=X),
    )


def random_numbers(tf: Any, folder: Path) -> dict[str, Any]:
    """Not which numbers, but how many, where and whether another run draws others."""
    made = {
        "normal": tf.random_normal([500], mean=3.0, stddev=0.1, seed=1),
        "truncated": tf.truncated_normal([500], stddev=2.0, seed=1),
        "uniform": tf.random_uniform([500], 2.0, 3.0, seed=1),
        "integers": tf.random_uniform([500], 2, 5, tf.int32, seed=1),
    }
    shuffled = tf.random_shuffle(list(range(9)), seed=1)
    found: dict[str, Any] = {name: [it.dtype.name, it.shape.as_list()] for name, it in made.items()}
    with session(tf) as sess:
        one, two = sess.run(made), sess.run(made)
        found["again"] = {name: bool((one[name] == two[name]).all()) for name in made}
        found["mean"] = bool(abs(one["normal"].mean() - 3) < 0.1)
        found["within"] = [bool(np.abs(one["truncated"]).max() <= 4), sorted(set(one["integers"].tolist()))]
        found["range"] = [bool(one["uniform"].min() >= 2), bool(one["uniform"].max() < 3)]
        found["shuffled"] = sorted(sess.run(shuffled).tolist())
    tf.set_random_seed(4)
    seeded = tf.random_uniform([])
    with session(tf) as sess:
        first = [sess.run(seeded) for _ in range(2)]
    with session(tf) as sess:
        return found | {"the same seed": [sess.run(seeded) for _ in range(2)] == first}

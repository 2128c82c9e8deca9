"""Random values: the numbers that seeds give, shapes, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import outcomes, session, shape

FLOATS = ["float16", "bfloat16", "float32", "float64"]


def numbers_of_seeds(tf: Any, folder: Path) -> dict[str, Any]:
    """Three runs of each: operations draw on where they were."""
    drawn = {}
    for name in FLOATS:
        dtype = getattr(tf, name)
        drawn[f"uniform, {name}"] = tf.random_uniform([7], seed=5, dtype=dtype)
        drawn[f"normal, {name}"] = tf.random_normal([2, 3], seed=6, dtype=dtype)
        drawn[f"truncated, {name}"] = tf.truncated_normal([9], seed=7, dtype=dtype)
    drawn |= {
        "scaled": tf.random_uniform([5], -1.0, 3.0, seed=1),
        "mean": tf.random_normal([5], 2.0, 3.0, seed=1),
        "int32": tf.random_uniform([5], -2, 11, tf.int32, seed=2),
        "int64": tf.random_uniform([5], -2, 1 << 40, tf.int64, seed=2),
        "names of tf.random": tf.random.uniform([3], seed=9) + tf.random.normal([3], seed=9),
        "large": tf.reduce_sum(tf.random_uniform([30000], seed=4, dtype=tf.float64)),
        "classes": tf.multinomial([[0.0, 1.0, 2.0]], 6, seed=8),
    }
    with session(tf) as sess:
        return {"runs": [sess.run(drawn) for _ in range(3)]}


def graph_seeds(tf: Any, folder: Path) -> dict[str, Any]:
    tf.set_random_seed(31)
    drawn = [tf.random_uniform([3], seed=5), tf.random_normal([3], seed=-1), tf.truncated_normal([3], seed=2**100)]
    with session(tf) as sess:
        return {"values": sess.run(drawn)}


def seeds(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"nothing": list(tf.get_seed(None)), "operation": list(tf.random.get_seed(1))}
    for graph_seed, op_seed in ((1, 1), (0, 0), (2**31 - 1, 0), (0, 2**31 - 1), (-1, 2**100), (1, None)):
        with tf.Graph().as_default():
            tf.set_random_seed(graph_seed)
            found[f"{graph_seed}, {op_seed}"] = list(tf.get_seed(op_seed))
    return found


def stateless(tf: Any, folder: Path) -> dict[str, Any]:
    r, found = tf.random, {}
    for seed in ([1, 2], [0, 0], [-7, 2**40]):
        key = np.array(seed, np.int64)
        builds = {
            "multinomial": lambda key=key: r.stateless_multinomial([[0.5, 0.5, 2.0]], 7, key, output_dtype=tf.int32),
            "categorical": lambda key=key: r.stateless_categorical([[-1.0, 2.0]], 7, key),
            "int32": lambda key=key: r.stateless_uniform([5], key, -3, 9, tf.int32),
            "int64": lambda key=key: r.stateless_uniform([5], key, -3, 1 << 50, tf.int64),
            "bounds": lambda key=key: r.stateless_uniform([5], key, 2.2, 7.1),
            "moments": lambda key=key: r.stateless_normal([5], key, 2.0, 3.0),
        }
        for name in FLOATS:
            dtype = getattr(tf, name)
            builds |= {
                f"uniform, {name}": lambda key=key, dtype=dtype: r.stateless_uniform([2, 3], key, dtype=dtype),
                f"normal, {name}": lambda key=key, dtype=dtype: r.stateless_normal([5], key, dtype=dtype),
                f"truncated, {name}": lambda key=key, dtype=dtype: r.stateless_truncated_normal([9], key, dtype=dtype),
            }
        with session(tf) as sess:
            found[str(seed)] = outcomes(sess, builds)
    with session(tf) as sess:
        found["wrong"] = outcomes(
            sess,
            {
                "seed": lambda: r.stateless_uniform([2], [1, 2, 3]),
                "no maximum": lambda: r.stateless_uniform([2], [1, 2], dtype=tf.int32),
                "dtype": lambda: r.stateless_uniform([2], [1, 2], 0, 3, tf.string),
            },
        )
    return found


def shapes_of_random_values(tf: Any, folder: Path) -> dict[str, Any]:
    sizes = tf.placeholder_with_default([2, 3], [2])
    made = {
        "gamma": tf.random_gamma([2], [1.0, 2.0, 3.0]),
        "gamma, beta": tf.random_gamma([2], [[1.0], [2.0]], [1.0, 2.0, 3.0], dtype=tf.float64),
        "gamma, fed": tf.random.gamma(sizes, 1.0),
        "poisson": tf.random_poisson([1.0, 5.0], [3], tf.float64),
        "poisson, integers": tf.random.poisson(2.0, [3], tf.int32),
        "multinomial": tf.multinomial([[1.0, 2.0], [0.0, 0.0]], 5),
        "categorical": tf.random.categorical([[1.0, 2.0]], 5, tf.int32),
        "crop": tf.random_crop(np.zeros([5, 4, 3]), [2, 4, 1]),
        "crop, fed": tf.random_crop(np.zeros([5, 4]), sizes),
        "shuffle": tf.random.shuffle(np.zeros([4, 2])),
        "uniform, fed": tf.random_uniform(sizes, 1, 5, tf.int64),
    }
    with session(tf) as sess:
        found = {
            name: [list(value.shape), value.dtype.name, shape(made[name])] for name, value in sess.run(made).items()
        }
        found["errors"] = outcomes(
            sess,
            {
                "crop": lambda: tf.random_crop(np.zeros([2, 2]), [3, 1]),
                "multinomial, vector": lambda: tf.multinomial([1.0, 2.0], 3),
                "multinomial, negative": lambda: tf.multinomial([[1.0, 2.0]], tf.placeholder_with_default(-1, [])),
                "integers, no maximum": lambda: tf.random_uniform([2], dtype=tf.int32),
                "integers, empty range": lambda: tf.random_uniform([2], 3, 3, tf.int32),
                "integers, vector": lambda: tf.random_uniform([2], [1, 2], 3, tf.int32),
                "dtype": lambda: tf.random_uniform([2], dtype=tf.complex64),
                "only one class": lambda: tf.multinomial([[0.0]], 3),
                "certain class": lambda: tf.multinomial([[-np.inf, 0.0, -np.inf]], 3),
            },
        )
    return found

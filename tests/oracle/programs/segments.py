"""Segments: their values, their errors and their gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import kind_of_error, outcomes, session

IDS = [0, 0, 2, 2, 2]
STRAY = {
    "negative first": [-1, -1, 0, 0, 0],
    "negative last": [0, 0, 0, 0, -1],
    "all negative": [-2, -2, -2, -2, -2],
    "up and down": [0, 1, 0, 1, 1],
    "down at the end": [0, 1, 2, 2, 0],
}


def sorted_segments(tf: Any, folder: Path) -> dict[str, Any]:
    kinds = [tf.segment_sum, tf.segment_mean, tf.segment_prod, tf.segment_min, tf.segment_max]
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for dtype in ("int32", "int64", "float16", "float32", "float64"):
            x = tf.cast(tf.constant([[4, -2], [-3, 5], [7, 1], [-7, 1], [-3, 0]]), dtype)
            found[dtype] = outcomes(sess, {f.__name__: lambda f=f, x=x: f(x, IDS) for f in kinds})
        x = tf.constant([[4.0, -2.0], [-3.0, 5.0], [7.0, 1.0], [-7.0, 1.0], [-3.0, 0.0]])
        differentiable = [f for f in kinds if f is not tf.segment_prod]
        found["gradients"] = outcomes(
            sess, {f.__name__: lambda f=f: tf.gradients(f(x, IDS)[0], x)[0] for f in differentiable}
        )
        found["none"] = outcomes(
            sess, {f.__name__: lambda f=f: f(tf.zeros([0, 2]), tf.zeros([0], tf.int32)) for f in kinds}
        )
        for name, ids in STRAY.items():
            found[name] = outcomes(sess, {f.__name__: lambda f=f, ids=ids: f(x, ids) for f in kinds})
        found["other number"] = outcomes(sess, {"it": lambda: tf.segment_sum(x, [0, 1])})
        found["matrix"] = outcomes(sess, {"it": lambda: tf.segment_sum(x, [[0, 1]])})
    return found


def messages(tf: Any, folder: Path) -> dict[str, Any]:
    x, many = tf.ones([5, 2]), tf.ones([10, 2])
    with session(tf) as sess:

        def says(build: Any, *fragments: str) -> dict[str, Any]:
            return kind_of_error(lambda: sess.run(build()), *fragments)

        return {
            "not sorted": says(lambda: tf.segment_sum(x, [0, 1, 0, 1, 1]), "segment ids are not increasing"),
            "down": says(
                lambda: tf.segment_sum(x, [0, 1, 2, 2, 0]),
                "Segment id 1 out of range [0, 1), possibly because 'segment_ids' input is not sorted.",
            ),
            "negative": says(lambda: tf.segment_sum(x, [0, 0, 0, 0, -1]), "segment ids must be >= 0"),
            "number": says(lambda: tf.segment_sum(x, [0, 1]), "segment_ids should be the same size"),
            "outside": says(
                lambda: tf.unsorted_segment_sum([[17]], [[7]], 2), "segment_ids[0,0] = 7 is out of range [0, 2)"
            ),
            "sparse, index": says(
                lambda: tf.sparse_segment_sum(many, [8, -1, 0, 9], [0, 1, 2, 2]),
                "indices[1] == -1 out of range [0, 10)",
            ),
            "sparse, not sorted": says(
                lambda: tf.sparse_segment_sum(many, [8, 3, 0, 9], [0, 1, 0, 1]), "segment ids are not increasing"
            ),
        }


def unsorted_segments(tf: Any, folder: Path) -> dict[str, Any]:
    kinds = {
        "sum": tf.unsorted_segment_sum,
        "prod": tf.unsorted_segment_prod,
        "min": tf.unsorted_segment_min,
        "max": tf.unsorted_segment_max,
    }
    floating = {"mean": tf.unsorted_segment_mean, "sqrt_n": tf.unsorted_segment_sqrt_n}
    ids = [[1, -1], [3, 1], [1, 0]]
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for dtype in ("int32", "float32", "float64"):
            x = tf.cast(tf.constant([[4, -2], [0, 5], [7, 0]]), dtype)
            all_kinds = kinds | floating if dtype.startswith("float") else kinds
            found[dtype] = outcomes(sess, {name: lambda f=f, x=x: f(x, ids, 5) for name, f in all_kinds.items()})
        x = tf.constant([[4.0, -2.0], [0.0, 5.0], [7.0, 0.0]])
        found["gradients"] = outcomes(
            sess, {name: lambda f=f: tf.gradients(f(x, ids, 4), x)[0] for name, f in (kinds | floating).items()}
        )
        n = tf.placeholder_with_default(3, [])
        found["fed"] = outcomes(sess, {name: lambda f=f: f(x, [2, 0, 2], n) for name, f in kinds.items()})
        found["outside"] = outcomes(sess, {name: lambda f=f: f(x, [2, 0, 2], 2) for name, f in kinds.items()})
        found["other sizes"] = outcomes(sess, {name: lambda f=f: f(x, [2, 0], 2) for name, f in kinds.items()})
        found["negative"] = outcomes(sess, {name: lambda f=f: f(x, [2, 0, 1], -1) for name, f in kinds.items()})
    return found


def sparse_segments(tf: Any, folder: Path) -> dict[str, Any]:
    kinds = [tf.sparse_segment_sum, tf.sparse_segment_mean, tf.sparse_segment_sqrt_n]
    x = tf.constant([[4.0, -2.0], [0.0, 5.0], [7.0, 0.0]])
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for f in kinds:
            found[f.__name__] = outcomes(
                sess,
                {
                    "plain": lambda f=f: f(x, [2, 0, 2], [0, 0, 2]),
                    "number": lambda f=f: f(x, [2, 0, 2], [0, 0, 2], num_segments=4),
                    "number, fed": lambda f=f: f(x, [2, 0], [0, 1], num_segments=tf.placeholder_with_default(3, [])),
                    "too few": lambda f=f: f(x, [2, 0, 2], [0, 0, 2], num_segments=2),
                    "gradient": lambda f=f: tf.gradients(f(x, [2, 0, 2], [0, 0, 1]), x)[0],
                    "index outside": lambda f=f: f(x, [3], [0]),
                    "other number": lambda f=f: f(x, [1, 2], [0]),
                    "negative": lambda f=f: f(x, [1, 2], [0, -1]),
                },
            )
    return found

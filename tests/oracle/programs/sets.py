"""Sets in the rows of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, outcomes, refusals, session

A = [[9, 1, 5, 5], [2, 4, 3, 2], [7, 7, 7, 7]]
B = [[1, 9, 9], [1, 5, 2], [8, 7, 0]]


def _rows(tf: Any, rows: list[list[Any]], dtype: Any, width: int | None = None) -> Any:
    """A sparse tensor with lists of any lengths as rows."""
    places = [[i, j] for i, row in enumerate(rows) for j in range(len(row))]
    values = [str(it) if dtype == tf.string else it for row in rows for it in row]
    size = [len(rows), width or max(map(len, rows))]
    return tf.SparseTensor(np.array(places, np.int64).reshape(-1, 2), tf.constant(values, dtype), size)


def operations(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    with session(tf) as sess:
        for dtype in (tf.int64, tf.uint8, tf.string):
            as_text = (lambda it: np.array(it).astype(str)) if dtype == tf.string else np.array
            a, b = tf.constant(as_text(A), dtype), tf.constant(as_text(B), dtype)
            sparse_a, sparse_b = _rows(tf, [[9, 1, 5], [], [7]], dtype), _rows(tf, [[1, 9], [1], [7, 8, 0, 0]], dtype)
            pairs = {
                "dense": (a, b),
                "dense and sparse": (a, sparse_b),
                "sparse and dense": (sparse_a, b),
                "sparse": (sparse_a, sparse_b),
            }
            for name, (x, y) in pairs.items():
                found |= outcomes(
                    sess,
                    {
                        f"{dtype.name}, {name}, {which}": lambda x=x, y=y, function=function: function(x, y)
                        for which, function in (
                            ("intersection", tf.sets.set_intersection),
                            ("union", tf.sets.union),
                            ("difference", tf.sets.set_difference),
                            ("other difference", lambda x, y: tf.sets.difference(x, y, aminusb=False)),
                        )
                    },
                )
            found[f"{dtype.name}, size"] = sess.run(tf.sets.size(sparse_b))
    return found


def more_axes(tf: Any, folder: Path) -> dict[str, Any]:
    cube = np.array([[[1, 2], [3, 3]], [[4, 5], [6, 4]]])
    other = np.array([[[2, 2, 0], [1, 3, 0]], [[7, 8, 9], [4, 6, 6]]])
    empty = tf.SparseTensor(np.zeros([0, 3], np.int64), tf.constant([], tf.int64), [2, 2, 3])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "intersection": lambda: tf.sets.intersection(cube, other),
                "union": lambda: tf.sets.set_union(cube, other),
                "late": lambda: tf.sets.difference(cube, tf.placeholder_with_default(other, None)),
                "nothing": lambda: tf.sets.intersection(cube, cube + 10),
                "with an empty one": lambda: tf.sets.union(tf.constant(cube), empty),
                "size of an empty one": lambda: tf.sets.size(empty),
            },
        )


def refused(tf: Any, folder: Path) -> dict[str, Any]:
    unordered = tf.SparseTensor([[1, 0], [0, 0]], tf.constant([1, 2]), [2, 2])
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "floating": lambda: tf.sets.union([[1.0]], [[1.0]]),
                "two dtypes": lambda: tf.sets.union(tf.constant([[1]]), tf.constant([[1]], tf.int64)),
                "size of a dense one": lambda: tf.sets.size(tf.constant([[1]])),
                "vectors": lambda: tf.sets.union([1, 2], [2]),
                "ranks": lambda: tf.sets.union([[1, 2]], [[[2]]]),
                "rows": lambda: tf.sets.union([[1], [2]], [[1]]),
                "unordered is fine": lambda: tf.sets.size(unordered, validate_indices=False),
            },
        )
        text = kind_of_error(lambda: sess.run(tf.sets.size(unordered)), "indices[1] = [0,0] is out of order")
    return refusals(found) | {"unordered": text}

"""Updates of rows and of parts of variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, session

START = np.arange(1, 13, dtype=np.float32).reshape(4, 3)


def scatters(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    updates = np.array([[3, 5, 2], [8, 4, 7]], np.float32)
    for kind in ("update", "add", "sub", "mul", "div", "min", "max"):
        function = getattr(tf, f"scatter_{kind}")
        v = tf.Variable(START)
        by_method = getattr(v, f"scatter_{kind}")(tf.IndexedSlices(updates, [2, 0]))
        ops = [function(v, [3, 1], updates), function(v, 2, 2.0), function(v, [[0]], [[[1.0, 2.0, 3.0]]]), by_method]
        with session(tf) as sess:
            sess.run(v.initializer)
            found[kind] = [sess.run(op) for op in ops]
        found[f"{kind}, type"] = ops[0].op.type
    v = tf.Variable(START)
    with session(tf) as sess:
        sess.run(v.initializer)
        found["twice"] = [sess.run(tf.scatter_add(v, [1, 1], updates)), sess.run(tf.scatter_sub(v, [1, 1], updates))]
        found["names"] = [tf.scatter_add(v, [0], 1.0).name, tf.scatter_update(v, [0], 1.0, name="mine").name]
        found["out of range"] = kind_of_error(
            lambda: sess.run(tf.scatter_add(v, [4], 1.0)), "indices[0] = 4 is not in [0, 4)"
        )
        found["shape"] = kind_of_error(lambda: tf.scatter_add(v, [0, 1], [1.0, 2.0]))
    return found


def slices(tf: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("update", "add", "sub"):
        function = getattr(tf, f"scatter_nd_{kind}")
        v = tf.Variable(START)
        ops = [
            function(v, [[1, 2], [3, 0]], [10.0, 20.0]),
            function(v, [[2]], [[5.0, 6.0, 7.0]]),
            getattr(v, f"scatter_nd_{kind}")([[0, 0]], [1.0]),
        ]
        with session(tf) as sess:
            sess.run(v.initializer)
            found[kind] = [sess.run(op) for op in ops]
            found[f"{kind}, out of range"] = kind_of_error(lambda f=function, v=v: sess.run(f(v, [[4, 0]], [1.0])))
    batch = tf.Variable(np.zeros((2, 3), np.float32))
    with session(tf) as sess:
        sess.run(batch.initializer)
        found["batch"] = sess.run(tf.batch_scatter_update(batch, [[0, 2], [1, 0]], [[1.0, 2.0], [3.0, 4.0]]))
    return found


def parts(tf: Any, folder: Path) -> dict[str, Any]:
    v = tf.Variable(START)
    ops = [v[1:3, 0].assign([20.0, 30.0]), v[-1].assign(tf.zeros([3])), v[..., 1].assign([1.0, 1.0, 1.0, 1.0])]
    with session(tf) as sess:
        sess.run(v.initializer)
        return {"values": [sess.run(op) for op in ops], "type": ops[0].op.type}

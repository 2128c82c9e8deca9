"""Array operations: parts by indices, updates, partitions, blocks, grids, order; with the errors of wrong arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import names, outcomes, session

DTYPES = ["int8", "uint8", "int32", "int64", "float16", "float32", "float64", "complex64", "bool"]


def _fed(tf: Any, value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """A tensor whose value is not known while the graph is built."""
    array = np.asarray(value)
    return tf.placeholder_with_default(tf.constant(array, dtype), shape)


def gathers(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.reshape(tf.range(24.0), [2, 3, 4])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "nd": lambda: tf.gather_nd(x, [[0, 1], [1, 2]]),
                "nd, values": lambda: tf.gather_nd(x, [[[0, 1, 2]], [[1, 2, 3]]]),
                "nd, everything": lambda: tf.gather_nd(x, np.zeros([2, 0], np.int32)),
                "nd, one": lambda: tf.gather_nd(x, [1, 2]),
                "nd, text": lambda: tf.gather_nd(["a", "b"], [[1], [0]]),
                "nd, batches": lambda: tf.gather_nd(x, [[1], [0]], batch_dims=1),
                "nd, unknown": lambda: tf.gather_nd(_fed(tf, np.eye(3)), _fed(tf, [[1]], tf.int64)),
                "nd, outside": lambda: tf.gather_nd(x, [[0, 3]]),
                "nd, negative": lambda: tf.gather_nd(x, [[-1]]),
                "nd, too many": lambda: tf.gather_nd(x, [[0, 0, 0, 0]]),
                "nd, scalar": lambda: tf.gather_nd(x, 1),
                "nd, no values": lambda: tf.gather_nd(np.zeros([0, 3]), [[0, 0]]),
                "axis": lambda: tf.gather(x, [2, 0], axis=-1),
                "axis, too large": lambda: tf.gather(x, [2, 0], axis=3),
                "axis, fed": lambda: tf.gather(x, [2, 0], axis=_fed(tf, 1)),
                "axis, fed, too large": lambda: tf.gather(x, [2, 0], axis=_fed(tf, 5)),
                "outside": lambda: tf.gather(x, [[7]]),
            },
        )


def gathers_of_batches(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.reshape(tf.range(24.0), [2, 3, 4])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "one": lambda: tf.gather(x, [[1, 0], [2, 2]], batch_dims=1),
                "two": lambda: tf.gather(x, [[1, 0, 2], [2, 2, 0]], batch_dims=2),
                "from the end": lambda: tf.gather(x, [[1, 0], [2, 2]], batch_dims=-1),
                "axis": lambda: tf.gather(x, [[3, 0], [1, 1]], batch_dims=1, axis=2),
                "rows of indices": lambda: tf.gather(x, [[[1], [0]], [[2], [2]]], batch_dims=1, axis=-1),
                "gradient": lambda: tf.gradients(tf.gather(x, [[3, 0], [1, 1]], batch_dims=1, axis=2), x)[0],
                "too many": lambda: tf.gather(x, [0], batch_dims=2),
                "batch_gather": lambda: tf.batch_gather(x, [[1, 0], [2, 2]]),
                "batch_gather, vector": lambda: tf.batch_gather([1, 2, 3], [2, 0]),
            },
        )


def updates(tf: Any, folder: Path) -> dict[str, Any]:
    x, u = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), tf.constant([[10.0, 20.0], [30.0, 40.0]])
    twice = [[2], [2]]
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "scatter": lambda: tf.scatter_nd([[4], [1], [4]], [1.0, 2.0, 3.0], [6]),
                "scatter, rows": lambda: tf.scatter_nd(twice, u, [3, 2]),
                "scatter, sizes are fed": lambda: tf.scatter_nd([[1]], [5], _fed(tf, np.int32([3]), None, [None])),
                "scatter, bool": lambda: tf.scatter_nd([[1], [1]], [True, False], [3]),
                "scatter, text": lambda: tf.scatter_nd([[1]], ["a"], [2]),
                "scatter, outside": lambda: tf.scatter_nd([[6]], [1.0], [6]),
                "scatter, other outer sizes": lambda: tf.scatter_nd([[1], [2]], [1.0], [6]),
                "scatter, other inner sizes": lambda: tf.scatter_nd([[1]], [[1.0]], [6]),
                "scatter, flat indices": lambda: tf.scatter_nd([0], [0.0], [1]),
                "scatter, nothing to hit": lambda: tf.scatter_nd([[0]], [[1.0]], [0, 1]),
                "update": lambda: tf.tensor_scatter_update(x, [[2], [0]], u),
                "add": lambda: tf.tensor_scatter_add(x, twice, u),
                "sub": lambda: tf.tensor_scatter_sub(x, twice, u),
                "newer names": lambda: [
                    f(x, [[2, 1]], [9.0])
                    for f in (tf.tensor_scatter_nd_update, tf.tensor_scatter_nd_add, tf.tensor_scatter_nd_sub)
                ],
                "text": lambda: tf.tensor_scatter_update(["a", "b"], [[1]], ["c"]),
                "outside": lambda: tf.tensor_scatter_add(x, [[3]], [[1.0, 1.0]]),
                "other sizes": lambda: tf.tensor_scatter_add(x, [[0]], [[1.0]]),
                "gradients": lambda: tf.gradients(
                    [tf.tensor_scatter_update(x, [[2], [0]], u), 2 * tf.tensor_scatter_sub(x, twice, u)], [x, u]
                ),
            },
        )


def partitions(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([[0, 1], [2, 3], [4, 5]])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "partition": lambda: tf.dynamic_partition(x, [1, 0, 1], 3),
                "partition, text": lambda: tf.dynamic_partition(["a", "b"], [1, 0], 2),
                "partition, matrix": lambda: tf.dynamic_partition(x, [[1, 0], [1, 1], [0, 0]], 2),
                "partition, outside": lambda: tf.dynamic_partition(x, [1, 0, 5], 3),
                "partition, other sizes": lambda: tf.dynamic_partition(x, [1, 0], 3),
                "stitch": lambda: tf.dynamic_stitch([[0, 2], [1]], [[[1, 1], [3, 3]], [[2, 2]]]),
                "stitch, the last one stays": lambda: tf.dynamic_stitch([[0, 0], [0]], [[1, 2], [3]]),
                "stitch, scalars": lambda: tf.dynamic_stitch([1, 0], [10, 20]),
                "stitch, other lists": lambda: tf.dynamic_stitch([[0], [1]], [[1]]),
                "stitch, other slices": lambda: tf.dynamic_stitch([[0], [1]], [[[1]], [[1, 2]]]),
                "unique": lambda: list(tf.unique([5, 1, 5, 3])),
                "unique, text": lambda: list(tf.unique(["b", "a", "b"], tf.int64)),
                "unique, counts": lambda: list(tf.unique_with_counts([2.0, 1.0, 2.0])),
                "unique, matrix": lambda: list(tf.unique([[1, 2]])),
                "difference": lambda: list(tf.setdiff1d([1, 5, 5, 2], [2, 9])),
                "difference, text": lambda: list(tf.setdiff1d(["a", "b"], ["b"], tf.int64)),
            },
        )


def reversals(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.reshape(tf.range(12), [3, 4])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "reverse": lambda: tf.reverse(x, [-1]),
                "reverse, fed": lambda: tf.reverse_v2(x, _fed(tf, [0, 1])),
                "reverse, text": lambda: tf.reverse(["a", "b"], [0]),
                "reverse, outside": lambda: tf.reverse(x, [2]),
                "reverse, twice": lambda: tf.reverse(x, [0, -2]),
                "reverse, twice, fed": lambda: tf.reverse(x, _fed(tf, [0, -2])),
                "sequence": lambda: tf.reverse_sequence(x, [4, 0, 2], 1),
                "sequence, older names": lambda: tf.reverse_sequence(x, [3, 0, 2, 1], seq_dim=0, batch_dim=1),
                "sequence, too long": lambda: tf.reverse_sequence(x, [5, 0, 2], 1),
                "sequence, negative": lambda: tf.reverse_sequence(x, [-1, 0, 2], 1),
                "sequence, other number": lambda: tf.reverse_sequence(x, [1, 2], 1),
                "sequence, no such axis": lambda: tf.reverse_sequence(x, [1, 2, 3], 2),
                "roll": lambda: tf.roll(x, 1, 0),
                "roll, several": lambda: tf.roll(x, [1, -2], [0, 1]),
                "roll, one axis twice": lambda: tf.roll(x, [1, 2], [1, 1]),
                "roll, scalar": lambda: tf.roll(1, 1, 0),
                "roll, outside": lambda: tf.roll(x, 1, 2),
            },
        )


def grids(tf: Any, folder: Path) -> dict[str, Any]:
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "meshgrid": lambda: tf.meshgrid([1, 2, 3], [4, 5]),
                "meshgrid, ij": lambda: tf.meshgrid([1.0, 2.0], [3.0], [4.0, 5.0], indexing="ij"),
                "meshgrid, other": lambda: tf.meshgrid([1], indexing="ji"),
                "meshgrid, unknown argument": lambda: tf.meshgrid([1], sparse=True),
                "eye": lambda: tf.eye(2, 3),
                "eye, batches": lambda: tf.eye(2, batch_shape=[2, 1], dtype=tf.int32),
                "eye, fed": lambda: tf.eye(_fed(tf, 2, None, [])),
                "linspace": lambda: tf.linspace(1.0, 2.0, 5),
                "linspace, one": lambda: tf.lin_space(1.0, 2.0, 1),
                "unravel": lambda: tf.unravel_index([22, 41], [7, 6]),
                "unravel, one": lambda: tf.unravel_index(22, [7, 6]),
                "unravel, outside": lambda: tf.unravel_index([42], [7, 6]),
                "mask": lambda: tf.sequence_mask([1, 3, 0]),
                "mask, longer": lambda: tf.sequence_mask([[1, 3], [2, 0]], 4, tf.float32),
                "mask, vector": lambda: tf.sequence_mask([1], [2]),
                "repeat": lambda: tf.repeat([[1, 2], [3, 4]], [2, 1], axis=0),
                "repeat, flat": lambda: tf.repeat([[1, 2], [3, 4]], 2),
                "broadcast": lambda: tf.broadcast_dynamic_shape([2, 1, 3], [5, 1]),
                "broadcast, fed": lambda: tf.broadcast_dynamic_shape(_fed(tf, [2, 3], None, [2]), [4]),
                "new axis": lambda: tf.constant([1, 2])[:, tf.newaxis],
                "reverse_v2": lambda: tf.reverse_v2([1, 2, 3], [0]),
                "where_v2": lambda: tf.where_v2([[True], [False]], [1, 2], 3),
                "where_v2, other sizes": lambda: tf.where_v2([True, False], [1, 2, 3], [1]),
                "shapes": lambda: tf.shape_n([[[1, 2]], [[1], [2]]], tf.int64),
                "identities": lambda: tf.identity_n([[1, 2], ["a"]]),
                "guaranteed": lambda: tf.guarantee_const(3.0),
            },
        )
    static = tf.broadcast_static_shape(tf.TensorShape([2, None]), tf.TensorShape([3]))
    return found | {"static": static.as_list()}


def blocks(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.reshape(tf.range(16), [1, 4, 4, 1])
    deep = tf.reshape(tf.range(16), [1, 2, 2, 4])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "to batch": lambda: tf.space_to_batch(x, [[0, 0], [2, 0]], 2),
                "to batch, nn": lambda: tf.nn.space_to_batch(x, [[0, 0], [0, 0]], block_shape=4),
                "to batch, nd": lambda: tf.space_to_batch_nd(x, [2, 1, 1], [[1, 1], [0, 0], [0, 1]]),
                "to batch, fed": lambda: tf.space_to_batch_nd(x, [2, 2], _fed(tf, [[0, 0], [2, 0]], None, [2, 2])),
                "to batch, do not fill": lambda: tf.space_to_batch_nd(x, [3], [[0, 0]]),
                "to batch, fed, do not fill": lambda: tf.space_to_batch_nd(x, _fed(tf, [3], None, [1]), [[0, 0]]),
                "of batch": lambda: tf.batch_to_space(tf.reshape(x, [4, 2, 2, 1]), [[0, 1], [0, 0]], 2),
                "of batch, nd": lambda: tf.batch_to_space_nd(tf.reshape(x, [4, 4]), [2], [[1, 2]]),
                "of batch, cropped too much": lambda: tf.batch_to_space_nd(tf.reshape(x, [4, 4]), [2], [[5, 5]]),
                "of batch, too small": lambda: tf.batch_to_space_nd(tf.reshape(x, [2, 8]), [4], [[0, 0]]),
                "to depth": lambda: tf.space_to_depth(x, 2),
                "to depth, nn": lambda: tf.nn.space_to_depth(x, 4),
                "to depth, do not fill": lambda: tf.space_to_depth(x, 3),
                "to depth, block of 1": lambda: tf.space_to_depth(x, 1),
                "of depth": lambda: tf.depth_to_space(deep, 2),
                "of depth, nn": lambda: tf.nn.depth_to_space(deep, 2),
                "of depth, do not fill": lambda: tf.depth_to_space(x, 2),
                "paddings": lambda: tf.required_space_to_batch_paddings([5, 4], [3, 2], [[1, 0], [0, 1]]),
                "paddings, fed": lambda: tf.required_space_to_batch_paddings(
                    _fed(tf, np.int32([5, 4]), None, [2]), [3, 2]
                ),
                "patches": lambda: tf.extract_image_patches(x, [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 1, 1], "SAME"),
                "patches, rates": lambda: tf.extract_image_patches(
                    tf.to_float(x), sizes=[1, 2, 2, 1], strides=[1, 1, 1, 1], rates=[1, 2, 2, 1], padding="VALID"
                ),
                "volumes": lambda: tf.extract_volume_patches(
                    tf.reshape(x, [1, 4, 2, 2, 1]), [1, 2, 2, 1, 1], [1, 2, 1, 1, 1], "SAME"
                ),
            },
        )


def orders(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant([[3.0, 1.0, 2.0], [1.0, 1.0, 5.0]])
    whole = tf.constant([3, -7, 3, 9, 0])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "sort": lambda: tf.sort(x),
                "sort, axis 0": lambda: tf.sort(x, axis=0, direction="DESCENDING"),
                "sort, integers": lambda: tf.sort(whole),
                "argsort": lambda: tf.argsort(x, stable=True),
                "argsort, falling": lambda: tf.argsort(whole, direction="DESCENDING"),
                "sort, unknown rank": lambda: tf.sort(_fed(tf, [[2.0, 1.0], [0.0, 3.0]]), axis=0),
                "sort, other direction": lambda: tf.sort(x, direction="UP"),
                "top": lambda: list(tf.nn.top_k(x, 2)),
                "top, fed": lambda: list(tf.nn.top_k(x, _fed(tf, 2, None, []))),
                "top, equal": lambda: list(tf.nn.top_k(whole, 3)),
                "top, too many": lambda: list(tf.nn.top_k(x, 4)),
                "top, fed, too many": lambda: list(tf.nn.top_k(x, _fed(tf, 4, None, []))),
                "top, negative": lambda: list(tf.nn.top_k(x, -1)),
                "top, gradient": lambda: tf.gradients(tf.nn.top_k(x, 2).values * [1.0, 10.0], x)[0],
                "top, scalar": lambda: list(tf.nn.top_k(1.0)),
                "search": lambda: tf.searchsorted([1, 2, 2, 5], [2, 0, 9]),
                "search, right": lambda: tf.searchsorted([[1, 2, 2], [0, 3, 4]], [[2], [3]], "right", tf.int64),
                "search, other side": lambda: tf.searchsorted([1], [1], "up"),
            },
        )


def bytes_and_distances(tf: Any, folder: Path) -> dict[str, Any]:
    hypothesis = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ["a", "b", "c"], [3, 2])
    truth = tf.SparseTensor([[0, 0], [1, 0], [1, 1], [2, 0]], ["b", "c", "d", "e"], [3, 2])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "float32": lambda: tf.bitcast([1.0, -2.0], tf.int32),
                "split": lambda: tf.bitcast(np.array([1, 2], np.int64), tf.int16),
                "put together": lambda: tf.bitcast(np.array([[1, 2], [3, 4]], np.uint8), tf.uint16),
                "another size": lambda: tf.bitcast(np.array([1, 2, 3], np.uint8), tf.uint16),
                "text": lambda: tf.bitcast(["a"], tf.uint8),
                "distance": lambda: tf.edit_distance(hypothesis, truth),
                "distance, counted": lambda: tf.edit_distance(hypothesis, truth, normalize=False),
                "distance, to nothing": lambda: tf.edit_distance(
                    hypothesis, tf.SparseTensor(np.zeros([0, 2], np.int64), tf.constant([], tf.string), [3, 2])
                ),
                "distance, dense": lambda: tf.edit_distance([[1]], [[1]]),
            },
        )


def manipulations(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.reshape(tf.range(4), [2, 2])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "gather": lambda: tf.manip.gather_nd(x, [[1]]),
                "scatter": lambda: tf.manip.scatter_nd([[1]], [1], [2]),
                "roll": lambda: tf.manip.roll(tf.manip.reverse(x, [0]), 1, 1),
                "tile": lambda: tf.manip.tile(tf.manip.reshape(x, [4]), [2]),
                "batch": lambda: tf.manip.batch_to_space_nd(
                    tf.manip.space_to_batch_nd(x, [2], [[0, 0]]), [2], [[0, 0]]
                ),
            },
        )


def dtypes_of_arrays(tf: Any, folder: Path) -> dict[str, Any]:
    """What each dtype passes through."""
    found = {}
    for name in [*DTYPES, "string"]:
        value = np.array([["a", "b"], ["c", "d"]]) if name == "string" else np.array([[1, 0], [1, 1]]).astype(name)
        with tf.Graph().as_default(), session(tf) as sess:
            x = tf.constant(value)
            builds = {
                "gather_nd": lambda x=x: tf.gather_nd(x, [[1, 0]]),
                "reverse": lambda x=x: tf.reverse(x, [1]),
                "roll": lambda x=x: tf.roll(x, 1, 0),
                "partition": lambda x=x: tf.dynamic_partition(x, [1, 0], 2),
                "stitch": lambda x=x: tf.dynamic_stitch([[1, 0]], [x]),
                "update": lambda x=x: tf.tensor_scatter_update(x, [[0]], x[1:]),
                "zeros": lambda x=x: [tf.zeros([2], x.dtype), tf.zeros_like(x)],
                "where": lambda x=x: tf.where_v2([True, False], x, x[0, 0]),
                "pad": lambda x=x: tf.pad(x, [[0, 1], [1, 0]], "SYMMETRIC"),
                "tile": lambda x=x: tf.tile(x, [1, 2]),
            }
            if name not in ("complex64", "bool"):  # TensorFlow has no kernels for all of these
                builds |= {
                    "unique": lambda x=x: list(tf.unique(x[1])),
                    "difference": lambda x=x: list(tf.setdiff1d(x[0], x[1])),
                }
            found[name] = outcomes(sess, builds)
    return found


def names_of_operations(tf: Any, folder: Path) -> dict[str, Any]:
    x, i = tf.zeros([2, 2], name="x"), tf.zeros([1, 1], tf.int32, name="i")
    ops = [
        tf.gather_nd(x, i),
        tf.gather_nd(x, i, name="own"),
        tf.scatter_nd(i, tf.zeros([1]), [2]),
        tf.tensor_scatter_add(x, i, x[:1]),
        tf.reverse(x, [0]),
        tf.reverse_sequence(x, [1, 1], 1),
        tf.roll(x, 1, 0),
        tf.dynamic_partition(x, [0, 1], 2)[1],
        tf.dynamic_stitch([[0]], [[1]]),
        tf.unique([1]).idx,
        tf.space_to_batch_nd(x, [1], [[0, 0]]),
        tf.nn.top_k(x).indices,
        tf.segment_sum(x, [0, 0]),
        tf.unsorted_segment_max(x, [0, 0], 1),
        tf.sparse_segment_mean(x, [0, 1], [0, 0]),
        tf.sparse_segment_sum(x, [0, 1], [0, 0], num_segments=2),
        tf.where_v2(True, x, x),
        tf.bitcast(x, tf.int32),
        tf.identity_n([x])[0],
    ]
    return {"names": names(ops), "types": [it.op.type for it in ops]}

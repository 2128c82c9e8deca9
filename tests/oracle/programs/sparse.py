"""Arithmetic of sparse tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import kind_of_error, names, outcome, outcomes, refusals, session, shape

MATRIX = np.array([[0, 2, 0, 1], [3, 0, 0, -4], [0, 0, 0, 0], [0, 5, 6, 0]], np.float32)
OTHER = np.array([[1, -2, 0, 0], [0, 0, 7, 4], [0, 0, 0, 8], [0, 0, 0, 0]], np.float32)
CUBE = np.array([[[0, 1, 0], [2, 0, 3]], [[0, 0, 0], [4, -5, 0]]], np.float64)


def _sparse(tf: Any, dense: Any) -> Any:
    dense = np.asarray(dense)
    places = np.argwhere(dense)
    return tf.SparseTensor(places, dense[tuple(places.T)], dense.shape)


def _late(tf: Any, dense: Any) -> Any:
    """A sparse tensor of which nothing is known but the dtype."""
    made = _sparse(tf, dense)
    parts = made.indices, made.values, made.dense_shape
    return tf.SparseTensor(*(tf.placeholder_with_default(part, None) for part in parts))


def sums(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = _sparse(tf, MATRIX), _sparse(tf, OTHER)
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "sparse": lambda: tf.sparse_add(a, b),
                "with a threshold": lambda: tf.sparse_add(a, b, threshold=2.5),
                "late": lambda: tf.sparse_add(_late(tf, MATRIX), _late(tf, OTHER)),
                "dense": lambda: tf.sparse_add(a, tf.constant(OTHER)),
                "dense first": lambda: tf.sparse.add(tf.constant(OTHER), a),
                "complex": lambda: tf.sparse_add(_sparse(tf, CUBE + 1j), _sparse(tf, CUBE * 2j)),
                "two dense": lambda: tf.sparse_add(tf.constant(1.0), tf.constant(2.0)),
                "shapes differ": lambda: tf.sparse_add(_late(tf, MATRIX), _late(tf, MATRIX[:2])),
                "ranks differ": lambda: tf.sparse_add(_late(tf, MATRIX), _late(tf, CUBE.astype(np.float32))),
                "dense of another shape": lambda: tf.sparse_add(_late(tf, MATRIX), tf.constant(MATRIX[:2])),
            },
        )


def concatenation(tf: Any, folder: Path) -> dict[str, Any]:
    a, b, c = _sparse(tf, MATRIX), _sparse(tf, OTHER), _sparse(tf, MATRIX[:2])
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "rows": lambda: tf.sparse_concat(0, [a, b, c]),
                "columns": lambda: tf.sparse_concat(1, [a, b]),
                "last": lambda: tf.sparse.concat(-1, [a, b]),
                "older name": lambda: tf.sparse_concat(concat_dim=0, sp_inputs=[a, c]),
                "one": lambda: tf.sparse_concat(1, [a]),
                "late": lambda: tf.sparse_concat(1, [_late(tf, MATRIX), _late(tf, OTHER)]),
                "expanded": lambda: tf.sparse_concat(1, [a, c, b], expand_nonconcat_dim=True),
                "expanded at the end": lambda: tf.sparse_concat(-1, [a, c], expand_nonconcat_dim=True),
                "cubes": lambda: tf.sparse_concat(1, [_sparse(tf, CUBE), _sparse(tf, CUBE)]),
                "sizes differ": lambda: tf.sparse_concat(1, [a, c]),
                "ranks differ": lambda: tf.sparse_concat(1, [_late(tf, CUBE), _late(tf, CUBE[0])]),
                "no such axis": lambda: tf.sparse_concat(5, [a, b]),
            },
        )
    return refusals(found)


def order(tf: Any, folder: Path) -> dict[str, Any]:
    mixed = tf.SparseTensor([[3, 1], [0, 2], [3, 0], [0, 0]], [1, 2, 3, 4], [4, 5])
    text = tf.SparseTensor([[1, 0], [0, 1]], ["b", "a"], [2, 2])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "reordered": lambda: tf.sparse_reorder(mixed),
                "text": lambda: tf.sparse.reorder(text),
                "late": lambda: tf.sparse_reorder(_late(tf, MATRIX)),
                "transposed": lambda: tf.sparse_transpose(_sparse(tf, MATRIX)),
                "by numbers": lambda: tf.sparse.transpose(_sparse(tf, CUBE), [1, 2, 0]),
                "late transposed": lambda: tf.sparse_transpose(_late(tf, CUBE)),
                "a dense tensor": lambda: tf.sparse_reorder(tf.constant(1)),
            },
        )


def dense(tf: Any, folder: Path) -> dict[str, Any]:
    a = _sparse(tf, MATRIX)
    repeated = tf.SparseTensor([[0, 0], [0, 0]], [1, 2], [2, 2])
    unordered = tf.SparseTensor([[1, 0], [0, 0]], [1, 2], [2, 2])
    outside = tf.SparseTensor([[0, 0], [9, 0]], [1, 2], [2, 2])
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "dense": lambda: tf.sparse_tensor_to_dense(a),
                "default": lambda: tf.sparse.to_dense(a, default_value=-1.0),
                "text": lambda: tf.sparse_tensor_to_dense(tf.SparseTensor([[1]], ["x"], [3]), default_value="-"),
                "text, empty": lambda: tf.sparse_tensor_to_dense(tf.SparseTensor([[1]], ["x"], [3])),
                "late": lambda: tf.sparse_tensor_to_dense(_late(tf, CUBE)),
                "parts": lambda: tf.sparse_to_dense([[0, 1], [2, 0]], [3, 2], [1.5, 2.5], -1.0),
                "one value": lambda: tf.sparse_to_dense([1, 3], [5], 7),
                "one index": lambda: tf.sparse_to_dense(3, [5], 7, 2),
                "indices of 64 bits": lambda: tf.sparse_to_dense(np.array([[1], [3]]), np.array([5]), [1, 2], 0),
                "repeated": lambda: tf.sparse_tensor_to_dense(repeated),
                "repeated is fine": lambda: tf.sparse_tensor_to_dense(repeated, validate_indices=False),
                "unordered": lambda: tf.sparse_tensor_to_dense(unordered),
                "unordered is fine": lambda: tf.sparse_tensor_to_dense(unordered, validate_indices=False),
                "outside": lambda: tf.sparse_tensor_to_dense(outside),
                "a scalar as shape": lambda: tf.sparse_to_dense([1], 5, 7),
                "many values": lambda: tf.sparse_to_dense([1, 3], [5], [1, 2, 3]),
                "a matrix of values": lambda: tf.sparse_to_dense([1, 3], [5], [[5], [3]]),
                "a vector as default": lambda: tf.sparse_to_dense([1, 3], [5], [1, 2], [0]),
                "indicator": lambda: tf.sparse_to_indicator(tf.SparseTensor([[0, 0], [1, 3]], [5, 2], [2, 4]), 6),
                "from dense": lambda: tf.sparse.from_dense(MATRIX),
                "from text": lambda: tf.sparse.from_dense([["a", ""], ["", "b"]]),
                "from a late one": lambda: tf.sparse.from_dense(tf.placeholder_with_default(MATRIX, None)),
                "eye": lambda: tf.sparse.eye(3, 4, dtype=tf.int32),
                "square": lambda: tf.sparse.eye(2),
            },
        )
        says = {
            "repeated": "indices[1] = [0,0] is repeated",
            "unordered": "indices[1] = [0,0] is out of order",
            "outside": "indices[1] = [9,0] is out of bounds: need 0 <= index < [2,2]",
        }
        made = {"repeated": repeated, "unordered": unordered, "outside": outside}
        texts = {
            name: kind_of_error(lambda name=name: sess.run(tf.sparse_tensor_to_dense(made[name])), text)
            for name, text in says.items()
        }
    return refusals(found) | {"texts": texts}


def elementwise(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = _sparse(tf, MATRIX), _sparse(tf, OTHER)
    row, column = tf.constant([1.0, 2.0, 3.0, 4.0]), tf.constant([[1.0], [2.0], [3.0], [4.0]])
    whole = _sparse(tf, (MATRIX * 3).astype(np.int32))
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "times": lambda: a * tf.constant(OTHER),
                "times a row": lambda: a * row,
                "times a column": lambda: a * column,
                "times a number": lambda: a * 2.0,
                "times a sparse one": lambda: row * a,
                "divided": lambda: a / column,
                "divided by a number": lambda: a / 2.0,
                "whole numbers": lambda: whole / 2,
                "whole product": lambda: whole * 2,
                "larger": lambda: tf.sparse_maximum(a, b),
                "smaller": lambda: tf.sparse.minimum(a, b),
                "late": lambda: tf.sparse_maximum(_late(tf, MATRIX), _late(tf, OTHER)),
                "times a larger one": lambda: a * tf.constant(CUBE.astype(np.float32)),
                "shapes differ": lambda: tf.sparse_maximum(_late(tf, MATRIX), _late(tf, MATRIX[:2])),
            },
        )


def reductions(tf: Any, folder: Path) -> dict[str, Any]:
    cube = _sparse(tf, CUBE)
    with session(tf) as sess:
        found = {}
        for name in ("sum", "max"):
            to_dense = getattr(tf, f"sparse_reduce_{name}")
            to_sparse = getattr(tf, f"sparse_reduce_{name}_sparse")
            for axis in (None, 0, -1, [0, 2], [1, -3], [0, 1, 2]):
                for keep in (False, True):
                    found[f"{name}, {axis}, {keep}"] = outcome(
                        sess, lambda axis=axis, keep=keep, function=to_dense: function(cube, axis, keep)
                    )
                    if axis is not None:
                        found[f"sparse {name}, {axis}, {keep}"] = sess.run(to_sparse(cube, axis, keep))
        found["late"] = outcome(sess, lambda: tf.sparse_reduce_sum(_late(tf, CUBE), [0]))
        found["softmax"] = outcome(sess, lambda: tf.shape(tf.sparse_softmax(cube).values))
        found["softmax of a vector"] = outcome(sess, lambda: tf.sparse_softmax(_sparse(tf, MATRIX[0])).values)
        found["wrong axis"] = kind_of_error(
            lambda: sess.run(tf.sparse_reduce_sum(cube, -4)), "Invalid reduction dimension -4"
        )
    return found


def parts(tf: Any, folder: Path) -> dict[str, Any]:
    a = _sparse(tf, MATRIX)
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "slice": lambda: tf.sparse_slice(a, [1, 0], [3, 2]),
                "beyond": lambda: tf.sparse.slice(a, [0, 3], [2, 9]),
                "behind": lambda: tf.sparse_slice(a, [9, 0], [1, 1]),
                "retained": lambda: tf.sparse_retain(a, np.array([1, 0, 0, 1, 1, 0], bool)),
                "none retained": lambda: tf.sparse_retain(a, np.zeros(6, bool)),
                "a wrong number": lambda: tf.sparse_retain(a, np.zeros(5, bool)),
                "a short slice": lambda: tf.sparse_slice(_late(tf, MATRIX), [1], [1]),
            },
        )
        found["split"] = sess.run(tf.sparse_split(sp_input=a, num_split=2, axis=1))
        found["uneven"] = sess.run(tf.sparse_split(sp_input=a, num_split=3, axis=0))
        found["by position"] = kind_of_error(lambda: tf.sparse_split(0, a, 2), "Keyword arguments are required")
        found["too many"] = refusals(outcome(sess, lambda: tf.sparse_split(sp_input=a, num_split=9, axis=0)[0].values))
    return found


def shapes(tf: Any, folder: Path) -> dict[str, Any]:
    a, cube = _sparse(tf, MATRIX), _sparse(tf, CUBE)
    late = tf.placeholder_with_default(np.array([2, 8]), None)
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "reshaped": lambda: tf.sparse_reshape(a, [2, 8]),
                "inferred": lambda: tf.sparse_reshape(cube, [-1, 4]),
                "late": lambda: tf.sparse_reshape(_late(tf, MATRIX), late),
                "a wrong number": lambda: tf.sparse_reshape(a, [3, 3]),
                "twice inferred": lambda: tf.sparse_reshape(a, [-1, -1]),
                "not inferred": lambda: tf.sparse_reshape(a, [-1, 3]),
                "no multiple": lambda: tf.sparse_reshape(_late(tf, MATRIX), [-1, 3]),
                "reset": lambda: tf.sparse_reset_shape(a, [5, 9]),
                "reset late": lambda: tf.sparse_reset_shape(_late(tf, MATRIX), late + 8),
                "too small": lambda: tf.sparse_reset_shape(a, [5, 3]),
                "too small at run time": lambda: tf.sparse_reset_shape(a, late),
                "another rank": lambda: tf.sparse_reset_shape(a, [5, 5, 5]),
            },
        )
        text = kind_of_error(lambda: sess.run(tf.sparse_reset_shape(a, late)), "x <= y did not hold element-wise")
        smallest = sess.run(tf.sparse_reset_shape(_sparse(tf, MATRIX[:2, :2])))
        expanded = [sess.run(tf.sparse.expand_dims(it, axis)) for it, axis in ((a, None), (cube, 0), (cube, -2))]
    return refusals(found) | {"text": text, "expanded": expanded, "smallest": smallest}


def rows_without_entries(tf: Any, folder: Path) -> dict[str, Any]:
    a = _sparse(tf, MATRIX)
    unordered = tf.SparseTensor([[2, 3], [2, 2], [0, 1], [0, 3]], [1, 3, 2, 4], [3, 5])
    text = tf.SparseTensor([[1, 0]], ["a"], [3, 2])
    with session(tf) as sess:
        found = {
            name: sess.run(tf.sparse_fill_empty_rows(it, default))
            for name, it, default in (
                ("filled", a, -1.0),
                ("unordered", unordered, -1),
                ("text", text, "x"),
                ("nothing", tf.SparseTensor(np.zeros([0, 2]), np.zeros([0]), [2, 5]), -1.0),
            )
        }
        outside = tf.SparseTensor([[1, 2], [9, 1]], [1, 2], [2, 5])
        found["outside"] = kind_of_error(
            lambda: sess.run(tf.sparse_fill_empty_rows(outside, 0)[0]), "indices(1, 0) is invalid: 9 >= 2"
        )
    return found


def merges(tf: Any, folder: Path) -> dict[str, Any]:
    places = [[0, 0], [1, 0], [1, 2], [2, 0], [2, 1], [1, 1]]
    ids = tf.SparseTensor(places, [0, 13, 10, 33, 32, 14], [3, 3])
    more = tf.SparseTensor(places, [12, 4, 0, 0, 1, 30], [3, 3])
    values = tf.SparseTensor(places, [-3.0, 4.0, 1.0, 9.0, 5.0, 1.0], [3, 3])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "merged": lambda: tf.sparse_merge(ids, values, 50),
                "as they are": lambda: tf.sparse_merge(ids, values, 50, already_sorted=True),
                "two": lambda: tf.sparse_merge([ids, more], values, [50, 31]),
                "a size that is a tensor": lambda: tf.sparse_merge(ids, values, tf.constant(50, tf.int64)),
                "one size for two": lambda: tf.sparse_merge([ids, more], values, [50]),
                "no list": lambda: tf.sparse_merge([ids], values, 50),
                "no size": lambda: tf.sparse_merge(ids, values, [50]),
            },
        )


def products(tf: Any, folder: Path) -> dict[str, Any]:
    a, b = _sparse(tf, MATRIX[:, :3]), np.arange(6, dtype=np.float32).reshape(3, 2)
    outside = tf.SparseTensor([[0, 9]], [1.0], [2, 3])
    with session(tf) as sess:
        found = outcomes(
            sess,
            {
                "plain": lambda: tf.sparse_tensor_dense_matmul(a, b),
                "adjoint a": lambda: tf.sparse_tensor_dense_matmul(a, MATRIX, adjoint_a=True),
                "adjoint b": lambda: tf.sparse.sparse_dense_matmul(a, b.T.copy(), adjoint_b=True),
                "both": lambda: tf.sparse_tensor_dense_matmul(a, OTHER, adjoint_a=True, adjoint_b=True),
                "complex": lambda: tf.sparse_tensor_dense_matmul(
                    _sparse(tf, CUBE[0] * 1j), CUBE[1] * (1 + 2j), adjoint_a=True
                ),
                "whole": lambda: tf.sparse_tensor_dense_matmul(
                    _sparse(tf, np.eye(2, dtype=np.int32)), [[1, 2], [3, 4]]
                ),
                "late": lambda: tf.sparse_tensor_dense_matmul(
                    _late(tf, MATRIX), tf.placeholder_with_default(OTHER, None)
                ),
                "sizes differ": lambda: tf.sparse_tensor_dense_matmul(_late(tf, MATRIX), b),
                "outside": lambda: tf.sparse_tensor_dense_matmul(outside, b),
                "dense ones": lambda: tf.sparse_matmul(MATRIX, OTHER, a_is_sparse=True, b_is_sparse=True),
                "transposed": lambda: tf.sparse_matmul(b, b, transpose_a=True),
                "bfloat16": lambda: tf.sparse_matmul(tf.cast(b, tf.bfloat16), b, transpose_b=True),
            },
        )
        text = kind_of_error(
            lambda: sess.run(tf.sparse_tensor_dense_matmul(_late(tf, MATRIX), b)), "inner dimension does not match"
        )
    return refusals(found) | {"text": text}


def placeholders(tf: Any, folder: Path) -> dict[str, Any]:
    value = tf.SparseTensorValue(np.array([[3, 2], [4, 5]]), np.array([1.0, 2.0], np.float32), np.array([7, 9]))
    free, named = tf.sparse_placeholder(tf.float32), tf.sparse_placeholder(tf.float32, name="x")
    ranked = tf.sparse_placeholder(tf.float32, [None, 9], name="y")
    with session(tf) as sess:
        found = {
            "value": sess.run(tf.sparse_reduce_sum(free), {free: value}),
            "tuple": sess.run(free, {free: (value.indices, value.values, value.dense_shape)}),
            "fixed": sess.run(tf.sparse_tensor_to_dense(ranked), {ranked: value}).shape,
        }
    tensors = [t for it in (free, named, ranked) for t in (it.indices, it.values, it.dense_shape)]
    return found | {
        "names": names(tensors),
        "shapes": [shape(it) for it in tensors],
        "static": [shape(free), shape(ranked)],
    }


def gradients(tf: Any, folder: Path) -> dict[str, Any]:
    values = tf.constant([1.0, -2.0, 3.0, 4.0])
    dense = tf.constant(np.arange(1, 13, dtype=np.float32).reshape(3, 4))
    places, size = [[0, 1], [1, 0], [1, 3], [2, 2]], [3, 4]
    x = tf.SparseTensor(places, values, size)
    other = tf.SparseTensor([[0, 1], [2, 0]], values[:2], size)
    column = tf.constant([[2.0], [3.0], [4.0]])
    losses = {
        "sum": (tf.sparse_add(x, other).values, [values]),
        "sum with dense": (tf.sparse_add(x, dense), [values, dense]),
        "reorder": (tf.sparse_reorder(tf.SparseTensor(places[::-1], values, size)).values, [values]),
        "reduce": (tf.sparse_reduce_sum(x, [1]), [values]),
        "reduce, kept": (tf.sparse_reduce_sum(x, 0, True), [values]),
        "reduce all": (tf.sparse_reduce_sum(x), [values]),
        "slice": (tf.sparse_slice(x, [1, 0], [2, 3]).values, [values]),
        "dense": (tf.sparse_to_dense(places, size, values, tf.reduce_sum(values)), [values]),
        "product": (tf.sparse_tensor_dense_matmul(x, tf.transpose(dense)), [values, dense]),
        "product, adjoint": (tf.sparse_tensor_dense_matmul(x, dense, adjoint_a=True), [values, dense]),
        "product, both": (tf.sparse_tensor_dense_matmul(x, tf.transpose(dense), True, True), [values, dense]),
        "times": ((x * column).values, [values, column]),
        "divided": ((x / column).values, [values, column]),
        "softmax": (tf.sparse_softmax(x).values, [values]),
        "filled": (tf.sparse_fill_empty_rows(tf.SparseTensor([[0, 1], [2, 0]], values[:2], size), values[2])[0].values,
                   [values]),
        "dense product": (tf.sparse_matmul(dense, dense, transpose_b=True), [dense]),
    }  # fmt: skip
    found = {}
    with session(tf) as sess:
        for name, (y, xs) in losses.items():
            weights = tf.sin(tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)), tf.float32) + 1.0)
            made = sess.run(tf.gradients(tf.reduce_sum(y * weights), xs))
            found[name] = [np.round(it, 4) + 0.0 for it in made]
    return found


def text(tf: Any, folder: Path) -> dict[str, Any]:
    cube = _sparse(tf, CUBE)
    with session(tf) as sess:
        one = tf.serialize_sparse(_sparse(tf, MATRIX))
        many = tf.serialize_many_sparse(cube)
        found = {
            "one": sess.run(one),
            "many": sess.run(many),
            "back": sess.run(tf.deserialize_many_sparse(many, tf.float64)),
            "static": shape(tf.deserialize_many_sparse(many, tf.float64, rank=3)),
        }
        for name, strings, text in (
            ("dtype", [one], "Requested SparseTensor of type double but SparseTensor[0].values.dtype() == float"),
            ("no message", [one, ["a", "b", "c"]], "Could not parse"),
        ):
            dtype = tf.float64 if name == "dtype" else tf.float32
            fetch = tf.deserialize_many_sparse(tf.stack(strings), dtype)
            says = text if name != "dtype" else "Requested SparseTensor of type"
            found[name] = kind_of_error(lambda fetch=fetch: sess.run(fetch), says)
        return found


def objects(tf: Any, folder: Path) -> dict[str, Any]:
    x = _sparse(tf, MATRIX)
    used = tf.identity(x.values, name="used")
    packed = tf.SparseTensor([[0, 0]], [1], tf.stack([tf.placeholder(tf.int64, []), tf.constant(5, tf.int64)]))
    value = tf.SparseTensorValue([[0]], [1], [1])
    either = tf.convert_to_tensor_or_sparse_tensor
    return {
        "names": names([x.indices, x.values, x.dense_shape, x.op, used]),
        "static": [shape(x), shape(packed)],
        "consumers": names(x.consumers()),
        "other values": shape(x.with_values(x.values * 2.0)),
        "converted": [isinstance(either(it), tf.SparseTensor) for it in (value, x, [1, 2])],
        "another dtype": kind_of_error(lambda: either(value, tf.string)),
    }

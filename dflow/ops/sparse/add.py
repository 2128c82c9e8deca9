"""Sums of sparse tensors, and of a sparse and a dense one.

Source: tf.sparse_add of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.errors import DTypeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.static import graph_of, only, same_dtype
from dflow.ops.sparse.at_indices import flat_places, values_at
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, distinct, invalid, rank_of, sparse_specs
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape, broadcast
from dflow.sparse_tensor import SparseTensor, as_sparse, is_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_add"]


def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Tensor | SparseTensor:
    """The sum of two tensors of one shape, of which at least one is sparse.

    Of two sparse ones, whose entries are in row-major order, a SparseTensor; else a dense tensor.
    threshold: where both have an entry, and the absolute value of the sum is smaller, there is none in the result.
    thresh: its older name.
    """
    if threshold is not None and thresh is not None:
        raise ValueError("Cannot specify both 'thresh' and 'threshold'")
    threshold = thresh if threshold is None else threshold
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError("At least one input should be SparseTensor; do you mean to use tf.add()?")
    with scopes.building_in(graph_of((a, b))):
        if is_sparse(a) and is_sparse(b):
            return _sum_of_sparse(as_sparse(a), as_sparse(b), 0 if threshold is None else threshold)
        sparse, dense = (as_sparse(a), b) if is_sparse(a) else (as_sparse(b), a)
        parts = sparse.indices, sparse.values, sparse.dense_shape
        result: Tensor = add_op("SparseTensorDenseAdd", *parts, convert_to_tensor(dense, sparse.dtype))
        return result


def _sum_of_sparse(a: SparseTensor, b: SparseTensor, threshold: Any) -> SparseTensor:
    least = convert_to_tensor(threshold, _real(a.dtype), name="thresh")
    static = broadcast(a.shape.merge_with(b.shape))
    parts = a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape
    indices, values, sizes = add_op("SparseAdd", *parts, least)
    return SparseTensor(indices, values, static.as_list() if static.is_fully_defined() else sizes)


def _real(dtype: DType) -> DType:
    return as_dtype({"complex64": "float32", "complex128": "float64"}.get(dtype.name, dtype.name))


def _add_spec(*inputs: TensorSpec) -> list[TensorSpec]:
    check_sparse(*inputs[:3])
    check_sparse(*inputs[3:6])
    same_dtype(inputs[1], inputs[4])
    only(inputs[1], inputs[1].dtype.is_numeric, "numbers")
    if inputs[6].dtype != _real(inputs[1].dtype):
        raise DTypeError(f"the threshold must be {_real(inputs[1].dtype).name}, got {inputs[6].dtype.name}")
    inputs[6].shape.with_rank(0)
    rank = TensorShape([rank_of(inputs[0], inputs[2])]).merge_with([rank_of(inputs[3], inputs[5])]).known[0]
    return sparse_specs(rank, inputs[1].dtype)


def _add_kernel(
    a_indices: Array, a: Array, a_shape: Array, b_indices: Array, b: Array, b_shape: Array, threshold: Array
) -> tuple[Array, Array, Array]:
    check_parts(a_indices, a, a_shape)
    check_parts(b_indices, b, b_shape)
    _check_alike(a_shape, b_shape)
    indices, values = np.concatenate([a_indices, b_indices]), np.concatenate([a, b])
    places, first, which = distinct(indices)
    total = np.zeros(places, values.dtype)
    np.add.at(total, which, values)
    kept = (np.bincount(which, minlength=places) < 2) | (np.abs(total) >= threshold)
    return indices[first][kept], total[kept], a_shape


def _check_alike(a_shape: Array, b_shape: Array) -> None:
    if len(a_shape) != len(b_shape):
        raise invalid(f"Ranks of input tensors must match, but saw ranks: {len(a_shape)} and {len(b_shape)}")
    different = np.flatnonzero(a_shape != b_shape)
    if len(different):
        i = different[0]
        raise invalid(f"operands' shapes do not match: got {a_shape[i]} and {b_shape[i]} for dimension {i}")


def _add_gradient(op: Operation, _: Tensor, dy: Tensor, __: Tensor) -> list[Tensor | None]:
    a, b = add_op("SparseAddGrad", dy, op.inputs[0], op.inputs[3], op.outputs[0])
    return [None, a, None, None, b, None, None]


def _add_grad_spec(dy: TensorSpec, a: TensorSpec, b: TensorSpec, total: TensorSpec) -> list[TensorSpec]:
    return [TensorSpec(TensorShape([indices.shape.with_rank(2).known[0]]), dy.dtype) for indices in (a, b)]


def _add_grad_kernel(dy: Array, a: Array, b: Array, total: Array) -> tuple[Array, Array]:
    """The gradient of each entry of an operand: that of the entry of the sum at its place, or 0 if it was left out."""
    count, _, which = distinct(np.concatenate([a, b, total]))
    by_place = np.zeros(count, dy.dtype)
    by_place[which[len(a) + len(b) :]] = dy
    return by_place[which[: len(a)]], by_place[which[len(a) : len(a) + len(b)]]


define("SparseAdd", spec=_add_spec, kernel=_add_kernel, gradient=_add_gradient, host_only=True)
define(
    "SparseAddGrad",
    spec=_add_grad_spec,
    kernel=_add_grad_kernel,
    gradient=no_gradient("it is the gradient of a sum of sparse tensors"),
    host_only=True,
)


def _dense_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, dense: TensorSpec) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    same_dtype(values, dense)
    only(values, values.dtype.is_numeric, "numbers")
    rank = rank_of(indices, dense_shape)
    if rank is not None:
        dense.shape.with_rank(rank)
    return dense


def _dense_kernel(indices: Any, values: Any, dense_shape: Any, dense: Any) -> Any:
    check_parts(indices, values, dense_shape)
    if tuple(dense.shape) != tuple(int(size) for size in dense_shape):
        raise invalid(
            f"Dimensions of a sparse and a dense operand must be equal: {[int(n) for n in dense_shape]} "
            f"vs. {list(dense.shape)}"
        )
    xp = namespace(dense, values)
    result = xp.reshape(xp.asarray(dense, copy=True), (-1,))
    _add_at(xp, result, flat_places(indices, tuple(dense.shape)), values)
    return xp.reshape(result, dense.shape)


def _add_at(xp: Any, result: Any, places: Any, values: Any) -> None:
    add_at = getattr(xp.add, "at", None)
    if add_at is not None:  # NumPy and CuPy
        add_at(result, places, values)
        return
    for i in range(places.shape[0]):
        place = int(places[i])
        result[place] = result[place] + values[i]


def _dense_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    return [None, values_at(dy, op.inputs[0]), None, dy]


define("SparseTensorDenseAdd", spec=_dense_spec, kernel=_dense_kernel, gradient=_dense_gradient, owns_outputs=True)

"""Sums and maxima of the entries of a sparse tensor along axes, and its softmax.

Only entries count: the maximum of a row of negative entries is negative, and that of a row without entries is 0.
Source: tf.sparse_reduce_sum, sparse_reduce_sum_sparse, sparse_reduce_max, sparse_reduce_max_sparse, sparse_softmax of
TensorFlow 1.15.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dflow.dtypes import int32
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank as rank_
from dflow.ops.math.arithmetic import multiply, negative
from dflow.ops.rules.like import only_first
from dflow.ops.rules.static import graph_of, is_symbolic, known_value, only, spec_of
from dflow.ops.sparse.at_indices import values_at
from dflow.ops.sparse.elementwise import sparse_dense_cwise_add
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, invalid, rank_of, raveled, sparse_specs
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = [
    "sparse_reduce_max",
    "sparse_reduce_max_sparse",
    "sparse_reduce_sum",
    "sparse_reduce_sum_sparse",
    "sparse_softmax",
]


def sparse_reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:  # fmt: skip
    """The sum of the entries along axes, as a dense tensor.

    axis: a number, a list or a tensor; None: all.  keepdims: whether the axes stay, with the size 1.
    reduction_axes, keep_dims: older names.  A run raises InvalidArgumentError for an axis that is not there.
    """
    result: Tensor = _reduced("SparseReduceSum", sp_input, axis, keepdims, reduction_axes, keep_dims)
    return result


def sparse_reduce_max(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:  # fmt: skip
    """The largest entry along axes, as a dense tensor; 0 where there is no entry.  As `sparse_reduce_sum`."""
    result: Tensor = _reduced("SparseReduceMax", sp_input, axis, keepdims, reduction_axes, keep_dims)
    return result


def sparse_reduce_sum_sparse(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> SparseTensor:  # fmt: skip
    """The sum of the entries along axes, as a sparse tensor.  As `sparse_reduce_sum`."""
    return SparseTensor(*_reduced("SparseReduceSumSparse", sp_input, axis, keepdims, reduction_axes, keep_dims))


def sparse_reduce_max_sparse(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> SparseTensor:  # fmt: skip
    """The largest entry along axes, as a sparse tensor.  As `sparse_reduce_max`."""
    return SparseTensor(*_reduced("SparseReduceMaxSparse", sp_input, axis, keepdims, reduction_axes, keep_dims))


def _reduced(
    kind: str, sp_input: Any, axis: Any, keepdims: bool | None, reduction_axes: Any, keep_dims: bool | None
) -> Any:
    if axis is not None and reduction_axes is not None:
        raise ValueError("Cannot specify both 'reduction_axes' and 'axis'")
    if keepdims is not None and keep_dims is not None:
        raise ValueError("Cannot specify both 'keep_dims' and 'keepdims'")
    axis = reduction_axes if axis is None else axis
    keep = bool(keep_dims if keepdims is None else keepdims)
    sparse = as_sparse(sp_input)
    with scopes.building_in(graph_of((sparse, axis))):
        axes = _axes(sparse, axis)
        result = add_op(kind, sparse.indices, sparse.values, sparse.dense_shape, axes, keep_dims=keep)
        if isinstance(result, Tensor):
            result.set_shape(_static(sparse.shape, known_value(axes), keep))
        return result


def _axes(sparse: SparseTensor, axis: Any) -> Tensor:
    if axis is None:
        count = sparse.shape.ndims
        return range_(rank_(sparse)) if count is None else convert_to_tensor(np.arange(count, dtype=np.int32))
    return convert_to_tensor(axis, None if is_symbolic(axis) else int32, name="reduction_axes")


def _static(shape: TensorShape, axes: Array | None, keep: bool) -> TensorShape:
    if shape.ndims is None or axes is None:
        return UNKNOWN_SHAPE
    rank = shape.ndims
    if any(not -rank <= axis < rank for axis in axes.reshape(-1)):
        return UNKNOWN_SHAPE  # a run says so
    gone = {int(axis) % rank for axis in axes.reshape(-1)}
    return TensorShape([1 if i in gone else size for i, size in enumerate(shape.known) if keep or i not in gone])


def _dense_spec(
    indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, axes: TensorSpec, keep_dims: bool
) -> TensorSpec:
    _check(indices, values, dense_shape)
    rank = rank_of(indices, dense_shape)
    return spec_of([None] * rank if keep_dims and rank is not None else UNKNOWN_SHAPE, values.dtype)


def _sparse_spec(
    indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, axes: TensorSpec, keep_dims: bool
) -> list[TensorSpec]:
    _check(indices, values, dense_shape)
    return sparse_specs(None, values.dtype)


def _check(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> None:
    check_sparse(indices, values, dense_shape)
    only(values, values.dtype.is_numeric, "numbers")


def _groups(indices: Array, dense_shape: Array, axes: Array) -> tuple[Array, Array, list[int], list[int]]:
    """Which entries are reduced together.

    The place of each entry among the results, the places that have entries, the sizes of the kept axes, and of all
    axes, 1 for a reduced one.
    """
    rank = len(dense_shape)
    for axis in axes.reshape(-1).tolist():
        if not -rank <= axis < rank:
            raise invalid(f"Invalid reduction dimension {axis}, for input with {rank} dimensions.")
    gone = {axis % rank for axis in axes.reshape(-1).tolist()}
    kept = [i for i in range(rank) if i not in gone]
    sizes = [int(dense_shape[i]) for i in kept]
    places = raveled(indices[:, kept], sizes) if kept else np.zeros(len(indices), np.int64)
    return places, np.unique(places), sizes, [1 if i in gone else int(dense_shape[i]) for i in range(rank)]


def _totals(places: Array, count: int, values: Array, function: np.ufunc) -> Array:
    """`function` over the values of each place, 0 where there is none."""
    if function is np.add:
        total = np.zeros(count, values.dtype)
        np.add.at(total, places, values)
        return total
    order = np.argsort(places, kind="stable")
    first = np.flatnonzero(np.diff(places[order], prepend=-1))
    total = np.zeros(count, values.dtype)
    if len(first):
        total[places[order][first]] = function.reduceat(values[order], first)
    return total


def _dense_kernel(function: np.ufunc) -> Any:
    def kernel(indices: Array, values: Array, dense_shape: Array, axes: Array, keep_dims: bool) -> Array:
        check_parts(indices, values, dense_shape)
        places, _, sizes, kept = _groups(indices, dense_shape, axes)
        return _totals(places, prod(sizes), values, function).reshape(kept if keep_dims else sizes)

    return kernel


def _sparse_kernel(function: np.ufunc) -> Any:
    def kernel(
        indices: Array, values: Array, dense_shape: Array, axes: Array, keep_dims: bool
    ) -> tuple[Array, Array, Array]:
        check_parts(indices, values, dense_shape)
        places, present, sizes, kept = _groups(indices, dense_shape, axes)
        total = _totals(np.searchsorted(present, places), len(present), values, function)
        shape = kept if keep_dims else sizes
        columns = np.unravel_index(present, shape) if shape else ()
        rows = np.stack(columns, axis=1) if len(columns) else np.zeros((len(present), 0), np.int64)
        return rows.astype(np.int64, copy=False), total, np.array(shape, np.int64)

    return kernel


def _sum_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    indices, _, sizes, axes = op.inputs
    kept = add_op("KeptDims", dy, sizes, axes)
    return None, values_at(kept, indices), None, None


def _kept_spec(dy: TensorSpec, sizes: TensorSpec, axes: TensorSpec) -> TensorSpec:
    (rank,) = sizes.shape.with_rank(1).known
    return spec_of(UNKNOWN_SHAPE if rank is None else [None] * rank, dy.dtype)


def _kept_kernel(dy: Array, sizes: Array, axes: Array) -> Array:
    """The values with the reduced axes again, of size 1."""
    gone = {axis % len(sizes) for axis in axes.reshape(-1).tolist()}
    return dy.reshape([1 if i in gone else int(size) for i, size in enumerate(sizes)])


_NOT_YET = no_gradient("TensorFlow 1 has none either")

for _kind, _function, _gradient in (
    ("SparseReduceSum", np.add, _sum_gradient),
    ("SparseReduceMax", np.maximum, _NOT_YET),
):
    define(_kind, spec=_dense_spec, kernel=_dense_kernel(_function), gradient=_gradient, host_only=True)
    define(f"{_kind}Sparse", spec=_sparse_spec, kernel=_sparse_kernel(_function), gradient=_NOT_YET, host_only=True)

define(
    "KeptDims",
    spec=_kept_spec,
    kernel=_kept_kernel,
    gradient=lambda op, dy: only_first(op, add_op("ReshapeLike", dy, op.inputs[0], shape=None)),
    host_only=True,
)


def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The softmax of the entries of each row, that is along the last axis, of a sparse tensor of rank 2 or more.

    Places without an entry stay empty.  The entries are in row-major order.
    """
    sparse = as_sparse(sp_input)
    with scopes.building_in(sparse.graph):
        values = add_op("SparseSoftmax", sparse.indices, sparse.values, sparse.dense_shape, name=name)
        return SparseTensor(sparse.indices, values, sparse.dense_shape)


def _softmax_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    only(values, values.dtype.is_floating, "floating numbers")
    return values


def _softmax_kernel(indices: Array, values: Array, dense_shape: Array) -> Array:
    check_parts(indices, values, dense_shape)
    if len(dense_shape) < 2:
        raise invalid(f"Input should have rank >= 2, but received shape: {dense_shape.tolist()}")
    if not len(values):
        return values
    sizes = dense_shape[:-1].tolist()
    _, rows = np.unique(raveled(indices[:, :-1], sizes), return_inverse=True)
    count = int(rows.max()) + 1
    largest = np.full(count, -np.inf, values.dtype)
    np.maximum.at(largest, rows, values)
    powers = np.exp(values - largest[rows])
    total = np.zeros(count, values.dtype)
    np.add.at(total, rows, powers)
    result: Array = powers / total[rows]
    return result


def _softmax_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    indices, _, sizes = op.inputs
    y = op.outputs[0]
    total = negative(sparse_reduce_sum(SparseTensor(indices, multiply(y, dy), sizes), [-1], keepdims=True))
    moved = sparse_dense_cwise_add(SparseTensor(indices, dy, sizes), total)
    return [None, multiply(moved.values, y), None]


define("SparseSoftmax", spec=_softmax_spec, kernel=_softmax_kernel, gradient=_softmax_gradient, host_only=True)

"""Parts of sparse tensors: slices, pieces of equal size, chosen entries.

Source: tf.sparse_slice, tf.sparse_split, tf.sparse_retain of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import bool_, int64
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import reshape
from dflow.ops.control import identity
from dflow.ops.math.compare import where
from dflow.ops.rules.static import graph_of
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, distinct, invalid, rank_of, sparse_specs
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_retain", "sparse_slice", "sparse_split"]


# -- slices


def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """The part of a sparse tensor that begins at `start`, of `size` along each axis or up to the end of it.

    start, size: int64 [rank].
    """
    sparse = as_sparse(sp_input)
    graph = graph_of((sparse, start, size))
    with scopes.building_in(graph), graph.name_scope(name or "SparseSlice") as scope:
        begin = convert_to_tensor(start, int64, name="start")
        count = convert_to_tensor(size, int64, name="size")
        parts = sparse.indices, sparse.values, sparse.dense_shape
        return SparseTensor(*add_op("SparseSlice", *parts, begin, count, name=scope))


def _slice_spec(
    indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, start: TensorSpec, size: TensorSpec
) -> list[TensorSpec]:
    check_sparse(indices, values, dense_shape)
    start.shape.with_rank(1).merge_with(size.shape.with_rank(1))
    return sparse_specs(rank_of(indices, dense_shape), values.dtype)


def _slice_kernel(indices: Array, values: Array, dense_shape: Array, start: Array, size: Array) -> tuple[Array, ...]:
    check_parts(indices, values, dense_shape)
    for what, array in (("start", start), ("size", size)):
        if array.shape != dense_shape.shape:
            raise invalid(f"Expected {what} to be a vector of length {len(dense_shape)} but got length {array.size}")
    inside = ((indices >= start) & (indices < start + size)).all(axis=1)
    sizes = np.clip(dense_shape - start, 0, size).astype(np.int64)
    return indices[inside] - start, values[inside], sizes


def _slice_gradient(op: Operation, _: Tensor, dy: Tensor, __: Tensor) -> list[Tensor | None]:
    values = add_op("SparseSliceGrad", dy, op.inputs[0], op.inputs[3], op.outputs[0])
    return [None, values, None, None, None]


def _slice_grad_spec(dy: TensorSpec, indices: TensorSpec, start: TensorSpec, part: TensorSpec) -> TensorSpec:
    return TensorSpec(TensorShape([indices.shape.with_rank(2).known[0]]), dy.dtype)


def _slice_grad_kernel(dy: Array, indices: Array, start: Array, part: Array) -> Array:
    count, _, which = distinct(np.concatenate([indices, part + start]))
    by_place = np.zeros(count, dy.dtype)
    by_place[which[len(indices) :]] = dy
    return by_place[which[: len(indices)]]


define("SparseSlice", spec=_slice_spec, kernel=_slice_kernel, gradient=_slice_gradient, host_only=True)
define(
    "SparseSliceGrad",
    spec=_slice_grad_spec,
    kernel=_slice_grad_kernel,
    gradient=no_gradient("it is the gradient of a slice of a sparse tensor"),
    host_only=True,
)


# -- pieces of equal size


class KeywordRequired:
    """The default of the first argument of `sparse_split`, whose arguments are given by name."""

    def __repr__(self) -> str:
        return "KeywordRequired()"


_BY_NAME = KeywordRequired()


def sparse_split(
    keyword_required: Any = _BY_NAME,
    sp_input: Any = None,
    num_split: int | None = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """A sparse tensor divided along an axis into `num_split` pieces; the first ones are larger by one if need be.

    All arguments are given by name.  axis: a number or a scalar tensor.  split_dim: its older name.
    """
    if not isinstance(keyword_required, KeywordRequired):
        raise ValueError("Keyword arguments are required for this function.")
    if sp_input is None:
        raise ValueError("sp_input is required")
    if num_split is None:
        raise ValueError("num_split is required")
    if axis is not None and split_dim is not None:
        raise ValueError("Cannot specify both 'split_dim' and 'axis'")
    axis = split_dim if axis is None else axis
    if axis is None:
        raise ValueError("axis is required")
    sparse = as_sparse(sp_input)
    graph = graph_of((sparse, axis))
    with scopes.building_in(graph), graph.name_scope(name or "SparseSplit") as scope:
        place = convert_to_tensor(axis, None if isinstance(axis, Tensor) else int64, name="split_dim")
        parts = sparse.indices, sparse.values, sparse.dense_shape
        outputs = add_op("SparseSplit", place, *parts, name=scope, num_split=int(num_split))
        n = int(num_split)
        return [SparseTensor(*outputs[i::n]) for i in range(n)]


def _split_spec(
    place: TensorSpec, indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, num_split: int
) -> list[TensorSpec]:
    check_sparse(indices, values, dense_shape)
    place.shape.with_rank(0)
    if num_split < 1:
        raise ValueError(f"Value for attr 'num_split' of {num_split} must be at least minimum 1")
    return [spec for part in sparse_specs(rank_of(indices, dense_shape), values.dtype) for spec in [part] * num_split]


def _split_kernel(place: Array, indices: Array, values: Array, dense_shape: Array, num_split: int) -> tuple[Any, ...]:
    check_parts(indices, values, dense_shape)
    axis, rank = int(place), len(dense_shape)
    if not -rank <= axis < rank:
        raise invalid(f"Input split_dim should be between 0 and rank ({rank}), got {axis}")
    size = int(dense_shape[axis])
    if not 1 <= num_split <= size:
        raise invalid(f"Input num_split should be between 1 and the splitting dimension size ({size}), got {num_split}")
    counts = np.full(num_split, size // num_split)
    counts[: size % num_split] += 1
    ends = np.cumsum(counts)
    which = np.searchsorted(ends, indices[:, axis], side="right")
    found = []
    for i in range(num_split):
        mine = which == i
        rows = indices[mine]
        rows[:, axis] -= ends[i] - counts[i]
        sizes = dense_shape.copy()
        sizes[axis] = counts[i]
        found.append((rows, values[mine], sizes))
    return tuple(part for column in zip(*found, strict=True) for part in column)


define(
    "SparseSplit",
    spec=_split_spec,
    kernel=_split_kernel,
    gradient=no_gradient("TensorFlow 1 has none either"),
    host_only=True,
)


# -- chosen entries


def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """A sparse tensor with only the entries where `to_retain`, bool [n], is true."""
    sparse = as_sparse(sp_input)
    with scopes.building_in(sparse.graph):
        chosen = convert_to_tensor(to_retain, None if isinstance(to_retain, Tensor) else bool_)
        sparse.values.shape.with_rank(1).merge_with(chosen.shape.with_rank(1))
        kept = reshape(where(chosen), [-1])
        parts = gather(sparse.indices, kept), gather(sparse.values, kept), identity(sparse.dense_shape)
        return SparseTensor(*parts)

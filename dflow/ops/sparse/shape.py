"""Sparse tensors of other shapes: reshape, expand_dims, reset_shape.

Source: tf.sparse_reshape, tf.sparse.expand_dims, tf.sparse_reset_shape of TensorFlow 1.15.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dflow.dtypes import int64
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import zeros
from dflow.ops.array.shape import shape
from dflow.ops.array.stack import stack
from dflow.ops.control import Assert, identity, with_dependencies
from dflow.ops.math.arithmetic import maximum
from dflow.ops.math.compare import equal, less_equal
from dflow.ops.math.reduction import reduce_all, reduce_max
from dflow.ops.rules.static import graph_of, known_numbers, known_value
from dflow.ops.sparse.rules import Array, invalid, raveled
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_expand_dims", "sparse_reset_shape", "sparse_reshape"]


def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The entries of a sparse tensor, at the same places in row-major order, in another shape.

    shape: integers; one of them may be -1: what is left.
    ShapeError, or InvalidArgumentError at run time, for a shape with another number of places.
    """
    sparse = as_sparse(sp_input)
    graph = graph_of((sparse, shape))
    with scopes.building_in(graph), graph.name_scope(name or "SparseReshape") as scope:
        sizes = cast(shape, int64)
        static = _reshaped(sparse.shape, known_numbers(sizes))
        indices, new = add_op("SparseReshape", sparse.indices, sparse.dense_shape, sizes, name=scope)
        result = SparseTensor(indices, sparse.values, new)
        result.set_shape(static)
        return result


def _reshaped(before: TensorShape, sizes: list[int | None] | None) -> TensorShape:
    """What is known of the new shape; ShapeError if it cannot have the same number of places."""
    if sizes is None:
        return TensorShape(None)
    total = before.num_elements()
    if total is None or None in sizes:
        return TensorShape(None if size is None or size < 0 else size for size in sizes)
    given = [size for size in sizes if size is not None]
    if given.count(-1) > 1:
        raise ShapeError(f"At most one dimension can be inferred (-1). Found: {given}")
    known = prod(size for size in given if size != -1)
    new = [total // known if size == -1 and known else size for size in given]
    if prod(new) != total:
        raise ShapeError(f"Cannot reshape a tensor with {total} elements to shape {given} ({prod(new)} elements).")
    return TensorShape(None if size < 0 else size for size in new)


def _reshape_spec(indices: TensorSpec, dense_shape: TensorSpec, sizes: TensorSpec) -> list[TensorSpec]:
    rows, _ = indices.shape.with_rank(2).known
    dense_shape.shape.with_rank(1)
    (rank,) = sizes.shape.with_rank(1).known
    return [TensorSpec(TensorShape([rows, rank]), int64), TensorSpec(TensorShape([rank]), int64)]


def _reshape_kernel(indices: Array, dense_shape: Array, sizes: Array) -> tuple[Array, Array]:
    if indices.ndim != 2 or dense_shape.shape != indices.shape[1:] or sizes.ndim != 1:
        shapes = [list(array.shape) for array in (indices, dense_shape, sizes)]
        raise invalid(f"indices are a matrix with a column for each size of the shape, got shapes {shapes}")
    new = _completed(dense_shape, sizes.tolist())
    places = raveled(indices, dense_shape.tolist())
    rows = np.empty((len(indices), len(new)), np.int64)
    for axis in reversed(range(len(new))):
        rows[:, axis] = places % max(new[axis], 1)
        places = places // max(new[axis], 1)
    return rows, np.array(new, np.int64)


def _completed(dense_shape: Array, sizes: list[int]) -> list[int]:
    total = prod(dense_shape.tolist())
    known = prod(size for size in sizes if size != -1)
    dense = f"Input to reshape is a tensor with {total} dense values, but the requested shape"
    if sizes.count(-1) > 1:
        first, second = [i for i, size in enumerate(sizes) if size == -1][:2]
        raise invalid(f"only one output dimension may be -1, not both {first} and {second}")
    for i, size in enumerate(sizes):
        if size < -1:
            raise invalid(f"size {i} must be non-negative, not {size}")
    if -1 in sizes:
        if not known:
            raise invalid("reshape cannot infer the missing input size for an empty tensor unless all specified input "
                          "sizes are non-zero")  # fmt: skip
        if total % known:
            raise invalid(f"{dense} requires a multiple of {known}")
        return [total // known if size == -1 else size for size in sizes]
    if known != total:
        raise invalid(f"{dense} has {known}")
    return sizes


define(
    "SparseReshape",
    spec=_reshape_spec,
    kernel=_reshape_kernel,
    gradient=no_gradient("an index is an integer"),
    host_only=True,
)


def sparse_expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with one more axis, of size 1, at the place `axis`: a number; None: the last one.

    ShapeError for a place that is not in [-rank - 1, rank].
    """
    sparse = as_sparse(sp_input)
    graph = sparse.graph
    known: Any = known_value(axis) if isinstance(axis, Tensor) else -1 if axis is None else axis
    rank = sparse.shape.ndims
    if not hasattr(known, "__index__") or rank is None:
        raise TypeError(f"axis must be an integer value in range [-rank(sp_input) - 1, rank(sp_input)], got {axis!r}")
    place = int(known)
    if not -rank - 1 <= place <= rank:
        raise ShapeError(f"axis {place} is not in [{-rank - 1}, {rank}]")
    before = place if place >= 0 else place + rank + 1
    with scopes.building_in(graph), graph.name_scope(name or "expand_dims"):
        column = zeros(stack([shape(sparse.indices)[0], 1]), int64)
        indices = concat([sparse.indices[:, :before], column, sparse.indices[:, before:]], 1)
        one = convert_to_tensor([1], int64)
        sizes = concat([sparse.dense_shape[:before], one, sparse.dense_shape[before:]], 0)
        result = SparseTensor(indices, sparse.values, sizes)
        static = sparse.shape.as_list()
        result.set_shape([*static[:before], 1, *static[before:]])
        return result


def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """A sparse tensor with another dense shape, which holds all its entries.

    new_shape: of the same rank, each size at least as large; None: the smallest shape that holds the entries.
    ValueError, or InvalidArgumentError at run time, for a smaller size.
    """
    sparse = as_sparse(sp_input)
    with scopes.building_in(graph_of((sparse, new_shape))):
        indices, values, old = identity(sparse.indices), identity(sparse.values), identity(sparse.dense_shape)
        if new_shape is None:
            below = reduce_max(sparse.indices, 0) + convert_to_tensor(np.int64(1))
            return SparseTensor(indices, values, maximum(convert_to_tensor(np.int64(0)), below))
        new = cast(convert_to_tensor(new_shape), int64)
        new.shape.with_rank(1)
        static, wanted = sparse.shape, known_value(new)
        if wanted is not None and static.ndims is not None:
            _check_sizes(static, wanted.tolist())
            if static.is_fully_defined():
                return SparseTensor(indices, values, new)
        same_rank = _assert(equal(shape(old), shape(new)), "x == y did not hold element-wise:", shape(old), shape(new))
        new = with_dependencies([same_rank], new)
        fits = _assert(less_equal(old, new), "x <= y did not hold element-wise:", old, new)
        result = SparseTensor(indices, values, with_dependencies([fits], new))
        if wanted is not None:
            result.set_shape(wanted.tolist())
        return result


def _check_sizes(old: TensorShape, new: list[int]) -> None:
    if len(new) != len(old.known):
        raise ShapeError(f"new_shape should have rank {len(old.known)}, as the input, got {new}")
    if any(size is not None and size > other for size, other in zip(old.known, new, strict=True)):
        raise ValueError(
            f"Requested new_shape should have dimension sizes >= sp_input.shape.  Found new_shape ({new}), "
            f"sp_input.shape ({old.as_list()})."
        )


def _assert(condition: Tensor, text: str, x: Tensor, y: Tensor) -> Any:
    return Assert(reduce_all(condition), [text, x, y])

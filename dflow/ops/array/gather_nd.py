"""Parts of a tensor by indices of several axes: gather_nd, and its reverse, scatter_nd.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from math import prod
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones
from dflow.ops.array.grid import meshgrid
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, reshape, shape, squeeze
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.tile import tile
from dflow.ops.rules.arrays import namespace, sizes_of, zeros
from dflow.ops.rules.nd_indices import check_static, check_updates, flat_places, misplaced
from dflow.ops.rules.ranks import bracketed, require
from dflow.ops.rules.scatter import scatter
from dflow.ops.rules.static import graph_of, is_symbolic, known_shape, only, same_dtype, static_axis
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["gather_nd", "scatter_nd"]


def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """The parts of `params` at the places in the last axis of `indices`: `result[i] = params[indices[i]]`.

    params: [*sizes, ...]; indices: [..., n], integers, each row the place along the first n axes -> [..., *the other
    axes of params].  batch_dims: the number of first axes that both share.  InvalidArgumentError at run time for a
    place that is outside.
    """
    shared = static_axis(batch_dims)
    if shared:
        return _in_batches(params, indices, shared, name)
    result: Tensor = add_op("GatherNd", params, indices, name=name)
    return result


def _in_batches(params: Any, indices: Any, batch_dims: int, name: str | None) -> Tensor:
    """The place of the batch goes in front of each index."""
    graph = graph_of((params, indices))
    with scopes.building_in(graph), graph.name_scope(name or "GatherNd"):
        x, places = convert_to_tensor(params, name="params"), convert_to_tensor(indices, name="indices")
        rank = places.shape.ndims
        if rank is None:
            raise ValueError("tf.gather_nd does not allow indices with unknown shape.")
        if batch_dims < 0:
            batch_dims += rank - 1
        if not 0 <= batch_dims < rank:
            raise ValueError(f"batch_dims = {batch_dims} must be less than rank(indices) = {rank}")
        if x.shape.ndims is not None and batch_dims >= x.shape.ndims:
            raise ValueError(f"batch_dims = {batch_dims} must be less than rank(params) = {x.shape.ndims}")
        sizes = shape(places)
        starts = [range_(get_item(sizes, i)) for i in range(batch_dims)]
        grid = stack(meshgrid(*starts, indexing="ij"), axis=-1) if batch_dims > 1 else expand_dims(starts[0], -1)
        inner = rank - 1 - batch_dims
        grid = reshape(grid, concat([get_item(sizes, slice(None, batch_dims)), [1] * inner, [batch_dims]], 0))
        if inner:
            counts = get_item(sizes, slice(batch_dims, rank - 1))
            grid = tile(grid, concat([ones([batch_dims], "int32"), counts, [1]], 0))
        grid = grid if grid.dtype == places.dtype else _cast(grid, places)
        result = gather_nd(x, concat([grid, places], axis=-1))
        result.set_shape(_in_batches_shape(x.shape, places.shape, batch_dims))
        return result


def _cast(grid: Tensor, like: Tensor) -> Tensor:
    result: Tensor = add_op("Cast", grid, dtype=like.dtype)
    return result


def _in_batches_shape(params: TensorShape, indices: TensorShape, batch_dims: int) -> TensorShape:
    depth = indices.known[-1]
    if params.ndims is None or depth is None:
        return UNKNOWN_SHAPE
    return TensorShape([*indices.known[:-1], *params.known[batch_dims + depth :]])


def _spec(params: TensorSpec, indices: TensorSpec) -> TensorSpec:
    only(indices, indices.dtype.name in ("int32", "int64"), "int32 and int64 as indices")
    if indices.shape.ndims == 0:
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    if params.shape.ndims == 0:
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    depth = None if indices.shape.ndims is None else indices.shape[-1]
    if params.shape.ndims is None or depth is None:
        return TensorSpec(UNKNOWN_SHAPE, params.dtype)
    if depth > params.shape.ndims:
        raise ShapeError(f"indices.shape[-1] must be <= params.rank, but saw indices shape: {indices.shape}")
    return TensorSpec(TensorShape([*indices.shape.known[:-1], *params.shape.known[depth:]]), params.dtype)


def _kernel(params: Any, indices: Any) -> Any:
    require(params.ndim > 0, "params must be at least a vector")
    require(indices.ndim > 0, "indices must be at least a vector")
    depth = indices.shape[-1]
    require(
        depth <= params.ndim,
        f"index innermost dimension length must be <= params rank; saw: {depth} vs. {params.ndim}",
    )
    count = prod(indices.shape[:-1])
    require(
        not count or 0 not in params.shape[:depth],
        f"Requested more than 0 entries, but params is empty.  Params shape: {bracketed(params.shape)}",
    )
    xp = namespace(params, indices)
    rest = tuple(params.shape[depth:])
    stray = misplaced(indices, params.shape[:depth])
    if stray is not None:
        where, value = stray
        require(
            False,
            f"indices{bracketed(where)} = {bracketed(value)} does not index into param shape {bracketed(params.shape)}",
        )
    rows = xp.reshape(params, (prod(params.shape[:depth]), *rest))
    found = xp.take(rows, flat_places(indices, params.shape[:depth]), axis=0)
    return xp.reshape(found, (*indices.shape[:-1], *rest))


def _gradient(op: Operation, dy: Tensor) -> tuple[Any, ...]:
    params, indices = op.inputs
    if indices.shape.ndims == 2 and indices.shape.known[-1] == 1:  # whole rows
        return IndexedSlices(dy, squeeze(indices, -1), shape(params, out_type=indices.dtype)), None
    return scatter_nd(indices, dy, shape(params, out_type=indices.dtype)), None


define("GatherNd", spec=_spec, kernel=_kernel, gradient=_gradient)


# -- scatter_nd


def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """Zeros (False, empty strings) of a shape, with updates added at indices: those of one place are summed.

    indices: [..., n], integers; updates: [..., *the axes of `shape` behind the first n]; shape: sizes, as numbers or as
    a tensor.  Strings are joined.  ShapeError, or InvalidArgumentError at run time, for shapes that do not fit
    together; InvalidArgumentError for a place that is outside.
    """
    with scopes.building_in(graph_of((indices, updates, shape))):
        places = convert_to_tensor(indices)
        sizes = convert_to_tensor(shape, None if is_symbolic(shape) else places.dtype)
        result: Tensor = add_op("ScatterNd", places, updates, sizes, name=name)
    where, new, _ = result.op.inputs
    target = known_shape(sizes)
    check_static(where.shape, new.shape, target, "output")
    result.set_shape(target)
    return result


def _scatter_spec(indices: TensorSpec, updates: TensorSpec, sizes: TensorSpec) -> TensorSpec:
    same_dtype(indices, sizes)
    only(indices, indices.dtype.name in ("int32", "int64"), "int32 and int64 as indices and sizes")
    if indices.shape.ndims == 0:
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    rank = sizes.shape.with_rank(1)[0]
    return TensorSpec(UNKNOWN_SHAPE if rank is None else TensorShape([None] * rank), updates.dtype)


def _scatter_kernel(indices: Any, updates: Any, sizes: Any) -> Any:
    shape = sizes_of(sizes)
    check_updates(indices, updates, shape, "output")
    depth = indices.shape[-1]
    result = zeros(updates, (prod(shape[:depth]), *shape[depth:]))
    flat = namespace(updates).reshape(updates, (prod(indices.shape[:-1]), *shape[depth:]))
    if flat.size:
        scatter(result, flat_places(indices, shape[:depth]), flat, "add")
    return namespace(updates).reshape(result, shape)


def _scatter_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return None, gather_nd(dy, op.inputs[0]), None


define("ScatterNd", spec=_scatter_spec, kernel=_scatter_kernel, gradient=_scatter_gradient)

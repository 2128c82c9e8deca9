"""Slices of a tensor by their indices, or by a mask.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from contextlib import nullcontext
from math import prod
from typing import Any

from array_api_compat import device

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.concat import concat
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.array.shape import rank, reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arithmetic import add
from dflow.ops.math.compare import where
from dflow.ops.rules.arrays import check_indices, namespace, scatter_add, take
from dflow.ops.rules.batching import Attrs, Kernel, behind, each
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.rules.ranks import merged_size, require
from dflow.ops.rules.static import as_tensor, graph_of, normal_axis, only, spec_of, static_axis
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["batch_gather", "boolean_mask", "gather"]


def gather(
    params: Any,
    indices: Any,
    validate_indices: bool | None = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """The slices of `params` along an axis (0 if none is named) at `indices`, integers of any shape.

    params: [..., n, ...], indices: [i, ...] -> [..., i, ..., ...]; axis: a number or a tensor.  InvalidArgumentError at
    run time for an index that is not in [0, n).  The gradient is IndexedSlices along axis 0, dense along another axis.
    batch_dims: the number of first axes that params and indices share, each index is for its own part of them; a
    negative one counts from the end of the indices.  The axis is `batch_dims` if none is named.
    """
    shared = 0 if batch_dims is None else static_axis(batch_dims)
    if shared < 0:
        shared = _counted_from_the_end(as_tensor(indices, beside=(params,)), shared)
    place, inputs = late(static_axis(batch_dims or 0) if axis is None else axis)
    result: Tensor = add_op("GatherV2", params, indices, *inputs, name=name, axis=place, batch_dims=shared)
    return result


def _counted_from_the_end(indices: Tensor, batch_dims: int) -> int:
    if indices.shape.ndims is None:
        raise ValueError("tf.gather does not allow indices with unknown shape.")
    if batch_dims < -indices.shape.ndims:
        raise ValueError(f"batch_dims = {batch_dims} must be less than rank(indices) = {indices.shape.ndims}")
    return batch_dims + indices.shape.ndims


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """As `gather` along the last axis of the indices, where all axes before it are shared.

    params: [*batch, n, ...], indices: [*batch, k] -> [*batch, k, ...].
    """
    graph = graph_of((params, indices))
    with scopes.building_in(graph), graph.name_scope(name or "BatchGather"):
        places = convert_to_tensor(indices, name="indices")
        if places.shape.ndims is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        return gather(params, places, batch_dims=places.shape.ndims - 1)


def _gather_spec(params: TensorSpec, indices: TensorSpec, axis: int, batch_dims: int = 0) -> TensorSpec:
    unknown = _gather_unknown(params, indices, batch_dims)
    if unknown.shape.ndims is None:
        return unknown
    rank = len(params.shape.known)
    at_least = axis + 1 if axis >= 0 else -axis
    if rank < at_least:
        raise ShapeError(f"Shape must be at least rank {at_least} but is rank {rank}")
    place = axis % rank
    if place < batch_dims:
        raise ShapeError(f"batch_dims ({batch_dims}) must be less than or equal to axis ({place})")
    dims, chosen = params.shape.as_list(), indices.shape.as_list()
    shared = [merged_size(a, b) for a, b in zip(dims[:batch_dims], chosen[:batch_dims], strict=True)]
    return spec_of(
        [*shared, *dims[batch_dims:place], *chosen[batch_dims:], *dims[place + 1 :]],
        params.dtype,
    )


def _gather_unknown(params: TensorSpec, indices: TensorSpec, batch_dims: int = 0) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    for spec, least in ((params, batch_dims + 1), (indices, batch_dims)):
        if spec.shape.ndims is not None and spec.shape.ndims < least:
            raise ShapeError(f"Shape must be at least rank {least} but is rank {spec.shape.ndims}")
    if params.shape.ndims is None or indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, params.dtype)
    return spec_of([None] * (params.shape.ndims - 1 + indices.shape.ndims - batch_dims), params.dtype)


def _checked_axis(params: Any, indices: Any, axis: int, batch_dims: int) -> int:
    rank = params.ndim
    require(-rank <= axis < rank, f"Expected axis in the range [{-rank}, {rank}), but got {axis}")
    place: int = axis % rank
    require(batch_dims <= min(place, indices.ndim), f"batch_dims ({batch_dims}) must be less than or equal to {place}")
    require(
        tuple(params.shape[:batch_dims]) == tuple(indices.shape[:batch_dims]),
        f"params.shape {list(params.shape)} and indices.shape {list(indices.shape)} differ in one of their first "
        f"{batch_dims} axes",
    )
    return place


def _gather_kernel(params: Any, indices: Any, axis: int, batch_dims: int = 0) -> Any:
    place = _checked_axis(params, indices, axis, batch_dims)
    check_indices(indices, params.shape[place])
    if not batch_dims:
        return take(params, indices, place)
    rows, sizes = _rows_of(params, place, batch_dims)
    xp = namespace(rows)
    between, chosen = place - batch_dims, indices.ndim - batch_dims
    found = take(rows, _flat_indices(indices, params.shape[place], batch_dims), 0)
    found = xp.reshape(found, (*indices.shape, *sizes))  # [*shared, *indices, *between, *rest]
    order = (*range(batch_dims + chosen, batch_dims + chosen + between), *range(batch_dims, batch_dims + chosen))
    return xp.permute_dims(found, (*range(batch_dims), *order, *range(batch_dims + chosen + between, found.ndim)))


def _rows_of(params: Any, place: int, batch_dims: int) -> tuple[Any, tuple[int, ...]]:
    """[shared and chosen axes as one, ...], and the sizes of the other axes."""
    xp = namespace(params)
    moved = xp.moveaxis(params, place, batch_dims)
    sizes = tuple(moved.shape[batch_dims + 1 :])
    return xp.reshape(moved, (prod(moved.shape[: batch_dims + 1]), *sizes)), sizes


def _flat_indices(indices: Any, size: int, batch_dims: int) -> Any:
    """The rows of `_rows_of` that the indices mean."""
    xp = namespace(indices)
    shared = tuple(indices.shape[:batch_dims])
    starts = xp.arange(prod(shared), dtype=xp.int64, device=device(indices)) * size
    return xp.astype(indices, xp.int64) + xp.reshape(starts, (*shared, *(1,) * (indices.ndim - batch_dims)))


def _gather_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    params, indices = arrays
    if attrs.get("batch_dims"):
        return each(kernel, arrays, batched, attrs)
    if not batched[0] and attrs["axis"] in (0, -params.ndim):
        return kernel(params, indices, axis=0)
    if not batched[1]:
        return kernel(params, indices, axis=behind(attrs["axis"]))
    return each(kernel, arrays, batched, attrs)


def _gather_gradient(op: Operation, dy: Tensor) -> tuple[Any, ...]:
    if op.attrs["axis"] == 0 and not op.attrs.get("batch_dims"):
        return (_slices_of(op.inputs[0], op.inputs[1], dy), *(None for _ in op.inputs[1:]))
    shape, inputs = shape_input(op.inputs[0])
    return only_first(op, add_op("GatherGrad", dy, *inputs, *op.inputs[1:], shape=shape, **op.attrs))


def _slices_of(params: Tensor, indices: Tensor, dy: Tensor) -> IndexedSlices:
    """The gradient of rows of `params`: they alone, at their indices."""
    known = params.shape.is_fully_defined()
    with nullcontext() if known else params.graph.colocate_with(params):
        sizes = shape(params)
    if indices.shape.ndims == 1:
        return IndexedSlices(dy, indices, sizes)
    rows = [-1, *params.shape.known[1:]] if known else concat([[-1], get_item(sizes, slice(1, None))], 0)
    return IndexedSlices(reshape(dy, rows), reshape(indices, [-1]), sizes)


def _gather_grad_kernel(y: Any, *arrays: Any, axis: int, shape: Sizes | None, batch_dims: int = 0) -> Any:
    xp = namespace(y)
    sizes, (indices,) = take_shape(shape, arrays)
    place = axis % len(sizes)
    if not batch_dims:
        rows = xp.reshape(y, (*sizes[:place], indices.size, *sizes[place + 1 :]))
        first = xp.moveaxis(rows, place, 0)
        total = scatter_add(sizes[place], xp.reshape(indices, (-1,)), first)
        return xp.moveaxis(total, 0, place)
    between, chosen = place - batch_dims, indices.ndim - batch_dims
    others = (*sizes[batch_dims:place], *sizes[place + 1 :])
    order = (*range(batch_dims + between, batch_dims + between + chosen), *range(batch_dims, batch_dims + between))
    moved = xp.permute_dims(y, (*range(batch_dims), *order, *range(batch_dims + between + chosen, y.ndim)))
    flat = xp.reshape(_flat_indices(indices, sizes[place], batch_dims), (-1,))
    shared = sizes[:batch_dims]
    total = scatter_add(prod(shared) * sizes[place], flat, xp.reshape(moved, (prod(indices.shape), *others)))
    return xp.moveaxis(xp.reshape(total, (*shared, sizes[place], *others)), batch_dims, place)


def _gather_grad_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    indices_and_axis = op.inputs[1 if op.attrs["shape"] is not None else 2 :]
    attrs = {key: value for key, value in op.attrs.items() if key != "shape"}
    return only_first(op, add_op("GatherV2", dx, *indices_and_axis, **attrs))


define(
    "GatherV2",
    **late_rules("axis", spec=_gather_spec, unknown=_gather_unknown, kernel=_gather_kernel, batch=_gather_batch),
    gradient=_gather_gradient,
)
define(
    "GatherGrad",
    **late_rules("axis", spec=like_spec, unknown=like_spec, kernel=_gather_grad_kernel),
    gradient=_gather_grad_gradient,
)


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: Any = None) -> Tensor:
    """The slices of a tensor where the mask is true, along the axes of the mask, which become one.

    tensor: [*first, n, ..., *rest], mask: bool, or numbers, which are true if they are not 0, [n, ...], of known rank
    -> [*first, count, *rest].  axis: the first one of the mask's, a number or a tensor; None is 0.
    """
    x = as_tensor(tensor, beside=(mask,))
    chosen = as_tensor(mask, beside=(x,))
    if chosen.shape.ndims is None:
        raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None.")
    if chosen.shape.ndims == 0:
        raise ValueError("mask cannot be scalar.")
    with x.graph.as_default(), x.graph.name_scope(name):
        place, inputs = late(0 if axis is None else axis)
        first = inputs[0] if place is None else _first_axis(x, chosen.shape, place)
        places = reshape(where(reshape(chosen, [-1])), [-1])
        return gather(_one_axis(x, first, chosen.shape.ndims), places, axis=first)


def _first_axis(x: Tensor, mask: TensorShape, axis: int) -> Any:
    """The axis, counted from the front; ShapeError if the mask does not fit there."""
    if x.shape.ndims is None:
        return axis if axis >= 0 else add(rank(x), axis)
    first = normal_axis(axis, x.shape.ndims)
    masked = TensorShape(x.shape.known[first : first + len(mask.known)])
    if not masked.is_compatible_with(mask):
        raise ShapeError(f"Shapes {masked} and {mask} are incompatible")
    return first


def _one_axis(x: Tensor, first: Any, count: int) -> Tensor:
    """The tensor with `count` of its axes, from `first` on, made one."""
    if count == 1:
        return x
    if isinstance(first, int) and x.shape.ndims is not None:
        before, inner, rest = x.shape[:first], x.shape[first : first + count], x.shape[first + count :]
        if before.is_fully_defined() and rest.is_fully_defined():
            size = inner.num_elements()
            return reshape(x, [*before.known, -1 if size is None else size, *rest.known])
    sizes = shape(x)
    return reshape(
        x, concat([get_item(sizes, slice(None, first)), [-1], get_item(sizes, slice(first + count, None))], 0)
    )

"""Slices of a tensor by their indices, or by a mask.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import rank, reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arithmetic import add
from dflow.ops.math.compare import where
from dflow.ops.rules.arrays import axis_of, check_indices, namespace, scatter_add, take
from dflow.ops.rules.batching import Attrs, Kernel, behind, each
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.rules.static import as_tensor, normal_axis, only, spec_of
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["boolean_mask", "gather"]


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
    run time for an index that is not in [0, n).  The gradient is dense: each slice's gradient added at its index.
    `batch_dims` is not offered.
    """
    if batch_dims:
        raise NotImplementedError("gather with batch_dims is not offered")
    place, inputs = late(0 if axis is None else axis)
    result: Tensor = add_op("GatherV2", params, indices, *inputs, name=name, axis=place)
    return result


def _gather_spec(params: TensorSpec, indices: TensorSpec, axis: int) -> TensorSpec:
    unknown = _gather_unknown(params, indices)
    if unknown.shape.ndims is None:
        return unknown
    place = normal_axis(axis, len(params.shape.known))
    dims = params.shape.as_list()
    return spec_of([*dims[:place], *indices.shape, *dims[place + 1 :]], params.dtype)


def _gather_unknown(params: TensorSpec, indices: TensorSpec) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    if params.shape.ndims is None or indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, params.dtype)
    if params.shape.ndims == 0:
        raise ShapeError("params must be at least a vector, got a scalar")
    return spec_of([None] * (params.shape.ndims - 1 + indices.shape.ndims), params.dtype)


def _gather_kernel(params: Any, indices: Any, axis: int) -> Any:
    place = axis_of(params, axis)
    check_indices(indices, params.shape[place])
    return take(params, indices, place)


def _gather_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    params, indices = arrays
    if not batched[0] and attrs["axis"] in (0, -params.ndim):
        return kernel(params, indices, axis=0)
    if not batched[1]:
        return kernel(params, indices, axis=behind(attrs["axis"]))
    return each(kernel, arrays, batched, attrs)


def _gather_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    shape, inputs = shape_input(op.inputs[0])
    return only_first(op, add_op("GatherGrad", dy, *inputs, *op.inputs[1:], axis=op.attrs["axis"], shape=shape))


def _gather_grad_kernel(y: Any, *arrays: Any, axis: int, shape: Sizes | None) -> Any:
    xp = namespace(y)
    sizes, (indices,) = take_shape(shape, arrays)
    place = axis % len(sizes)
    rows = xp.reshape(y, (*sizes[:place], indices.size, *sizes[place + 1 :]))
    first = xp.moveaxis(rows, place, 0)
    total = scatter_add(sizes[place], xp.reshape(indices, (-1,)), first)
    return xp.moveaxis(total, 0, place)


def _gather_grad_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    indices_and_axis = op.inputs[1 if op.attrs["shape"] is not None else 2 :]
    return only_first(op, add_op("GatherV2", dx, *indices_and_axis, axis=op.attrs["axis"]))


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
    TensorShape(x.shape.known[first : first + len(mask.known)]).merge_with(mask)
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

"""Slices of a tensor by their indices, or by a mask.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.arrays import check_indices, namespace, scatter_add, take
from dflow.ops.batching import Attrs, Kernel, behind, each
from dflow.ops.compare import where
from dflow.ops.concat import concat
from dflow.ops.shape import reshape, shape
from dflow.ops.static import normal_axis, only, spec_of, static_axis
from dflow.ops.strided_slice import get_item
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

    params: [..., n, ...], indices: [i, ...] -> [..., i, ..., ...].  InvalidArgumentError at run time for an index that
    is not in [0, n).  The gradient is dense: each slice's gradient added at its index.  `batch_dims` is not offered.
    """
    if batch_dims:
        raise NotImplementedError("gather with batch_dims is not offered")
    place = 0 if axis is None else static_axis(axis)
    result: Tensor = add_op("GatherV2", params, indices, name=name, axis=place)
    return result


def _gather_spec(params: TensorSpec, indices: TensorSpec, axis: int) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    if params.shape.ndims is None or indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, params.dtype)
    if params.shape.ndims == 0:
        raise ShapeError("params must be at least a vector, got a scalar")
    place = normal_axis(axis, params.shape.ndims)
    dims = params.shape.as_list()
    return spec_of([*dims[:place], *indices.shape, *dims[place + 1 :]], params.dtype)


def _gather_kernel(params: Any, indices: Any, axis: int) -> Any:
    place = axis % params.ndim
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
    return add_op("GatherGrad", dy, *op.inputs, axis=op.attrs["axis"]), None


def _gather_grad_kernel(y: Any, params: Any, indices: Any, axis: int) -> Any:
    xp = namespace(y, params)
    place = axis % params.ndim
    before, after = params.shape[:place], params.shape[place + 1 :]
    rows = xp.reshape(y, (*before, indices.size, *after))
    first = xp.moveaxis(rows, place, 0)
    total = scatter_add(params.shape[place], xp.reshape(indices, (-1,)), first)
    return xp.moveaxis(total, 0, place)


define("GatherV2", spec=_gather_spec, kernel=_gather_kernel, gradient=_gather_gradient, batch=_gather_batch)
define(
    "GatherGrad",
    spec=lambda y, params, indices, axis: TensorSpec(params.shape, y.dtype),
    kernel=_gather_grad_kernel,
    gradient=lambda op, dx: (gather(dx, op.inputs[2], axis=op.attrs["axis"]), None, None),
)


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The slices of a tensor where the mask is true, along the axes of the mask, which become one.

    tensor: [n, ..., *rest], mask: bool [n, ...], of known rank -> [count, *rest].  `axis` may only be 0.
    """
    x, chosen = convert_to_tensor(tensor), convert_to_tensor(mask)
    only(chosen.spec, chosen.dtype.is_bool, "a bool mask")
    if axis not in (None, 0):
        raise NotImplementedError("boolean_mask along another axis than 0 is not offered")
    if chosen.shape.ndims is None:
        raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None.")
    if chosen.shape.ndims == 0:
        raise ValueError("mask cannot be scalar.")
    if x.shape.ndims is not None:
        TensorShape(x.shape.known[: chosen.shape.ndims]).merge_with(chosen.shape)
    with x.graph.as_default(), x.graph.name_scope(name):
        flat = _one_axis_less(x, chosen.shape.ndims)
        places = reshape(where(reshape(chosen, [-1])), [-1])
        return gather(flat, places)


def _one_axis_less(x: Tensor, axes: int) -> Tensor:
    """The tensor with its first `axes` axes made one."""
    if axes == 1:
        return x
    rest = x.shape[axes:]
    if rest.is_fully_defined():
        return reshape(x, [-1, *rest.known])
    return reshape(x, concat([[-1], get_item(shape(x), slice(axes, None))], 0))

"""Common functions of reductions: the argument `axis`, shape rules, and the gradient that repeats along the axes."""

from __future__ import annotations

import math
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.rules.arrays import ints, namespace
from dflow.ops.rules.like import only_first, reshape_like
from dflow.ops.rules.static import is_symbolic, known_value, normal_axes, number_or_tensor, only, spec_of
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "Axis",
    "axis_argument",
    "bool_spec",
    "number_spec",
    "real_spec",
    "reduce",
    "reduced_axes",
    "spread_back",
]

Axis = int | tuple[int, ...] | None


def reduce(kind: str, x: Any, axis: Any, keepdims: Any, name: str | None, indices: Any, keep_dims: Any) -> Tensor:
    """A reduction; `indices` and `keep_dims` are the older names of `axis` and `keepdims`."""
    _one_of("axis", axis, "reduction_indices", indices)
    _one_of("keepdims", keepdims, "keep_dims", keep_dims)
    place, inputs = axis_argument(axis if indices is None else indices)
    keep = bool(keep_dims if keepdims is None else keepdims)
    result: Tensor = add_op(kind, x, *inputs, name=name, axis=place, keepdims=keep)
    return result


def _one_of(name: str, value: Any, older_name: str, older_value: Any) -> None:
    if value is not None and older_value is not None:
        raise ValueError(f"Cannot specify both '{name}' and '{older_name}': they are two names of one argument")


def axis_argument(axis: Any) -> tuple[Any, tuple[Any, ...]]:
    """As `number_or_tensor`: None stands for all axes, and a tensor that is known becomes numbers."""
    if axis is None:
        return None, ()
    if is_symbolic(axis):
        value = known_value(convert_to_tensor(axis))
        axis = axis if value is None else value
    return number_or_tensor(axis)


def _reduced(x: TensorSpec, axes: TensorSpec | None, axis: Axis, keepdims: bool) -> TensorSpec:
    rank = x.shape.ndims
    if axes is None and axis is None and not keepdims:
        return spec_of([], x.dtype)
    if rank is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    if axes is not None:
        return spec_of([None] * rank if keepdims else None, x.dtype)
    gone = normal_axes(axis, rank)
    if keepdims:
        return spec_of([1 if place in gone else size for place, size in enumerate(x.shape)], x.dtype)
    return spec_of([size for place, size in enumerate(x.shape) if place not in gone], x.dtype)


def _distinct_axes(axis: Axis, rank: int) -> tuple[int, ...]:
    """Axes in [0, rank), ascending; InvalidArgumentError if one is named twice."""
    axes = normal_axes(axis, rank)
    if isinstance(axis, tuple) and len(axes) < len(axis):
        places = [item % rank for item in axis]
        twice = next(item for place, item in enumerate(places) if item in places[:place])
        fact = f"Invalid reduction arguments: Axes contains duplicate dimension: {twice}"
        raise InvalidArgumentError(None, None, fact)
    return axes


def number_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, keepdims: bool) -> TensorSpec:
    only(x, x.dtype.is_numeric, "numbers")
    return _reduced(x, axes, axis, keepdims)


def real_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, keepdims: bool) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return _reduced(x, axes, axis, keepdims)


def bool_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, keepdims: bool) -> TensorSpec:
    only(x, x.dtype.is_bool, "bool")
    return _reduced(x, axes, axis, keepdims)


def reduced_axes(x: Any, axes: Any, axis: Axis) -> tuple[int, ...]:
    """The axes to reduce, in [0, rank)."""
    try:
        return _distinct_axes(axis if axes is None else ints(namespace(axes).reshape(axes, (-1,))), x.ndim)
    except ShapeError as error:
        raise InvalidArgumentError(None, None, str(error)) from None


def spread_back(op: Operation, dy: Tensor, mean: bool = False) -> Tensor:
    """A reduced value repeated along the axes that were reduced; `mean`: divided by the number of reduced values."""
    result: Tensor
    if len(op.inputs) == 1 and op.inputs[0].shape.is_fully_defined():  # then the reduced tensor need not be computed
        result = add_op("Spread", dy, shape=tuple(op.inputs[0].shape.as_list()), axis=op.attrs["axis"], mean=mean)
    else:
        result = add_op("SpreadLike", dy, *op.inputs, axis=op.attrs["axis"], mean=mean)
    return result


def _spread(y: Any, shape: tuple[int, ...], gone: tuple[int, ...], mean: bool) -> Any:
    xp = namespace(y)
    value = xp.reshape(y, tuple(1 if place in gone else size for place, size in enumerate(shape)))
    if mean:
        value = value / max(1, math.prod(shape) // max(1, y.size))
    return xp.broadcast_to(value, shape)


def _spread_like_kernel(y: Any, x: Any, axes: Any = None, *, axis: Axis, mean: bool) -> Any:
    return _spread(y, tuple(x.shape), reduced_axes(x, axes, axis), mean)


def _spread_kernel(y: Any, shape: tuple[int, ...], axis: Axis, mean: bool) -> Any:
    return _spread(y, shape, normal_axes(axis, len(shape)), mean)


def _spread_like_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    kind = "Mean" if op.attrs["mean"] else "Sum"
    total = add_op(kind, dx, *op.inputs[2:], axis=op.attrs["axis"], keepdims=False)
    return only_first(op, reshape_like(total, op.inputs[0]))


define(
    "SpreadLike",
    spec=lambda y, x, axes=None, *, axis, mean: TensorSpec(x.shape, y.dtype),
    kernel=_spread_like_kernel,
    gradient=_spread_like_gradient,
)
define(
    "Spread",
    spec=lambda y, shape, axis, mean: TensorSpec(TensorShape(shape), y.dtype),
    kernel=_spread_kernel,
    gradient=_spread_like_gradient,
)

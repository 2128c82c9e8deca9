"""Operations that bring values to the shape of another value, for gradients of broadcasting ops.

Why these are ops and not a `shape()` and a `reshape()`: a shape as a tensor has to come back from a GPU first, while
a kernel knows the shapes of its inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import namespace, sum_to_shape
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Sizes = tuple[int, ...]


def shape_input(like: Tensor) -> tuple[Sizes | None, tuple[Tensor, ...]]:
    """A shape that an operation needs as (attribute, inputs): known sizes, or the tensor that has it.

    If it is known, the tensor need not be computed, sent or fed.
    """
    return (tuple(like.shape.as_list()), ()) if like.shape.is_fully_defined() else (None, (like,))  # type: ignore[arg-type]


def take_shape(shape: Sizes | None, arrays: Sequence[Any]) -> tuple[Sizes, Sequence[Any]]:
    """The sizes of a `shape_input`, and the inputs behind it: in a kernel."""
    return (tuple(arrays[0].shape), arrays[1:]) if shape is None else (shape, arrays)


def _brought(kind: str, x: Tensor, like: Tensor) -> Tensor:
    shape, inputs = shape_input(like)
    result: Tensor = (
        x if shape is not None and x.spec.shape == like.spec.shape else add_op(kind, x, *inputs, shape=shape)
    )
    return result


def sum_like(x: Tensor, like: Tensor) -> Tensor:
    """`x` summed over the axes along which `like` was broadcast to the shape of `x`: the gradient of broadcasting."""
    return _brought("SumLike", x, like)


def broadcast_like(x: Tensor, like: Tensor) -> Tensor:
    """`x` repeated to the shape of `like`."""
    return _brought("BroadcastLike", x, like)


def reshape_like(x: Tensor, like: Tensor) -> Tensor:
    """The values of `x`, in row-major order, in the shape of `like`."""
    return _brought("ReshapeLike", x, like)


def like_spec(x: TensorSpec, *inputs: TensorSpec, shape: Sizes | None, **attrs: Any) -> TensorSpec:
    """The shape rule of an operation that brings `x` to the shape of a `shape_input`."""
    return TensorSpec(inputs[0].shape if shape is None else TensorShape(shape), x.dtype)


def _reshape_like_spec(x: TensorSpec, *inputs: TensorSpec, shape: Sizes | None) -> TensorSpec:
    result = like_spec(x, *inputs, shape=shape)
    count, target_count = x.shape.num_elements(), result.shape.num_elements()
    if count is not None and target_count is not None and count != target_count:
        raise ShapeError(f"{count} values do not fill shape {result.shape}")
    return result


def _to_shape(change: Callable[[Any, Sizes], Any]) -> Callable[..., Any]:
    """A kernel that brings `x` to the shape of a `shape_input`."""
    return lambda x, *like, shape: change(x, take_shape(shape, like)[0])


def _reshaped(x: Any, shape: Sizes) -> Any:
    if x.size != math.prod(shape):
        raise InvalidArgumentError(None, None, f"a value of shape {list(x.shape)} does not fit into {list(shape)}")
    return namespace(x).reshape(x, shape)


def only_first(op: Operation, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
    """The gradients of an op whose first input alone holds values."""
    return (gradient, *(None for _ in op.inputs[1:]))


define(
    "SumLike",
    spec=like_spec,
    kernel=_to_shape(sum_to_shape),
    gradient=lambda op, dy: only_first(op, broadcast_like(dy, op.inputs[0])),
)
define(
    "BroadcastLike",
    spec=like_spec,
    kernel=_to_shape(lambda x, shape: namespace(x).broadcast_to(x, shape)),
    gradient=lambda op, dy: only_first(op, sum_like(dy, op.inputs[0])),
)
define(
    "ReshapeLike",
    spec=_reshape_like_spec,
    kernel=_to_shape(_reshaped),
    gradient=lambda op, dy: only_first(op, reshape_like(dy, op.inputs[0])),
)

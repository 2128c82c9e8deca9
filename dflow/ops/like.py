"""What gradients of broadcasting ops are made of: values brought to the shape of another value.

Why these are ops and not a `shape()` and a `reshape()`: a shape as a tensor has to come back from a GPU first, while
a kernel knows the shapes of its inputs.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.arrays import namespace, sum_to_shape
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec


def _known(x: Tensor, like: Tensor) -> bool:
    return x.shape == like.shape and x.shape.is_fully_defined()


def sum_like(x: Tensor, like: Tensor) -> Tensor:
    """`x` summed over the axes along which `like` was broadcast to the shape of `x`: the gradient of broadcasting."""
    result: Tensor
    if _known(x, like):
        return x
    if like.shape.is_fully_defined():
        result = add_op("SumLike", x, shape=tuple(like.shape.as_list()))
    else:
        result = add_op("SumLike", x, like)
    return result


def broadcast_like(x: Tensor, like: Tensor) -> Tensor:
    """`x` repeated to the shape of `like`."""
    result: Tensor = x if _known(x, like) else add_op("BroadcastLike", x, like)
    return result


def reshape_like(x: Tensor, like: Tensor) -> Tensor:
    """The values of `x`, in row-major order, in the shape of `like`."""
    result: Tensor = x if _known(x, like) else add_op("ReshapeLike", x, like)
    return result


def _sum_like_spec(x: TensorSpec, like: TensorSpec | None = None, shape: tuple[int, ...] | None = None) -> TensorSpec:
    return TensorSpec(TensorShape(shape) if like is None else like.shape, x.dtype)


def _sum_like_kernel(x: Any, like: Any = None, shape: tuple[int, ...] | None = None) -> Any:
    return sum_to_shape(x, tuple(like.shape) if shape is None else shape)


def _like_spec(x: TensorSpec, like: TensorSpec) -> TensorSpec:
    return TensorSpec(like.shape, x.dtype)


def _reshape_like_spec(x: TensorSpec, like: TensorSpec) -> TensorSpec:
    given, wanted = x.shape.num_elements(), like.shape.num_elements()
    if given is not None and wanted is not None and given != wanted:
        raise ShapeError(f"{given} values do not fill shape {like.shape}")
    return TensorSpec(like.shape, x.dtype)


def only_first(op: Operation, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
    """The gradients of an op whose first input alone holds values."""
    return (gradient, *(None for _ in op.inputs[1:]))


define(
    "SumLike",
    spec=_sum_like_spec,
    kernel=_sum_like_kernel,
    gradient=lambda op, dy: only_first(op, broadcast_like(dy, op.inputs[0])),
)
define(
    "BroadcastLike",
    spec=_like_spec,
    kernel=lambda x, like: namespace(x).broadcast_to(x, tuple(like.shape)),
    gradient=lambda op, dy: only_first(op, sum_like(dy, op.inputs[0])),
)
define(
    "ReshapeLike",
    spec=_reshape_like_spec,
    kernel=lambda x, like: namespace(x).reshape(x, tuple(like.shape)),
    gradient=lambda op, dy: only_first(op, reshape_like(dy, op.inputs[0])),
)

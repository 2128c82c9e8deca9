"""The shape that two shapes broadcast to: while the graph is built, and as a tensor.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.arrays import ints, namespace
from dflow.ops.rules.ranks import bracketed, exactly, require
from dflow.ops.rules.static import only, operands, same_dtype
from dflow.registry import define, no_gradient, not_differentiable
from dflow.shapes import as_shape, broadcast
from dflow.specs import TensorSpec
from dflow.tensor_shape import TensorShape

__all__ = ["broadcast_dynamic_shape", "broadcast_static_shape"]


def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The static shape that two static shapes broadcast to; ShapeError if they do not."""
    x, y = as_shape(shape_x), as_shape(shape_y)
    try:
        return TensorShape(broadcast(x, y))
    except ShapeError:
        raise ShapeError(f"Incompatible shapes for broadcasting: {x} and {y}") from None


def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The sizes that two vectors of sizes broadcast to: a vector of their dtype, int32 or int64.

    InvalidArgumentError at run time for sizes that do not fit.
    """
    result: Tensor = add_op("BroadcastArgs", *operands((shape_x, shape_y), ("s0", "s1"), "BroadcastArgs"))
    return result


def _spec(x: TensorSpec, y: TensorSpec) -> TensorSpec:
    same_dtype(x, y)
    only(x, x.dtype.name in ("int32", "int64"), "sizes of int32 or int64")
    a, b = exactly(x, 1)[0], exactly(y, 1)[0]
    return TensorSpec(TensorShape([None if a is None or b is None else max(a, b)]), x.dtype)


def _kernel(x: Any, y: Any) -> Any:
    for array, what in ((x, "s0"), (y, "s1")):
        require(array.ndim == 1, f"{what} must be a vector, got a shape of {bracketed(array.shape)}")
    a, b = ints(x), ints(y)
    rank = max(len(a), len(b))
    left, right = ((1,) * (rank - len(sizes)) + sizes for sizes in (a, b))
    fits = all(m == n or 1 in (m, n) for m, n in zip(left, right, strict=True))
    require(fits, f"Incompatible shapes: {bracketed(a)} vs. {bracketed(b)}")
    both = [n if m == 1 else m for m, n in zip(left, right, strict=True)]
    return namespace(x).asarray(both, dtype=x.dtype, device=device(x))


define("BroadcastArgs", spec=_spec, kernel=_kernel, gradient=no_gradient("a shape is made of integers"))


def _args_spec(x: TensorSpec, y: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
    _spec(x, y)
    return (TensorSpec(TensorShape([None]), x.dtype),) * 2


def _args_kernel(x: Any, y: Any) -> tuple[Any, Any]:
    """The axes along which the gradients of two operands are summed: those that were broadcast, and those of size 1."""
    _kernel(x, y)
    rank = max(x.size, y.size)
    sizes = [(1,) * (rank - array.size) + ints(array) for array in (x, y)]
    same = sizes[0] == sizes[1] and x.size == y.size
    axes = [[] if same else [i for i, size in enumerate(one) if size == 1] for one in sizes]
    xp = namespace(x)
    return tuple(xp.asarray(it, dtype=x.dtype, device=device(x)) for it in axes)


define("BroadcastGradientArgs", spec=_args_spec, kernel=_args_kernel, gradient=not_differentiable)

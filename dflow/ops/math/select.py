"""The choice between two tensors, with shapes that broadcast.

Source: array_ops.where_v2 of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.compare import truths, where
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.static import only, operands, same_dtype
from dflow.registry import define
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = ["where_v2"]


def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """x where the condition is true, else y; all three broadcast.  Without x and y: as `where`.

    condition: bool; x, y: any dtype, the same.  ValueError if only one of them is given.
    """
    if x is None and y is None:
        return where(condition, name=name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    result: Tensor = add_op("SelectV2", truths(condition), *operands((x, y), ("t", "e"), "SelectV2"), name=name)
    return result


def _spec(condition: TensorSpec, x: TensorSpec, y: TensorSpec) -> TensorSpec:
    only(condition, condition.dtype.is_bool, "a bool as its condition")
    same_dtype(x, y)
    return TensorSpec(broadcast(condition.shape, x.shape, y.shape), x.dtype)


def _kernel(condition: Any, x: Any, y: Any) -> Any:
    try:
        return namespace(x, y).where(condition, x, y)
    except ValueError:
        raise InvalidArgumentError(
            None,
            None,
            "condition, then, and else must be broadcastable, got shapes "
            f"{list(condition.shape)}, {list(x.shape)} and {list(y.shape)}",
        ) from None


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    condition, x, y = op.inputs
    nothing = zeros_like(dy)
    return None, sum_like(where_v2(condition, dy, nothing), x), sum_like(where_v2(condition, nothing, dy), y)


define("SelectV2", spec=_spec, kernel=_kernel, gradient=_gradient, batch=elementwise)

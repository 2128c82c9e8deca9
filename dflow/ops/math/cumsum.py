"""Running sums.

Source: math_ops.cumsum of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import axis_of, namespace
from dflow.ops.rules.batching import along_axes
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import only_first
from dflow.ops.rules.static import normal_axis, only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["cumsum"]


def cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """The sum of the values up to each one along an axis, a number or a tensor.  Numbers.

    exclusive: without the value itself; reverse: from the end.
    """
    place, inputs = late(axis)
    result: Tensor = add_op(
        "Cumsum", x, *inputs, name=name, axis=place, exclusive=bool(exclusive), reverse=bool(reverse)
    )
    return result


def _cumsum_spec(x: TensorSpec, axis: int, exclusive: bool, reverse: bool) -> TensorSpec:
    if x.shape.ndims is not None:
        normal_axis(axis, x.shape.ndims)
    return _numbers_spec(x)


def _numbers_spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_numeric, "numbers")
    return x


def _cumsum_kernel(x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    xp = namespace(x)
    axis = axis_of(x, axis)
    values = xp.flip(x, axis=axis) if reverse else x
    total = xp.cumulative_sum(values, axis=axis, dtype=x.dtype, include_initial=exclusive)
    if exclusive:
        total = total[(*(slice(None) for _ in range(axis)), slice(0, x.shape[axis]), ...)]
    return xp.flip(total, axis=axis) if reverse else total


def _cumsum_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    attrs = {**op.attrs, "reverse": not op.attrs["reverse"]}
    return only_first(op, add_op("Cumsum", dy, *op.inputs[1:], **attrs))


define(
    "Cumsum",
    **late_rules("axis", spec=_cumsum_spec, unknown=_numbers_spec, kernel=_cumsum_kernel, batch=along_axes),
    gradient=_cumsum_gradient,
)

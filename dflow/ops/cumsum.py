"""Running sums.

Source: math_ops.cumsum of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, add_op
from dflow.ops.arrays import namespace
from dflow.ops.batching import along_axes
from dflow.ops.static import normal_axis, only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["cumsum"]


def cumsum(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """The sum of the values up to each one along an axis.  Numbers.

    exclusive: without the value itself; reverse: from the end.
    """
    result: Tensor = add_op("Cumsum", x, name=name, axis=int(axis), exclusive=bool(exclusive), reverse=bool(reverse))
    return result


def _cumsum_spec(x: TensorSpec, axis: int, exclusive: bool, reverse: bool) -> TensorSpec:
    only(x, x.dtype.is_numeric, "numbers")
    if x.shape.ndims is not None:
        normal_axis(axis, x.shape.ndims)
    return x


def _cumsum_kernel(x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    xp = namespace(x)
    values = xp.flip(x, axis=axis) if reverse else x
    total = xp.cumulative_sum(values, axis=axis, dtype=x.dtype, include_initial=exclusive)
    if exclusive:
        place = axis % x.ndim
        total = total[(*(slice(None) for _ in range(place)), slice(0, x.shape[place]), ...)]
    return xp.flip(total, axis=axis) if reverse else total


define(
    "Cumsum",
    spec=_cumsum_spec,
    kernel=_cumsum_kernel,
    gradient=lambda op, dy: cumsum(dy, op.attrs["axis"], op.attrs["exclusive"], not op.attrs["reverse"]),
    batch=along_axes,
)

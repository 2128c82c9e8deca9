"""Constraints of variables: functions of a variable's value after a step of an optimizer.

    w = df.get_variable("w", [3, 4], constraint=df.keras.constraints.MaxNorm(1.0))

Source: tf.keras.constraints of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.math.compare import greater_equal
from dflow.ops.math.powers import sqrt, square
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.nn.clip import clip_by_value

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "unit_norm",
]

EPSILON = 1e-7  # keeps rows of zeros from a division by zero


class Constraint:
    """Base class of constraints; this one changes nothing."""

    def __call__(self, w: Any) -> Any:
        """The value that takes the place of w."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constraint."""
        return {}


def _norms(w: Tensor, axis: Any) -> Tensor:
    return sqrt(reduce_sum(square(w), axis, keepdims=True))


class MaxNorm(Constraint):
    """Norms along `axis` that are larger than max_value become it.  axis: one or several."""

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """w with smaller norms."""
        w = convert_to_tensor(w)
        norms = _norms(w, self.axis)
        scaled: Tensor = w * (clip_by_value(norms, 0.0, self.max_value) / (EPSILON + norms))
        return scaled

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Negative values become 0."""

    def __call__(self, w: Any) -> Tensor:
        """w without negative values."""
        w = convert_to_tensor(w)
        kept: Tensor = w * cast(greater_equal(w, 0.0), w.dtype)
        return kept


class UnitNorm(Constraint):
    """Norms along `axis` become 1."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """w with norms of 1."""
        w = convert_to_tensor(w)
        scaled: Tensor = w / (EPSILON + _norms(w, self.axis))
        return scaled

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms along `axis` go into [min_value, max_value]: by the part `rate` of the way."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """w with norms in the range, or nearer to it."""
        w = convert_to_tensor(w)
        norms = _norms(w, self.axis)
        wanted = self.rate * clip_by_value(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        scaled: Tensor = w * (wanted / (EPSILON + norms))
        return scaled

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm

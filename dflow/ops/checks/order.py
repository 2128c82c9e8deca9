"""Whether values ascend.

Source: check_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.shape import reshape
from dflow.ops.math.compare import less, less_equal
from dflow.ops.math.reduction import reduce_all
from dflow.ops.rules.named import scope_of

__all__ = ["is_non_decreasing", "is_strictly_increasing"]


def is_non_decreasing(x: Any, name: str | None = None) -> Tensor:
    """True if no value is smaller than the one before it, in row-major order: a bool scalar.  Real numbers."""
    return _ascends(x, less_equal, name, "is_non_decreasing")


def is_strictly_increasing(x: Any, name: str | None = None) -> Tensor:
    """True if every value is larger than the one before it, in row-major order: a bool scalar.  Real numbers."""
    return _ascends(x, less, name, "is_strictly_increasing")


def _ascends(x: Any, compare: Callable[..., Tensor], name: str | None, default: str) -> Tensor:
    with scope_of((x,), name, default):
        values = reshape(convert_to_tensor(x), [-1])
        return reduce_all(compare(values[:-1], values[1:]))

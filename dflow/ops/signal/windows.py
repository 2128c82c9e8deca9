"""Windows: weights that fade out at both ends.

Source: window_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.dtypes import as_dtype, int32
from dflow.errors import DTypeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones, ones_like
from dflow.ops.array.sequence import range as range_
from dflow.ops.math.arithmetic import add, maximum, multiply, subtract
from dflow.ops.math.compare import equal, where
from dflow.ops.math.division import floormod, realdiv
from dflow.ops.math.trigonometry import cos
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import known_value

__all__ = ["hamming_window", "hann_window"]


def hann_window(window_length: Any, periodic: Any = True, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """0.5 - 0.5 * cos(2 * pi * i / n) for i = 0, ..., window_length - 1, floating; ones for a length of 1.

    n is the length if `periodic` is true and the length even, else the length less 1.
    """
    return _raised_cosine(window_length, periodic, dtype, name or "hann_window", 0.5, 0.5)


def hamming_window(window_length: Any, periodic: Any = True, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """0.54 - 0.46 * cos(2 * pi * i / n); else as `hann_window`."""
    return _raised_cosine(window_length, periodic, dtype, name or "hamming_window", 0.54, 0.46)


def _raised_cosine(length: Any, periodic: Any, dtype: Any, name: str, middle: float, swing: float) -> Tensor:
    target = as_dtype(dtype)
    if not target.is_floating:
        raise DTypeError(f"dtype must be a floating point type. Found {target.name}")
    with scope_of((length, periodic), name, name):
        count = convert_to_tensor(length, int32, name="window_length")
        count.shape.with_rank(0)
        is_periodic = cast(convert_to_tensor(periodic, name="periodic"), int32)
        known = known_value(count)
        if known == 1:
            return ones([1], target)
        is_even = subtract(1, floormod(count, 2))
        last = subtract(add(count, multiply(is_periodic, is_even)), 1)
        angle = realdiv(multiply(cast(range_(count), target), 2 * math.pi), cast(maximum(last, 1), target))
        window = middle - multiply(cos(angle), swing)
        return window if known is not None else where(equal(count, 1), ones_like(window), window)

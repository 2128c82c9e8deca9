"""Casts that clip instead of overflowing.

Source: math_ops.saturate_cast of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.math.arithmetic import maximum, minimum
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import as_tensor

__all__ = ["saturate_cast"]


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """The value in another dtype; what is outside the range of that dtype becomes its smallest or largest number.

    Numbers only: the range of a dtype without order, such as bool or complex64, is a TypeError.
    """
    target = as_dtype(dtype)
    with scoped("saturate_cast", name, value) as scope:
        x = as_tensor(value)
        source = x.dtype
        if source.min < target.min:
            x = maximum(x, convert_to_tensor(source.as_numpy_dtype(target.min), name="min"))
        if source.max > target.max:
            x = minimum(x, convert_to_tensor(source.as_numpy_dtype(target.max), name="max"))
        result: Tensor = cast(x, target, name=scope)
        return result

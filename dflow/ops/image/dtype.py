"""Images in other dtypes: integers have the range of their dtype, floating numbers that from 0 to 1.

Source: image_ops_impl.convert_image_dtype of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.control import identity
from dflow.ops.image.shapes import is_float
from dflow.ops.math.arithmetic import maximum, minimum, multiply
from dflow.ops.math.division import floordiv
from dflow.ops.rules.building import scoped

__all__ = ["convert_image_dtype"]


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """The image in another dtype, scaled to its range.  saturate: values beyond the range become its ends.

    image, dtype: integers or floating.  Source: tf.image.convert_image_dtype.
    """
    x, target = convert_to_tensor(image, name="image"), as_dtype(dtype)
    if not (target.is_floating or target.is_integer):
        raise AttributeError("dtype must be either floating point or integer")
    if target == x.dtype:
        return identity(x, name=name)
    with scoped("convert_image", name, x) as scope:
        if x.dtype.is_floating:
            if target.is_floating:
                return cast(x, target, name=scope)
            return to(multiply(x, float(target.max) + 0.5), target, saturate, scope)
        if target.is_floating:
            return multiply(cast(x, target), 1.0 / float(x.dtype.max), name=scope)
        most, most_out = int(x.dtype.max), int(target.max)
        if most > most_out:
            return to(floordiv(x, (most + 1) // (most_out + 1)), target, saturate, scope)
        return multiply(to(x, target, saturate), (most_out + 1) // (most + 1), name=scope)


def to(x: Tensor, dtype: DType, saturate: bool, name: str | None = None) -> Tensor:
    """A cast; saturate: values beyond the range of the dtype become its ends."""
    if saturate:
        if float(x.dtype.min) < float(dtype.min):
            x = maximum(x, _at_most(dtype.min, x.dtype))
        if float(x.dtype.max) > float(dtype.max):
            x = minimum(x, _at_most(dtype.max, x.dtype))
    return cast(x, dtype, name=name)


def _at_most(limit: Any, dtype: DType) -> Any:
    """A limit of integers as a number of another dtype, not rounded beyond the limit."""
    value = dtype.numpy_dtype.type(limit)
    return (
        np.nextafter(value, dtype.numpy_dtype.type(0)) if dtype.is_floating and int(value) > int(limit) > 0 else value
    )


def as_float(x: Tensor) -> Tensor:
    """An image in float32 or float16, in which it is adjusted."""
    return x if is_float(x.dtype) else convert_image_dtype(x, float32)


def back(x: Tensor, dtype: DType, name: str | None = None) -> Tensor:
    """An adjusted image in its dtype again."""
    return convert_image_dtype(x, dtype, saturate=True, name=name)

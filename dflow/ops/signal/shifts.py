"""The frequency 0 moved to the middle of a spectrum, and back.

Source: fft_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import shape
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import normal_axes

__all__ = ["fftshift", "ifftshift"]


def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The second half of the values before the first half, along axes, a number or several; None: all."""
    return _halves_exchanged(x, axes, name, "fftshift", 1)


def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The inverse of `fftshift`, which differs from it for an odd number of values."""
    return _halves_exchanged(x, axes, name, "ifftshift", 0)


def _halves_exchanged(x: Any, axes: Any, name: str | None, default: str, more: int) -> Tensor:
    """more: 1 if the middle value of an odd number belongs to the first half."""
    with scope_of((x,), name, default):
        tensor = convert_to_tensor(x)
        if tensor.shape.ndims is None:
            raise ValueError(f"the rank of {tensor.name} must be known; use set_shape()")
        for axis in normal_axes(axes if axes is None or isinstance(axes, int) else tuple(axes), len(tensor.shape)):
            size = tensor.spec.shape[axis]
            half = (shape(tensor)[axis] + more) // 2 if size is None else (size + more) // 2
            before: Any = (slice(None),) * axis
            tensor = concat([tensor[(*before, slice(half, None))], tensor[(*before, slice(None, half))]], axis)
        return tensor

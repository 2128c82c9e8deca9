"""Convolutions of CuPy's arrays by cuDNN, where CuPy has it.

cuDNN takes images with the channels first, filters [o, c, *window], and as many zeros before an axis as behind it:
where the numbers differ, the image gets the rest of its zeros first.  Without cuDNN, arrays of a GPU are computed as
those of a CPU, see `columns.py`.  No machine that tests dflow has CuPy: the tests put functions of NumPy in the place
of CuPy's.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.windows import Axis

Axes = Sequence[Axis]


def library(x: Any) -> Any:
    """CuPy's functions of cuDNN for an array of CuPy; None for another one, and if they are not there."""
    return _functions() if type(x).__module__.partition(".")[0] == "cupy" else None


@functools.cache
def _functions() -> Any:
    for name in ("cupyx.cudnn", "cupy.cudnn"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "convolution_forward"):
            return module
    return None


def convolve(cudnn: Any, x: Any, f: Any, axes: Axes) -> Any:
    """The convolution: [n, *outs, o]."""
    image, taps = _image(x, axes), _filter(f)
    y = zeros(image, (x.shape[0], f.shape[-1], *(axis.out for axis in axes)))
    cudnn.convolution_forward(image, taps, None, y, *_steps(axes), x.shape[-1] // f.shape[-2], **_HOW)
    return namespace(x).moveaxis(y, 1, -1)


def input_gradient(cudnn: Any, dy: Any, f: Any, axes: Axes, channels: int) -> Any:
    """The gradient of x: [n, *sizes, c]."""
    grads, taps = _contiguous(namespace(dy).moveaxis(dy, -1, 1)), _filter(f)
    rest = [_rest(axis) for axis in axes]
    sizes = [axis.size + before + behind for axis, (before, behind) in zip(axes, rest, strict=True)]
    dx = zeros(grads, (dy.shape[0], channels, *sizes))
    groups = channels // f.shape[-2]
    cudnn.convolution_backward_data(taps, grads, None, dx, *_steps(axes), groups, deterministic=False, **_HOW)
    inside = tuple(slice(before, before + axis.size) for axis, (before, _) in zip(axes, rest, strict=True))
    return namespace(dx).moveaxis(dx[(slice(None), slice(None), *inside)], 1, -1)


def filter_gradient(cudnn: Any, x: Any, dy: Any, axes: Axes, inputs: int) -> Any:
    """The gradient of the filter: [*window, c, o]."""
    xp = namespace(x)
    image, grads = _image(x, axes), _contiguous(xp.moveaxis(dy, -1, 1))
    df = zeros(image, (dy.shape[-1], inputs, *(axis.window for axis in axes)))
    groups = x.shape[-1] // inputs
    cudnn.convolution_backward_filter(image, grads, df, *_steps(axes), groups, deterministic=False, **_HOW)
    return xp.permute_dims(df, (*range(2, df.ndim), 1, 0))


_HOW = {"auto_tune": False, "tensor_core": "auto"}


def _steps(axes: Axes) -> tuple[tuple[int, ...], ...]:
    """The zeros that cuDNN adds on both sides of each axis, the strides and the dilations."""
    pads = tuple(min(axis.before, axis.after) for axis in axes)
    return pads, tuple(axis.stride for axis in axes), tuple(axis.dilation for axis in axes)


def _rest(axis: Axis) -> tuple[int, int]:
    """The zeros that an axis needs besides."""
    both = min(axis.before, axis.after)
    return axis.before - both, axis.after - both


def _image(x: Any, axes: Axes) -> Any:
    """The image with its channels first, and the zeros that cuDNN does not add."""
    first = namespace(x).moveaxis(x, -1, 1)
    rest = [_rest(axis) for axis in axes]
    if not any(map(any, rest)):
        return _contiguous(first)
    sizes = [size + before + behind for size, (before, behind) in zip(first.shape[2:], rest, strict=True)]
    whole = zeros(first, (*first.shape[:2], *sizes))
    inside = tuple(slice(before, before + size) for size, (before, _) in zip(first.shape[2:], rest, strict=True))
    whole[(slice(None), slice(None), *inside)] = first
    return whole


def _filter(f: Any) -> Any:
    """A filter as [o, c, *window]."""
    return _contiguous(namespace(f).permute_dims(f, (f.ndim - 1, f.ndim - 2, *range(f.ndim - 2))))


def _contiguous(x: Any) -> Any:
    return namespace(x).ascontiguousarray(x)

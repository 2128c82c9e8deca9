"""Convolutions of any number of spatial axes, and with holes between the taps of their filters.

Source: nn_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.graph import Tensor
from dflow.ops.conv.conv import CONV2D, CONV3D, attributes, conv1d
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import operands
from dflow.ops.rules.windows import FORMATS, channels_first

__all__ = ["atrous_conv2d", "convolution", "steps_of"]


def convolution(
    input: Any,
    filter: Any,
    padding: Any,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """`conv1d`, `conv2d` or `conv3d`, by the rank of the filter, with holes in it.

    input: floating, [n, *sizes, c], or, if data_format starts with "NC", [n, c, *sizes]; filter: [*window, c, o].
    strides, dilation_rate: one number for each spatial axis, 1 by default; one of the two has to be 1.
    ValueError for shapes that do not fit.  Source: tf.nn.convolution.
    """
    rates = one_of("dilations", dilations, "dilation_rate", dilation_rate)
    with scoped("convolution", name, input, filter) as scope:
        x, f = operands((input, one_of("filters", filters, "filter", filter)), ("input", "filter"), "convolution")
        spatial = _spatial_axes(x, f, data_format)
        steps, holes = steps_of(spatial, strides, rates)
        if spatial == 1:
            return conv1d(x, f, steps, padding, data_format=_format(data_format, 3), dilations=holes, name=scope)
        attrs = attributes(steps, padding, _format(data_format, spatial + 2), holes, spatial + 2)
        return (CONV2D if spatial == 2 else CONV3D).of(x, f, attrs, scope)


def _spatial_axes(x: Tensor, f: Tensor, data_format: str | None) -> int:
    """The number of spatial axes; ValueError for ranks and channels that do not fit."""
    rank = x.shape.ndims if f.shape.ndims is None else f.shape.ndims
    if rank is None:
        raise ValueError("rank of input or filter must be known")
    for tensor, what in ((x, "input"), (f, "filter")):
        if tensor.shape.ndims not in (None, rank):
            raise ValueError(f"{what} tensor must have rank {rank}")
    if not 3 <= rank <= 5:
        raise ValueError(f"convolution is of 1 to 3 spatial axes, got an input of rank {rank}")
    channels = x.shape.with_rank(rank)[1 if channels_first(data_format) else rank - 1]
    inputs = f.shape.with_rank(rank)[rank - 2]
    if channels is not None and inputs is not None and channels != inputs:
        raise ValueError(
            f"number of input channels does not match corresponding dimension of filter, {channels} != {inputs}"
        )
    return rank - 2


def _format(data_format: str | None, rank: int) -> str:
    return FORMATS[rank][channels_first(data_format)]


def steps_of(spatial: int, strides: Any, dilation_rate: Any) -> tuple[Sequence[int], Sequence[int]]:
    """Strides and dilations, one number for each spatial axis; ValueError for others, and for both above 1."""
    found = []
    for name, value in (("dilation_rate", dilation_rate), ("strides", strides)):
        numbers = [1] * spatial if value is None else np.asarray(value).reshape(-1).tolist()
        if len(numbers) != spatial:
            raise ValueError(f"len({name})={len(numbers)} but should be {spatial}")
        if min(numbers) < 1:
            raise ValueError(f"all values of {name} must be positive")
        found.append(numbers)
    rates, steps = found
    if max(steps) > 1 and max(rates) > 1:
        raise ValueError("strides > 1 not supported in conjunction with dilation_rate > 1")
    return steps, rates


def atrous_conv2d(value: Any, filters: Any, rate: Any, padding: str, name: str | None = None) -> Tensor:
    """The convolution of images with a filter that has `rate` - 1 holes between its values.

    value: floating, [n, height, width, c]; filters: [h, w, c, o]; rate: a positive number.
    Source: tf.nn.atrous_conv2d.
    """
    return convolution(value, filters, padding, dilation_rate=np.broadcast_to(rate, (2,)), name=name)

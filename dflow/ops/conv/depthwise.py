"""Convolutions of each channel by itself, and separable ones.

A filter is [h, w, c, m]: each channel of the image gives m channels of the result.  The result is the sum, over the
taps of the window, of parts of the image times the filter's values there: no product of matrices has its form.
Source: nn_impl and nn_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.errors import ShapeError
from dflow.graph import Tensor
from dflow.ops.conv.conv import CONV2D, attributes
from dflow.ops.conv.family import Convolution
from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import operands
from dflow.ops.rules.windows import Axis, batches, taps
from dflow.shapes import TensorShape

__all__ = [
    "depthwise_conv2d",
    "depthwise_conv2d_backprop_filter",
    "depthwise_conv2d_backprop_input",
    "depthwise_conv2d_native",
    "depthwise_conv2d_native_backprop_filter",
    "depthwise_conv2d_native_backprop_input",
    "separable_conv2d",
]

Axes = Sequence[Axis]


def _outputs(channels: int | None, inputs: int | None, multiplier: int | None) -> int | None:
    if channels is not None and inputs is not None and channels != inputs:
        raise ShapeError(f"Dimensions must be equal, but are {channels} and {inputs}: the channels of image and filter")
    known = channels if inputs is None else inputs
    return None if known is None or multiplier is None else known * multiplier


def _parts(x: Any, axes: Axes, channels: int) -> Any:
    size = channels
    for axis in axes:
        size *= axis.out
    return batches(x.shape[0], size, x)


def _convolve(x: Any, f: Any, axes: Axes) -> Any:
    c, m = f.shape[-2:]
    y = zeros(x, (x.shape[0], *(axis.out for axis in axes), c, m))
    for part in _parts(x, axes, c * m):
        for place, windows, values in taps(axes):
            if m == 1:
                y[(part, *windows, slice(None), 0)] += x[(part, *values, ...)] * f[(*place, slice(None), 0)]
            else:
                y[(part, *windows, ...)] += x[(part, *values, ..., None)] * f[(*place, ...)]
    return namespace(x).reshape(y, (*y.shape[:-2], c * m))


def _input_gradient(dy: Any, f: Any, axes: Axes, channels: int) -> Any:
    xp = namespace(dy)
    c, m = f.shape[-2:]
    dy = xp.reshape(dy, (*dy.shape[:-1], c, m))
    dx = zeros(dy, (dy.shape[0], *(axis.size for axis in axes), c))
    for part in _parts(dy, axes, c * m):
        for place, windows, values in taps(axes):
            if m == 1:
                dx[(part, *values, ...)] += dy[(part, *windows, ..., 0)] * f[(*place, slice(None), 0)]
            else:
                dx[(part, *values, ...)] += xp.sum(dy[(part, *windows, ...)] * f[(*place, ...)], axis=-1)
    return dx


def _filter_gradient(x: Any, dy: Any, axes: Axes, channels: int) -> Any:
    xp = namespace(x)
    c, m = x.shape[-1], dy.shape[-1] // x.shape[-1]
    dy = xp.reshape(dy, (*dy.shape[:-1], c, m))
    df = zeros(x, (*(axis.window for axis in axes), c, m))
    for part in _parts(x, axes, c * m):
        for place, windows, values in taps(axes):
            if m == 1:
                product = x[(part, *values, ...)] * dy[(part, *windows, ..., 0)]
            else:
                product = x[(part, *values, ..., None)] * dy[(part, *windows, ...)]
            df[(*place, ...)] += xp.reshape(_sum_of_rows(xp.reshape(product, (-1, c * m))), (c, m))
    return df


def _sum_of_rows(rows: Any) -> Any:
    """The sum of the rows of a matrix: as a product of BLAS, where that is there."""
    if type(rows) is np.ndarray:
        return np.ones(len(rows), rows.dtype) @ rows
    return namespace(rows).sum(rows, axis=0)


DEPTHWISE = Convolution(
    "DepthwiseConv2dNative",
    "DepthwiseConv2dNativeBackpropInput",
    "DepthwiseConv2dNativeBackpropFilter",
    _outputs,
    _convolve,
    _input_gradient,
    _filter_gradient,
)
DEPTHWISE.define()


def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The convolution of each channel by itself.  input: floating, [n, height, width, c]; filter: [h, w, c, m].

    strides, dilations: four numbers -> [n, outs, outs, c * m].  Source: tf.nn.depthwise_conv2d_native.
    """
    attrs = attributes(_four(strides, "strides"), padding, data_format, _four(dilations, "dilations"))
    return DEPTHWISE.of(input, filter, attrs, name)


def _four(numbers: Any, name: str) -> tuple[int, ...]:
    if not hasattr(numbers, "__len__") or len(numbers) != 4:
        raise ShapeError(f"DepthwiseConv2D requires the {name} attribute to contain 4 values, but got: {numbers}")
    return tuple(int(number) for number in numbers)


def depthwise_conv2d_native_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of images of `input_sizes`, numbers or a tensor, in `depthwise_conv2d_native`.

    Source: tf.nn.depthwise_conv2d_native_backprop_input.
    """
    attrs = attributes(_four(strides, "strides"), padding, data_format, _four(dilations, "dilations"))
    return DEPTHWISE.back_to_input(input_sizes, filter, out_backprop, attrs, name)


def depthwise_conv2d_native_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of a filter of `filter_sizes`, numbers or a tensor, in `depthwise_conv2d_native`.

    Source: tf.nn.depthwise_conv2d_native_backprop_filter.
    """
    attrs = attributes(_four(strides, "strides"), padding, data_format, _four(dilations, "dilations"))
    return DEPTHWISE.back_to_filter(input, filter_sizes, out_backprop, attrs, name)


depthwise_conv2d_backprop_input = depthwise_conv2d_native_backprop_input
depthwise_conv2d_backprop_filter = depthwise_conv2d_native_backprop_filter


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """The convolution of each channel by itself.  input: floating, [n, height, width, c]; filter: [h, w, c, m].

    strides: four numbers; rate, or dilations: two numbers, with which the strides have to be 1.
    -> [n, outs, outs, c * m].  Source: tf.nn.depthwise_conv2d.
    """
    rates = _rates(one_of("dilations", dilations, "rate", rate), strides)
    with scoped("depthwise", name, input, filter) as scope:
        x, f = operands((input, filter), ("tensor_in", "filter_in"), "DepthwiseConv2dNative")
        return DEPTHWISE.of(x, f, attributes(_four(strides, "strides"), padding, data_format, rates), scope)


def _rates(rate: Any, strides: Any) -> tuple[int, ...]:
    rates = (
        (1, 1) if rate is None else tuple(int(item) for item in (rate if hasattr(rate, "__len__") else [rate, rate]))
    )
    if min(rates) < 1:
        raise ValueError(f"all values of rate must be positive, got {rates}")
    if max(rates) > 1 and max(strides) > 1:
        raise ValueError("strides > 1 not supported in conjunction with dilation_rate > 1")
    return rates


def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """A convolution of each channel by itself, and then one of all channels of each point.

    input: floating, [n, height, width, c]; depthwise_filter: [h, w, c, m]; pointwise_filter: [1, 1, c * m, o]
    -> [n, outs, outs, o].  Other arguments: as `depthwise_conv2d`.  Source: tf.nn.separable_conv2d.
    """
    rates = _rates(one_of("dilations", dilations, "rate", rate), strides)
    with scoped("separable_conv2d", name, input, depthwise_filter, pointwise_filter) as scope:
        x, f, points = operands(
            (input, depthwise_filter, pointwise_filter),
            ("tensor_in", "depthwise_filter", "pointwise_filter"),
            "separable_conv2d",
        )
        TensorShape(points.shape.with_rank(4)[:2]).merge_with([1, 1])
        each = attributes(_four(strides, "strides"), padding, data_format, rates)
        depthwise = DEPTHWISE.of(x, f, each, "depthwise")
        return CONV2D.of(depthwise, points, attributes((1, 1), "VALID", data_format, (1, 1)), scope)

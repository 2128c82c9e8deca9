"""Convolutions of images and volumes, and their gradients.

Images are [n, height, width, c] ("NHWC") or [n, c, height, width] ("NCHW"), volumes have a depth before the height,
sequences are [n, width, c].  A filter is [*window, c, o].  On CPU the convolution is computed as products of matrices,
see `columns.py`.  The arrays of a GPU go to cuDNN, if CuPy has it, see `cudnn.py`, and else the same
way.
Source: nn_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.conv import columns, cudnn
from dflow.ops.conv.family import Convolution
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import operands
from dflow.ops.rules.windows import (
    Axis,
    data_format_of,
    for_each_axis,
    padding_argument,
    whole_sizes,
)

__all__ = [
    "conv1d",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv3d",
    "conv3d_backprop_filter_v2",
    "conv3d_backprop_input_v2",
]

Axes = tuple[Axis, ...]


# -- groups of channels: a filter for fewer channels than the image has is one for each group of them


def _outputs(channels: int | None, inputs: int | None, outputs: int | None) -> int | None:
    if channels is not None and inputs is not None:
        if not inputs or channels % inputs:
            raise ShapeError(
                f"Depth of input ({channels}) is not a multiple of input depth of filter ({inputs}): "
                "number of input channels does not match corresponding dimension of filter"
            )
        if outputs is not None and outputs % max(1, channels // inputs):
            raise ShapeError(f"{channels // inputs} groups of channels do not divide the {outputs} outputs evenly")
    return outputs


def _pieces(array: Any, groups: int) -> list[Any]:
    """The parts of the last axis."""
    size = array.shape[-1] // groups
    return [array[..., i * size : (i + 1) * size] for i in range(groups)]


def _convolve(x: Any, f: Any, axes: Axes) -> Any:
    if (library := cudnn.library(x)) is not None:
        return cudnn.convolve(library, x, f, axes)
    groups = x.shape[-1] // f.shape[-2]
    if groups == 1:
        return columns.convolve(x, f, axes)
    pairs = zip(_pieces(x, groups), _pieces(f, groups), strict=True)
    return namespace(x).concat([columns.convolve(a, b, axes) for a, b in pairs], axis=-1)


def _input_gradient(dy: Any, f: Any, axes: Axes, channels: int) -> Any:
    if (library := cudnn.library(dy)) is not None:
        return cudnn.input_gradient(library, dy, f, axes, channels)
    groups = channels // f.shape[-2]
    if groups == 1:
        return columns.input_gradient(dy, f, axes)
    pairs = zip(_pieces(dy, groups), _pieces(f, groups), strict=True)
    return namespace(dy).concat([columns.input_gradient(a, b, axes) for a, b in pairs], axis=-1)


def _filter_gradient(x: Any, dy: Any, axes: Axes, inputs: int) -> Any:
    if (library := cudnn.library(x)) is not None:
        return cudnn.filter_gradient(library, x, dy, axes, inputs)
    groups = x.shape[-1] // inputs
    if groups == 1:
        return columns.filter_gradient(x, dy, axes)
    pairs = zip(_pieces(x, groups), _pieces(dy, groups), strict=True)
    return namespace(x).concat([columns.filter_gradient(a, b, axes) for a, b in pairs], axis=-1)


CONV2D = Convolution(
    "Conv2D",
    "Conv2DBackpropInput",
    "Conv2DBackpropFilter",
    _outputs,
    _convolve,
    _input_gradient,
    _filter_gradient,
)
CONV3D = Convolution(
    "Conv3D",
    "Conv3DBackpropInputV2",
    "Conv3DBackpropFilterV2",
    _outputs,
    _convolve,
    _input_gradient,
    _filter_gradient,
)
CONV2D.define()
CONV3D.define()


def attributes(strides: Any, padding: Any, data_format: Any, dilations: Any, rank: int = 4) -> dict[str, Any]:
    """The attributes of a convolution from arguments that may name one number for each spatial axis."""
    layout = data_format_of(data_format, rank)
    name, explicit = padding_argument(padding, rank)
    return {
        "strides": for_each_axis(strides, rank - 2, layout, "strides"),
        "padding": name,
        "explicit_paddings": explicit,
        "data_format": layout,
        "dilations": for_each_axis(dilations, rank - 2, layout, "dilations"),
    }


def whole_attributes(strides: Any, padding: Any, data_format: Any, dilations: Any, kind: str) -> dict[str, Any]:
    """The attributes of a convolution of volumes, whose arguments have a number for each of the five axes."""
    strides, dilations = (
        whole_sizes(numbers, 5, name, kind) for numbers, name in ((strides, "strides"), (dilations, "dilations"))
    )
    return attributes(strides, padding, data_format, dilations, 5)


# -- images


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The convolution of images: y[n, i, j, o] = sum of x[n, i * stride + h, j * stride + w, c] * f[h, w, c, o].

    input: floating, [n, height, width, c]; filter: [h, w, c, o] -> [n, outs, outs, o].  With fewer channels in the
    filter than in the image, the image has groups of channels.
    strides, dilations: one number, two, or four.  padding: "SAME", "VALID", or four pairs of numbers of zeros.
    ShapeError, or InvalidArgumentError at run time, for sizes that do not fit; UnimplementedError for strides of the
    batch or the channels.  Source: tf.nn.conv2d.
    """
    attrs = attributes(strides, padding, data_format, dilations)
    return CONV2D.of(input, one_of("filters", filters, "filter", filter), attrs, name)


def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The gradient of images of `input_sizes`, numbers or a tensor, in `conv2d`, from the gradient of its result.

    Source: tf.nn.conv2d_backprop_input.
    """
    attrs = attributes(strides, padding, data_format, dilations)
    f = one_of("filters", filters, "filter", filter)
    return CONV2D.back_to_input(input_sizes, f, out_backprop, attrs, name)


def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of a filter of `filter_sizes`, numbers or a tensor, in `conv2d`, from the gradient of its result.

    Source: tf.nn.conv2d_backprop_filter.
    """
    attrs = attributes(strides, padding, data_format, dilations)
    return CONV2D.back_to_filter(input, filter_sizes, out_backprop, attrs, name)


# -- volumes


def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The convolution of volumes.  input: floating, [n, d, h, w, c]; filter: [d, h, w, c, o] -> [n, d, h, w, o].

    strides, dilations: five numbers.  Errors: as `conv2d`.  Source: tf.nn.conv3d.
    """
    attrs = whole_attributes(strides, padding, data_format, dilations, "Conv3D")
    return CONV3D.of(input, one_of("filters", filters, "filter", filter), attrs, name)


def conv3d_backprop_input_v2(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of volumes of `input_sizes`, numbers or a tensor, in `conv3d`, from the gradient of its result."""
    attrs = whole_attributes(strides, padding, data_format, dilations, "Conv3DBackpropInputV2")
    return CONV3D.back_to_input(input_sizes, filter, out_backprop, attrs, name)


def conv3d_backprop_filter_v2(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of a filter of `filter_sizes`, numbers or a tensor, in `conv3d`, from the gradient of its result.

    Source: tf.nn.conv3d_backprop_filter_v2.
    """
    attrs = whole_attributes(strides, padding, data_format, dilations, "Conv3DBackpropFilterV2")
    return CONV3D.back_to_filter(input, filter_sizes, out_backprop, attrs, name)


# -- sequences


def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The convolution of sequences.  value: floating, [n, width, c] ("NWC") or [n, c, width] ("NCW").

    filters: [w, c, o].  It is the `conv2d` of images of height 1.  Source: tf.nn.conv1d.
    """
    layout, place = sequence_format(data_format)
    attrs = attributes(
        (1, *for_each_axis(stride, 1, layout, "stride")),
        padding,
        layout,
        (1, *for_each_axis(dilations, 1, layout, "dilations")),
    )
    value = one_of("input", input, "value", value)
    with scoped("conv1d", name, value, filters):
        x, f = operands((value, filters), ("value", "filters"), "conv1d")
        y = CONV2D.of(expand_dims(x, place), expand_dims(f, 0), attrs)
        return squeeze(y, [place])


def sequence_format(data_format: str | None) -> tuple[str, int]:
    """The format of images of height 1, and the place of that height."""
    if data_format in (None, "NHWC", "NWC"):
        return "NHWC", 1
    if data_format in ("NCHW", "NCW"):
        return "NCHW", 2
    raise ValueError('data_format must be "NWC" or "NCW".')

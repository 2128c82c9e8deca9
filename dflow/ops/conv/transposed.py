"""Transposed convolutions: the gradients of convolutions as layers of their own.

Source: nn_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.array.strided_slice import get_item
from dflow.ops.conv.conv import CONV2D, CONV3D, attributes, sequence_format
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import is_symbolic, operands
from dflow.ops.rules.windows import for_each_axis, padding_name
from dflow.shapes import TensorShape

__all__ = [
    "atrous_conv2d_transpose",
    "conv1d_transpose",
    "conv2d_transpose",
    "conv3d_transpose",
    "conv_transpose",
]


def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The images of `output_shape` whose `conv2d` has the gradient `value`.

    value: floating, [n, height, width, o]; filter: [h, w, c, o]; output_shape: four numbers or a tensor
    -> [n, height', width', c].  Other arguments and errors: as `conv2d`.  Source: tf.nn.conv2d_transpose.
    """
    attrs = attributes(strides, padding, data_format, dilations)
    value, filter = one_of("input", input, "value", value), one_of("filters", filters, "filter", filter)
    with scoped("conv2d_transpose", name, value, filter, output_shape) as scope:
        return CONV2D.back_to_input(output_shape, filter, value, attrs, scope)


def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str | None = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The volumes of `output_shape` whose `conv3d` has the gradient `value`.

    value: floating, [n, d, h, w, o]; filter: [d, h, w, c, o]; output_shape: five numbers or a tensor.
    strides, dilations: one number, three or five.  Source: tf.nn.conv3d_transpose.
    """
    attrs = attributes(strides, padding, data_format, dilations, 5)
    value, filter = one_of("input", input, "value", value), one_of("filters", filters, "filter", filter)
    with scoped("conv3d_transpose", name, value, filter, output_shape) as scope:
        return CONV3D.back_to_input(output_shape, filter, value, attrs, scope)


def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str | None = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The sequences of `output_shape` whose `conv1d` has the gradient `input`.

    input: floating, [n, width, o]; filters: [w, c, o]; output_shape: three numbers or a tensor -> [n, width', c].
    Source: tf.nn.conv1d_transpose.
    """
    layout, place = sequence_format(data_format)
    attrs = attributes(
        (1, *for_each_axis(strides, 1, layout, "strides")),
        padding,
        layout,
        (1, *for_each_axis(dilations, 1, layout, "dilations")),
    )
    with scoped("conv1d_transpose", name, input, filters, output_shape):
        sizes = _with_height(output_shape, place)
        dy, f = operands((input, filters), ("input", "filters"), "conv1d_transpose")
        y = CONV2D.back_to_input(sizes, expand_dims(f, 0), expand_dims(dy, place), attrs)
        return squeeze(y, [place])


def _with_height(output_shape: Any, place: int) -> Any:
    """The shape of sequences as that of images of height 1."""
    if not is_symbolic(output_shape):
        numbers = [int(size) for size in output_shape]
        if len(numbers) != 3:
            raise ShapeError(f"output_shape has three sizes, got {numbers}")
        return [*numbers[:place], 1, *numbers[place:]]
    sizes = convert_to_tensor(output_shape)
    parts = [get_item(sizes, slice(None, place)), [1], get_item(sizes, slice(place, None))]
    return concat(parts, 0)


def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """`conv1d_transpose`, `conv2d_transpose` or `conv3d_transpose`, by the number of sizes of `output_shape`.

    Source: tf.nn.conv_transpose.
    """
    with scoped("conv_transpose", name, input, filters, output_shape) as scope:
        rank = _length(output_shape) - 2
        if not 1 <= rank <= 3:
            raise ValueError(f"output_shape must be of length 3, 4 or 5 but was {rank + 2}.")
        if rank == 1:
            return conv1d_transpose(
                input, filters, output_shape, strides, padding, data_format or "NWC", dilations, scope
            )
        transpose = conv2d_transpose if rank == 2 else conv3d_transpose
        return transpose(
            input, filters, output_shape, strides, padding, data_format or None, name=scope, dilations=dilations
        )


def _length(output_shape: Any) -> int:
    if not isinstance(output_shape, Tensor):
        return len(output_shape)
    length = output_shape.shape.with_rank(1)[0]
    if length is None:
        raise ValueError("output_shape must have a static length to tell the number of spatial axes")
    return int(length)


def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The images of `output_shape` whose `atrous_conv2d` has the gradient `value`.

    value: floating, [n, height, width, o]; filters: [h, w, c, o]; rate: a positive number.
    ValueError for shapes that do not fit.  Source: tf.nn.atrous_conv2d_transpose.
    """
    padding_name(padding)
    with scoped("atrous_conv2d_transpose", name, value, filters, output_shape) as scope:
        dy, f = operands((value, filters), ("value", "filters"), "atrous_conv2d_transpose")
        channels, outputs = dy.shape.with_rank(4)[3], f.shape.with_rank(4)[3]
        if channels is not None and outputs is not None and channels != outputs:
            raise ValueError(f"value's input channels does not match filters' input channels, {channels} != {outputs}")
        if rate < 1:
            raise ValueError(f"rate {rate} cannot be less than one")
        if isinstance(output_shape, Tensor):
            if not output_shape.shape.is_compatible_with(TensorShape([4])):
                raise ValueError(f"output_shape must have shape (4,), got {output_shape.shape}")
        elif not is_symbolic(output_shape) and f.spec.shape[2] not in (None, output_shape[3]):
            raise ValueError(f"output_shape does not match filter's output channels, {output_shape[3]} != {f.shape[2]}")
        attrs = attributes((1, 1), padding, "NHWC", (rate, rate))
        return CONV2D.back_to_input(output_shape, f, dy, attrs, scope)

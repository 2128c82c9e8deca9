"""Layers of transposed convolutions, which make images and volumes larger.

Source: tf.layers.Conv2DTranspose, tf.layers.Conv3DTranspose of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.layers.base import static_shape
from dflow.layers.convolutional import Conv, functional
from dflow.layers.windows import deconv_length, op_format
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.conv.transposed import conv2d_transpose as conv2d_transpose_op
from dflow.ops.conv.transposed import conv3d_transpose as conv3d_transpose_op
from dflow.shapes import TensorShape

__all__ = ["Conv2DTranspose", "Conv3DTranspose", "conv2d_transpose", "conv3d_transpose"]


class _ConvTranspose(Conv):
    """activation(transposed convolution(inputs, kernel) + bias): see `Conv`.

    Variables `kernel`, [*kernel_size, filters, channels], and `bias`.
    """

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, self.filters, channels]

    def output_sizes(self, x: Tensor) -> Any:
        """The sizes of the outputs: numbers, or a tensor if only a run knows them."""
        sizes: Any = self.compute_output_shape(x.shape).as_list()
        if None not in sizes:
            return sizes
        first, last = self._first_spatial_axis, self._first_spatial_axis + self.rank
        at_run_time = shape_of(x)
        for axis, size in enumerate(sizes):
            if size is None:
                size = get_item(at_run_time, axis)
                sizes[axis] = self._length(size, axis - first) if first <= axis < last else size
        return stack(sizes)

    def _convolve(self, x: Tensor) -> Tensor:
        steps = (1, 1, *self.strides) if self.data_format == "channels_first" else (1, *self.strides, 1)
        transpose = conv2d_transpose_op if self.rank == 2 else conv3d_transpose_op
        outputs: Tensor = transpose(
            x,
            self.kernel,
            self.output_sizes(x),
            steps,
            padding=self.padding.upper(),
            data_format=op_format(self.data_format, self.rank + 2),
            name=f"conv{self.rank}d_transpose",
        )
        outputs.set_shape(self.compute_output_shape(x.shape))
        return outputs

    def _length(self, size: Any, axis: int) -> Any:
        return deconv_length(size, self.kernel_size[axis], self.padding, self.strides[axis])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = static_shape(input_shape).with_rank(self.rank + 2).as_list()
        for axis in range(self.rank):
            sizes[self._first_spatial_axis + axis] = self._length(sizes[self._first_spatial_axis + axis], axis)
        sizes[self._channel_axis] = self.filters
        return TensorShape(sizes)


class Conv2DTranspose(_ConvTranspose):
    """A transposed convolution of images.  Source: tf.layers.Conv2DTranspose."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(2, filters, kernel_size, strides, padding, data_format, 1, *args, **kwargs)


class Conv3DTranspose(_ConvTranspose):
    """A transposed convolution of volumes.  Source: tf.layers.Conv3DTranspose."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(3, filters, kernel_size, strides, padding, data_format, 1, *args, **kwargs)


conv2d_transpose = functional(Conv2DTranspose, "conv2d_transpose")
conv3d_transpose = functional(Conv3DTranspose, "conv3d_transpose")

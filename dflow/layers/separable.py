"""Layers of convolutions of each channel by itself, followed by products across channels.

Source: tf.layers.SeparableConv1D, tf.layers.SeparableConv2D of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.layers.convolutional import Conv, functional
from dflow.layers.windows import op_format
from dflow.ops.array.pad import pad
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.conv.depthwise import separable_conv2d as separable_conv2d_op
from dflow.ops.state.initializers import ZEROS

__all__ = ["SeparableConv1D", "SeparableConv2D", "separable_conv1d", "separable_conv2d"]


class _SeparableConv(Conv):
    """activation(products(convolution of each channel) + bias): see `Conv`.

    depth_multiplier: how many channels are made of each one.  Variables `depthwise_kernel`, [*kernel_size, channels,
    depth_multiplier], `pointwise_kernel`, [1, ..., channels * depth_multiplier, filters], and `bias`.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = None,
        pointwise_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            trainable=trainable,
            name=name,
            **kwargs,
        )
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = depthwise_initializer
        self.pointwise_initializer = pointwise_initializer
        self.depthwise_regularizer = depthwise_regularizer
        self.pointwise_regularizer = pointwise_regularizer
        self.depthwise_constraint = depthwise_constraint
        self.pointwise_constraint = pointwise_constraint

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            [*self.kernel_size, channels, self.depth_multiplier],
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            [*(1,) * self.rank, self.depth_multiplier * channels, self.filters],
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self._build_bias()
        self.built = True

    def _images(self, x: Tensor, depthwise: Any, pointwise: Any, strides: Any, rate: Any, padding: str) -> Tensor:
        first = self.data_format == "channels_first"
        result: Tensor = separable_conv2d_op(
            x,
            depthwise,
            pointwise,
            strides=(1, 1, *strides) if first else (1, *strides, 1),
            padding=padding.upper(),
            rate=rate,
            data_format=op_format(self.data_format, 4),
        )
        return result


class SeparableConv1D(_SeparableConv):
    """A separable convolution of sequences, as images of height 1.  Source: tf.layers.SeparableConv1D."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, *args: Any, **kwargs: Any) -> None:
        super().__init__(1, filters, kernel_size, strides, *args, **kwargs)

    def _convolve(self, x: Tensor) -> Tensor:
        padding = self.padding
        if padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            x, padding = pad(x, [[0, 0], [before, 0], [0, 0]]), "valid"
        axis = self._first_spatial_axis
        outputs = self._images(
            expand_dims(x, axis),
            expand_dims(self.depthwise_kernel, 0),
            expand_dims(self.pointwise_kernel, 0),
            self.strides * 2,
            (1, *self.dilation_rate),
            padding,
        )
        return squeeze(outputs, [axis])


class SeparableConv2D(_SeparableConv):
    """A separable convolution of images.  Source: tf.layers.SeparableConv2D."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), *args: Any, **kwargs: Any) -> None:
        super().__init__(2, filters, kernel_size, strides, *args, **kwargs)

    def _convolve(self, x: Tensor) -> Tensor:
        kernels = self.depthwise_kernel, self.pointwise_kernel
        return self._images(x, *kernels, self.strides, self.dilation_rate, self.padding)


separable_conv1d = functional(SeparableConv1D, "separable_conv1d")
separable_conv2d = functional(SeparableConv2D, "separable_conv2d")

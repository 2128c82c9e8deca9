"""Layers of convolutions: of sequences, images and volumes.

Inputs are [n, *sizes, channels], or [n, channels, *sizes] with data_format="channels_first".
Arguments of windows are a number for each axis, or one for all.
Source: tf.layers.Conv1D, tf.layers.Conv2D, tf.layers.Conv3D of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec, Layer, static_shape
from dflow.layers.core import normal_data_format
from dflow.layers.windows import conv_length, normal_padding, normal_tuple, op_format
from dflow.ops.array.pad import pad
from dflow.ops.conv.convolution import convolution
from dflow.ops.nn.bias import bias_add
from dflow.ops.state.initializers import ZEROS
from dflow.shapes import TensorShape

__all__ = ["Conv1D", "Conv2D", "Conv3D", "conv1d", "conv2d", "conv3d"]


class Conv(Layer):
    """activation(convolution(inputs, kernel) + bias).

    filters: the number of channels of the outputs; kernel_size, strides, dilation_rate: of the windows; padding:
    "valid" or "same", for sequences also "causal".  Variables `kernel`, [*kernel_size, channels, filters], and `bias`.
    ValueError for other arguments, and if the number of channels is unknown.
    """

    op_name = "Conv"

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs)
        self.rank = rank
        self.filters = filters
        self.kernel_size = normal_tuple(kernel_size, rank, "kernel_size")
        self.strides = normal_tuple(strides, rank, "strides")
        self.padding = normal_padding(padding, causal=rank == 1)
        self.data_format = normal_data_format(data_format)
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ValueError(
                "When using causal padding in `Conv1D`, `data_format` must be 'channels_last' (temporal data, NTC)."
            )
        self.dilation_rate = normal_tuple(dilation_rate, rank, "dilation_rate")
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        self.bias: Any = None
        self.input_spec = InputSpec(ndim=rank + 2)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            "kernel",
            self._kernel_shape(channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self._build_bias()
        self.built = True

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else self.rank + 1

    @property
    def _first_spatial_axis(self) -> int:
        return 2 if self.data_format == "channels_first" else 1

    def _channels(self, input_shape: Any) -> int:
        """The number of channels of the inputs, which from now on is demanded of all."""
        axis = self._channel_axis
        channels = static_shape(input_shape).with_rank(self.rank + 2)[axis]
        if channels is None:
            raise ShapeError("The channel dimension of the inputs should be defined. Found `None`.")
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: int(channels)})
        return int(channels)

    def _kernel_shape(self, channels: int) -> list[int]:
        return [*self.kernel_size, channels, self.filters]

    def _build_bias(self) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.filters],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any) -> Any:
        return self._finish(self._convolve(convert_to_tensor(inputs)))

    def _convolve(self, x: Tensor) -> Tensor:
        padding = self.padding
        if padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            x, padding = pad(x, [[0, 0], [before, 0], [0, 0]]), "valid"
        return convolution(
            x,
            self.kernel,
            padding.upper(),
            strides=self.strides,
            dilation_rate=self.dilation_rate,
            data_format=op_format(self.data_format, self.rank + 2),
            name=self.op_name,
        )

    def _finish(self, outputs: Tensor) -> Any:
        """Add the bias and the activation."""
        if self.bias is not None:
            first = self.data_format == "channels_first"
            outputs = bias_add(outputs, self.bias, data_format="NCHW" if first else "NHWC")
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = static_shape(input_shape).with_rank(self.rank + 2).as_list()
        first = self._first_spatial_axis
        for i in range(self.rank):
            padding = "same" if self.padding == "causal" else self.padding
            sizes[first + i] = conv_length(
                sizes[first + i], self.kernel_size[i], padding, self.strides[i], self.dilation_rate[i]
            )
        sizes[self._channel_axis] = self.filters
        return TensorShape(sizes)


class Conv1D(Conv):
    """A convolution of sequences, see `Conv`.  Source: tf.layers.Conv1D."""

    op_name = "conv1d"

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", *args: Any, **kwargs: Any
    ):
        super().__init__(1, filters, kernel_size, strides, padding, *args, **kwargs)


class Conv2D(Conv):
    """A convolution of images, see `Conv`.  Source: tf.layers.Conv2D."""

    op_name = "Conv2D"

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(2, filters, kernel_size, strides, padding, *args, **kwargs)


class Conv3D(Conv):
    """A convolution of volumes, see `Conv`.  Source: tf.layers.Conv3D."""

    op_name = "Conv3D"

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(3, filters, kernel_size, strides, padding, *args, **kwargs)


def functional(layer: Any, name: str) -> Callable[..., Any]:
    """The function `name` that makes a layer of its arguments and calls it with `inputs`."""

    def function(
        inputs: Any,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        *args: Any,
        name: Any = None,
        reuse: Any = None,
        **kwargs: Any,
    ) -> Any:
        made = layer(
            filters, kernel_size, strides, padding, data_format, *args, name=name, _scope=name, _reuse=reuse, **kwargs
        )
        return made(inputs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The outputs of a `{layer.__name__}` layer for `inputs`, with the arguments of its class."
    return function


conv1d = functional(Conv1D, "conv1d")
conv2d = functional(Conv2D, "conv2d")
conv3d = functional(Conv3D, "conv3d")

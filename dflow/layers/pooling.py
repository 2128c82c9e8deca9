"""Layers that take the largest value, or the mean, of each window.

Inputs are [n, *sizes, channels], or [n, channels, *sizes] with data_format="channels_first".
pool_size, strides: a number for each axis, or one for all; padding: "valid" or "same".
Source: tf.layers.MaxPooling2D and its like of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec, Layer, static_shape
from dflow.layers.core import normal_data_format
from dflow.layers.windows import conv_length, normal_padding, normal_tuple, op_format
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.array.transpose import transpose
from dflow.ops.pool.avg_pool import avg_pool, avg_pool3d
from dflow.ops.pool.max_pool import max_pool, max_pool3d
from dflow.shapes import TensorShape

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "average_pooling1d",
    "average_pooling2d",
    "average_pooling3d",
    "max_pooling1d",
    "max_pooling2d",
    "max_pooling3d",
]


class _Pooling(Layer):
    """One value for each window of each channel; ValueError for arguments that do not fit."""

    rank: int
    function: Callable[..., Tensor]  # of the inputs as images, or as volumes

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        if strides is None:
            raise ValueError("Argument `strides` must not be None.")
        super().__init__(name=name, **kwargs)
        self.pool_size = normal_tuple(pool_size, self.rank, "pool_size")
        self.strides = normal_tuple(strides, self.rank, "strides")
        self.padding = normal_padding(padding)
        self.data_format = normal_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        x = convert_to_tensor(inputs)
        first = self.data_format == "channels_first"
        if first and self.rank == 3:
            return self._with_channels_last(x)
        windows, steps = ((1, 1, *it) if first else (1, *it, 1) for it in (self.pool_size, self.strides))
        pool = type(self).function
        if self.rank > 1:
            format = op_format(self.data_format, self.rank + 2)
            return pool(x, windows, steps, padding=self.padding.upper(), data_format=format)
        axis = 3 if first else 2  # a sequence is an image of width 1
        windows, steps = ((*it[:axis], 1, *it[axis:]) for it in (windows, steps))
        format = op_format(self.data_format, 4)
        images = pool(expand_dims(x, axis), windows, steps, padding=self.padding.upper(), data_format=format)
        return squeeze(images, [axis])

    def _with_channels_last(self, x: Tensor) -> Tensor:
        windows, steps = ((1, *it, 1) for it in (self.pool_size, self.strides))
        volumes = type(self).function(transpose(x, [0, 2, 3, 4, 1]), windows, steps, padding=self.padding.upper())
        return transpose(volumes, [0, 4, 1, 2, 3])

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = static_shape(input_shape).with_rank(self.rank + 2).as_list()
        first = 2 if self.data_format == "channels_first" else 1
        for i in range(self.rank):
            sizes[first + i] = conv_length(sizes[first + i], self.pool_size[i], self.padding, self.strides[i])
        return TensorShape(sizes)


class AveragePooling1D(_Pooling):
    """The means of windows of sequences.  Source: tf.layers.AveragePooling1D."""

    rank, function = 1, avg_pool


class AveragePooling2D(_Pooling):
    """The means of windows of images.  Source: tf.layers.AveragePooling2D."""

    rank, function = 2, avg_pool


class AveragePooling3D(_Pooling):
    """The means of windows of volumes.  Source: tf.layers.AveragePooling3D."""

    rank, function = 3, avg_pool3d


class MaxPooling1D(_Pooling):
    """The largest values of windows of sequences.  Source: tf.layers.MaxPooling1D."""

    rank, function = 1, max_pool


class MaxPooling2D(_Pooling):
    """The largest values of windows of images.  Source: tf.layers.MaxPooling2D."""

    rank, function = 2, max_pool


class MaxPooling3D(_Pooling):
    """The largest values of windows of volumes.  Source: tf.layers.MaxPooling3D."""

    rank, function = 3, max_pool3d


def _functional(layer: type[_Pooling], function_name: str) -> Callable[..., Any]:
    def function(
        inputs: Any,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
    ) -> Any:
        return layer(pool_size, strides, padding, data_format, name)(inputs)

    function.__name__ = function.__qualname__ = function_name
    function.__doc__ = f"The outputs of a `{layer.__name__}` layer for `inputs`."
    return function


average_pooling1d = _functional(AveragePooling1D, "average_pooling1d")
average_pooling2d = _functional(AveragePooling2D, "average_pooling2d")
average_pooling3d = _functional(AveragePooling3D, "average_pooling3d")
max_pooling1d = _functional(MaxPooling1D, "max_pooling1d")
max_pooling2d = _functional(MaxPooling2D, "max_pooling2d")
max_pooling3d = _functional(MaxPooling3D, "max_pooling3d")

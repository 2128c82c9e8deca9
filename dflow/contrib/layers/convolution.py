"""Layers of convolutions, with names and defaults of `tf.contrib.layers`.

inputs: [n, *sizes, channels], or [n, channels, *sizes] with a data format that begins with "NC".
Each makes variables `weights` and `biases`; `normalizer_fn` (with `normalizer_params`) takes the place of the biases.
variables_collections: collections for the variables, or a mapping from their names to these.
Source: tf.contrib.layers of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.contrib.framework.arg_scope import add_arg_scope
from dflow.contrib.framework.variables import model_variable
from dflow.contrib.layers.collections import collect_named_outputs, variable_collections
from dflow.contrib.layers.dense import finish
from dflow.contrib.layers.initializers import XAVIER
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.transposed import Conv2DTranspose, Conv3DTranspose
from dflow.layers.windows import normal_tuple
from dflow.ops.array.tile import tile
from dflow.ops.conv.convolution import convolution as convolution_
from dflow.ops.conv.depthwise import depthwise_conv2d
from dflow.ops.conv.depthwise import separable_conv2d as separable_conv2d_
from dflow.ops.conv.transposed import conv2d_transpose as conv2d_transpose_
from dflow.ops.conv.transposed import conv3d_transpose as conv3d_transpose_
from dflow.ops.nn.activations import relu
from dflow.ops.state.initializers import ZEROS
from dflow.ops.state.variable_scope import variable_scope

__all__ = [
    "conv1d",
    "conv2d",
    "conv2d_in_plane",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "convolution",
    "convolution1d",
    "convolution2d",
    "convolution2d_in_plane",
    "convolution2d_transpose",
    "convolution3d",
    "convolution3d_transpose",
    "separable_conv2d",
    "separable_convolution2d",
]

_FORMATS = {3: ("NWC", "NCW"), 4: ("NHWC", "NCHW"), 5: ("NDHWC", "NCDHW")}


@add_arg_scope
def convolution(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    conv_dims: int | None = None,
) -> Any:
    """A convolution of sequences, images or volumes, by the rank of the inputs.

    kernel_size, stride, rate: a number for each axis, or one for all.  conv_dims: the number of axes that it has to be.
    ValueError for inputs of another rank, for another data format, and for an unknown number of channels.
    """
    with variable_scope(scope, "Conv", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        axes = _spatial(x, data_format, conv_dims)
        channels = _channels(x, data_format)
        weights = model_variable(
            "weights",
            shape=[*normal_tuple(kernel_size, axes, "kernel_size"), channels, int(num_outputs)],
            dtype=x.dtype,
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            collections=variable_collections(variables_collections, "weights"),
            trainable=trainable,
        )
        outputs = convolution_(
            x,
            weights,
            padding.upper(),
            strides=normal_tuple(stride, axes, "stride"),
            dilation_rate=normal_tuple(rate, axes, "rate"),
            data_format=data_format or _FORMATS[axes + 2][0],
            name="Conv2D" if axes == 2 else f"Conv{axes}D",
        )
        norm = activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer
        outputs = finish(outputs, *norm, variables_collections, trainable, data_format)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


def _spatial(x: Tensor, data_format: str | None, conv_dims: int | None) -> int:
    """The number of spatial axes."""
    if x.shape.ndims is None or x.shape.ndims not in _FORMATS:
        raise ValueError(f"Convolution not supported for input with rank {x.shape.ndims}")
    if conv_dims is not None and conv_dims + 2 != x.shape.ndims:
        raise ValueError(f"Convolution expects input with rank {conv_dims + 2}, got {x.shape.ndims}")
    if data_format not in (None, *_FORMATS[x.shape.ndims]):
        raise ValueError(f"Invalid data_format: {data_format!r}")
    return x.shape.ndims - 2


def _channels(x: Tensor, data_format: str | None) -> int:
    channels = x.spec.shape[1 if (data_format or "").startswith("NC") else -1]
    if channels is None:
        raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
    return int(channels)


@add_arg_scope
def convolution1d(inputs: Any, num_outputs: int, kernel_size: Any, *args: Any, **kwargs: Any) -> Any:
    """`convolution` of sequences."""
    return convolution(inputs, num_outputs, kernel_size, *args, **kwargs, conv_dims=1)


@add_arg_scope
def convolution2d(inputs: Any, num_outputs: int, kernel_size: Any, *args: Any, **kwargs: Any) -> Any:
    """`convolution` of images."""
    return convolution(inputs, num_outputs, kernel_size, *args, **kwargs, conv_dims=2)


@add_arg_scope
def convolution3d(inputs: Any, num_outputs: int, kernel_size: Any, *args: Any, **kwargs: Any) -> Any:
    """`convolution` of volumes."""
    return convolution(inputs, num_outputs, kernel_size, *args, **kwargs, conv_dims=3)


@add_arg_scope
def convolution2d_transpose(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """A transposed convolution of images, which makes them larger.  ValueError for another data format."""
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    norm = activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer
    weights = weights_initializer, weights_regularizer, variables_collections, trainable
    with variable_scope(scope, "Conv2d_transpose", [inputs], reuse=reuse) as sc:
        outputs = _transposed(2, inputs, num_outputs, (kernel_size, stride, padding, data_format), weights, norm)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@add_arg_scope
def convolution3d_transpose(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """A transposed convolution of volumes, which makes them larger.  ValueError for another data format."""
    if data_format not in ("NCDHW", "NDHWC"):
        raise ValueError("data_format has to be either NCDHW or NDHWC.")
    norm = activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer
    weights = weights_initializer, weights_regularizer, variables_collections, trainable
    with variable_scope(scope, "Conv3d_transpose", [inputs], reuse=reuse) as sc:
        outputs = _transposed(3, inputs, num_outputs, (kernel_size, stride, padding, data_format), weights, norm)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


def _transposed(
    axes: int, inputs: Any, num_outputs: int, windows: tuple[Any, ...], options: tuple[Any, ...], norm: tuple[Any, ...]
) -> Any:
    """windows: size, stride, padding, data format; options: of the variables; norm: of `finish`."""
    kernel_size, stride, padding, data_format = windows
    initializer, regularizer, collections, trainable = options
    x = convert_to_tensor(inputs)
    channels, first = _channels(x, data_format), data_format.startswith("NC")
    kind, function = (Conv2DTranspose, conv2d_transpose_) if axes == 2 else (Conv3DTranspose, conv3d_transpose_)
    layer = kind(int(num_outputs), kernel_size, stride, padding, "channels_first" if first else "channels_last")
    weights = model_variable(
        "weights",
        shape=[*layer.kernel_size, int(num_outputs), channels],
        dtype=x.dtype,
        initializer=initializer,
        regularizer=regularizer,
        collections=variable_collections(collections, "weights"),
        trainable=trainable,
    )
    steps = (1, 1, *layer.strides) if first else (1, *layer.strides, 1)
    outputs = function(x, weights, layer.output_sizes(x), steps, padding=padding.upper(), data_format=data_format)
    outputs.set_shape(layer.compute_output_shape(x.shape))
    activation, normalizer, params, biases, biases_regularizer = norm
    return finish(
        outputs, activation, normalizer, params, biases, biases_regularizer, collections, trainable, data_format
    )


@add_arg_scope
def convolution2d_in_plane(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """A convolution of each channel by itself, of all with the same `weights`, [height, width, 1, 1]."""
    with variable_scope(scope, "ConvInPlane", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        weights = model_variable(
            "weights",
            shape=[*normal_tuple(kernel_size, 2, "kernel_size"), 1, 1],
            dtype=x.dtype,
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            collections=variable_collections(variables_collections, "weights"),
            trainable=trainable,
        )
        same = tile(weights, [1, 1, _channels(x, None), 1])
        outputs = depthwise_conv2d(x, same, (1, *normal_tuple(stride, 2, "stride"), 1), padding.upper())
        norm = activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer
        outputs = finish(outputs, *norm, variables_collections, trainable)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@add_arg_scope
def separable_convolution2d(
    inputs: Any,
    num_outputs: int | None,
    kernel_size: Any,
    depth_multiplier: int = 1,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    rate: Any = 1,
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    pointwise_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """A convolution of each channel by itself, and products across channels if `num_outputs` is not None.

    Variables `depthwise_weights` and `pointwise_weights`.  ValueError for another data format.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    with variable_scope(scope, "SeparableConv2d", [inputs], reuse=reuse) as sc:
        x = convert_to_tensor(inputs)
        channels = _channels(x, data_format)
        options: dict[str, Any] = {"dtype": x.dtype, "regularizer": weights_regularizer, "trainable": trainable}
        options["collections"] = variable_collections(variables_collections, "weights")
        window = normal_tuple(kernel_size, 2, "kernel_size")
        depthwise = model_variable(
            "depthwise_weights",
            shape=[*window, channels, depth_multiplier],
            initializer=weights_initializer,
            **options,
        )
        steps = normal_tuple(stride, 2, "stride")
        strides = (1, 1, *steps) if data_format == "NCHW" else (1, *steps, 1)
        given: dict[str, Any] = {"strides": strides, "padding": padding.upper(), "rate": normal_tuple(rate, 2, "rate")}
        if num_outputs is None:
            outputs = depthwise_conv2d(x, depthwise, data_format=data_format, **given)
        else:
            pointwise = model_variable(
                "pointwise_weights",
                shape=[1, 1, depth_multiplier * channels, int(num_outputs)],
                initializer=pointwise_initializer or weights_initializer,
                **options,
            )
            outputs = separable_conv2d_(x, depthwise, pointwise, data_format=data_format, **given)
        norm = activation_fn, normalizer_fn, normalizer_params, biases_initializer, biases_regularizer
        outputs = finish(outputs, *norm, variables_collections, trainable, data_format)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


conv1d = convolution1d
conv2d = convolution2d
conv3d = convolution3d
conv2d_in_plane = convolution2d_in_plane
conv2d_transpose = convolution2d_transpose
conv3d_transpose = convolution3d_transpose
separable_conv2d = separable_convolution2d

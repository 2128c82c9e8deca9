"""Pools, shapes and other layers without variables, with names and defaults of `tf.contrib.layers`.

Source: tf.contrib.layers of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.contrib.framework.arg_scope import add_arg_scope
from dflow.contrib.layers.collections import collect_named_outputs
from dflow.dtypes import int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers import core, pooling
from dflow.layers.windows import normal_tuple
from dflow.ops.array.cast import cast
from dflow.ops.array.one_hot import one_hot
from dflow.ops.array.shape import reshape, shape
from dflow.ops.nn.activations import softmax as softmax_
from dflow.ops.pool.pool import pool as pool_
from dflow.ops.rules.blocks import named
from dflow.ops.state.variable_scope import variable_scope

__all__ = [
    "avg_pool2d",
    "avg_pool3d",
    "dropout",
    "flatten",
    "max_pool2d",
    "max_pool3d",
    "one_hot_encoding",
    "pool",
    "softmax",
]


def _pool(layer: Any, axes: int, default: str, inputs: Any, arguments: tuple[Any, ...]) -> Any:
    kernel_size, stride, padding, data_format, outputs_collections, scope = arguments
    first = {"NHWC": False, "NCHW": True, "NDHWC": False, "NCDHW": True}.get(data_format)
    if first is None:
        raise ValueError(f"data_format has to be either NCHW or NHWC, or NCDHW or NDHWC, got {data_format!r}")
    with named(scope, default, (inputs,)) as sc:
        x = convert_to_tensor(inputs)
        made = layer(
            normal_tuple(kernel_size, axes, "kernel_size"),
            normal_tuple(stride, axes, "stride"),
            padding,
            "channels_first" if first else "channels_last",
        )
        outputs: Tensor = made.call(x)
        return collect_named_outputs(outputs_collections, sc.rstrip("/"), outputs)


@add_arg_scope
def max_pool2d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """The largest value of each window of images."""
    arguments = kernel_size, stride, padding, data_format, outputs_collections, scope
    return _pool(pooling.MaxPooling2D, 2, "MaxPool2D", inputs, arguments)


@add_arg_scope
def avg_pool2d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """The mean of each window of images."""
    arguments = kernel_size, stride, padding, data_format, outputs_collections, scope
    return _pool(pooling.AveragePooling2D, 2, "AvgPool2D", inputs, arguments)


@add_arg_scope
def max_pool3d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NDHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """The largest value of each window of volumes."""
    arguments = kernel_size, stride, padding, data_format, outputs_collections, scope
    return _pool(pooling.MaxPooling3D, 3, "MaxPool3D", inputs, arguments)


@add_arg_scope
def avg_pool3d(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 2,
    padding: str = "VALID",
    data_format: str = "NDHWC",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """The mean of each window of volumes."""
    arguments = kernel_size, stride, padding, data_format, outputs_collections, scope
    return _pool(pooling.AveragePooling3D, 3, "AvgPool3D", inputs, arguments)


@add_arg_scope
def pool(
    inputs: Any,
    kernel_size: Any,
    pooling_type: str,
    padding: str = "VALID",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    stride: Any = 1,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """The largest value ("MAX") or the mean ("AVG") of each window, of one to three axes by the rank of the inputs.

    kernel_size, stride, dilation_rate: a number for each axis, or one for all.  ValueError for an unknown rank.
    """
    with named(scope, f"{pooling_type.lower()}_pool", (inputs,)) as sc:
        x = convert_to_tensor(inputs)
        if x.shape.ndims is None:
            raise ValueError("Rank of inputs must be known")
        if x.shape.ndims < 3:
            raise ValueError("Rank of inputs must be >= 3")
        axes = x.shape.ndims - 2
        outputs = pool_(
            x,
            normal_tuple(kernel_size, axes, "kernel_size"),
            pooling_type,
            padding,
            dilation_rate=normal_tuple(dilation_rate, axes, "dilation_rate"),
            strides=normal_tuple(stride, axes, "stride"),
            name=sc,
            data_format=data_format,
        )
        return collect_named_outputs(outputs_collections, sc.rstrip("/"), outputs)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Any:
    """In training, each value is kept with probability `keep_prob` and divided by it, or else set to 0."""
    with variable_scope(scope, "Dropout", [inputs]) as sc:
        layer = core.Dropout(1 - keep_prob, noise_shape=noise_shape, seed=seed, name=sc.name, _scope=sc)
        outputs = layer(convert_to_tensor(inputs), training=is_training)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: str | None = None) -> Any:
    """The values of each row as a vector: [n, ...] -> [n, values]."""
    with named(scope, "Flatten", (inputs,)) as sc:
        outputs = core.flatten(convert_to_tensor(inputs))
        return collect_named_outputs(outputs_collections, sc.rstrip("/"), outputs)


@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """`on_value` at the place of each label, `off_value` elsewhere: [n] -> [n, num_classes]."""
    with named(scope, "OneHotEncoding", (labels, num_classes)) as sc:
        places = convert_to_tensor(labels)
        if places.dtype.name == "int32":
            places = cast(places, int64)
        outputs = one_hot(places, num_classes, on_value=on_value, off_value=off_value)
        return collect_named_outputs(outputs_collections, sc.rstrip("/"), outputs)


@add_arg_scope
def softmax(logits: Any, scope: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along the last axis; ValueError if its size is unknown."""
    with variable_scope(scope, "softmax", [logits]):
        x = convert_to_tensor(logits)
        classes = x.spec.shape[-1]
        if classes is None:
            raise ValueError("The number of logits must be known.")
        outputs = reshape(softmax_(reshape(x, [-1, int(classes)])), shape(x))
        outputs.set_shape(x.shape)
        return outputs

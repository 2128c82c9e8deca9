"""Layers without weights that change what features are: their places, their order, the largest of groups of them.

Source: tf.contrib.layers of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.contrib.framework.arg_scope import add_arg_scope
from dflow.contrib.framework.variables import variable
from dflow.contrib.layers.collections import collect_named_outputs
from dflow.custom_gradients import custom_gradient
from dflow.dtypes import float32, int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.gather_nd import gather_nd
from dflow.ops.array.grid import lin_space, meshgrid
from dflow.ops.array.shape import reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.compare import not_equal, where
from dflow.ops.math.reduction import reduce_max, reduce_sum
from dflow.ops.nn.activations import softmax
from dflow.ops.rules.blocks import named
from dflow.ops.state.initializers import ONES
from dflow.ops.state.variable_scope import variable_scope
from dflow.sparse_tensor import SparseTensor

__all__ = [
    "dense_to_sparse",
    "images_to_sequence",
    "maxout",
    "scale_gradient",
    "sequence_to_images",
    "spatial_softmax",
]


@add_arg_scope
def dense_to_sparse(tensor: Any, eos_token: Any = 0, outputs_collections: Any = None, scope: Any = None) -> Any:
    """The values that differ from `eos_token`, as a SparseTensor."""
    with variable_scope(scope, "dense_to_sparse", [tensor]) as sc:
        x = convert_to_tensor(tensor)
        indices = where(not_equal(x, convert_to_tensor(eos_token, x.dtype)))
        outputs = SparseTensor(indices, gather_nd(x, indices), shape(x, out_type=int64))
        result: Any = outputs
        return collect_named_outputs(outputs_collections, sc.name, result)


@add_arg_scope
def images_to_sequence(
    inputs: Any, data_format: str = "NHWC", outputs_collections: Any = None, scope: str | None = None
) -> Any:
    """The columns of images one after the other: [n, height, width, c] -> [width, n * height, c].

    ValueError for another data format than NHWC or NCHW.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    with named(scope, "ImagesToSequence", (inputs,)) as sc:
        x = convert_to_tensor(inputs)
        x = transpose(x, [0, 2, 3, 1]) if data_format == "NCHW" else x
        width, channels = (_size(x, axis) for axis in (2, 3))
        outputs = transpose(reshape(x, [-1, width, channels]), [1, 0, 2])
        return collect_named_outputs(outputs_collections, sc.rstrip("/"), outputs)


@add_arg_scope
def sequence_to_images(
    inputs: Any,
    height: int,
    output_data_format: str = "channels_last",
    outputs_collections: Any = None,
    scope: str | None = None,
) -> Any:
    """The images that `images_to_sequence` made into a sequence: [width, n * height, c] -> [n, height, width, c].

    output_data_format: "channels_first" for [n, c, height, width].
    """
    with named(scope, "SequenceToImages", (inputs,)) as sc:
        x = convert_to_tensor(inputs)
        width, channels = (_size(x, axis) for axis in (0, 2))
        outputs = reshape(transpose(x, [1, 0, 2]), [-1, height, width, channels])
        if output_data_format == "channels_first":
            outputs = transpose(outputs, [0, 3, 1, 2])
        return collect_named_outputs(outputs_collections, sc.rstrip("/"), outputs)


def _size(x: Tensor, axis: int) -> Any:
    """A size that is known, or a scalar tensor."""
    known = x.spec.shape[axis]
    return get_item(shape(x), axis) if known is None else known


@add_arg_scope
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: str | None = None) -> Tensor:
    """The largest value of each group of features along an axis, of which `num_units` are left.

    ValueError if the number of features is not a multiple of it.  Source: I. Goodfellow et al., Maxout Networks, 2013.
    """
    with named(scope, "MaxOut", (inputs,)):
        x = convert_to_tensor(inputs)
        features = x.spec.shape[axis]
        if features is None or features % num_units:
            raise ValueError(f"number of features({features}) is not a multiple of num_units({num_units})")
        left = x.shape.as_list()
        left[axis] = num_units
        sizes = [_size(x, place) if size is None else size for place, size in enumerate(left)]
        outputs = reduce_max(reshape(x, [*sizes, features // num_units]), -1)
        outputs.set_shape(left)
        return outputs


def scale_gradient(inputs: Any, gradient_multiplier: Any) -> Tensor:
    """inputs, whose gradients are multiplied by a tensor that broadcasts with them."""
    factor = convert_to_tensor(gradient_multiplier)

    @custom_gradient
    def scaled(x: Tensor) -> Any:
        return x, lambda dy: multiply(dy, factor)

    result: Tensor = scaled(convert_to_tensor(inputs))
    return result


@add_arg_scope
def spatial_softmax(
    features: Any,
    temperature: Any = None,
    name: Any = None,
    variables_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
) -> Tensor:
    """Where each channel of images is largest: the mean place, weighted by the softmax over the places.

    features: [n, height, width, c]; gives [n, 2 * c]: of each channel the row, then the column, from -1 to 1.
    temperature: divides the features; None: a variable `temperature`, 1 at first.
    ValueError for another data format than NHWC or NCHW, and for an unknown number of channels.
    Source: C. Finn et al., Deep Spatial Autoencoders for Visuomotor Learning, 2016.
    """
    if data_format not in ("NHWC", "NCHW"):
        raise ValueError("data_format has to be either NCHW or NHWC.")
    with variable_scope(name, "spatial_softmax"):
        x = convert_to_tensor(features)
        x = transpose(x, [0, 3, 1, 2]) if data_format == "NHWC" else x
        channels, height, width = x.spec.shape[1], _size(x, 2), _size(x, 3)
        if channels is None:
            raise ValueError("The number of channels must be known.")
        rows, columns = meshgrid(lin_space(-1.0, 1.0, height), lin_space(-1.0, 1.0, width), indexing="ij")
        if temperature is None:
            temperature = variable(
                "temperature",
                shape=(),
                dtype=float32,
                initializer=ONES,
                collections=variables_collections,
                trainable=trainable,
            )
        attention = softmax(reshape(x, [-1, height * width]) / cast(temperature, x.dtype))
        means = [
            reduce_sum(multiply(reshape(cast(place, x.dtype), [-1]), attention), 1, keepdims=True)
            for place in (rows, columns)
        ]
        places = reshape(concat(means, 1), [-1, int(channels) * 2])
        places.set_shape([None, int(channels) * 2])
        return places

"""Layers that are made of a product of matrices, of dropped values, or of another shape.

Source: tf.layers.Dense, tf.layers.Dropout, tf.layers.Flatten of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.dtypes import as_dtype, float32
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec, Layer, static_shape
from dflow.layers.choice import choose
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import reshape
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.transpose import transpose
from dflow.ops.control import identity
from dflow.ops.math.linalg import matmul
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.dropout import dropout as dropout_
from dflow.ops.rules.blocks import named
from dflow.ops.state.initializers import ZEROS
from dflow.shapes import TensorShape

__all__ = ["Dense", "Dropout", "Flatten", "dense", "dropout", "flatten"]


class Dense(Layer):
    """activation(inputs @ kernel + bias), along the last axis.

    units: the size of the last axis of the outputs.  activation: a function; None: none.
    kernel_initializer: None: the scope's, else glorot_uniform.  Variables `kernel`, [inputs, units], and `bias`.
    ValueError if the last axis of the inputs is unknown; TypeError for inputs that are not floating or complex.
    """

    def __init__(
        self,
        units: int,
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
        self.units = int(units)
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.kernel_constraint = kernel_constraint
        self.bias_constraint = bias_constraint
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        dtype = as_dtype(self.dtype or float32)
        if not (dtype.is_floating or dtype.is_complex):
            raise TypeError(f"Unable to build `Dense` layer with non-floating point dtype {dtype!r}")
        size = static_shape(input_shape)[-1]
        if size is None:
            raise ShapeError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: int(size)})
        self.kernel = self.add_weight(
            "kernel",
            [int(size), self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        inputs = cast(inputs, as_dtype(self.dtype or float32))
        outputs = product(inputs, convert_to_tensor(self.kernel))
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        shape = static_shape(input_shape)
        if shape.ndims is None or shape.ndims < 2:
            raise ShapeError(f"the inputs of `Dense` have at least two axes, their shape is {shape}")
        if shape[-1] is None:
            raise ShapeError(f"The innermost dimension of input_shape must be defined, but saw: {shape}")
        result: TensorShape = shape[:-1].concatenate(self.units)
        return result


def product(x: Tensor, kernel: Tensor) -> Tensor:
    """x @ kernel; the axes of x but the last are made one for the product."""
    if x.shape.ndims == 2:
        return matmul(x, kernel)
    with named(None, "Tensordot", (x,)) as scope:
        product = matmul(reshape(x, [-1, kernel.shape[0]]), kernel)
        rows = x.shape[:-1]
        if rows.is_fully_defined():
            sizes: Any = [*rows.as_list(), kernel.shape[1]]
        else:
            sizes = concat([get_item(shape_of(x), slice(None, -1)), [kernel.shape[1]]], 0)
        result = reshape(product, sizes, name=scope)
        result.set_shape(rows.concatenate(kernel.shape[1]))
        return result


def dense(
    inputs: Any,
    units: int,
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
    reuse: Any = None,
) -> Any:
    """The outputs of a `Dense` layer.  name: of its variable scope; reuse: take the variables that are there."""
    layer = Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
        bias_initializer=bias_initializer,
        kernel_regularizer=kernel_regularizer,
        bias_regularizer=bias_regularizer,
        activity_regularizer=activity_regularizer,
        kernel_constraint=kernel_constraint,
        bias_constraint=bias_constraint,
        trainable=trainable,
        name=name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs)


class Dropout(Layer):
    """In training, each value is set to 0 with probability `rate`, or else divided by 1 - rate.

    rate: a number or a tensor; noise_shape: as of `nn.dropout`.  call(inputs, training=False): training is a bool or a
    tensor of one.
    """

    def __init__(
        self, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None, name: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed

    def call(self, inputs: Any, training: Any = False) -> Any:
        x = convert_to_tensor(inputs)
        return choose(
            training,
            lambda: dropout_(x, noise_shape=self.noise_shape, seed=self.seed, rate=self.rate),
            lambda: identity(x),
        )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return static_shape(input_shape)


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: Any = None,
) -> Any:
    """The outputs of a `Dropout` layer."""
    return Dropout(rate, noise_shape=noise_shape, seed=seed, name=name)(inputs, training=training)


class Flatten(Layer):
    """The values of each row as a vector: [n, ...] -> [n, values]; [n] -> [n, 1].

    data_format="channels_first": the channels, [n, c, ...], go to the end first.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = normal_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        x = convert_to_tensor(inputs)
        rank = len(x.shape.known)
        if self.data_format == "channels_first" and rank > 1:
            x = transpose(x, [0, *range(2, rank), 1])
        size = self.compute_output_shape(x.shape)[1]
        rows = x.spec.shape[0]
        if rows is not None:
            sizes: Any = [rows, -1 if size is None else size]
        elif size:
            sizes = [-1, size]
        else:
            sizes = stack([get_item(shape_of(x), 0), -1])
        outputs = reshape(x, sizes)
        outputs.set_shape([rows, size])
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        rows, *sizes = static_shape(input_shape).as_list()
        known = [size for size in sizes if size is not None]
        return TensorShape([rows, math.prod(known) if len(known) == len(sizes) else None])


def flatten(inputs: Any, name: Any = None, data_format: str = "channels_last") -> Any:
    """The outputs of a `Flatten` layer."""
    return Flatten(name=name, data_format=data_format)(inputs)


def normal_data_format(value: Any) -> str:
    """ "channels_first" or "channels_last", which None stands for; ValueError for another value."""
    format = "channels_last" if value is None else value.lower()
    if format not in ("channels_first", "channels_last"):
        raise ValueError(
            f'The `data_format` argument must be one of "channels_first", "channels_last". Received: {value}'
        )
    return str(format)

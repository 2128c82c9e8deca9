"""Biases of layers.

Source: nn_ops.bias_add of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.like import broadcast_like
from dflow.ops.rules.static import graph_of, only, operands, same_dtype
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["bias_add", "bias_add_grad"]


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """value + bias, one number a channel.  value: [..., c], bias: [c]; with "NC..." value is [n, c, ...].

    data_format: None, or of the form "N...C" or "NC..."; ValueError for another one.
    """
    first = _channels_first(data_format)
    graph = graph_of((value, bias))
    with graph.as_default(), graph.name_scope(name or "BiasAdd") as scope:
        value, bias = operands((value, bias), ("input", "bias"), "BiasAdd")
        result: Tensor = add_op("BiasAdd", value, bias, name=scope, channels_first=first)
    return result


def bias_add_grad(out_backprop: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """The sum of each channel: the gradient of the biases.  Source: the operation BiasAddGrad."""
    result: Tensor = add_op("BiasAddGrad", out_backprop, name=name, channels_first=_channels_first(data_format))
    return result


def _channels_first(data_format: str | None) -> bool:
    if data_format is None or (data_format.startswith("N") and data_format.endswith("C")):
        return data_format == "NC"
    if not data_format.startswith("NC"):
        raise ValueError(f"data_format must be of the form `N...C` or `NC...`, got {data_format!r}")
    return True


def _bias_add_spec(value: TensorSpec, bias: TensorSpec, channels_first: bool) -> TensorSpec:
    same_dtype(value, bias)
    only(value, value.dtype.is_numeric, "numbers")
    (channels,) = bias.shape.with_rank(1)
    if value.shape.ndims is None:
        return value
    if value.shape.ndims < 2:
        raise ShapeError(f"the value has at least two axes, its shape is {value.shape}")
    place = 1 if channels_first else value.shape.ndims - 1
    expected: list[int | None] = [None] * value.shape.ndims
    expected[place] = channels
    return TensorSpec(value.shape.merge_with(expected), value.dtype)


def _bias_add_kernel(value: Any, bias: Any, channels_first: bool, out: Any = None) -> Any:
    if value.ndim < 2 or bias.ndim != 1:
        raise InvalidArgumentError(
            None,
            None,
            "the value has two axes or more, and the biases are a vector: got shapes "
            f"{list(value.shape)} and {list(bias.shape)}",
        )
    channels = value.shape[1 if channels_first else -1]
    if bias.shape[0] != channels:
        raise InvalidArgumentError(
            None, None, f"Must provide as many biases as channels: {bias.shape[0]} for shape {list(value.shape)}"
        )
    if channels_first:
        bias = namespace(bias).reshape(bias, (-1, *(1,) * (value.ndim - 2)))
    return pairwise("add", value, bias, out)


def _bias_add_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    return dy, add_op("BiasAddGrad", dy, **op.attrs)


def _bias_add_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if batched[1] or attrs["channels_first"]:
        return each(kernel, arrays, batched, attrs)
    return kernel(*arrays, **attrs)


define(
    "BiasAdd",
    spec=_bias_add_spec,
    kernel=_bias_add_kernel,
    gradient=_bias_add_gradient,
    batch=_bias_add_batch,
    owns_outputs=True,
    inplace=(0,),
)


def _grad_spec(dy: TensorSpec, channels_first: bool) -> TensorSpec:
    only(dy, dy.dtype.is_numeric, "numbers")
    if dy.shape.ndims is None:
        return TensorSpec(TensorShape([None]), dy.dtype)
    if dy.shape.ndims < 2:
        raise ShapeError(f"the gradient has at least two axes, its shape is {dy.shape}")
    return TensorSpec(TensorShape([dy.shape[1 if channels_first else -1]]), dy.dtype)


def _grad_kernel(dy: Any, channels_first: bool) -> Any:
    if dy.ndim < 2:
        raise InvalidArgumentError(None, None, f"Input tensor must be at least 2D, got a shape of {list(dy.shape)}")
    xp = namespace(dy)
    if type(dy) is np.ndarray and not channels_first and dy.dtype.char in "fd" and dy.flags.c_contiguous:
        rows = dy.reshape(math.prod(dy.shape[:-1]), dy.shape[-1])
        return np.ones(len(rows), dy.dtype) @ rows  # BLAS sums faster
    place = 1 if channels_first else dy.ndim - 1
    return xp.sum(dy, axis=tuple(axis for axis in range(dy.ndim) if axis != place), dtype=dy.dtype)


def _grad_gradient(op: Operation, db: Tensor) -> Tensor:
    dy = op.inputs[0]
    if not op.attrs["channels_first"]:
        return broadcast_like(db, dy)
    zeros: Tensor = add_op("ZerosLike", dy, dtype=dy.dtype)
    return bias_add(zeros, db, "NCHW")


define("BiasAddGrad", spec=_grad_spec, kernel=_grad_kernel, gradient=_grad_gradient)

"""Biases of layers.

Source: nn_ops.bias_add of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.static import graph_of, only, operands, same_dtype
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["bias_add"]


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """value + bias, one number a channel.  value: [..., c], bias: [c]; with "NCHW" value is [n, c, ...]."""
    if data_format not in (None, "NHWC", "NCHW"):
        raise ValueError(f"data_format must be of the form `N...C` or `NC...`, got {data_format!r}")
    graph = graph_of((value, bias))
    with graph.as_default(), graph.name_scope(name or "BiasAdd") as scope:
        value, bias = operands((value, bias), ("input", "bias"), "BiasAdd")
        result: Tensor = add_op("BiasAdd", value, bias, name=scope, channels_first=data_format == "NCHW")
    return result


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
    bias = op.inputs[1]
    if not op.attrs["channels_first"]:
        return dy, sum_like(dy, bias)
    rank = len(op.inputs[0].shape.known)
    return dy, reduce_sum(dy, [axis for axis in range(rank) if axis != 1])


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

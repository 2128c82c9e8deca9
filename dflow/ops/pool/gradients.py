"""Gradients of pools as functions, under the names of TensorFlow's operations.

`tf.gradients` uses the operations themselves; these functions are for programs that call them by hand.
Source: gen_nn_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int64
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.pool.avg_pool import avg_pool_grad
from dflow.ops.pool.max_pool import max_pool_grad, max_pool_grad_grad
from dflow.ops.pool.windows import attributes
from dflow.ops.rules.building import operation

__all__ = [
    "avg_pool_grad",
    "max_pool_grad",
    "max_pool_grad_grad",
    "max_pool_grad_grad_v2",
    "max_pool_grad_grad_with_argmax",
    "max_pool_grad_v2",
    "max_pool_grad_with_argmax",
]

NAMES = ("orig_input", "orig_output", "grad")


def max_pool_grad_v2(
    orig_input: Any,
    orig_output: Any,
    grad: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """As `max_pool_grad`; ksize and strides are tensors of four numbers."""
    return _late("MaxPoolGradV2", (orig_input, orig_output, grad), ksize, strides, padding, data_format, name)


def max_pool_grad_grad_v2(
    orig_input: Any,
    orig_output: Any,
    grad: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """As `max_pool_grad_grad`; ksize and strides are tensors of four numbers."""
    return _late("MaxPoolGradGradV2", (orig_input, orig_output, grad), ksize, strides, padding, data_format, name)


def _late(
    kind: str,
    values: tuple[Any, Any, Any],
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    name: str | None,
) -> Tensor:
    attrs = attributes([1] * 4, [1] * 4, padding, data_format, 4)
    kept = {key: attrs[key] for key in ("padding", "data_format")}
    numbers = [convert_to_tensor(n) for n in (ksize, strides)]
    result: Tensor = operation(kind, NAMES, values, name, *numbers, **kept)
    return result


def max_pool_grad_with_argmax(
    input: Any,
    grad: Any,
    argmax: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    include_batch_in_index: bool = False,
    name: str | None = None,
) -> Tensor:
    """The gradient of the image in `max_pool_with_argmax`, from the gradient of its result and the places."""
    window = ksize, strides, padding
    return _placed("MaxPoolGradWithArgmax", input, grad, argmax, window, include_batch_in_index, name)


def max_pool_grad_grad_with_argmax(
    input: Any,
    grad: Any,
    argmax: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    include_batch_in_index: bool = False,
    name: str | None = None,
) -> Tensor:
    """The values of `grad`, of the shape of the image, at the places of the largest values."""
    window = ksize, strides, padding
    return _placed("MaxPoolGradGradWithArgmax", input, grad, argmax, window, include_batch_in_index, name)


def _placed(
    kind: str, image: Any, grad: Any, argmax: Any, window: tuple[Any, Any, Any], batch: bool, name: str | None
) -> Tensor:
    ksize, strides, padding = window
    attrs = attributes(ksize, strides, padding, "NHWC", 4)
    places = convert_to_tensor(argmax) if hasattr(argmax, "dtype") else convert_to_tensor(argmax, int64)
    image, grad = convert_to_tensor(image), convert_to_tensor(grad)
    result: Tensor = add_op(kind, image, grad, places, name=name, include_batch_in_index=bool(batch), **attrs)
    return result

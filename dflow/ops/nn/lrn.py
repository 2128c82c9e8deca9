"""Normalisation of each value of an image by those of the neighbouring channels.

Source: nn_ops.local_response_normalization of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import zeros
from dflow.ops.rules.batching import each
from dflow.ops.rules.static import only, same_dtype
from dflow.ops.rules.windows import narrow, wide
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["local_response_normalization", "lrn"]


def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1,
    alpha: float = 1,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """x / (bias + alpha * s) ** beta, where s is the sum of squares of the channels up to `depth_radius` away.

    input: floating, [n, height, width, c].  Source: tf.nn.local_response_normalization.
    """
    result: Tensor = add_op(
        "LRN",
        input,
        name=name,
        depth_radius=int(depth_radius),
        bias=float(bias),
        alpha=float(alpha),
        beta=float(beta),
    )
    return result


lrn = local_response_normalization


def _spec(x: TensorSpec, *others: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    same_dtype(x, *others)
    shape = x.shape.with_rank(4)
    for other in others:
        shape = shape.merge_with(other.shape)
    return TensorSpec(shape, x.dtype)


def _near(x: Any, radius: int) -> Any:
    """The sum of each value and those of the channels near to it."""
    total = zeros(x, tuple(x.shape))
    depth = x.shape[-1]
    for shift in range(-min(radius, depth - 1), min(radius, depth - 1) + 1):
        here = slice(max(0, -shift), min(depth, depth - shift))
        there = slice(max(0, shift), min(depth, depth + shift))
        total[..., here] += x[..., there]
    return total


def _checked(x: Any) -> Any:
    if x.ndim != 4:
        raise InvalidArgumentError(None, None, f"in must be 4-dimensional, got a shape of {list(x.shape)}")
    return wide(x)


def _kernel(x: Any, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    values = _checked(x)
    return narrow(values * (bias + alpha * _near(values * values, depth_radius)) ** -beta, x)


def _grad_kernel(dy: Any, x: Any, y: Any, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    values, grads = _checked(x), _checked(dy)
    if tuple(x.shape) != tuple(dy.shape) or tuple(x.shape) != tuple(y.shape):
        raise InvalidArgumentError(
            None, None, f"input_grads, input_image and out_image have one shape: {list(dy.shape)}, {list(x.shape)}"
        )
    base = bias + alpha * _near(values * values, depth_radius)
    shared = _near(grads * values * base ** (-beta - 1), depth_radius)
    return narrow(grads * base**-beta - 2 * alpha * beta * values * shared, dy)


def _gradient(op: Operation, dy: Tensor) -> Tensor:
    result: Tensor = add_op("LRNGrad", dy, op.inputs[0], op.outputs[0], **op.attrs)
    return result


define("LRN", spec=_spec, kernel=_kernel, gradient=_gradient, batch=each)
define(
    "LRNGrad", spec=_spec, kernel=_grad_kernel, gradient=no_gradient("TensorFlow has no second gradient of it either")
)

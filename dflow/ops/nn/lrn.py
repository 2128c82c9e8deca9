"""Normalisation of each value of an image by those of the neighbouring channels.

Source: nn_ops.local_response_normalization of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.static import only, same_dtype
from dflow.ops.rules.windows import narrow, wide
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["local_response_normalization", "lrn"]

FEW = 128  # channels of which sums of neighbours are computed as a product of matrices


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
    depth = x.shape[-1]
    if depth <= FEW:
        return _product(x, radius)
    total = zeros(x, tuple(x.shape))
    for shift in range(-min(radius, depth - 1), min(radius, depth - 1) + 1):
        here = slice(max(0, -shift), min(depth, depth - shift))
        there = slice(max(0, shift), min(depth, depth + shift))
        total[..., here] += x[..., there]
    return total


def _product(x: Any, radius: int) -> Any:
    """The same as a product with a matrix of ones near to its diagonal."""
    xp, depth = namespace(x), x.shape[-1]
    places = xp.arange(depth, device=device(x))
    near = xp.abs(places[:, None] - places[None, :]) <= radius
    return xp.matmul(x, xp.astype(near, x.dtype))


def _power(base: Any, exponent: float) -> Any:
    """A positive number to a power: NumPy computes exponentials and logarithms faster than powers."""
    xp = namespace(base)
    return xp.exp(xp.log(base) * exponent)


def _checked(x: Any) -> Any:
    if x.ndim != 4:
        raise InvalidArgumentError(None, None, f"in must be 4-dimensional, got a shape of {list(x.shape)}")
    return wide(x)


def _kernel(x: Any, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    values = _checked(x)
    return narrow(values * _power(bias + alpha * _near(values * values, depth_radius), -beta), x)


def _grad_kernel(dy: Any, x: Any, y: Any, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    values, grads = _checked(x), _checked(dy)
    if tuple(x.shape) != tuple(dy.shape) or tuple(x.shape) != tuple(y.shape):
        raise InvalidArgumentError(
            None, None, f"input_grads, input_image and out_image have one shape: {list(dy.shape)}, {list(x.shape)}"
        )
    base = bias + alpha * _near(values * values, depth_radius)
    direct = grads * _power(base, -beta)
    shared = _near(direct * values / base, depth_radius)
    return narrow(direct - 2 * alpha * beta * values * shared, dy)


def _gradient(op: Operation, dy: Tensor) -> Tensor:
    result: Tensor = add_op("LRNGrad", dy, op.inputs[0], op.outputs[0], **op.attrs)
    return result


define("LRN", spec=_spec, kernel=_kernel, gradient=_gradient)
define(
    "LRNGrad", spec=_spec, kernel=_grad_kernel, gradient=no_gradient("TensorFlow has no second gradient of it either")
)

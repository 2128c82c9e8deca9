"""Functions of one operand, elementwise, and powers.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor
from dflow.ops.array import zeros_like
from dflow.ops.arrays import is_integral, namespace, pairwise
from dflow.ops.batching import elementwise
from dflow.ops.compare import greater, where
from dflow.ops.math import (
    add,
    back_to_operands,
    chain,
    conj,
    floating,
    inexact,
    multiply,
    negative,
    numbers,
    real,
    realdiv,
    subtract,
    unary,
)
from dflow.ops.static import binary
from dflow.registry import define

__all__ = [
    "abs",
    "ceil",
    "cos",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "pow",
    "reciprocal",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sqrt",
    "square",
    "tanh",
]

# -- powers


def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x to the power of y.  Numbers; InvalidArgumentError at run time for an integer to a negative power."""
    return binary("Pow", x, y, name)


def _pow_kernel(x: Any, y: Any) -> Any:
    if is_integral(y) and bool(namespace(y).any(y < 0)):
        raise InvalidArgumentError(None, None, "Integers to negative integer powers are not allowed")
    return pairwise("pow", x, y)


def _pow_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    z = op.outputs[0]
    dx = chain(dz, multiply(y, pow(x, subtract(y, 1))))
    if x.dtype.is_complex:
        return back_to_operands(op, dx, chain(dz, multiply(z, log(x))))
    zeros = zeros_like(z)
    base = add(x, zeros)  # of the result's shape: `where` does not broadcast
    positive = greater(base, 0)
    logarithm = where(positive, log(where(positive, base, add(zeros, 1))), zeros)
    return back_to_operands(op, dx, multiply(dz, multiply(z, logarithm)))


define("Pow", spec=numbers, kernel=_pow_kernel, gradient=_pow_gradient, batch=elementwise)

# -- functions of one operand


def abs(x: Any, name: str | None = None) -> Tensor:
    """The absolute value of x.  Real numbers."""
    return unary("Abs", x, name)


define(
    "Abs",
    spec=real,
    kernel=lambda x: namespace(x).abs(x),
    gradient=lambda op, dy: multiply(dy, sign(op.inputs[0])),
    batch=elementwise,
)


def sign(x: Any, name: str | None = None) -> Tensor:
    """-1, 0 or 1 as x is negative, zero or positive.  Real numbers; its gradient is 0."""
    return unary("Sign", x, name)


define(
    "Sign",
    spec=real,
    kernel=lambda x: namespace(x).sign(x),
    gradient=lambda op, dy: zeros_like(dy),
    batch=elementwise,
)


def exp(x: Any, name: str | None = None) -> Tensor:
    """e to the power of x.  Floating or complex."""
    return unary("Exp", x, name)


define(
    "Exp",
    spec=inexact,
    kernel=lambda x: namespace(x).exp(x),
    gradient=lambda op, dy: chain(dy, op.outputs[0]),
    batch=elementwise,
)


def expm1(x: Any, name: str | None = None) -> Tensor:
    """exp(x) - 1, accurate for small x.  Floating or complex."""
    return unary("Expm1", x, name)


define(
    "Expm1",
    spec=inexact,
    kernel=lambda x: namespace(x).expm1(x),
    gradient=lambda op, dy: chain(dy, add(op.outputs[0], 1)),
    batch=elementwise,
)


def log(x: Any, name: str | None = None) -> Tensor:
    """The natural logarithm of x: -inf at 0, NaN below.  Floating or complex."""
    return unary("Log", x, name)


define(
    "Log",
    spec=inexact,
    kernel=lambda x: namespace(x).log(x),
    gradient=lambda op, dy: realdiv(dy, conj(op.inputs[0])),
    batch=elementwise,
)


def log1p(x: Any, name: str | None = None) -> Tensor:
    """log(1 + x), accurate for small x.  Floating or complex."""
    return unary("Log1p", x, name)


define(
    "Log1p",
    spec=inexact,
    kernel=lambda x: namespace(x).log1p(x),
    gradient=lambda op, dy: realdiv(dy, conj(add(op.inputs[0], 1))),
    batch=elementwise,
)


def sqrt(x: Any, name: str | None = None) -> Tensor:
    """The square root of x: NaN below 0.  Floating or complex."""
    return unary("Sqrt", x, name)


define(
    "Sqrt",
    spec=inexact,
    kernel=lambda x: namespace(x).sqrt(x),
    gradient=lambda op, dy: realdiv(multiply(dy, 0.5), conj(op.outputs[0])),
    batch=elementwise,
)


def rsqrt(x: Any, name: str | None = None) -> Tensor:
    """1 / sqrt(x).  Floating or complex."""
    return unary("Rsqrt", x, name)


def _rsqrt_gradient(op: Operation, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    return chain(dy, multiply(-0.5, multiply(y, multiply(y, y))))


define("Rsqrt", spec=inexact, kernel=lambda x: 1 / namespace(x).sqrt(x), gradient=_rsqrt_gradient, batch=elementwise)


def square(x: Any, name: str | None = None) -> Tensor:
    """x * x.  Numbers."""
    return unary("Square", x, name)


define(
    "Square",
    spec=numbers,
    kernel=lambda x: x * x,
    gradient=lambda op, dy: chain(dy, multiply(2, op.inputs[0])),
    batch=elementwise,
)


def reciprocal(x: Any, name: str | None = None) -> Tensor:
    """1 / x.  Floating or complex."""
    return unary("Reciprocal", x, name)


define(
    "Reciprocal",
    spec=inexact,
    kernel=lambda x: 1 / x,
    gradient=lambda op, dy: negative(chain(dy, square(op.outputs[0]))),
    batch=elementwise,
)


def sin(x: Any, name: str | None = None) -> Tensor:
    """The sine of x, in radians.  Floating or complex."""
    return unary("Sin", x, name)


define(
    "Sin",
    spec=inexact,
    kernel=lambda x: namespace(x).sin(x),
    gradient=lambda op, dy: chain(dy, cos(op.inputs[0])),
    batch=elementwise,
)


def cos(x: Any, name: str | None = None) -> Tensor:
    """The cosine of x, in radians.  Floating or complex."""
    return unary("Cos", x, name)


define(
    "Cos",
    spec=inexact,
    kernel=lambda x: namespace(x).cos(x),
    gradient=lambda op, dy: negative(chain(dy, sin(op.inputs[0]))),
    batch=elementwise,
)


def tanh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic tangent of x.  Floating or complex."""
    return unary("Tanh", x, name)


define(
    "Tanh",
    spec=inexact,
    kernel=lambda x: namespace(x).tanh(x),
    gradient=lambda op, dy: chain(dy, subtract(1, square(op.outputs[0]))),
    batch=elementwise,
)


def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), without overflow.  Floating."""
    return unary("Sigmoid", x, name)


def _sigmoid_kernel(x: Any) -> Any:
    xp = namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _sigmoid_gradient(op: Operation, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    return multiply(dy, multiply(y, subtract(1, y)))


define("Sigmoid", spec=floating, kernel=_sigmoid_kernel, gradient=_sigmoid_gradient, batch=elementwise)


# -- rounding: its gradient is nothing


def floor(x: Any, name: str | None = None) -> Tensor:
    """The largest integer up to x, in the dtype of x.  Floating."""
    return unary("Floor", x, name)


def ceil(x: Any, name: str | None = None) -> Tensor:
    """The smallest integer from x on, in the dtype of x.  Floating."""
    return unary("Ceil", x, name)


def round(x: Any, name: str | None = None) -> Tensor:
    """The nearest integer, the even one of two, in the dtype of x.  Real numbers; integers stay."""
    return unary("Round", x, name)


define(
    "Floor",
    spec=floating,
    kernel=lambda x: namespace(x).floor(x),
    gradient=lambda op, dy: None,
    batch=elementwise,
)
define(
    "Ceil",
    spec=floating,
    kernel=lambda x: namespace(x).ceil(x),
    gradient=lambda op, dy: None,
    batch=elementwise,
)
define(
    "Round",
    spec=real,
    kernel=lambda x: namespace(x).round(x),
    gradient=lambda op, dy: None,
    batch=elementwise,
)

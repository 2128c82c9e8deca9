"""Trigonometric functions and their inverses, elementwise.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor
from dflow.ops.math.arithmetic import add, chain, multiply, negative
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import reciprocal, rsqrt, square
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, floating, inexact, unary
from dflow.registry import define

__all__ = ["acos", "asin", "atan", "atan2", "cos", "sin", "tan"]


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


def tan(x: Any, name: str | None = None) -> Tensor:
    """The tangent of x, in radians.  Floating or complex."""
    return unary("Tan", x, name)


define(
    "Tan",
    spec=inexact,
    kernel=lambda x: namespace(x).tan(x),
    gradient=lambda op, dy: chain(dy, square(reciprocal(cos(op.inputs[0])))),
    batch=elementwise,
)


def asin(x: Any, name: str | None = None) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN for a real x outside [-1, 1].  Floating or complex."""
    return unary("Asin", x, name)


def _of_the_circle(op: Operation) -> Tensor:
    """1 / sqrt(1 - x**2)."""
    return rsqrt(1 - square(op.inputs[0]))


define(
    "Asin",
    spec=inexact,
    kernel=lambda x: namespace(x).asin(x),
    gradient=lambda op, dy: chain(dy, _of_the_circle(op)),
    batch=elementwise,
)


def acos(x: Any, name: str | None = None) -> Tensor:
    """The angle in [0, pi] whose cosine is x; NaN for a real x outside [-1, 1].  Floating or complex."""
    return unary("Acos", x, name)


define(
    "Acos",
    spec=inexact,
    kernel=lambda x: namespace(x).acos(x),
    gradient=lambda op, dy: negative(chain(dy, _of_the_circle(op))),
    batch=elementwise,
)


def atan(x: Any, name: str | None = None) -> Tensor:
    """The angle in (-pi/2, pi/2) whose tangent is x.  Floating or complex."""
    return unary("Atan", x, name)


define(
    "Atan",
    spec=inexact,
    kernel=lambda x: namespace(x).atan(x),
    gradient=lambda op, dy: chain(dy, reciprocal(1 + square(op.inputs[0]))),
    batch=elementwise,
)


def atan2(y: Any, x: Any, name: str | None = None) -> Tensor:
    """The angle in [-pi, pi] of the point (x, y): that of y / x, in the right quadrant.  Floating; shapes broadcast."""
    return binary("Atan2", y, x, name, ("y", "x"))


def _atan2_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    y, x = op.inputs
    scaled = realdiv(dz, add(square(x), square(y)))
    return back_to_operands(op, multiply(scaled, x), negative(multiply(scaled, y)))


define(
    "Atan2",
    spec=floating,
    kernel=lambda y, x: pairwise("atan2", y, x),
    gradient=_atan2_gradient,
    batch=elementwise,
)

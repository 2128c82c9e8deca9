"""Hyperbolic functions and their inverses, elementwise.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.ops.math.arithmetic import chain, conj
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import reciprocal, square
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import inexact, unary
from dflow.ops.rules.entries import of_entries
from dflow.registry import define

__all__ = ["acosh", "asinh", "atanh", "cosh", "sinh", "tanh"]


def sinh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic sine of x.  Floating or complex."""
    return unary("Sinh", x, name)


define(
    "Sinh",
    spec=inexact,
    kernel=lambda x: namespace(x).sinh(x),
    gradient=lambda op, dy: chain(dy, cosh(op.inputs[0])),
    batch=elementwise,
)


def cosh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic cosine of x.  Floating or complex."""
    return unary("Cosh", x, name)


define(
    "Cosh",
    spec=inexact,
    kernel=lambda x: namespace(x).cosh(x),
    gradient=lambda op, dy: chain(dy, sinh(op.inputs[0])),
    batch=elementwise,
)


@of_entries
def tanh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic tangent of x.  Floating or complex."""
    return unary("Tanh", x, name)


define(
    "Tanh",
    spec=inexact,
    kernel=lambda x: namespace(x).tanh(x),
    gradient=lambda op, dy: chain(dy, 1 - square(op.outputs[0])),
    batch=elementwise,
)


def asinh(x: Any, name: str | None = None) -> Tensor:
    """The number whose hyperbolic sine is x.  Floating or complex."""
    return unary("Asinh", x, name)


define(
    "Asinh",
    spec=inexact,
    kernel=lambda x: namespace(x).asinh(x),
    gradient=lambda op, dy: realdiv(dy, conj(cosh(op.outputs[0]))),
    batch=elementwise,
)


def acosh(x: Any, name: str | None = None) -> Tensor:
    """The number whose hyperbolic cosine is x; NaN for a real x below 1.  Floating or complex."""
    return unary("Acosh", x, name)


define(
    "Acosh",
    spec=inexact,
    kernel=lambda x: namespace(x).acosh(x),
    gradient=lambda op, dy: realdiv(dy, conj(sinh(op.outputs[0]))),
    batch=elementwise,
)


def atanh(x: Any, name: str | None = None) -> Tensor:
    """The number whose hyperbolic tangent is x; NaN for a real x outside [-1, 1].  Floating or complex."""
    return unary("Atanh", x, name)


define(
    "Atanh",
    spec=inexact,
    kernel=lambda x: namespace(x).atanh(x),
    gradient=lambda op, dy: chain(dy, reciprocal(1 - square(op.inputs[0]))),
    batch=elementwise,
)

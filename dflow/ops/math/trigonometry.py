"""Trigonometric and hyperbolic functions, elementwise.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.ops.math.arithmetic import chain, negative
from dflow.ops.math.powers import square
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import inexact, unary
from dflow.registry import define

__all__ = ["cos", "sin", "tanh"]


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
    gradient=lambda op, dy: chain(dy, 1 - square(op.outputs[0])),
    batch=elementwise,
)

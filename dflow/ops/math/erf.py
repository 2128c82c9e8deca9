"""The error function and its relatives, elementwise.

SciPy computes them.  Source: math_ops of TensorFlow 1.15; erfinv, erfcinv and ndtri of later versions.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.math.arithmetic import multiply, negative
from dflow.ops.math.powers import exp, square
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import floating, unary
from dflow.ops.rules.libraries import special
from dflow.ops.rules.named import scope_of
from dflow.registry import define

__all__ = ["erf", "erfc", "erfcinv", "erfinv", "ndtri"]


def erf(x: Any, name: str | None = None) -> Tensor:
    """The error function: 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.  Floating."""
    return unary("Erf", x, name)


def erfc(x: Any, name: str | None = None) -> Tensor:
    """1 - erf(x), also where that is tiny.  Floating."""
    return unary("Erfc", x, name)


def erfinv(x: Any, name: str | None = None) -> Tensor:
    """The number whose `erf` is x, for x in [-1, 1].  Floating."""
    return unary("Erfinv", x, name or "erfinv")


def ndtri(x: Any, name: str | None = None) -> Tensor:
    """The number below which a standard normal number is with probability x, for x in [0, 1].  Floating."""
    return unary("Ndtri", x, name or "ndtri")


def erfcinv(x: Any, name: str | None = None) -> Tensor:
    """The number whose `erfc` is x, for x in [0, 2].  Floating."""
    with scope_of((x,), name, "erfcinv") as scope:
        return multiply(negative(ndtri(multiply(convert_to_tensor(x, name="start"), 0.5))), math.sqrt(0.5), name=scope)


def _bell(x: Tensor, factor: float) -> Tensor:
    """factor * exp(-x**2)."""
    return multiply(exp(negative(square(x))), factor)


def _inverse_gradient(op: Operation, dy: Tensor) -> Tensor:
    return multiply(dy, multiply(exp(square(op.outputs[0])), math.sqrt(math.pi) / 2))


def _ndtri_gradient(op: Operation, dy: Tensor) -> Tensor:
    return multiply(dy, multiply(exp(multiply(square(op.outputs[0]), 0.5)), math.sqrt(2 * math.pi)))


define(
    "Erf",
    spec=floating,
    kernel=partial(special, "erf"),
    gradient=lambda op, dy: multiply(dy, _bell(op.inputs[0], 2 / math.sqrt(math.pi))),
    batch=elementwise,
)
define(
    "Erfc",
    spec=floating,
    kernel=partial(special, "erfc"),
    gradient=lambda op, dy: multiply(dy, _bell(op.inputs[0], -2 / math.sqrt(math.pi))),
    batch=elementwise,
)
define("Erfinv", spec=floating, kernel=partial(special, "erfinv"), gradient=_inverse_gradient, batch=elementwise)
define("Ndtri", spec=floating, kernel=partial(special, "ndtri"), gradient=_ndtri_gradient, batch=elementwise)

"""Rounding, elementwise, without a gradient; and the next floating number.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor
from dflow.ops.array.fill import zeros_like
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, floating, real, unary
from dflow.registry import define

__all__ = ["ceil", "floor", "nextafter", "rint", "round"]


def floor(x: Any, name: str | None = None) -> Tensor:
    """The largest integer up to x, in the dtype of x.  Floating."""
    return unary("Floor", x, name)


def ceil(x: Any, name: str | None = None) -> Tensor:
    """The smallest integer from x on, in the dtype of x.  Floating."""
    return unary("Ceil", x, name)


def round(x: Any, name: str | None = None) -> Tensor:
    """The nearest integer, the even one of two, in the dtype of x.  Real numbers; integers stay."""
    return unary("Round", x, name)


def rint(x: Any, name: str | None = None) -> Tensor:
    """The nearest integer, the even one of two, in the dtype of x.  Floating."""
    return unary("Rint", x, name)


def nextafter(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """The floating number next to x1 in the direction of x2.  Floating; shapes broadcast."""
    return binary("NextAfter", x1, x2, name, ("x1", "x2"))


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
define(
    "Rint",
    spec=floating,
    kernel=lambda x: namespace(x).round(x),
    gradient=lambda op, dy: None,
    batch=elementwise,
)


def _nextafter_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return back_to_operands(op, dy, zeros_like(dy))


define(
    "NextAfter",
    spec=floating,
    kernel=lambda x, y: pairwise("nextafter", x, y),
    gradient=_nextafter_gradient,
    batch=elementwise,
)

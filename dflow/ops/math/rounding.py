"""Rounding, elementwise, without a gradient.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import floating, real, unary
from dflow.registry import define

__all__ = ["ceil", "floor", "round"]


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

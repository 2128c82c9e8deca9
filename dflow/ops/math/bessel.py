"""Modified Bessel functions of orders 0 and 1, elementwise.

SciPy computes them.  Source: special_math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.graph import Operation, Tensor
from dflow.ops.array.fill import ones_like
from dflow.ops.math.arithmetic import abs, add, multiply, sign, subtract
from dflow.ops.math.compare import greater, where
from dflow.ops.math.powers import exp, reciprocal
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import floating, unary
from dflow.ops.rules.libraries import special
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import operands
from dflow.registry import define

__all__ = ["bessel_i0", "bessel_i0e", "bessel_i1", "bessel_i1e"]


def bessel_i0(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function of order 0.  Floating."""
    with scope_of((x,), name, "bessel_i0") as scope:
        (x,) = operands((x,), ("x",))
        return multiply(exp(abs(x)), bessel_i0e(x), name=scope)


def bessel_i1(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function of order 1.  Floating."""
    with scope_of((x,), name, "bessel_i1") as scope:
        (x,) = operands((x,), ("x",))
        return multiply(exp(abs(x)), bessel_i1e(x), name=scope)


def bessel_i0e(x: Any, name: str | None = None) -> Tensor:
    """exp(-abs(x)) * bessel_i0(x), which does not overflow.  Floating."""
    return unary("BesselI0e", x, name or "bessel_i0e")


def bessel_i1e(x: Any, name: str | None = None) -> Tensor:
    """exp(-abs(x)) * bessel_i1(x), which does not overflow.  Floating."""
    return unary("BesselI1e", x, name or "bessel_i1e")


def _i0e_gradient(op: Operation, dy: Tensor) -> Tensor:
    x, y = op.inputs[0], op.outputs[0]
    return multiply(dy, subtract(bessel_i1e(x), multiply(sign(x), y)))


_EPSILON = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}  # from 1 to the next one


def _i1e_gradient(op: Operation, dy: Tensor) -> Tensor:
    """i0e(x) - i1e(x) * (sign(x) + 1 / x), and its limit 0.5 at 0."""
    x, y = op.inputs[0], op.outputs[0]
    has_inverse = greater(abs(x), _EPSILON[x.dtype.name])
    divisor = where(has_inverse, x, ones_like(x))
    slope = subtract(bessel_i0e(divisor), multiply(y, add(sign(divisor), reciprocal(divisor))))
    return multiply(dy, where(has_inverse, slope, multiply(ones_like(x), 0.5)))


define("BesselI0e", spec=floating, kernel=partial(special, "i0e"), gradient=_i0e_gradient, batch=elementwise)
define("BesselI1e", spec=floating, kernel=partial(special, "i1e"), gradient=_i1e_gradient, batch=elementwise)

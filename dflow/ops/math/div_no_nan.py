"""The quotient that is 0 where the divisor is 0.

Source: math_ops.div_no_nan of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor
from dflow.ops.math.arithmetic import conj, multiply, negative
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, inexact
from dflow.registry import define

__all__ = ["div_no_nan"]


def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, and 0 where y is 0, elementwise.  Floating or complex."""
    return binary("DivNoNan", x, y, name or "div_no_nan")


def _kernel(x: Any, y: Any) -> Any:
    xp = namespace(x, y)
    nothing = y == 0
    quotient = pairwise("divide", x, xp.where(nothing, xp.ones_like(y), y))
    return xp.where(nothing, xp.zeros_like(quotient), quotient)


def _gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = conj(op.inputs[0]), conj(op.inputs[1])
    into_y = multiply(dz, div_no_nan(div_no_nan(negative(x), y), y))
    return back_to_operands(op, div_no_nan(dz, y), into_y)


define("DivNoNan", spec=inexact, kernel=_kernel, gradient=_gradient, batch=elementwise, owns_outputs=True)

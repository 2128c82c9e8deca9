"""Quotients and remainders, elementwise.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import float32, float64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor
from dflow.ops.array.cast import cast
from dflow.ops.math.arithmetic import chain, conj, multiply, negative
from dflow.ops.rules.arrays import is_integral, namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, inexact, real
from dflow.ops.rules.static import operands, same_dtype
from dflow.registry import define

__all__ = [
    "div",
    "divide",
    "floor_div",
    "floordiv",
    "floormod",
    "mod",
    "realdiv",
    "truediv",
    "truncatediv",
    "truncatemod",
]


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, the true quotient: of integers too, see `truediv`."""
    return truediv(x, y, name)


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y.  int8, int16, uint8 and uint16 are divided as float32, larger integers as float64."""
    x, y = operands((x, y), ("x", "y"), "RealDiv")
    same_dtype(x.spec, y.spec)
    if x.dtype.is_integer:
        target = float32 if x.dtype.size <= 2 else float64
        x, y = cast(x, target), cast(y, target)
    return binary("RealDiv", x, y, name or "truediv")


def realdiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y.  Floating or complex."""
    return binary("RealDiv", x, y, name)


def _realdiv_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    y, z = op.inputs[1], op.outputs[0]
    return back_to_operands(op, realdiv(dy, conj(y)), negative(chain(dy, realdiv(z, y))))


define(
    "RealDiv",
    spec=inexact,
    kernel=lambda x, y, out=None: pairwise("divide", x, y, out),
    gradient=_realdiv_gradient,
    batch=elementwise,
    owns_outputs=True,
    inplace=(0, 1),
)


def _integer_divisor(y: Any) -> None:
    """InvalidArgumentError for an integer 0 among the divisors."""
    xp = namespace(y)
    if is_integral(y) and not bool(xp.all(y != 0)):
        raise InvalidArgumentError(None, None, "Integer division by zero")


def _floordiv_kernel(x: Any, y: Any) -> Any:
    _integer_divisor(y)
    return pairwise("floor_divide", x, y) if is_integral(x) else namespace(x).floor(pairwise("divide", x, y))


def _floormod_kernel(x: Any, y: Any) -> Any:
    _integer_divisor(y)
    return pairwise("remainder", x, y)


def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The largest integer up to x / y, in the dtype of the operands.  Real numbers.

    InvalidArgumentError at run time for an integer division by zero.
    """
    return binary("FloorDiv", x, y, name or "floordiv")


floor_div = floordiv


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y for floating numbers, `floordiv` for integers, as in Python 2."""
    x, y = operands((x, y), ("x", "y"), "div")
    return floordiv(x, y, name or "div") if x.dtype.is_integer else realdiv(x, y, name or "div")


def floormod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x - y * floordiv(x, y): the remainder, which has the sign of y.  Real numbers.

    InvalidArgumentError at run time for an integer division by zero.
    """
    return binary("FloorMod", x, y, name)


mod = floormod


def truncatediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y rounded towards zero, in the dtype of the operands.  Real numbers.

    InvalidArgumentError at run time for an integer division by zero.
    """
    return binary("TruncateDiv", x, y, name)


def truncatemod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x - y * truncatediv(x, y): the remainder, which has the sign of x.  Real numbers.

    InvalidArgumentError at run time for an integer division by zero.
    """
    return binary("TruncateMod", x, y, name)


def _truncatediv_kernel(x: Any, y: Any) -> Any:
    _integer_divisor(y)
    if not is_integral(x):
        return namespace(x).trunc(pairwise("divide", x, y))
    quotient = pairwise("floor_divide", x, y)
    xp = namespace(quotient)
    return quotient + xp.astype(xp.logical_and(quotient < 0, quotient * y != x), quotient.dtype)


def _truncatemod_kernel(x: Any, y: Any) -> Any:
    _integer_divisor(y)
    rest = pairwise("remainder", x, y)  # of the sign of y
    xp = namespace(rest)
    return xp.where(xp.logical_and(rest != 0, (x < 0) != (y < 0)), rest - y, rest)


def _truncatemod_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return back_to_operands(op, dy, negative(multiply(dy, truncatediv(op.inputs[0], op.inputs[1]))))


define("FloorDiv", spec=real, kernel=_floordiv_kernel, gradient=lambda op, dy: (None, None), batch=elementwise)
define(
    "FloorMod",
    spec=real,
    kernel=_floormod_kernel,
    gradient=lambda op, dy: back_to_operands(op, dy, negative(multiply(dy, floordiv(op.inputs[0], op.inputs[1])))),
    batch=elementwise,
)
define("TruncateDiv", spec=real, kernel=_truncatediv_kernel, gradient=lambda op, dy: (None, None), batch=elementwise)
define("TruncateMod", spec=real, kernel=_truncatemod_kernel, gradient=_truncatemod_gradient, batch=elementwise)

"""Products and quotients that are 0 where a factor or a divisor is 0, whatever the other one is, elementwise.

Source: math_ops of TensorFlow 1.15; multiply_no_nan and xlog1py of later versions.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.arithmetic import chain, conj, negative
from dflow.ops.math.compare import not_equal
from dflow.ops.math.powers import square
from dflow.ops.rules.arrays import broadcasting, namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, inexact
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import operands
from dflow.registry import define

__all__ = ["div_no_nan", "multiply_no_nan", "reciprocal_no_nan", "xdivy", "xlog1py", "xlogy"]


def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, but 0 where y is 0.  Floating or complex; shapes broadcast."""
    with scope_of((x, y), name, "div_no_nan") as scope:
        x, y = operands((x, y), ("x", "y"), "DivNoNan")
        return binary("DivNoNan", x, y, scope)


def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y, but 0 where y is 0, even if x is infinite or NaN.  Floating or complex; shapes broadcast."""
    with scope_of((x, y), name, "multiply_no_nan") as scope:
        x, y = operands((x, y), ("x", "y"), "MulNoNan")
        return binary("MulNoNan", x, y, scope)


def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """1 / x, but 0 where x is 0.  Floating or complex."""
    with scope_of((x,), name, "reciprocal_no_nan") as scope:
        (x,) = operands((x,), ("x",))
        return binary("DivNoNan", convert_to_tensor(1, x.dtype), x, scope)


def xlogy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * log(y), but 0 where x is 0.  Floating or complex; shapes broadcast."""
    return binary("Xlogy", x, y, name)


def xlog1py(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * log(1 + y), but 0 where x is 0.  Floating or complex; shapes broadcast."""
    return binary("Xlog1py", x, y, name)


def xdivy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, but 0 where x is 0.  Floating or complex; shapes broadcast."""
    return binary("Xdivy", x, y, name)


# -- kernels


def _nothing(value: Any) -> Any:
    return namespace(value).zeros_like(value)


def _ones_for_zeros(value: Any) -> Any:
    """The values, with 1 in the place of 0: for a division that is not used there."""
    xp = namespace(value)
    return xp.where(value == 0, xp.ones_like(value), value)


def _div_no_nan(x: Any, y: Any) -> Any:
    quotient = x / _ones_for_zeros(y)
    return namespace(x).where(y == 0, _nothing(quotient), quotient)


def _mul_no_nan(x: Any, y: Any) -> Any:
    product = x * y
    return namespace(x).where(y == 0, _nothing(product), product)


def _unless_x_is_zero(x: Any, found: Any) -> Any:
    return namespace(x).where(x == 0, _nothing(found), found)


def _xlogy(x: Any, y: Any) -> Any:
    return _unless_x_is_zero(x, x * namespace(y).log(y))


def _xlog1py(x: Any, y: Any) -> Any:
    return _unless_x_is_zero(x, x * namespace(y).log1p(y))


def _xdivy(x: Any, y: Any) -> Any:
    return _unless_x_is_zero(x, x / y)


# -- gradients


def _is_not_zero(x: Tensor) -> Tensor:
    """1 where x is not 0, and 0 elsewhere, in the dtype of x."""
    return cast(not_equal(x, zeros_like(x)), x.dtype)


def _div_no_nan_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    slope = div_no_nan(div_no_nan(negative(x), y), y)
    return back_to_operands(op, div_no_nan(dz, conj(y)), chain(dz, slope))


def _mul_no_nan_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    return back_to_operands(op, multiply_no_nan(dz, conj(y)), multiply_no_nan(conj(x), dz))


def _xlogy_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    return back_to_operands(op, chain(dz, xlogy(_is_not_zero(x), y)), chain(dz, xdivy(x, y)))


def _xlog1py_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    return back_to_operands(op, chain(dz, xlog1py(_is_not_zero(x), y)), chain(dz, xdivy(x, 1 + y)))


def _xdivy_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    return back_to_operands(op, chain(dz, xdivy(_is_not_zero(x), y)), chain(dz, xdivy(negative(x), square(y))))


for _kind, _kernel, _gradient in [
    ("DivNoNan", _div_no_nan, _div_no_nan_gradient),
    ("MulNoNan", _mul_no_nan, _mul_no_nan_gradient),
    ("Xlogy", _xlogy, _xlogy_gradient),
    ("Xlog1py", _xlog1py, _xlog1py_gradient),
    ("Xdivy", _xdivy, _xdivy_gradient),
]:
    define(
        _kind,
        spec=inexact,
        kernel=partial(broadcasting, _kernel),
        gradient=_gradient,
        batch=elementwise,
    )

"""Powers, roots, exponentials and logarithms, elementwise.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.arithmetic import add, chain, conj, multiply, negative, subtract
from dflow.ops.math.compare import greater, not_equal, where
from dflow.ops.math.division import realdiv
from dflow.ops.rules.arrays import is_integral, namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands, binary, inexact, numbers, unary
from dflow.ops.rules.entries import of_entries
from dflow.registry import define

__all__ = ["exp", "expm1", "log", "log1p", "pow", "reciprocal", "rsqrt", "sqrt", "square"]


# -- powers and roots


def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x to the power of y.  Numbers; InvalidArgumentError at run time for an integer to a negative power."""
    return binary("Pow", x, y, name)


def _pow_kernel(x: Any, y: Any) -> Any:
    if is_integral(y) and bool(namespace(y).any(y < 0)):
        raise InvalidArgumentError(None, None, "Integers to negative integer powers are not allowed")
    return pairwise("pow", x, y)


def _pow_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    x, y = op.inputs
    z = op.outputs[0]
    dx = chain(chain(dz, y), pow(x, subtract(y, 1)))
    zeros = zeros_like(z)
    base = add(x, zeros)  # of the result's shape: `where` does not broadcast
    has_logarithm = not_equal(base, zeros) if x.dtype.is_complex else greater(base, 0)
    logarithm = where(has_logarithm, log(where(has_logarithm, base, add(zeros, 1))), zeros)
    return back_to_operands(op, dx, chain(chain(dz, z), logarithm))  # dz first: it may be 0 where z is infinite


define("Pow", spec=numbers, kernel=_pow_kernel, gradient=_pow_gradient, batch=elementwise)


def _zero_for_zero(dy: Tensor, dx: Tensor) -> Tensor:
    """dx, but 0 where dy is 0: a value with no part in the result has no gradient, even for an infinite derivative."""
    return where(not_equal(dy, zeros_like(dy)), dx, zeros_like(dx))


@of_entries
def sqrt(x: Any, name: str | None = None) -> Tensor:
    """The square root of x: NaN below 0.  Floating or complex."""
    return unary("Sqrt", x, name)


define(
    "Sqrt",
    spec=inexact,
    kernel=lambda x: namespace(x).sqrt(x),
    gradient=lambda op, dy: _zero_for_zero(dy, realdiv(multiply(dy, 0.5), conj(op.outputs[0]))),
    batch=elementwise,
)


def rsqrt(x: Any, name: str | None = None) -> Tensor:
    """1 / sqrt(x).  Floating or complex."""
    return unary("Rsqrt", x, name)


def _rsqrt_gradient(op: Operation, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    return _zero_for_zero(dy, chain(dy, multiply(multiply(y, multiply(y, y)), -0.5)))


define("Rsqrt", spec=inexact, kernel=lambda x: 1 / namespace(x).sqrt(x), gradient=_rsqrt_gradient, batch=elementwise)


@of_entries
def square(x: Any, name: str | None = None) -> Tensor:
    """x * x.  Numbers."""
    return unary("Square", x, name)


define(
    "Square",
    spec=numbers,
    kernel=lambda x: x * x,
    gradient=lambda op, dy: chain(dy, multiply(op.inputs[0], 2)),
    batch=elementwise,
)


def reciprocal(x: Any, name: str | None = None) -> Tensor:
    """1 / x.  Floating or complex."""
    return unary("Reciprocal", x, name)


define(
    "Reciprocal",
    spec=inexact,
    kernel=lambda x: 1 / x,
    gradient=lambda op, dy: _zero_for_zero(dy, negative(chain(dy, square(op.outputs[0])))),
    batch=elementwise,
)


# -- exponentials and logarithms


def exp(x: Any, name: str | None = None) -> Tensor:
    """e to the power of x.  Floating or complex."""
    return unary("Exp", x, name)


define(
    "Exp",
    spec=inexact,
    kernel=lambda x: namespace(x).exp(x),
    gradient=lambda op, dy: chain(dy, op.outputs[0]),
    batch=elementwise,
)


def expm1(x: Any, name: str | None = None) -> Tensor:
    """exp(x) - 1, accurate for small x.  Floating or complex."""
    return unary("Expm1", x, name)


define(
    "Expm1",
    spec=inexact,
    kernel=lambda x: namespace(x).expm1(x),
    gradient=lambda op, dy: chain(dy, add(op.outputs[0], 1)),
    batch=elementwise,
)


def log(x: Any, name: str | None = None) -> Tensor:
    """The natural logarithm of x: -inf at 0, NaN below.  Floating or complex."""
    return unary("Log", x, name)


define(
    "Log",
    spec=inexact,
    kernel=lambda x: namespace(x).log(x),
    gradient=lambda op, dy: realdiv(dy, conj(op.inputs[0])),
    batch=elementwise,
)


def log1p(x: Any, name: str | None = None) -> Tensor:
    """log(1 + x), accurate for small x.  Floating or complex."""
    return unary("Log1p", x, name)


define(
    "Log1p",
    spec=inexact,
    kernel=lambda x: namespace(x).log1p(x),
    gradient=lambda op, dy: realdiv(dy, conj(add(op.inputs[0], 1))),
    batch=elementwise,
)

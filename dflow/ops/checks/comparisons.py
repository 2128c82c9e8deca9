"""Assertions that compare values: assert_equal, assert_less, assert_positive and others.

What can be decided while the graph is built is decided then: a comparison of constants that does not hold raises
InvalidArgumentError at once.
Source: check_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.control import Assert, no_op
from dflow.ops.math.arithmetic import abs, add, multiply, subtract
from dflow.ops.math.compare import equal, greater, greater_equal, less, less_equal, not_equal
from dflow.ops.math.reduction import reduce_all
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import constant_value, operands

__all__ = [
    "assert_equal",
    "assert_greater",
    "assert_greater_equal",
    "assert_less",
    "assert_less_equal",
    "assert_near",
    "assert_negative",
    "assert_non_negative",
    "assert_non_positive",
    "assert_none_equal",
    "assert_positive",
]

Data = Sequence[Any] | None

# -- two operands


def assert_equal(
    x: Any, y: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """An operation that fails with InvalidArgumentError unless x == y everywhere; shapes broadcast.

    data: tensors that the error shows, None: a description, x and y; summarize: how many values of each, None: 3;
    message: text in front of these.
    InvalidArgumentError at once for constants that differ.
    """
    return _compared(equal, np.equal, "==", x, y, data, summarize, message, name, "assert_equal")


def assert_none_equal(
    x: Any, y: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x != y everywhere; arguments and errors as for `assert_equal`."""
    return _compared(not_equal, np.not_equal, "!=", x, y, data, summarize, message, name, "assert_none_equal")


def assert_less(
    x: Any, y: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x < y everywhere; arguments and errors as for `assert_equal`."""
    return _compared(less, np.less, "<", x, y, data, summarize, message, name, "assert_less")


def assert_less_equal(
    x: Any, y: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x <= y everywhere; arguments and errors as for `assert_equal`."""
    return _compared(less_equal, np.less_equal, "<=", x, y, data, summarize, message, name, "assert_less_equal")


def assert_greater(
    x: Any, y: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x > y everywhere; arguments and errors as for `assert_equal`."""
    return _compared(greater, np.greater, ">", x, y, data, summarize, message, name, "assert_greater")


def assert_greater_equal(
    x: Any, y: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x >= y everywhere; arguments and errors as for `assert_equal`."""
    return _compared(
        greater_equal, np.greater_equal, ">=", x, y, data, summarize, message, name, "assert_greater_equal"
    )


def _compared(
    function: Callable[..., Tensor],
    static_function: Any,
    sign: str,
    x: Any,
    y: Any,
    data: Data,
    summarize: int | None,
    message: str | None,
    name: str | None,
    default: str,
) -> Operation:
    with scope_of((x, y, *(data or ())), name, default):
        x, y = operands((x, y), ("x", "y"), default)
        if x is y and function is equal:
            return no_op()
        if data is None:
            data = [
                f"Condition x {sign} y did not hold element-wise:",
                f"x ({x.name}) = ",
                x,
                f"y ({y.name}) = ",
                y,
            ]
        shown = _behind(message, data)
        holds = reduce_all(function(x, y))
        values = [constant_value(operand) for operand in (x, y)]
        if all(value is not None for value in values):
            fail_at_once(bool(np.all(static_function(*values))), shown)
        return Assert(holds, shown, summarize=summarize)


def _behind(message: str | None, data: Sequence[Any]) -> list[Any]:
    """The data that an error shows, with the message in front of it."""
    return [message, *data] if message else list(data)


def fail_at_once(holds: bool, data: Sequence[Any]) -> None:
    """InvalidArgumentError, which shows the data, as far as it is known, if the condition does not hold."""
    if holds:
        return
    shown = []
    for item in data:
        value = constant_value(item) if isinstance(item, Tensor) else item
        shown.append(str(item if value is None else value))
    raise InvalidArgumentError(None, None, "\n".join(shown))


# -- nearly equal


def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Data = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Fails unless abs(x - y) <= atol + rtol * abs(y) everywhere; shapes broadcast.

    rtol, atol: None: ten times the distance of 1 to the next number of the dtype, also for integers, which have to be
    equal.  The other arguments are those of `assert_equal`.
    """
    with scope_of((x, y, rtol, atol, *(data or ())), name, "assert_near"):
        x, y = operands((x, y), ("x", "y"), "assert_near")
        exact = x.dtype.is_integer
        default = 0.0 if exact else 10 * _epsilon(x)
        relative, absolute = (default if value is None else value for value in (rtol, atol))
        real_dtype = {"complex64": "float32", "complex128": "float64"}.get(x.dtype.name, x.dtype.name)
        if not exact:
            relative = convert_to_tensor(relative, real_dtype, name="rtol")
            absolute = convert_to_tensor(absolute, real_dtype, name="atol")
        else:
            relative, absolute = cast(relative, x.dtype), cast(absolute, x.dtype)
        if data is None:
            data = [
                f"x and y not equal to tolerance rtol = {relative.name}, atol = {absolute.name}",
                f"x ({x.name}) = ",
                x,
                f"y ({y.name}) = ",
                y,
            ]
        limit = add(absolute, multiply(relative, abs(y)))
        holds = reduce_all(less_equal(abs(subtract(x, y)), limit))
        return Assert(holds, _behind(message, data), summarize=summarize)


def _epsilon(x: Tensor) -> float:
    """The distance of 1 to the next number of the dtype."""
    if x.dtype.name == "bfloat16":
        return 2.0**-7
    return float(np.finfo(x.dtype.numpy_dtype).eps)


# -- signs


def assert_positive(
    x: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x > 0 everywhere; arguments and errors as for `assert_equal`."""
    return _against_zero(assert_less, True, "> 0", x, data, summarize, message, name, "assert_positive")


def assert_negative(
    x: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x < 0 everywhere; arguments and errors as for `assert_equal`."""
    return _against_zero(assert_less, False, "< 0", x, data, summarize, message, name, "assert_negative")


def assert_non_negative(
    x: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x >= 0 everywhere; arguments and errors as for `assert_equal`."""
    return _against_zero(assert_less_equal, True, ">= 0", x, data, summarize, message, name, "assert_non_negative")


def assert_non_positive(
    x: Any, data: Data = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """Fails unless x <= 0 everywhere; arguments and errors as for `assert_equal`."""
    return _against_zero(assert_less_equal, False, "<= 0", x, data, summarize, message, name, "assert_non_positive")


def _against_zero(
    assertion: Callable[..., Operation],
    zero_first: bool,
    what: str,
    x: Any,
    data: Data,
    summarize: int | None,
    message: str | None,
    name: str | None,
    default: str,
) -> Operation:
    with scope_of((x, *(data or ())), name, default):
        (x,) = operands((x,), ("x",))
        if data is None:
            data = [f"Condition x {what} did not hold element-wise:", f"x ({x.name}) = ", x]
        zero = convert_to_tensor(x.dtype.zero, x.dtype)
        pair = (zero, x) if zero_first else (x, zero)
        return assertion(*pair, data=data, summarize=summarize, message=message)

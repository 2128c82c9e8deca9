"""Dimension: one size of a static shape, which may be unknown.  Source: tf.Dimension of TensorFlow 1.15.

Programs of TensorFlow 1 write `x.shape[1].value`, and compute with sizes before they know them: what an unknown size
takes part in is unknown, and a comparison with it gives None.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np


class Dimension:
    """A size: a non-negative integer, or None if it is not known.

    Wherever Python or NumPy expects an integer, a known one is that integer.
    TypeError or ValueError for a value that is no size.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = _checked(value)

    @property
    def value(self) -> int | None:
        """The size; None if it is unknown."""
        return self._value

    def is_compatible_with(self, other: Any) -> bool:
        """True if both may be the same size."""
        size = as_dimension(other)._value
        return self._value is None or size is None or self._value == size

    def assert_is_compatible_with(self, other: Any) -> None:
        """ValueError unless both may be the same size."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible")

    def merge_with(self, other: Any) -> Dimension:
        """The size as far as one of both knows it; ValueError if they differ."""
        other = as_dimension(other)
        self.assert_is_compatible_with(other)
        return Dimension(other._value if self._value is None else self._value)

    # -- as a number

    def __int__(self) -> int:
        return self.__index__()

    def __index__(self) -> int:
        if self._value is None:
            raise TypeError("an unknown Dimension is no integer: set_shape() makes a size known")
        return self._value

    def __bool__(self) -> bool:
        """As of the value: an unknown size and 0 are false."""
        return bool(self._value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.asarray(self.__index__(), dtype)

    # -- arithmetic

    def __add__(self, other: Any) -> Any:
        return _computed(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _computed(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _computed(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _computed(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _computed(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _computed(operator.mul, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _computed(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _computed(operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Any:
        return _computed(operator.mod, self, other)

    def __rmod__(self, other: Any) -> Any:
        return _computed(operator.mod, other, self)

    def __truediv__(self, other: Any) -> Any:
        raise _no_division(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        raise _no_division(other, self)

    # -- comparison

    def __eq__(self, other: object) -> Any:
        return _compared(operator.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return _compared(operator.ne, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compared(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compared(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compared(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compared(operator.ge, self, other)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Dimension, (self._value,)

    def __repr__(self) -> str:
        return f"Dimension({self._value})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)


def as_dimension(value: Any) -> Dimension:
    """`value` as a Dimension: one already, an integer, or None."""
    return value if isinstance(value, Dimension) else Dimension(value)


def dimension_value(dimension: Any) -> Any:
    """The size of a Dimension as an integer or None; anything else as it is.  Source: tf.compat.dimension_value."""
    return dimension.value if isinstance(dimension, Dimension) else dimension


def _checked(value: Any) -> int | None:
    if value is None or isinstance(value, Dimension):
        return value if value is None else value.value
    try:
        size = int(value)
    except TypeError:
        raise TypeError(f"Dimension value must be integer or None or have an __index__ method, got {value!r}") from None
    if not isinstance(value, (str, bytes)) and size != value:
        raise ValueError(f"Ambiguous dimension: {value}")
    if size < 0:
        raise ValueError(f"Dimension {size} must be >= 0")
    return size


def _sizes(first: Any, second: Any) -> tuple[int | None, int | None] | None:
    """Two operands as sizes; None if one of them is no size."""
    try:
        return _checked(first), _checked(second)
    except (TypeError, ValueError):
        return None


def _computed(compute: Callable[[int, int], int], first: Any, second: Any) -> Any:
    sizes = _sizes(first, second)
    if sizes is None:
        return NotImplemented
    a, b = sizes
    return Dimension(None if a is None or b is None else compute(a, b))


def _compared(compare: Callable[[int, int], bool], first: Any, second: Any) -> Any:
    """None, which counts as false, if one of them is unknown."""
    sizes = _sizes(first, second)
    if sizes is None:
        return NotImplemented
    a, b = sizes
    return None if a is None or b is None else compare(a, b)


def _no_division(first: Any, second: Any) -> TypeError:
    kinds = f"'{type(first).__name__}' and '{type(second).__name__}'"
    return TypeError(f"unsupported operand type(s) for /: {kinds}, please use // instead")

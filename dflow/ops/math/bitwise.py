"""Operations on the bits of integers; the operators `&`, `|`, `^` and `~` of a tensor use them.

Source: bitwise_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.dtypes import uint8
from dflow.graph import Tensor
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import binary, numbers, unary
from dflow.ops.rules.libraries import is_numpy_like, through_numpy
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = [
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "left_shift",
    "population_count",
    "right_shift",
]


def bitwise_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits that x and y both have, elementwise.  Integers; shapes broadcast."""
    return binary("BitwiseAnd", x, y, name)


def bitwise_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits that x or y has, elementwise.  Integers; shapes broadcast."""
    return binary("BitwiseOr", x, y, name)


def bitwise_xor(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits that either x or y has, elementwise.  Integers; shapes broadcast."""
    return binary("BitwiseXor", x, y, name)


def invert(x: Any, name: str | None = None) -> Tensor:
    """The bits that x has not, elementwise.  Integers."""
    return unary("Invert", x, name)


def left_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits of x moved up by y places, elementwise; y is first brought to [0, bits - 1].  Integers."""
    return binary("LeftShift", x, y, name)


def right_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits of x moved down by y places, elementwise; y is first brought to [0, bits - 1].  Integers.

    Copies of the sign follow for signed integers, zeros for unsigned ones.
    """
    return binary("RightShift", x, y, name)


def population_count(x: Any, name: str | None = None) -> Tensor:
    """The number of bits that are 1, elementwise; of a negative number those that are stored.  Integers -> uint8."""
    return unary("PopulationCount", x, name)


def _integers(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_integer, "integers and bool")
    return numbers(x, *others)


def _shifted(function: str, x: Any, y: Any) -> Any:
    xp = namespace(y)
    return pairwise(function, x, xp.clip(y, 0, xp.iinfo(y.dtype).bits - 1))


def _count_kernel(x: Any) -> Any:
    """The bits of the number as an unsigned one: NumPy counts those of the absolute value."""
    if not is_numpy_like(x):
        return through_numpy(_count_kernel, x)
    xp = namespace(x)
    unsigned = f"u{x.dtype.name}" if x.dtype.kind == "i" else x.dtype.name
    return xp.bitwise_count(xp.asarray(x).view(unsigned))


_OF_INTEGERS = no_gradient("it is a step function")

for _kind, _function in [("BitwiseAnd", "bitwise_and"), ("BitwiseOr", "bitwise_or"), ("BitwiseXor", "bitwise_xor")]:
    define(_kind, spec=_integers, kernel=partial(pairwise, _function), gradient=_OF_INTEGERS, batch=elementwise)
for _kind, _function in [("LeftShift", "bitwise_left_shift"), ("RightShift", "bitwise_right_shift")]:
    define(_kind, spec=_integers, kernel=partial(_shifted, _function), gradient=_OF_INTEGERS, batch=elementwise)
define(
    "Invert",
    spec=_integers,
    kernel=lambda x: namespace(x).bitwise_invert(x),
    gradient=_OF_INTEGERS,
    batch=elementwise,
)
define(
    "PopulationCount",
    spec=lambda x: TensorSpec(_integers(x).shape, uint8),
    kernel=_count_kernel,
    gradient=_OF_INTEGERS,
    batch=elementwise,
)

"""Operations on the bits of integers, for the operators `&`, `|`, `^` and `~` of a tensor.

Source: bitwise_ops of TensorFlow.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.graph import Tensor
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import binary, numbers, unary
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["bitwise_and", "bitwise_or", "bitwise_xor", "invert"]


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


def _integers(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_integer, "integers and bool")
    return numbers(x, *others)


_OF_INTEGERS = no_gradient("it is a step function")

for _kind, _function in [("BitwiseAnd", "bitwise_and"), ("BitwiseOr", "bitwise_or"), ("BitwiseXor", "bitwise_xor")]:
    define(_kind, spec=_integers, kernel=partial(pairwise, _function), gradient=_OF_INTEGERS, batch=elementwise)
define(
    "Invert",
    spec=_integers,
    kernel=lambda x: namespace(x).bitwise_invert(x),
    gradient=_OF_INTEGERS,
    batch=elementwise,
)

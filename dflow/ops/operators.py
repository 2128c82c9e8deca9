"""Python's operators on tensors and variables: `x + 1`, `-x`, `x[1:, None]`, `a @ b`, `x < y`.

`==` and `!=` compare identity, as in TensorFlow 1: a tensor is a key of dictionaries.
Importing this module gives the operators to both classes.
Source: Tensor.OVERLOADABLE_OPERATORS of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.dtypes import DType, to_array
from dflow.errors import DTypeError
from dflow.graph import Tensor
from dflow.ops.array.gather import boolean_mask
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import add, multiply, negative, subtract
from dflow.ops.math.bitwise import bitwise_and, bitwise_or, bitwise_xor, invert
from dflow.ops.math.compare import (
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
)
from dflow.ops.math.division import floordiv, floormod, truediv
from dflow.ops.math.linalg import matmul
from dflow.ops.math.powers import pow as pow_
from dflow.ops.rules.static import is_symbolic
from dflow.ops.state.slice_assign import get_part
from dflow.ops.state.variables import Variable
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor

Function = Callable[..., Tensor]


def _matmul(a: Any, b: Any, name: str) -> Tensor:
    return matmul(a, b, name=name)


def _on_bits(of_integers: Function, of_bools: Function) -> Function:
    """An operator: `of_integers` if the operand that is a tensor holds integers, else `of_bools`."""

    def function(x: Any, y: Any, name: str) -> Tensor:
        dtype = getattr(x, "dtype", None) if is_symbolic(x) else y.dtype
        return (of_integers if getattr(dtype, "is_integer", False) else of_bools)(x, y, name=name)

    return function


def _inverted(x: Any, name: str) -> Tensor:
    return invert(x, name="Invert") if x.dtype.is_integer else logical_not(x, name=name)


_BINARY: dict[str, tuple[Function, str]] = {
    "add": (add, "add"),
    "sub": (subtract, "sub"),
    "mul": (multiply, "mul"),
    "truediv": (truediv, "truediv"),
    "floordiv": (floordiv, "floordiv"),
    "mod": (floormod, "mod"),
    "pow": (pow_, "pow"),
    "matmul": (_matmul, "matmul"),
    "and": (_on_bits(bitwise_and, logical_and), "and"),
    "or": (_on_bits(bitwise_or, logical_or), "or"),
    "xor": (_on_bits(bitwise_xor, logical_xor), "xor"),
}
_COMPARISONS: dict[str, Function] = {"lt": less, "le": less_equal, "gt": greater, "ge": greater_equal}
_UNARY: dict[str, tuple[Function, str]] = {
    "neg": (negative, "Neg"),
    "abs": (abs_, "Abs"),
    "invert": (_inverted, "LogicalNot"),
}


def overload(cls: type) -> None:
    """Give the operators to a class of symbolic values."""
    for word, (function, name) in _BINARY.items():
        setattr(cls, f"__{word}__", _method(function, name))
        setattr(cls, f"__r{word}__", _reflected(function, name))
    for word, function in _COMPARISONS.items():
        setattr(cls, f"__{word}__", _method(function, None))
    for word, (function, name) in _UNARY.items():
        setattr(cls, f"__{word}__", _single(function, name))
    special = {"__getitem__": _get_item, "__array_priority__": 100, "__array__": _no_array}
    for word, value in special.items():
        setattr(cls, word, value)


def _method(function: Function, name: str | None) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if isinstance(other, SparseTensor):  # which may have the operator for a dense operand on its left
            return NotImplemented
        return function(self, other, name=name)

    return operator


def _reflected(function: Function, name: str) -> Callable[[Any, Any], Tensor]:
    def operator(self: Any, other: Any) -> Tensor:
        return function(_cast(other, self.dtype), self, name=name)

    return operator


def _cast(other: Any, dtype: DType) -> Any:
    """A Python or NumPy value left of a tensor in the dtype of that tensor; a tensor as it is."""
    if is_symbolic(other):
        return other
    try:
        return to_array(other.as_list() if isinstance(other, TensorShape) else other, dtype)
    except TypeError as error:
        raise DTypeError(f"{error}; the other operand is of dtype {dtype.name}") from error


def _single(function: Function, name: str) -> Callable[[Any], Tensor]:
    def operator(self: Any) -> Tensor:
        return function(self, name=name)

    return operator


def _get_item(self: Any, key: Any) -> Tensor:
    if getattr(key, "dtype", None) == "bool":
        return boolean_mask(self, key)
    return get_item(self, key)


def _no_array(self: Any, *_: Any, **__: Any) -> Any:
    """Refuse a conversion, of which NumPy would make an array of one object.

    `numpy_array + tensor` uses the tensor's operator, by its `__array_priority__`.
    """
    raise NotImplementedError(
        f"{self.name} has no value while the graph is built: use operations of dflow, or fetch it with Session.run"
    )


overload(Tensor)
overload(Variable)
setattr(Variable, "__getitem__", get_part)  # noqa: B010

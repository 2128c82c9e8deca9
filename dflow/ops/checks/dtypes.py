"""Assertions about dtypes, which are checked while the graph is built.

Source: check_ops and numeric checks of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dflow.dtypes import DType, as_dtype, float32
from dflow.errors import DTypeError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.control import no_op
from dflow.ops.rules.named import scope_of
from dflow.sparse_tensor import SparseTensor

__all__ = [
    "assert_integer",
    "assert_proper_iterable",
    "assert_same_float_dtype",
    "assert_type",
    "is_numeric_tensor",
]


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """An operation that does nothing; DTypeError at once unless x is of an integer dtype, also quantized."""
    with scope_of((x,), name, "assert_integer"):
        tensor = convert_to_tensor(x, name="x")
        if not tensor.dtype.is_integer:
            raise DTypeError(f'{message or ""}  Expected "x" to be integer type.  Found: {tensor.dtype!r}')
        return no_op("statically_determined_was_integer")


def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Operation:
    """An operation that does nothing; DTypeError at once unless the tensor is of the dtype `tf_type`."""
    given = tensor.values if isinstance(tensor, SparseTensor) else tensor
    wanted = as_dtype(tf_type)
    with scope_of((given,), name, "assert_type"):
        converted = convert_to_tensor(given, name="tensor")
        if converted.dtype != wanted:
            raise DTypeError(f"{message or ''}  {converted.name} must be of type {wanted!r}")
        return no_op("statically_determined_correct_type")


def assert_proper_iterable(values: Any) -> None:
    """TypeError unless the values are an iterable, and no tensor, text or array."""
    if isinstance(values, (Tensor, SparseTensor, str, bytes)) or hasattr(values, "dtype"):
        raise DTypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise DTypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


def is_numeric_tensor(tensor: Any) -> bool:
    """Whether it is a tensor of integers, floating or complex numbers."""
    return isinstance(tensor, Tensor) and tensor.dtype.is_numeric


def assert_same_float_dtype(tensors: Iterable[Any] | None = None, dtype: Any = None) -> DType:
    """The dtype that all tensors have, or `dtype` if it is given; float32 for neither.

    ValueError for tensors of different dtypes, and for a dtype that is not floating.
    """
    found = None if dtype is None else as_dtype(dtype)
    items: Sequence[Any] = [item for item in tensors or () if item is not None]
    for item in items:
        own = as_dtype(item.dtype)
        if found is None:
            found = own
        elif own != found:
            raise ValueError(f"Expected {found.name}, got {own.name} of {getattr(item, 'name', item)}")
    found = float32 if found is None else found
    if not found.is_floating:
        raise ValueError(f"Expected floating point type, got {found.name}.")
    return found

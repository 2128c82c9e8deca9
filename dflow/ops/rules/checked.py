"""Kernels that refuse at run time what their shape rule refuses while the graph is built.

For operations that compute long enough that the rule, a few microseconds, does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["checked", "dtype_of"]


def dtype_of(array: Any) -> DType:
    """The dtype of an array of any namespace."""
    dtype = array.dtype
    return as_dtype(dtype) if hasattr(dtype, "kind") else as_dtype(str(dtype).rpartition(".")[2])


def checked(spec: Callable[..., Any], kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel; InvalidArgumentError, with the text of the ShapeError, for shapes that `spec` refuses."""

    @wraps(kernel)
    def run(*arrays: Any, **attrs: Any) -> Any:
        try:
            spec(*(TensorSpec(TensorShape(array.shape), dtype_of(array)) for array in arrays), **attrs)
        except ShapeError as error:
            raise InvalidArgumentError(None, None, str(error)) from None
        return kernel(*arrays, **attrs)

    return run

"""Checks whether elements fit into a queue.

The errors name the component, the expected and the actual dtype or shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow import dtypes
from dflow.errors import InvalidArgumentError
from dflow.machines.queue.store import Batch, Element
from dflow.shapes import bracket
from dflow.specs import QueueSpec

Dims = tuple[int | None, ...]

_NAMES = {dtype.numpy_dtype: dtype.name for dtype in dtypes.ALL}


class ComponentCheck:
    """Compares arrays with the dtypes and shapes of a queue.  Sizes that its spec leaves open fit any size."""

    def __init__(self, spec: QueueSpec) -> None:
        self._owner = f"{spec.kind} {spec.name!r}"
        self._dtypes = [dtype.numpy_dtype for dtype in spec.dtypes]
        self._expected = [(d, shape.dims) for d, shape in zip(self._dtypes, spec.component_shapes, strict=True)]

    def element(self, components: Element) -> InvalidArgumentError | None:
        """The error for an element; None if it fits."""
        if len(components) != len(self._expected):
            return self._count_error(components)
        for i, (array, (dtype, dims)) in enumerate(zip(components, self._expected, strict=True)):
            if array.dtype != dtype:
                return _dtype_error(i, dtype, array.dtype)
            if dims is not None and array.shape != dims and not _fits(array.shape, dims):
                return _shape_error(i, dims, array.shape)
        return None

    def batch(self, components: Batch) -> InvalidArgumentError | None:
        """The error for a batch of elements; None if it fits."""
        if len(components) != len(self._expected):
            return self._count_error(components)
        size = None
        for i, (array, (dtype, dims)) in enumerate(zip(components, self._expected, strict=True)):
            if array.dtype != dtype:
                return _dtype_error(i, dtype, array.dtype)
            if array.ndim == 0:
                return _shape_error(i, (None, *(dims or ())), array.shape)
            size = len(array) if size is None else size
            if len(array) != size:
                return _invalid(
                    "All components of a batch must have the same size in dimension 0. "
                    f"Component {i} has {len(array)}, and should have {size}"
                )
            if dims is not None and array.shape[1:] != dims and not _fits(array.shape[1:], dims):
                return _shape_error(i, (size, *dims), array.shape)
        return None

    def _count_error(self, components: Element) -> InvalidArgumentError:
        return _invalid(f"{self._owner}: expected {len(self._expected)} components, got {len(components)}")


def _fits(shape: tuple[int, ...], dims: Dims) -> bool:
    return len(shape) == len(dims) and all(b is None or a == b for a, b in zip(shape, dims, strict=True))


def _shape_error(i: int, expected: Dims, actual: tuple[int, ...]) -> InvalidArgumentError:
    return _invalid(f"Shape mismatch in tuple component {i}. Expected {bracket(expected)}, got {bracket(actual)}")


def _dtype_error(i: int, expected: np.dtype[Any], actual: np.dtype[Any]) -> InvalidArgumentError:
    return _invalid(f"Type mismatch in tuple component {i}. Expected {_name(expected)}, got {_name(actual)}")


def _name(dtype: np.dtype[Any]) -> str:
    """dflow's name of a dtype; one that no tensor has (fixed-width text, foreign byte order) keeps NumPy's name."""
    return _NAMES.get(dtype, str(dtype))


def _invalid(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(None, None, message)

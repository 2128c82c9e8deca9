"""Functions of SciPy and of NumPy's linear algebra in kernels, for arrays of any namespace and any floating dtype.

CuPy's arrays stay on their device, as CuPy has functions of the same names.  Arrays of another namespace go through
NumPy.  Values of 16 bits are computed as float32, which these libraries need.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from array_api_compat import device, is_cupy_array

from dflow.ops.rules.arrays import broadcasting, namespace

__all__ = ["as_numpy", "is_numpy_like", "narrowed", "special", "through_numpy", "widened"]


def is_numpy_like(array: Any) -> bool:
    """Whether it has NumPy's own functions and methods: an array of NumPy or CuPy."""
    return isinstance(array, (np.ndarray, np.generic)) or is_cupy_array(array)


def as_numpy(array: Any) -> np.ndarray[Any, Any]:
    """A NumPy array of the same values, which may share memory."""
    return np.asarray(array) if isinstance(array, (np.ndarray, np.generic)) else np.from_dlpack(array)


def through_numpy(function: Callable[..., Any], *arrays: Any) -> Any:
    """A function of NumPy arrays on arrays of another namespace; its result (or each of them) is beside the first."""
    first = arrays[0]
    if isinstance(first, (np.ndarray, np.generic)):
        return function(*arrays)
    found = function(*(as_numpy(array) for array in arrays))
    beside = partial(namespace(first).asarray, device=device(first))
    return tuple(map(beside, found)) if isinstance(found, tuple) else beside(np.asarray(found))


def widened(array: Any) -> Any:
    """Values of 16 bits as float32; others as they are."""
    if array.dtype.itemsize == 2 if is_numpy_like(array) else "16" in str(array.dtype):
        xp = namespace(array)
        return xp.astype(array, xp.float32)
    return array


def narrowed(value: Any, like: Any) -> Any:
    """A result in the dtype of `like`, which was widened before."""
    return value if value.dtype == like.dtype else namespace(value).astype(value, like.dtype)


@cache
def _special_functions(package: str) -> Any:
    return importlib.import_module(f"{package}.special")


def special(name: str, *arrays: Any) -> Any:
    """A function of `scipy.special` in the dtype of the arrays, which broadcast.

    InvalidArgumentError if they do not.
    """
    if not is_numpy_like(arrays[0]):
        return through_numpy(partial(special, name), *arrays)
    package = "cupyx.scipy" if is_cupy_array(arrays[0]) else "scipy"
    function = getattr(_special_functions(package), name)
    return narrowed(broadcasting(function, *map(widened, arrays)), arrays[0])

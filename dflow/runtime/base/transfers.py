"""Conversions of values between devices: only here an array changes its namespace (NumPy, CuPy)."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import numpy as np


def to_host(value: Any) -> Any:
    """A device's array as a NumPy array; NumPy arrays and scalars as they are."""
    get = getattr(value, "get", None)  # CuPy: a copy from the GPU
    return get() if get is not None and hasattr(value, "device") and not isinstance(value, np.ndarray) else value


def to_device(value: Any, xp: Any) -> Any:
    """A host array as an array of `xp`; text stays on the host, since no GPU holds it."""
    if xp is np:
        return to_host(value)
    return value if getattr(value, "dtype", None) == np.dtype(object) else xp.asarray(value)


def fetched(value: Any) -> Any:
    """A value as the user gets it: a NumPy array of the user's own, a NumPy scalar for a 0-d one, bytes for text."""
    value = to_host(value)
    if isinstance(value, np.ndarray):
        return value[()] if value.ndim == 0 else np.array(value)
    return np.array(value) if getattr(value, "ndim", 0) else value  # a kernel's value that is no array


def fetched_all(values: list[Any], fed: Collection[int] = ()) -> list[Any]:
    """Values as the user gets them, None for an operation.

    An array without another reference, such as a batch out of a queue, is the user's own already: it is not copied.
    fed: the indices of fed values.  These become arrays, even those without dimensions, as in TensorFlow.
    """
    results = [_own(values, i) if values[i] is not None else None for i in range(len(values))]
    for i in fed:
        results[i] = np.array(values[i])
    return results


def _own(values: list[Any], i: int) -> Any:
    if type(values[i]) is np.ndarray and values[i].ndim and _references(values, i) == _NOBODY_ELSE:
        flags = values[i].flags
        if flags.owndata and flags.writeable and flags.c_contiguous:
            return values[i]
    return fetched(values[i])


def _references(values: list[Any], i: int) -> int:
    """The number of references to an object; a view of an array refers to it, too."""
    return sys.getrefcount(values[i])


def _has_lock() -> bool:
    """Whether this Python has a global lock."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


_NOBODY_ELSE = _references([np.empty(1)], 0) if _has_lock() else -1  # -1: no count; without a lock they mean nothing

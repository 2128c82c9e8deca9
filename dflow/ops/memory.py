"""Memory of large NumPy results that no one holds any more, for the next results of that shape.

Why: the system gives fresh memory page by page, and the first touch of each page takes longer than many a kernel; on
Dask's workers, whose allocator gives everything back at once, every large result lies in fresh memory.

Who holds an array, or a view of one, holds a reference to it: what is referenced once only can be written to.
"""

from __future__ import annotations

import math
import threading
from sys import getrefcount
from typing import Any

import numpy as np

__all__ = ["LARGE", "SPARE", "SpareMemory", "into"]

LARGE = 1 << 16  # bytes; less comes from the allocator's own store
KEPT = 1 << 26  # bytes

_PROBE = [object()]
_HELD_ONCE = getrefcount(_PROBE[0])  # of what only a list holds, asked as below


class SpareMemory:
    """Arrays that no one holds, up to `limit` bytes of them, by shape and dtype.  Threads may share it."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._arrays: dict[tuple[Any, Any], list[Any]] = {}
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """How much it keeps."""
        return self._bytes

    def take(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array with whatever is in it, the caller's own; None if there is no such array, or it would be small."""
        if math.prod(shape) * dtype.itemsize < LARGE:
            return None
        with self._lock:
            found = self._arrays.get((shape, dtype))
            if not found:
                return None
            self._bytes -= found[-1].nbytes
            return found.pop()

    def give(self, held: list[Any], place: int = 0) -> None:
        """Take an array out of a list; its memory is kept if nobody else holds the array, or a view of it."""
        array = held[place]
        if type(array) is np.ndarray and array.nbytes >= LARGE:
            owner = [array if array.base is None else array.base]
            references = _HELD_ONCE + (owner[0] is array)
            del array
            if getrefcount(held[place]) == references:
                held[place] = None
                if getrefcount(owner[0]) == _HELD_ONCE:
                    self._keep(owner[0])
        held[place] = None

    def _keep(self, array: Any) -> None:
        if type(array) is not np.ndarray or array.nbytes < LARGE or array.dtype.hasobject:
            return
        if array.nbytes > self._limit or not (array.flags.owndata and array.flags.carray):
            return
        with self._lock:
            if self._bytes + array.nbytes > self._limit:
                self._arrays.clear()  # most are of shapes that no one asks for any more
                self._bytes = 0
            self._arrays.setdefault((array.shape, array.dtype), []).append(array)
            self._bytes += array.nbytes


SPARE = SpareMemory()


def into(x: Any, y: Any = None) -> dict[str, Any]:
    """The argument `out` for an elementwise function of arrays of one dtype, which is also its result's.

    Empty if the result is small, if there is no spare memory for it, and for arrays that are not NumPy's own.
    """
    if type(x) is not np.ndarray or x.nbytes + (0 if y is None else y.nbytes) < LARGE or x.dtype.isbuiltin != 1:
        return {}
    if y is not None:
        if x.nbytes < y.nbytes:
            x, y = y, x
        if not _stretches(y.shape, x.shape):
            return {}
    found = SPARE.take(x.shape, x.dtype)
    return {} if found is None else {"out": found}


def _stretches(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Does a value of this shape, broadcast with one of the other shape, get just that shape?"""
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))

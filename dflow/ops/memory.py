"""Memory of large NumPy arrays that no one holds any more, for the next ones of that size.

Why: the system gives fresh memory page by page, and the first touch of each page takes longer than many a kernel; on
Dask's workers, whose allocator gives everything back at once, every large result lies in fresh memory.

Who holds an array, or a view of one, holds a reference to it: what is referenced once only, through all views down to
the array that has the memory, can be written to.
"""

from __future__ import annotations

import math
import sys
import threading
from sys import getrefcount
from typing import Any

import numpy as np

__all__ = ["LARGE", "SPARE", "SpareMemory", "has_lock", "into", "room"]

LARGE = 1 << 16  # bytes; less comes from the allocator's own store
KEPT = 1 << 26  # bytes

_BYTE = np.dtype(np.uint8)


def has_lock() -> bool:
    """Is this a Python with a global lock?"""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


_PROBE = [object()]
# What only a list holds, asked as below.  Without Python's lock the counts say nothing: then no memory is kept.
_HELD_ONCE = getrefcount(_PROBE[0]) if has_lock() else -1


class SpareMemory:
    """Memory of arrays that no one holds, up to `limit` bytes, by its size.  Threads may share it."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._blocks: dict[int, list[Any]] = {}  # size -> arrays of bytes
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """How much it keeps."""
        return self._bytes

    def take(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of the caller's own, with whatever is in it; None if it would be small, or nothing fits."""
        size = math.prod(shape) * dtype.itemsize
        if size < LARGE:
            return None
        with self._lock:
            blocks = self._blocks.get(size)
            if not blocks:
                return None
            self._bytes -= size
            block = blocks.pop()
        return block.view(dtype).reshape(shape)

    def give(self, held: Any, place: Any = 0) -> None:
        """Take an array out of a list or a dict; its memory is kept if nobody else holds the array, or a view of it."""
        if type(held[place]) is not np.ndarray or held[place].nbytes < LARGE:
            held[place] = None
            return
        links, held[place] = [held[place]], None
        while getrefcount(links[0]) == _HELD_ONCE:
            behind = (
                links[0].base if isinstance(links[0], np.ndarray) else getattr(links[0], "obj", None)
            )  # a memoryview
            if behind is None:
                self._keep(links.pop())
                return
            links[0] = behind  # the view before it is gone now, and so is what that held
            del behind

    def _keep(self, array: Any) -> None:
        if type(array) is not np.ndarray or not LARGE <= array.nbytes <= self._limit or array.dtype.hasobject:
            return
        if not (array.flags.owndata and array.flags.carray):
            return
        block = array.reshape(-1).view(np.uint8)
        with self._lock:
            if self._bytes + block.nbytes > self._limit:
                self._blocks.clear()  # most are of sizes that no one asks for any more
                self._bytes = 0
            self._blocks.setdefault(block.nbytes, []).append(block)
            self._bytes += block.nbytes


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


def room(size: int) -> np.ndarray[Any, Any]:
    """So many bytes, with whatever is in them."""
    found = SPARE.take((size,), _BYTE)
    return np.empty(size, _BYTE) if found is None else found

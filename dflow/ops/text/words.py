"""The bytes of many strings as words of 64 bits, for hash functions that work on all strings at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["groups", "rotated"]

Array = np.ndarray[Any, Any]


def groups(texts: list[bytes]) -> Iterator[tuple[Array, Array, Array]]:
    """Strings of similar lengths: (their places, their words [n, most words + 1], their lengths [n]).

    The words are little-endian, and zero behind the end of a string.  A group holds lengths up to twice its smallest,
    so that a long string among short ones takes no memory for each of these.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    sizes = np.frexp(lengths.astype(np.float64))[1]
    for size in np.unique(sizes):
        (places,) = np.nonzero(sizes == size)
        width = (int(lengths[places].max()) // 8 + 1) * 8
        data = b"".join([texts[i].ljust(width, b"\0") for i in places.tolist()])
        yield places, np.frombuffer(data, "<u8").reshape(len(places), width // 8), lengths[places]


def rotated(word: Array, bits: int) -> Array:
    """Words rotated to the left."""
    turned: Array = (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))
    return turned

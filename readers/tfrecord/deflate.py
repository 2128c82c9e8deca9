"""Compression of TFRecord files, byte for byte as TensorFlow does it.

Written bytes are gathered in a buffer, and each full buffer is compressed.  With a flush mode, each of these blocks
ends with a flush of that kind: it costs bytes, and a reader can start there (Z_FULL_FLUSH) or sees all bytes so far
(Z_SYNC_FLUSH).
"""

from __future__ import annotations

import zlib
from typing import Any

_BUFFER = 256 << 10  # bytes that are gathered
_FLUSHES = (zlib.Z_NO_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_BLOCK, zlib.Z_FINISH)
_GZIP = 16  # added to the window bits
_ALLOWED = {  # option -> its values, and zlib's default for TFRecord files
    "compression_level": (range(-1, 10), zlib.Z_DEFAULT_COMPRESSION),
    "compression_method": ((zlib.DEFLATED,), zlib.DEFLATED),
    "window_bits": ((*range(8, 16), *range(8 + _GZIP, 16 + _GZIP)), zlib.MAX_WBITS),
    "mem_level": (range(1, 10), 9),
    "compression_strategy": (range(5), zlib.Z_DEFAULT_STRATEGY),
    "flush_mode": (_FLUSHES, zlib.Z_NO_FLUSH),
}


class Deflater:
    """Compresses pieces of a file.  options: a `TFRecordOptions`, or anything without its attributes.

    Raises ValueError for options that zlib does not know.
    """

    def __init__(self, options: Any, gzip: bool) -> None:
        level, method, bits, memory, strategy, self._mode = (_option(options, name) for name in _ALLOWED)
        if self._mode == zlib.Z_FINISH:
            self._mode = zlib.Z_NO_FLUSH  # the end of a stream comes once, when the file is closed
        bits = max(bits % _GZIP, 9)  # zlib takes 8 for 9
        self._stream = zlib.compressobj(level, method, bits + _GZIP if gzip else bits, memory, strategy)
        size = getattr(options, "input_buffer_size", None)
        self._room = _BUFFER if size is None else max(int(size), 0)
        self._waiting: list[bytes] = []
        self._size = 0
        self._is_flushed = False  # whether zlib has given out all of its input

    def add(self, piece: bytes) -> bytes:
        """Add a piece; returns the bytes that can be written to the file."""
        done = self._all(self._mode) if self._size + len(piece) > self._room else b""
        if len(piece) > self._room:
            return done + self._deflate(piece, self._mode)
        self._waiting.append(piece)
        self._size += len(piece)
        return done

    def flush(self) -> bytes:
        """All bytes so far, so that a reader sees them."""
        return self._all(zlib.Z_PARTIAL_FLUSH)

    def close(self) -> bytes:
        """All bytes so far, and the end of the stream."""
        return self._all(zlib.Z_FINISH)

    def _all(self, mode: int) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        return self._deflate(data, mode)

    def _deflate(self, data: bytes, mode: int) -> bytes:
        if not data and self._is_flushed and mode != zlib.Z_FINISH:
            return b""
        done = self._stream.compress(data)
        if mode != zlib.Z_NO_FLUSH:
            done += self._stream.flush(mode)
        self._is_flushed = mode != zlib.Z_NO_FLUSH
        return done


def _option(options: Any, name: str) -> int:
    allowed, default = _ALLOWED[name]
    value = getattr(options, name, None)
    if value is None:
        return default
    if value not in allowed:
        accepted = ", ".join(map(str, allowed))
        raise ValueError(f"{name} of a compressed TFRecord file must be one of {accepted}, got {value!r}")
    return int(value)

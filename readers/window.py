"""The bytes of a file, decompressed if it is compressed, in a window that only moves forward.

Why not `file.read(n)`: that allocates n bytes first, and a broken file may claim any n.  A window reads in steps and
holds only bytes that exist.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from dflow.errors import DataLossError

_STEP = 1 << 18  # bytes read at once
_WINDOW_BITS = {"ZLIB": 15, "GZIP": 31}  # as zlib names the two formats

COMPRESSIONS = ("", *_WINDOW_BITS)


class Window:
    """An open file, from its beginning.  compression: "", "ZLIB" or "GZIP"; offsets count decompressed bytes."""

    def __init__(self, file: BinaryIO, compression: str = "") -> None:
        self._file = file
        self._inflated = _Inflated(file, compression) if compression else None
        self._seekable = self._inflated is None and file.seekable()
        self._held = b""
        self._start = 0  # the offset of the first byte held
        self._first = 0  # the first byte that may still be read
        self._most = _STEP  # bytes that were really held at once

    def move(self, offset: int) -> None:
        """Move the window: no byte before `offset` is read any more.  `offset` may lie beyond the bytes read so far."""
        self._first = offset

    def at(self, offset: int, n: int) -> bytes:
        """`n` bytes from `offset` on; fewer only where the file ends.

        Raises DataLossError where the compressed data is broken; the bytes before can still be read.
        """
        end = offset + n
        if end > self._start + len(self._held):
            self._extend(end)
        return self._held[max(offset - self._start, 0) : end - self._start]

    def held(self, offset: int) -> bytes:
        """The bytes that were read already, from `offset` on."""
        return self._held[max(offset - self._start, 0) :]

    def readable(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes from `offset` on; fewer where they cannot be read.  A read behind them raises the error."""
        try:
            return self.at(offset, n)
        except Exception:
            return self.held(offset)[:n]

    def ends_before(self, offset: int) -> bool:
        """Whether the file ends before `offset`.  Also False if that is not known without reading."""
        if not self._seekable or offset <= self._start + len(self._held):
            return False
        place = self._file.tell()
        size = self._file.seek(0, 2)
        self._file.seek(place)
        return size < offset

    def close(self) -> None:
        self._file.close()

    def _extend(self, end: int) -> None:
        """Hold the bytes from the first one needed to offset `end`, or to the end of the file."""
        self._skip()
        have = len(self._held) - (self._first - self._start)
        pieces = [self._held[-have:]] if have else []  # one piece alone is not copied
        try:
            while self._first + have < end:
                missing = end - self._first - have
                piece = self._more(min(max(missing, _STEP), max(have, self._most)))
                if not piece:
                    break
                pieces.append(piece)
                have += len(piece)
        finally:
            self._held, self._start = b"".join(pieces), self._first
            self._most = max(self._most, have)

    def _skip(self) -> None:
        """Go forward to the first byte needed, if it was not read yet."""
        gap = self._first - self._start - len(self._held)
        if gap <= 0:
            return
        self._held, self._start = b"", self._first - gap
        if self._seekable:
            self._file.seek(self._first)
            self._start = self._first
        while self._start < self._first:
            piece = self._more(min(self._first - self._start, _STEP))
            if not piece:
                break
            self._start += len(piece)
        self._start = self._first

    def _more(self, n: int) -> bytes:
        return self._file.read(n) if self._inflated is None else self._inflated.read(n)


class _Inflated:
    """Compressed bytes as plain ones.  Streams one after another, as `cat a.gz b.gz` makes them, are one."""

    def __init__(self, file: BinaryIO, compression: str) -> None:
        self._file = file
        self._compression = compression
        self._zlib = zlib.decompressobj(_WINDOW_BITS[compression])
        self._source = b""  # read, not yet taken by zlib

    def read(self, n: int) -> bytes:
        """Up to `n` bytes; none: the file ends here, whether its last stream is complete or is still being written.

        Raises DataLossError at the first byte that cannot be read, and again in each later call.
        """
        while True:
            if not self._source:
                self._source = self._file.read(_STEP)
            if self._zlib.eof:
                self._source = self._source.lstrip(b"\0")  # padding
                if not self._source:
                    return b""
                self._zlib = zlib.decompressobj(_WINDOW_BITS[self._compression])
            before, source = self._zlib.copy(), self._source
            try:
                piece = self._zlib.decompress(source, n)
            except zlib.error as error:
                self._zlib = before
                if n > 1:
                    return self.read(n // 2)  # up to the broken bytes
                raise DataLossError(None, None, f"the file is no valid {self._compression} data: {error}") from None
            self._source = self._zlib.unconsumed_tail or self._zlib.unused_data
            if piece or not source:
                return piece

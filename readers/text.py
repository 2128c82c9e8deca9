"""Text files, line by line."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import BinaryIO, cast

import fsspec
import numpy as np

from dflow.errors import InvalidArgumentError, UnimplementedError
from dflow.ops.readers import ReaderBase
from dflow.readers.records import Batch, Block
from dflow.registry import reader

_BUFFER = 1 << 18  # bytes
_AHEAD = 1 << 20  # bytes that are searched for lines at once


class TextLineReader(ReaderBase):
    """Hands out the lines of text files.

    `read` gives (key, value), scalar strings.  The key is `<file>:<line number>`; lines count from 1, header lines
    included.  The value is the line without its `\\n`, and without a `\\r` before it.  Empty lines are records, spaces
    are kept; a last line needs no newline.
    File names are local paths, or URLs of any file system that fsspec knows (`s3://`, `gs://`, `memory://`).

    skip_header_lines: the number of header lines of each file, which are no records; a file may have fewer.  A negative
    number is an InvalidArgumentError of the first run that uses the reader.
    Source: tf.TextLineReader of TensorFlow 1.15.
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        super().__init__("TextLineReader", {"skip_header_lines": int(skip_header_lines or 0)}, name)


@reader("TextLineReader")
class TextLines:
    """The format of a `TextLineReader`.  Its state is (byte offset, lines before it)."""

    def __init__(self, skip_header_lines: int | None = None) -> None:
        self._skip = skip_header_lines or 0
        if self._skip < 0:
            raise InvalidArgumentError(None, None, f"skip_header_lines must be >= 0 not {self._skip}")
        self._file: BinaryIO = io.BytesIO()
        self._path = b""
        self._offset = 0
        self._line = 0
        self._held = b""  # the bytes that were read from the file
        self._at = 0  # the next line's place in it
        self._block: Block | None = None  # whole lines that are held, if they were looked for
        self._next = self._stop = 0  # the next line's place in the block, and the end of the block

    def open(self, path: str, state: Sequence[int] | None = None) -> None:
        """Start at the first line after the header, or at a state.

        Raises OSError if it cannot be opened, UnimplementedError for a file system that is not known.
        """
        self._file = open_file(path)
        self._path = os.fsencode(path)
        self._offset, self._line = state or (0, 0)
        self._held, self._at = b"", 0
        self._next = self._stop = 0
        try:
            if state is not None:
                self._file.seek(self._offset)
            else:
                for _ in range(self._skip):
                    self._next_line()
        except BaseException:
            self.close()
            raise

    def read(self) -> tuple[bytes, bytes] | None:
        """The next (key, line); None at the end.  A lone `\\r` after the last newline is no line."""
        line = self._next_line()
        value = line.removesuffix(b"\n").removesuffix(b"\r")
        if not value and not line.endswith(b"\n"):
            return None
        return b"%b:%d" % (self._path, self._line), value

    def read_up_to(self, limit: int) -> Sequence[tuple[bytes, bytes]] | None:
        """Up to `limit` lines as `read` gives them, fewer only before the end of the file; None there."""
        if self._stop - self._next < limit:
            self._look_ahead(limit)
        start, stop = self._next, min(self._next + limit, self._stop)
        if start == stop:
            record = self.read()  # a last line without a newline
            return None if record is None else [record]
        assert self._block is not None
        first, end = self._line + 1, self._block.data.index(b"\n", self._block.ends[stop - 1]) + 1
        self._line += stop - start
        self._offset += end - self._at
        self._at, self._next = end, stop
        return Batch.of(self._path, range(first, self._line + 1), self._block, start, stop)

    def at_hand(self) -> int:
        """How many of the next records are found already; looks for some if none are."""
        if self._next == self._stop:
            self._look_ahead(1)
        return self._stop - self._next

    def state(self) -> tuple[int, int]:
        return self._offset, self._line

    def close(self) -> None:
        self._file.close()

    def _next_line(self) -> bytes:
        """The next line with its end; empty at the end of the file."""
        end = self._held.find(b"\n", self._at) + 1
        if not end:
            self._hold(1, _BUFFER)
            end = self._held.find(b"\n") + 1 or len(self._held)
        line = self._held[self._at : end]
        self._at, self._next, self._stop = end, 0, 0
        self._offset += len(line)
        self._line += bool(line)
        return line

    def _look_ahead(self, lines: int) -> None:
        """Find the whole lines that are held, when `lines` of them are, or all that are left."""
        try:
            self._hold(lines, _AHEAD)
        except Exception:
            if b"\n" not in self._held:
                raise  # else the next read meets it again
        data = np.frombuffer(self._held, np.uint8)
        newlines = np.flatnonzero(data == ord("\n"))
        if not len(newlines):
            return
        starts = np.concatenate([newlines[:1] * 0, newlines[:-1] + 1])
        ends = newlines - ((data[newlines - 1] == ord("\r")) & (newlines > starts))
        self._block, self._stop = Block(self._held, starts, ends, is_text=True), len(starts)

    def _hold(self, lines: int, step: int) -> None:
        """Hold at least the next `lines` lines, or all that are left.  step: bytes to read at once."""
        pieces = [self._held[self._at :]]
        missing = lines - _newlines(pieces[0])
        try:
            while missing > 0 and (piece := self._file.read1(step)):  # type: ignore[attr-defined]
                pieces.append(piece)
                missing -= _newlines(piece)
        finally:
            self._held, self._at, self._next, self._stop = b"".join(pieces), 0, 0, 0


def _newlines(data: bytes) -> int:
    """The number of newlines.  `bytes.count` takes five times as long."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))


def open_file(path: str) -> BinaryIO:
    """A local path, or a URL of any file system that fsspec knows, opened for reading with a buffer.

    Raises OSError if it cannot be opened, UnimplementedError if its file system is not known or not installed.
    """
    scheme, is_url, _ = path.partition("://")
    if not is_url:
        return open(path, "rb", buffering=_BUFFER)
    try:
        system, inner = fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        fact = f"File system scheme '{scheme}' not implemented (file: '{path}'): {error}"
        raise UnimplementedError(None, None, fact) from error
    return io.BufferedReader(cast(io.RawIOBase, system.open(inner, "rb")), _BUFFER)

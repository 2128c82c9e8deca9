"""GFile: a file that is opened when it is first used, and reads text as `str`, bytes as `bytes`.

Source: tf.gfile.GFile of TensorFlow 1.15, with its two handles: one to read, one to write.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

from dflow.compat.text import as_bytes
from dflow.errors import InvalidArgumentError, PermissionDeniedError
from dflow.gfile.file_io import stat
from dflow.gfile.places import is_local, system_of, tensorflow_errors, text_of_path

_READING = ("r", "r+", "a+", "w+")
_WRITING = ("w", "a", "r+", "a+", "w+")


class GFile:
    """A file: a local path, or a URL of any file system that fsspec knows.

    mode: "r", "w", "a", "r+", "w+" or "a+", with "b" for bytes in place of text.  To write in the mode "r+" replaces
    what is there, as "w+" does.
    Errors: NotFoundError for a file to read that does not exist, PermissionDeniedError for what the mode does not
    allow, and what else the file system says.  Use it in a `with` block, or close it.
    """

    _reader: IO[bytes] | None = None
    _writer: IO[bytes] | None = None

    def __init__(self, name: Any, mode: str = "r") -> None:
        self._name = name
        self._mode = mode
        self._binary = "b" in mode
        self._way = mode.replace("b", "")
        if self._way not in {*_READING, *_WRITING}:
            raise InvalidArgumentError(
                None, None, f"mode {mode!r} is not one of r, w, a, r+, w+, a+, with or without b"
            )

    @property
    def name(self) -> Any:
        """The name that it was opened by."""
        return self._name

    @property
    def mode(self) -> str:
        return self._mode

    # -- reading

    def size(self) -> int:
        """The length of the file in bytes."""
        return stat(self._name).length

    def read(self, n: int = -1) -> Any:
        """The next n bytes, or the rest for -1, as text unless the mode is binary."""
        if n < -1:
            raise InvalidArgumentError(None, None, f"Can't read a negative number of bytes: {n}")
        with self._errors():
            return self._shown(self._reading().read(n))

    def readline(self) -> Any:
        r"""The next line with its "\n"; empty at the end."""
        with self._errors():
            return self._shown(self._reading().readline())

    def readlines(self) -> list[Any]:
        """The lines that are left."""
        return list(self)

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Go to a place to read from: `offset` bytes from the beginning (0), from here (1) or from the end (2).

        position: the old name of the offset.  TypeError for none or both; InvalidArgumentError before the beginning.
        """
        if offset is not None and position is not None:
            raise TypeError("seek(): offset and position may not be set simultaneously.")
        offset = position if offset is None else offset
        if offset is None:
            raise TypeError("seek(): offset argument required")
        if whence not in (0, 1, 2):
            raise InvalidArgumentError(None, None, f"Invalid whence argument: {whence}. Valid values are 0, 1, or 2.")
        with self._errors():
            reading = self._reading()
            target = offset + {0: 0, 1: reading.tell(), 2: self.size() if whence == 2 else 0}[whence]
            if target < 0:
                raise InvalidArgumentError(None, None, f"Seeking to a negative position: {target}")
            reading.seek(target)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        """The place of the next byte to read, or to write in a mode that only writes."""
        with self._errors():
            return (self._reading() if self._way in _READING else self._writing()).tell()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    # -- writing

    def write(self, file_content: str | bytes) -> None:
        """Write text, as UTF-8, or bytes, at the end of what was written."""
        with self._errors():
            self._writing().write(as_bytes(file_content))

    def flush(self) -> None:
        """Hand what was written over to the file system."""
        if self._writer is not None:
            with self._errors():
                self._writer.flush()

    def close(self) -> None:
        """Close it; what was written is in the file then."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, None, None
        with self._errors():
            try:
                if reader is not None:
                    reader.close()
            finally:
                if writer is not None:
                    writer.close()

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    # -- the two handles

    def _reading(self) -> IO[bytes]:
        if self._way not in _READING:
            raise PermissionDeniedError(None, None, "File isn't open for reading")
        if self._reader is None:
            self._reader = self._open("rb")
        return self._reader

    def _writing(self) -> IO[bytes]:
        if self._way not in _WRITING:
            raise PermissionDeniedError(None, None, "File isn't open for writing")
        if self._writer is None:
            self._writer = self._open({"r": "wb", "w": "wb", "a": "ab"}[self._way[0]])
        return self._writer

    def _open(self, mode: str) -> IO[bytes]:
        path = text_of_path(self._name)
        if is_local(path):
            return open(path, mode)
        system, inner = system_of(path)
        opened: IO[bytes] = system.open(inner, mode)
        return opened

    def _shown(self, data: bytes) -> Any:
        return data if self._binary else data.decode()

    def _errors(self) -> Any:
        return tensorflow_errors(os.fsdecode(self._name) if isinstance(self._name, (str, bytes)) else str(self._name))

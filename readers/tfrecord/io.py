"""TFRecord files for programs: writing them, iterating over one, and the options of both.

Source: tf.python_io of TensorFlow 1.15.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar, cast

import fsspec

from dflow.errors import DataLossError, FailedPreconditionError
from dflow.machines.reader.file_errors import file_error
from dflow.readers.text import open_file
from dflow.readers.tfrecord.deflate import Deflater
from dflow.readers.tfrecord.framing import FRAMING, BadRecord, frame, payload_at
from dflow.readers.window import Window

_CANNOT_OPEN = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


class TFRecordCompressionType:
    """The three ways to compress a TFRecord file."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


class TFRecordOptions:
    """The compression of a TFRecord file.

    compression_type: one of `TFRecordCompressionType`, or "", "ZLIB", "GZIP", None, or other options, whose type is
        used; anything else is a ValueError.
    compression_level, compression_method, mem_level, compression_strategy: zlib's, for writing; None: zlib's default,
        but 9 for mem_level.  window_bits: 8 to 15; a GZIP file stays one.
    flush_mode: zlib's way to flush each `input_buffer_size` bytes (default 256 KB) of a file that is written; None:
        not at all, nor with Z_FINISH, which ends the file.
    output_buffer_size: has no effect.
    """

    compression_type_map: ClassVar[dict[int, str]] = {
        TFRecordCompressionType.NONE: "",
        TFRecordCompressionType.ZLIB: "ZLIB",
        TFRecordCompressionType.GZIP: "GZIP",
    }

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: int | None = None,
        input_buffer_size: int | None = None,
        output_buffer_size: int | None = None,
        window_bits: int | None = None,
        compression_level: int | None = None,
        compression_method: int | None = None,
        mem_level: int | None = None,
        compression_strategy: int | None = None,
    ) -> None:
        self.get_compression_type_string(compression_type)  # checks it
        self.compression_type = compression_type
        self.flush_mode = flush_mode
        self.input_buffer_size = input_buffer_size
        self.output_buffer_size = output_buffer_size
        self.window_bits = window_bits
        self.compression_level = compression_level
        self.compression_method = compression_method
        self.mem_level = mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """ "", "ZLIB" or "GZIP" for options, a compression type, its string, or None."""
        if isinstance(options, TFRecordOptions):
            options = options.compression_type
            return cls.get_compression_type_string(options)
        if options is None:
            return ""
        if isinstance(options, int) and options in cls.compression_type_map:
            return cls.compression_type_map[options]
        if isinstance(options, str) and options in cls.compression_type_map.values():
            return options
        raise ValueError(f'Not a valid compression_type: {options!r}; it may be "", "ZLIB" or "GZIP"')


class TFRecordWriter:
    """Writes a TFRecord file.

        with TFRecordWriter("train.tfrecords", "GZIP") as writer:
            writer.write(example.SerializeToString())

    path: a local path, or a URL of any file system that fsspec knows; a file that is there is replaced.
    options: a `TFRecordOptions`, or a `compression_type` for one.
    Raises NotFoundError if the folder does not exist, PermissionDeniedError, FailedPreconditionError if the path is a
    folder.  After `close`, write and flush raise FailedPreconditionError.
    """

    def __init__(self, path: str | os.PathLike[str], options: Any = None) -> None:
        compression = TFRecordOptions.get_compression_type_string(options)
        self._deflater = Deflater(options, compression == "GZIP") if compression else None
        self._file: BinaryIO | None = _create(os.fspath(path))

    def write(self, record: bytes | bytearray | memoryview) -> None:
        """Add a record.  TypeError for anything but bytes."""
        if not isinstance(record, (bytes, bytearray, memoryview)):
            raise TypeError(f"a record must be bytes, got {type(record).__name__}")
        file = self._opened()
        parts = frame(bytes(record))
        file.write(b"".join(map(self._deflater.add, parts) if self._deflater else parts))

    def flush(self) -> None:
        """Write all records so far to the file, where they can be read."""
        file = self._opened()
        if self._deflater:
            file.write(self._deflater.flush())
        file.flush()

    def close(self) -> None:
        """End the file; nothing happens if it has ended."""
        file, self._file = self._file, None
        if file is None:
            return
        with file:
            if self._deflater:
                file.write(self._deflater.close())

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise FailedPreconditionError(None, None, "Writer is closed.")
        return self._file


def tf_record_iterator(path: str | os.PathLike[str], options: Any = None) -> Iterator[bytes]:
    """The records of a TFRecord file, one by one, as bytes.

    path and options: as for `TFRecordWriter`, and ValueError for options that are none.
    While it runs, NotFoundError if there is no such file, PermissionDeniedError, FailedPreconditionError for a folder,
    and DataLossError at a record that is broken or cut off.
    """
    return _records(os.fspath(path), TFRecordOptions.get_compression_type_string(options))


def _records(path: str, compression: str) -> Iterator[bytes]:
    with _opening(path):
        window = Window(open_file(path), compression)
    offset = 0
    try:
        while (payload := payload_at(window, offset)) is not None:
            offset += len(payload) + FRAMING
            window.move(offset)
            yield payload
    except (BadRecord, DataLossError) as bad:
        raise DataLossError(None, None, f"{path}; {bad}") from None
    finally:
        window.close()


def _create(path: str) -> BinaryIO:
    with _opening(path):
        return cast(BinaryIO, fsspec.open(path, "wb").open() if "://" in path else open(path, "wb"))


@contextmanager
def _opening(path: str) -> Iterator[None]:
    """Raise an OpError that names the file, if it cannot be opened."""
    try:
        yield
    except _CANNOT_OPEN as error:
        raise file_error(error)(None, None, f"{path}; {error.strerror or error}") from error

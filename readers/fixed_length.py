"""Files of records that all have one length."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np

from dflow.errors import DataLossError, InvalidArgumentError
from dflow.ops.readers import ReaderBase
from dflow.readers.records import NO_RECORDS, Batch, Block, Keys, Records
from dflow.readers.text import open_file
from dflow.readers.window import COMPRESSIONS, Window
from dflow.registry import reader

_BLOCK = 1 << 18  # bytes that are cut into records at once


class FixedLengthRecordReader(ReaderBase):
    """Hands out records of `record_bytes` bytes.

    `read` gives (key, value), scalar strings.  The key is `<file>:<record number>`, counted from 0.  Record k starts
    at byte `header_bytes + k * hop_bytes`, and exists if `record_bytes + footer_bytes` more bytes do; so a shorter rest
    at the end of the file, and the footer, are no records.  A file shorter than its header has none.

    hop_bytes: from one record to the next; None or 0: `record_bytes`.  Less makes records overlap, more leaves gaps.
    encoding: None, "GZIP" or "ZLIB": the compression of the files; another one is a ValueError.
    Negative sizes, and records of no bytes, are an InvalidArgumentError of the first run that uses the reader.
    DataLossError, again with each read, where compressed data is broken.
    Source: tf.FixedLengthRecordReader of TensorFlow 1.15, which ends with OutOfRangeError in a file that is shorter
    than its header.
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        if (encoding or "") not in COMPRESSIONS:
            raise ValueError(f'encoding must be None, "GZIP" or "ZLIB", got {encoding!r}')
        options = {
            "record_bytes": int(record_bytes),
            "header_bytes": int(header_bytes or 0),
            "footer_bytes": int(footer_bytes or 0),
            "hop_bytes": int(hop_bytes or 0),
            "encoding": encoding or "",
        }
        super().__init__("FixedLengthRecordReader", options, name)


@reader("FixedLengthRecordReader")
class FixedLengthRecords:
    """The format of a `FixedLengthRecordReader`.  Its state is the number of the next record."""

    def __init__(
        self, record_bytes: int, header_bytes: int = 0, footer_bytes: int = 0, hop_bytes: int = 0, encoding: str = ""
    ) -> None:
        if record_bytes <= 0:
            raise InvalidArgumentError(None, None, f"record_bytes must be > 0 not {record_bytes}")
        rest = {"header_bytes": header_bytes, "footer_bytes": footer_bytes, "hop_bytes": hop_bytes}
        for name, size in rest.items():
            if size < 0:
                raise InvalidArgumentError(None, None, f"{name} must be >= 0 not {size}")
        self._size = record_bytes
        self._header = header_bytes
        self._footer = footer_bytes
        self._hop = hop_bytes or record_bytes
        self._encoding = encoding
        self._path = b""
        self._number = 0
        self._window = Window(io.BytesIO())
        self._ahead = NO_RECORDS  # the records in memory, from record `_number` on

    def open(self, path: str, state: int | None = None) -> None:
        """Start at the first record, or at the one that `state` numbers.  Raises OSError if it cannot be opened."""
        self._window = Window(open_file(path), self._encoding)
        self._path = os.fsencode(path)
        self._number = state or 0
        self._ahead = NO_RECORDS

    def read(self) -> tuple[bytes, bytes] | None:
        """The next (key, record); None where fewer bytes are left than a record and the footer have."""
        self._ahead = NO_RECORDS
        start = self._header + self._number * self._hop
        length = self._size + self._footer
        self._window.move(start)
        if self._window.ends_before(start + length):
            return None
        try:
            data = self._window.at(start, length)
        except DataLossError as error:
            raise DataLossError(None, None, f"{os.fsdecode(self._path)}; {error}") from None
        if len(data) < length:
            return None
        key = b"%b:%d" % (self._path, self._number)
        self._number += 1
        return key, data[: self._size]

    def read_up_to(self, limit: int) -> Sequence[tuple[bytes, bytes]] | None:
        """Up to `limit` records as `read` gives them, fewer only before the end of the file; None there."""
        if len(self._ahead) < limit:
            self._ahead = self._look_ahead(limit)
        records, self._ahead = self._ahead[:limit], self._ahead[limit:]
        if not len(records):
            record = self.read()
            return None if record is None else [record]
        numbers = range(self._number, self._number + len(records))
        self._number = numbers.stop
        return Batch(Keys(self._path, numbers), records)

    def _look_ahead(self, limit: int) -> Records:
        """The records that are whole, from the next one on: `limit` at least, or all that are left."""
        start = self._header + self._number * self._hop
        length = self._size + self._footer
        self._window.move(start)
        data = self._window.readable(start, max(_BLOCK, (limit - 1) * self._hop + length))
        starts = np.arange(0, len(data) - length + 1, self._hop)
        return Records(Block(data, starts, starts + self._size))

    def state(self) -> int:
        return self._number

    def close(self) -> None:
        self._window.close()

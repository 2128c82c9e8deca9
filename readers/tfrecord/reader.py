"""The reader of TFRecord files, which can skip broken records."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import fsspec
import numpy as np

from dflow.dtypes import int64
from dflow.errors import DataLossError, FailedPreconditionError
from dflow.graph import Tensor
from dflow.ops.readers import ReaderBase
from dflow.readers.records import NO_RECORDS, Batch, Block, Keys, Records
from dflow.readers.text import open_file
from dflow.readers.tfrecord.framing import (
    FRAMING,
    HEAD,
    BadRecord,
    end_of,
    framed_records,
    num_whole,
    payload_at,
    search,
)
from dflow.readers.tfrecord.io import TFRecordOptions
from dflow.readers.window import Window
from dflow.registry import KernelContext, define, no_gradient, reader
from dflow.shapes import SCALAR
from dflow.specs import ReaderSpec, TensorSpec

_FIRST, _MOST = 1 << 16, 1 << 20  # bytes that are searched for whole records at once: at first, and at most
_LINE = 1 << 16  # bytes of a broken stretch in one line of a quarantine file
_log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]


class TFRecordReader(ReaderBase):
    """Hands out the records of TFRecord files.

    `read` gives (key, value), scalar strings.  The key is `<file>:<byte offset of the record>`, in decompressed bytes;
    the value is the payload.  Both checksums of each record are checked.

    options: the compression of the files: a `python_io.TFRecordOptions`, or "", "GZIP" or "ZLIB".
    on_corrupt: the action where a record is broken or cut off.
        "error": the read raises DataLossError with the offset, and the reader stays there.
        "skip": go on with the next whole record, log the skipped stretch of bytes, and count it.
        A path (local, or a URL): the same, and add the skipped bytes to this file, as lines of JSON with `file`,
        `offset`, `reason` and `bytes` (base64; at most 64 KiB a line).  Several readers may share it.
        Another bare word is a ValueError: "ignore" is no file name, "./ignore" is.
    Source: tf.TFRecordReader of TensorFlow 1.15, which has no `on_corrupt`.
    """

    def __init__(
        self, name: str | None = None, options: Any = None, on_corrupt: str | os.PathLike[str] = "error"
    ) -> None:
        compression = TFRecordOptions.get_compression_type_string(options)
        path = os.fspath(on_corrupt)
        if path not in ("error", "skip") and on_corrupt is path and not set(path) & set("./\\"):
            raise ValueError(
                f'on_corrupt must be "error", "skip" or the path of a file, got {path!r}; "./{path}" would be a path'
            )
        extension = {} if path == "error" else {"on_corrupt": path}
        super().__init__("TFRecordReader", {"compression_type": compression, **extension}, name)

    def num_left_out(self, name: str | None = None) -> Tensor:
        """The number of skipped stretches since the reader was made: a scalar int64; 0 if on_corrupt is "error"."""
        return self._add("TFRecordReaderNumLeftOut", name).outputs[0]


def _left_out_spec(reader: ReaderSpec) -> TensorSpec:
    return TensorSpec(SCALAR, int64)


def _left_out_kernel(context: KernelContext, reader: ReaderSpec) -> Any:
    return np.asarray(context.resource_of(reader).left_out, dtype=np.int64)


define(
    "TFRecordReaderNumLeftOut",
    spec=_left_out_spec,
    kernel=_left_out_kernel,
    gradient=no_gradient("it counts"),
    stateful=True,
    host_only=True,
)


@reader("TFRecordReader")
class TFRecords:
    """The format of a `TFRecordReader`.  Its state is the offset of the next record, in decompressed bytes.

    left_out: the number of stretches of bytes that were no whole records and were skipped.
    """

    def __init__(self, compression_type: str = "", on_corrupt: str = "error") -> None:
        self.left_out = 0
        self._compression = compression_type
        self._on_corrupt = on_corrupt
        self._path = ""
        self._offset = 0
        self._window = Window(io.BytesIO())
        self._ahead = NO_RECORDS  # whole records that begin at `_base` plus their place in their block, maybe none
        self._base = 0
        self._step = _FIRST

    def open(self, path: str, state: int | None = None) -> None:
        """Start at the first record, or at a state.  Raises OSError if it cannot be opened."""
        self._window = Window(open_file(path), self._compression)
        self._path = path
        self._offset = state or 0
        self._ahead = NO_RECORDS

    def read(self) -> tuple[bytes, bytes] | None:
        """The next (key, payload); None at the end."""
        self._ahead = NO_RECORDS
        while True:
            self._window.move(self._offset)
            try:
                payload = payload_at(self._window, self._offset)
            except (BadRecord, DataLossError) as error:
                fact = str(error)
                self._step = _FIRST  # more may be broken nearby, and the records behind them were searched in vain
                if self._on_corrupt == "error":
                    raise DataLossError(None, None, f"{self._path}; {fact}") from None
                if not self._leave_out(fact):
                    return None
                continue
            if payload is None:
                return None
            key = b"%b:%d" % (os.fsencode(self._path), self._offset)
            self._offset += len(payload) + FRAMING
            return key, payload

    def read_up_to(self, limit: int) -> Sequence[tuple[bytes, bytes]] | None:
        """Up to `limit` records as `read` gives them, fewer before a broken one or the end of the file; None there."""
        if len(self._ahead) < limit:
            self._ahead = self._look_ahead(limit)
        payloads, self._ahead = self._ahead[:limit], self._ahead[limit:]
        if not len(payloads):
            record = self.read()
            return None if record is None else [record]
        offsets = payloads.starts + (self._base - HEAD)
        self._offset = self._base + int(payloads.ends[-1]) + FRAMING - HEAD
        return Batch(Keys(os.fsencode(self._path), offsets), payloads)

    def at_hand(self) -> int:
        """The number of next records that are found already; looks for some if there are none."""
        if not len(self._ahead):
            self._ahead = self._look_ahead(1)
        return len(self._ahead)

    def state(self) -> int:
        return self._offset

    def close(self) -> None:
        self._window.close()

    def _look_ahead(self, limit: int) -> Records:
        """The whole records from the next one on: `limit` at least, or all before a broken one or the end.

        If there are more than `limit`, their number is a multiple of it: a rest would be searched again.
        """
        self._window.move(self._offset)
        size = self._step
        while True:
            data = self._window.readable(self._offset, size)
            starts, ends, may_be_more = framed_records(data)
            n = len(starts)
            if n >= limit or not may_be_more or len(data) < size:
                break
            size += min(size, size // 4 + size * (limit - n) // max(n, 1))
        self._step = _next_step(self._step, starts, ends, limit)
        n = num_whole(data, *(places[: max(n - n % limit, min(n, limit))] for places in (starts, ends)))
        self._base = self._offset
        return Records(Block(data, starts[:n], ends[:n]))

    def _leave_out(self, reason: str) -> bool:
        """Go to the next whole record; False if there is none."""
        self.left_out += 1
        begin = self._offset
        try:
            continues = self._go_on(reason)
        except DataLossError as error:  # of the compression: nothing behind this place can be read
            reason, continues = f"{reason}; {error}", False
        _log.warning("%s; %s: %d bytes were left out", self._path, reason, self._offset - begin)
        return continues

    def _go_on(self, reason: str) -> bool:
        end = end_of(self._window, self._offset)
        if end is not None:
            self._pass_over(end, reason)
            return True
        place, is_record = search(self._window, self._offset + 1)
        while True:
            self._pass_over(place, reason)
            if is_record or not self._window.at(place, 1):
                return is_record
            place, is_record = search(self._window, place)

    def _pass_over(self, end: int, reason: str) -> None:
        """Go to `end`, and write the bytes before it to the quarantine file, if there is one."""
        if self._on_corrupt != "skip":
            with _quarantine(self._on_corrupt) as file:  # the window still holds these bytes
                for begin in range(self._offset, end, _LINE):
                    piece = self._window.at(begin, min(_LINE, end - begin))
                    line = {"file": self._path, "offset": begin, "reason": reason}
                    file.write(json.dumps(line | {"bytes": base64.b64encode(piece).decode()}).encode() + b"\n")
        self._offset = end
        self._window.move(end)


def _next_step(step: int, starts: Array, ends: Array, limit: int) -> int:
    """The number of bytes to search after a search of `step` bytes: those of `limit` such records, or of a multiple.

    Exactly that number if all records have one size, so that no record is cut off, which would be copied; else some
    more.  It follows the median size, so that one huge record does not make all later searches long.
    """
    grown = min(2 * step, _MOST)
    if len(starts) < limit:  # the end of a file says nothing about the next one
        return max(step, grown)
    sizes = ends - starts
    median = int(np.partition(sizes, len(sizes) // 2)[len(sizes) // 2]) + FRAMING
    batch = median * (limit if (sizes == sizes[0]).all() else limit + 2)
    return batch * max(grown // batch, 1)


@contextmanager
def _quarantine(path: str) -> Iterator[BinaryIO]:
    """The quarantine file, to add to.  FailedPreconditionError if it cannot be written, on a full disk too.

    Why not the OSError: the error of a read names its input.
    """
    try:
        with cast(BinaryIO, fsspec.open(path, "ab").open() if "://" in path else open(path, "ab")) as file:
            yield file
    except OSError as error:
        fact = f"a broken record cannot be kept in the file {path!r} of on_corrupt: {error.strerror or error}"
        raise FailedPreconditionError(None, None, fact) from error

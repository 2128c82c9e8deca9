"""Reading checkpoints: those that dflow writes, and TensorFlow's."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np

from dflow import crc32c, varint
from dflow.checkpoints import files
from dflow.checkpoints.messages import BundleHeaderProto
from dflow.checkpoints.slices import Part, common, within
from dflow.checkpoints.version_1 import Tables
from dflow.checkpoints.writer import data_name, index_name, read_index
from dflow.dtypes import DType, string
from dflow.errors import DataLossError, InvalidArgumentError, NotFoundError, UnimplementedError
from dflow.tensor_proto import DATA_TYPES, NAMES, swapped

Array = np.ndarray[Any, Any]

_DTYPES = {code: dtype for dtype, code in DATA_TYPES.items()}
_CHUNK = 1 << 20  # bytes that are read, and their checksum computed, while they are in the processor's cache
_LARGE = 1 << 20  # bytes of a tensor that is worth a thread
_THREADS = min(8, os.cpu_count() or 1)


class CheckpointReader:
    """The tensors of a checkpoint.

    prefix: its path, without `.index`.  NotFoundError if there is none, DataLossError if it is damaged.
    Source: tf.train.NewCheckpointReader of TensorFlow 1.15.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._tables: Tables | None = None  # of a checkpoint of version 1
        if files.exists(index_name(prefix)):
            self._header, self._entries = read_index(prefix)
        elif paths := files.matching(prefix):
            self._header, self._tables = BundleHeaderProto(), Tables(paths)
            self._entries = self._tables.entries
        else:
            raise NotFoundError(
                None,
                None,
                f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {prefix}",
            )
        if self._header.endianness:
            raise UnimplementedError(None, None, f"{prefix}: a checkpoint of a big-endian machine")
        self._names = sorted(key.decode() for key in self._entries if not key.startswith(b"\0"))

    def has_tensor(self, tensor_str: str | bytes) -> bool:
        """Whether it has a tensor of this name."""
        return _key(tensor_str) in self._entries

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """The shape of each tensor, by name."""
        return {name: self.shape(name) for name in self._names}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """The dtype of each tensor, by name; without those of a dtype that dflow does not have."""
        found = {name: _DTYPES.get(self._entry(name).dtype) for name in self._names}
        return {name: dtype for name, dtype in found.items() if dtype is not None}

    def debug_string(self) -> bytes:
        """A line for each tensor: its name, its dtype and its shape."""
        lines = []
        for name in self._names:
            entry = self._entry(name)
            shape = ",".join(str(size) for size in self.shape(name))
            lines.append(f"{name} (DT_{NAMES.get(entry.dtype, entry.dtype).upper()}) [{shape}]\n")
        return "".join(lines).encode()

    def get_tensor(self, tensor_str: str | bytes) -> Array:
        """The value of a tensor; NotFoundError if there is none of this name, DataLossError if it is damaged."""
        return self.read([tensor_str])[0]

    def shape(self, name: str | bytes) -> list[int]:
        return [dim.size for dim in self._entry(name).shape.dim]

    def read(
        self, names: Sequence[str | bytes], parts: Sequence[str] | None = None, dtypes: Sequence[DType] | None = None
    ) -> list[Array]:
        """The values of tensors, or of parts of them.

        parts: for each, the text of the part to read, "" for all.  dtypes: what each has to be; InvalidArgumentError
        for another one.
        """
        for name, dtype in zip(names, dtypes or (), strict=False):
            actual = self._entry(name).dtype
            if actual != DATA_TYPES[dtype]:
                text = name.decode() if isinstance(name, bytes) else name
                wanted = NAMES[DATA_TYPES[dtype]]
                raise InvalidArgumentError(
                    None,
                    None,
                    f"tensor_name = {text}; expected dtype {wanted} does not equal original dtype {NAMES[actual]}",
                )
        with _DataFiles(self._prefix, self._header.num_shards) as data:
            jobs = [(name, part, data) for name, part in zip(names, parts or [""] * len(names), strict=True)]
            if _THREADS == 1 or sum(self._size(name) >= _LARGE for name in names) < 2:
                return [self._part(*job) for job in jobs]
            with ThreadPoolExecutor(_THREADS) as pool:
                return list(pool.map(lambda job: self._part(*job), jobs))

    # -- entries

    def _entry(self, name: str | bytes) -> Any:
        entry = self._entries.get(_key(name))
        if entry is None:
            text = name.decode() if isinstance(name, bytes) else name
            raise NotFoundError(None, None, f"Key {text} not found in checkpoint")
        return entry

    def _part_entry(self, name: str, part: Part) -> Any:
        entry = self._entries.get(part.key(name))
        if entry is None:
            raise DataLossError(None, None, f"{self._prefix}: a part of {name} is missing")
        return entry

    def _size(self, name: str | bytes) -> int:
        return int(self._entry(name).size)

    # -- values

    def _part(self, name: str | bytes, text: str, data: _DataFiles) -> Array:
        entry = self._entry(name)
        shape = tuple(dim.size for dim in entry.shape.dim)
        wanted = tuple(slice(0, size) for size in shape)
        if text:
            try:
                whole, part = Part.from_text(text)
                if whole != shape:
                    raise ValueError(
                        f"shape in shape_and_slice spec {list(whole)} does not match the shape stored in checkpoint: "
                        f"{list(shape)}"
                    )
                wanted = part.ranges(shape)
            except ValueError as error:
                raise InvalidArgumentError(None, None, f"tensor_name = {_key(name).decode()}; {error}") from None
        if not entry.slices:
            array = self._stored(_key(name), entry, shape, data)
            return array if wanted == tuple(slice(0, size) for size in shape) else array[wanted].copy()
        return self._of_parts(name, entry, wanted, data)

    def _of_parts(self, name: str | bytes, entry: Any, wanted: tuple[slice, ...], data: _DataFiles) -> Array:
        """A part of a tensor that is stored in parts, put together from those that have some of it."""
        shape = tuple(dim.size for dim in entry.shape.dim)
        found = np.empty([it.stop - it.start for it in wanted], _dtype(entry).numpy_dtype)
        missing = found.size
        text = _key(name).decode()
        for proto in entry.slices:
            part = Part.from_proto(proto)
            ranges = part.ranges(shape)
            shared = common(wanted, ranges)
            if shared is not None:
                stored = self._part_entry(text, part)
                key = part.key(text)
                values = self._stored(key, stored, tuple(it.stop - it.start for it in ranges), data)
                piece = values[within(shared, ranges)]
                found[within(shared, wanted)] = piece
                missing -= piece.size
        if missing > 0:
            raise NotFoundError(None, None, f"Checkpoint does not have all of the part of tensor {text} to restore")
        return found

    def _stored(self, key: bytes, entry: Any, shape: tuple[int, ...], data: _DataFiles) -> Array:
        if self._tables is not None:
            return self._tables.value(key)
        dtype = _dtype(entry)
        if dtype == string:
            array, crc = _strings(data.read(entry), int(np.prod(shape, dtype=np.int64)))
        else:
            array = np.empty(shape, dtype.numpy_dtype)
            crc = data.read_into(entry, array)
            array = swapped(array)
        if crc32c.masked(crc) != entry.crc32c:
            raise DataLossError(
                None, None, f"{data.name(entry)}: Checksum does not match: stored {entry.crc32c} vs. calculated on "
                f"the restored bytes {crc32c.masked(crc)}"
            )  # fmt: skip
        return array.reshape(shape)


class _DataFiles:
    """The data files of a checkpoint, each opened once by each thread that reads from it."""

    def __init__(self, prefix: str, count: int) -> None:
        self._prefix, self._count = prefix, count
        self._open: dict[tuple[int, int], IO[bytes]] = {}  # (thread, shard) -> file

    def __enter__(self) -> _DataFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def name(self, entry: Any) -> str:
        return data_name(self._prefix, entry.shard_id, self._count)

    def read(self, entry: Any) -> Array:
        """The bytes of a tensor."""
        data = np.empty(entry.size, np.uint8)
        self.read_into(entry, data)
        return data

    def read_into(self, entry: Any, array: Array) -> int:
        """Fill an array with the bytes of a tensor; gives their checksum, before masking."""
        if array.nbytes != entry.size:
            raise DataLossError(
                None, None, f"{self.name(entry)}: a tensor of {array.nbytes} bytes has {entry.size} in its file"
            )
        key = (threading.get_ident(), entry.shard_id)
        file = self._open.get(key)
        if file is None:
            file = self._open[key] = files.open_to_read(self.name(entry))
        flat, crc = array.reshape(-1).view(np.uint8), 0
        file.seek(entry.offset)
        for start in range(0, len(flat), _CHUNK):
            chunk = flat[start : start + _CHUNK]
            _fill(file, chunk, self.name(entry))
            crc = crc32c.extend(crc, chunk)
        return crc


def _fill(file: IO[bytes], chunk: Array, name: str) -> None:
    view, done = chunk.data, 0
    while done < len(view):
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise DataLossError(None, None, f"{name}: the file is cut off")
        done += count


def _strings(data: Array, count: int) -> tuple[Array, int]:
    """The strings in the bytes of a tensor, and the checksum of these before masking; see `_put_strings`."""
    raw = data.tobytes()
    lengths, place = [], 0
    try:
        for _ in range(count):
            length, place = varint.decoded(raw, place)
            lengths.append(length)
    except ValueError as error:
        raise DataLossError(None, None, f"the lengths of {count} strings are damaged: {error}") from None
    crc = crc32c.extend(0, np.array(lengths, "<u4").view(np.uint8)) if max(lengths, default=0) < 1 << 32 else 0
    checksum, ends = data[place : place + 4], np.cumsum([place + 4, *lengths]).tolist()
    if crc32c.masked(crc) != int.from_bytes(checksum.tobytes(), "little") or ends[-1] != len(data):
        raise DataLossError(None, None, f"the lengths of {count} strings are damaged")
    array = np.empty(count, object)
    array[:] = [raw[start:end] for start, end in itertools.pairwise(ends)]
    return array, crc32c.extend(crc32c.extend(crc, checksum), data[place + 4 :])


def _dtype(entry: Any) -> DType:
    dtype = _DTYPES.get(entry.dtype)
    if dtype is None:
        raise UnimplementedError(None, None, f"a tensor of dtype {NAMES.get(entry.dtype, entry.dtype)}")
    return dtype


def _key(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode()

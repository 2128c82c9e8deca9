"""Writing checkpoints, so that a reader finds a whole one at any time, and so after a crash at any byte.

The data is written first, to files that no index names; an index then takes the place of the one before, at once.  If
a checkpoint of this prefix is there already, its data has to stay until then: the new data is in files of another
count, `...-of-00002` in the place of `...-of-00001`.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

import numpy as np
from google.protobuf.message import DecodeError

from dflow import crc32c, varint
from dflow.checkpoints import files, table
from dflow.checkpoints.messages import BundleEntryProto, BundleHeaderProto
from dflow.checkpoints.slices import Part
from dflow.dtypes import as_dtype, string
from dflow.errors import DataLossError, OpError
from dflow.node_proto import shape_proto
from dflow.shapes import TensorShape
from dflow.tensor_proto import DATA_TYPES, swapped

Array = np.ndarray[Any, Any]
Entries = dict[bytes, Any]  # key -> BundleEntryProto

_CHUNK = 1 << 20  # bytes that are written, and their checksum computed, while they are in the processor's cache
_VERSION = 1


def index_name(prefix: str) -> str:
    return f"{prefix}.index"


def data_name(prefix: str, shard: int, count: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{count:05d}"


def write(prefix: str, names: Sequence[str], parts: Sequence[str], arrays: Sequence[Array]) -> None:
    """Write a checkpoint with these tensors.

    parts: for a tensor that is a part of one with its name, the text of the part; else "".
    ValueError for a name that comes twice, or parts that do not fit; an OpError if the files cannot be written.
    """
    entries: Entries = {}
    for name, text, array in zip(names, parts, arrays, strict=True):
        _add(entries, name, text, array)
    _make_directory(prefix)
    count = _free_count(prefix, 1)

    def fill(file: IO[bytes]) -> None:
        offset = 0
        for entry, array in zip(_with_data(entries), arrays, strict=True):
            entry.offset = offset
            entry.size, entry.crc32c = _put(file, array)
            offset += entry.size

    files.write(data_name(prefix, 0, count), fill)
    _commit(prefix, entries, count)


def temporary(prefix: str) -> str:
    """A new prefix for a shard of a checkpoint, in a folder of its own."""
    return f"{prefix}_temp_{uuid.uuid4().hex}/part"


def merge(sources: Sequence[str], prefix: str, remove_folders: bool) -> None:
    """Put the checkpoints of several devices together as one; theirs are gone then, with their folders if asked for.

    DataLossError for a damaged one; ValueError if two have a tensor of one name.
    """
    sources = list(dict.fromkeys(sources))
    entries: Entries = {}
    shards: dict[str, int] = {}  # the data files, and their new numbers
    for source in sources:
        header, found = read_index(source)
        for key, entry in found.items():
            if not entry.slices:
                name = data_name(source, entry.shard_id, header.num_shards)
                entry.shard_id = shards.setdefault(name, len(shards))
            _merge_entry(entries, key, entry)
    _make_directory(prefix)
    count = _free_count(prefix, max(len(shards), 1))
    for shard, number in shards.items():
        files.rename(shard, data_name(prefix, number, count))
    _commit(prefix, entries, count)
    for source in sources:
        files.remove(index_name(source))
    if remove_folders:
        for folder in files.matching(f"{prefix}_temp_*"):  # with those of runs that were killed
            files.remove_directory(folder)


def _merge_entry(entries: Entries, key: bytes, entry: Any) -> None:
    there = entries.get(key)
    if there is None:
        entries[key] = entry
    elif there.slices and entry.slices and (there.dtype, there.shape) == (entry.dtype, entry.shape):
        there.slices.extend(entry.slices)
    else:
        raise ValueError(f"two shards have a tensor named {key.decode(errors='replace')!r}")


def read_index(prefix: str) -> tuple[Any, Entries]:
    """The header and the entries of an index; NotFoundError if it is missing, DataLossError if it is damaged."""
    path = index_name(prefix)
    data = files.read(path)
    try:
        found = dict(table.entries_of(data))
        header = BundleHeaderProto.FromString(found.pop(b""))
        return header, {key: BundleEntryProto.FromString(value) for key, value in found.items()}
    except (ValueError, KeyError, DecodeError) as error:
        raise DataLossError(None, None, f"{path}: {error}") from None


# -- entries


def _add(entries: Entries, name: str, text: str, array: Array) -> None:
    """Add the entry of a tensor, or those of a part of one: for the part, and for the whole, which lists its parts."""
    dtype, shape, key = DATA_TYPES[as_dtype(array.dtype)], array.shape, name.encode()
    if text:
        shape, part = Part.from_text(text)
        ranges = part.ranges(shape)
        if tuple(it.stop - it.start for it in ranges) != array.shape:
            raise ValueError(f"{name!r}: a part {text!r} does not have the shape {list(array.shape)}")
        if not part.is_all(shape):
            whole = BundleEntryProto(dtype=dtype, shape=shape_proto(TensorShape(shape)), slices=[part.to_proto()])
            _merge_entry(entries, key, whole)
            key, shape = part.key(name), array.shape
    if not key or key in entries:
        raise ValueError(f"Adding duplicate key: {name}" if key else "the name of a tensor is empty")
    entries[key] = BundleEntryProto(dtype=dtype, shape=shape_proto(TensorShape(shape)))


def _with_data(entries: Entries) -> list[Any]:
    """The entries of tensors with data of their own, in the order in which they were added."""
    return [entry for entry in entries.values() if not entry.slices]


# -- files


def _put(file: IO[bytes], array: Array) -> tuple[int, int]:
    """Write the values of a tensor; gives their length and their checksum."""
    if as_dtype(array.dtype) == string:
        return _put_strings(file, array)
    data = swapped(np.ascontiguousarray(array)).reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, len(data), _CHUNK):
        chunk = data[start : start + _CHUNK]
        crc = crc32c.extend(crc, chunk)
        file.write(chunk.data)
    return len(data), crc32c.masked(crc)


def _put_strings(file: IO[bytes], array: Array) -> tuple[int, int]:
    """Lengths, their checksum, and the bytes.  Of the lengths, the checksum takes them as numbers of four bytes."""
    items = [bytes(item) for item in array.reshape(-1)]
    lengths = b"".join(varint.encoded(len(item)) for item in items)
    crc = crc32c.extend(0, np.array([len(item) for item in items], "<u4").view(np.uint8))
    checksum = np.array([crc32c.masked(crc)], "<u4").view(np.uint8)
    data = b"".join(items)
    crc = crc32c.extend(crc32c.extend(crc, checksum), np.frombuffer(data, np.uint8))
    for written in (lengths, checksum.tobytes(), data):
        file.write(written)
    return len(lengths) + 4 + len(data), crc32c.masked(crc)


def _make_directory(prefix: str) -> None:
    """Make the folder of a checkpoint, as TensorFlow does; not those above it."""
    folder = posixpath.dirname(prefix)
    if folder and not files.is_directory(folder):
        files.make_directory(folder)


def _free_count(prefix: str, count: int) -> int:
    """How many shards the names of the data files speak of: a count that the checkpoint that is there does not have."""
    with suppress(OpError):
        if read_index(prefix)[0].num_shards == count:
            return count + 1
    return count


def _commit(prefix: str, entries: Mapping[bytes, Any], count: int) -> None:
    """Write the index; then remove the data that it does not name.  If the index cannot be written, remove its data."""
    header = BundleHeaderProto(num_shards=count)
    header.version.producer = _VERSION
    items = [(b"", header), *sorted(entries.items())]
    try:
        files.sync_directory(prefix)
        files.replace(index_name(prefix), table.written((key, it.SerializeToString()) for key, it in items))
    except BaseException:
        _remove_data(prefix, lambda name: name.endswith(_suffix(count)))
        raise
    _remove_data(prefix, lambda name: not name.endswith(_suffix(count)))


def _suffix(count: int) -> str:
    return f"-of-{count:05d}"


def _remove_data(prefix: str, which: Callable[[str], bool]) -> None:
    with suppress(OpError, OSError):  # what is left does no harm
        for name in files.matching(f"{prefix}.data-?????-of-?????"):
            if which(name):
                files.remove(name)

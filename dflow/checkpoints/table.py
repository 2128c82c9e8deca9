"""Sorted tables of keys and values: the format of a checkpoint's index.

A table is a list of blocks.  An entry of a block is the number of bytes that its key shares with the key before, that
of its further bytes, that of its value, and these bytes; every 16th key is written in full, and a list of the places of
such keys ends the block.  Behind a block: a byte for its compression, and a checksum.  One more block has the places of
the blocks, and the last 48 bytes of the file the place of that one.
Source: the table format of LevelDB, as TensorFlow's lib/io/table has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow

from dflow import crc32c, varint

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48  # bytes at the end of a file
_BLOCK = 1 << 18  # bytes after which a new block begins
_INTERVAL = 16  # keys from one that is written in full to the next one
_PLAIN, _SNAPPY = 0, 1  # compressions


class _Block:
    """A block that is being written."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.count = 0
        self.key = b""  # the last one
        self._full: list[int] = []  # the places of the keys that are written in full

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.count % _INTERVAL == 0:
            self._full.append(len(self.data))
        else:
            shared = len(os.path.commonprefix([self.key, key]))  # noqa: RUF071 - that of any sequences
        for number in (shared, len(key) - shared, len(value)):
            self.data += varint.encoded(number)
        self.data += key[shared:] + value
        self.key, self.count = key, self.count + 1

    def end(self) -> bytes:
        """The bytes of the block, with what follows them."""
        places = np.array([*(self._full or [0]), len(self._full) or 1], "<u4").tobytes()
        body = bytes(self.data) + places + bytes([_PLAIN])
        return body + _checksum(body)


def written(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a table.  entries: (key, value), in the order of the keys; a key comes once."""
    file, index, block = bytearray(), _Block(), _Block()
    for key, value in entries:
        block.add(key, value)
        if len(block.data) >= _BLOCK:
            index.add(block.key, _append(file, block))
            block = _Block()
    if block.count:
        index.add(block.key, _append(file, block))
    footer = _append(file, _Block()) + _append(file, index)
    return bytes(file) + footer.ljust(_FOOTER - len(_MAGIC), b"\0") + _MAGIC


def _append(file: bytearray, block: _Block) -> bytes:
    """Append a block; gives its handle: its place and its length, without what follows it."""
    data = block.end()
    handle = varint.encoded(len(file)) + varint.encoded(len(data) - 5)
    file += data
    return handle


def entries_of(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a table, in their order.  ValueError for bytes that are no table, or are damaged."""
    if len(file) < _FOOTER or not file.endswith(_MAGIC):
        raise ValueError("not an sstable (bad magic number)")
    footer = file[-_FOOTER:]
    place = 0
    for _ in range(2):  # the block of names of further blocks, which nothing uses
        _, place = varint.decoded(footer, place)
    for _, handle in _entries(_block(file, footer[place:])):
        yield from _entries(_block(file, handle))


def _block(file: bytes, handle: bytes) -> bytes:
    start, place = varint.decoded(handle, 0)
    length, _ = varint.decoded(handle, place)
    body = file[start : start + length + 1]
    if len(body) != length + 1 or file[start + length + 1 : start + length + 5] != _checksum(body):
        raise ValueError(f"block checksum mismatch at byte {start}")
    if body[-1] == _PLAIN:
        return body[:-1]
    if body[-1] != _SNAPPY:
        raise ValueError(f"unknown compression {body[-1]} of the block at byte {start}")
    size, _ = varint.decoded(body, 0)
    try:
        data: bytes = pyarrow.Codec("snappy").decompress(body[:-1], size, asbytes=True)
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"the block at byte {start} cannot be decompressed: {error}") from None
    return data


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise ValueError("a block is cut off")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    place, key = 0, b""
    while place < end:
        shared, place = varint.decoded(block, place)
        more, place = varint.decoded(block, place)
        length, place = varint.decoded(block, place)
        key = key[:shared] + block[place : place + more]
        place += more
        yield key, block[place : place + length]
        place += length
    if place != end:
        raise ValueError("an entry of a block is cut off")


def _checksum(body: bytes) -> bytes:
    return crc32c.masked(crc32c.extend(0, np.frombuffer(body, np.uint8))).to_bytes(4, "little")

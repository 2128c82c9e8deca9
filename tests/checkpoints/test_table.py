"""Sorted tables come back as they were written; damage is found."""

from __future__ import annotations

import random

import pyarrow
import pytest

from dflow import crc32c, varint
from dflow.checkpoints import table


def test_a_table_of_one_entry_has_the_bytes_of_the_format() -> None:
    data = table.written([(b"key", b"value")])
    assert data[:11] == b"\0\3\5keyvalue"  # nothing shared, 3 bytes of a key, 5 of a value
    assert data[11:19] == b"\0\0\0\0\1\0\0\0"  # one key in full, at byte 0
    assert data[19] == 0  # no compression
    assert data[-8:] == bytes.fromhex("57fb808b247547db")


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
@pytest.mark.parametrize("size", [0, 10, 3000])
def test_entries_come_back_in_their_order(count: int, size: int) -> None:
    rng = random.Random(count)
    entries = sorted(
        {f"layer_{i // 10}/w_{i}".encode(): rng.randbytes(rng.randint(0, size)) for i in range(count)}.items()
    )
    assert list(table.entries_of(table.written(entries))) == entries


def test_keys_of_all_bytes_come_back() -> None:
    entries = [(bytes([i, j]), b"") for i in range(256) for j in (0, 128, 255)]
    assert list(table.entries_of(table.written([(b"", b"header"), *entries]))) == [(b"", b"header"), *entries]


def test_a_changed_byte_is_found_wherever_it_is() -> None:
    data = table.written([(b"a", b"1" * 20), (b"b", b"2" * 20)])
    whole = list(table.entries_of(data))
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        try:
            found = list(table.entries_of(bytes(damaged)))
        except ValueError:
            continue
        assert found == whole, f"byte {place}"  # of the footer's padding, or of a block that nobody reads


@pytest.mark.parametrize("length", [0, 1, 47, 60, 100])
def test_a_table_that_is_cut_off_is_a_value_error(length: int) -> None:
    data = table.written([(b"a", b"1" * 50)])
    with pytest.raises(ValueError):
        list(table.entries_of(data[:length]))


def test_a_compressed_block_is_read() -> None:
    block = table._Block()
    block.add(b"a", b"1" * 500)
    block.add(b"b", b"1" * 500)
    body = pyarrow.Codec("snappy").compress(block.end()[:-5], asbytes=True) + bytes([1])
    file = bytearray(body + table._checksum(body))
    index = table._Block()
    index.add(b"b", varint.encoded(0) + varint.encoded(len(body) - 1))
    footer = table._append(file, table._Block()) + table._append(file, index)
    file += footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
    assert list(table.entries_of(bytes(file))) == [(b"a", b"1" * 500), (b"b", b"1" * 500)]


def test_a_masked_crc_is_that_of_tensorflow() -> None:
    assert crc32c.masked(0) == 0xA282EAD8
    assert crc32c.masked(0xFFFFFFFF) == 0xA282EAD7

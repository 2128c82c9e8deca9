"""The frame around a TFRecord, and the search for the next whole one."""

import io
import struct
import zlib
from random import Random
from unittest.mock import Mock, patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.readers.tfrecord import framing
from dflow.readers.tfrecord.framing import (
    BadRecord,
    _heads,
    end_of,
    framed,
    framed_records,
    masked_crc,
    num_whole,
    payload_at,
    search,
)
from dflow.readers.window import Window

PAYLOADS = st.lists(st.binary(max_size=40))


def crc32c(data: bytes) -> int:
    """The checksum bit by bit, as its polynomial says."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(st.binary(max_size=50))
def test_the_checksum_is_a_rotated_crc_of_castagnoli_plus_a_constant(data: bytes) -> None:
    """F19.2"""
    crc = crc32c(data)
    assert masked_crc(data) == ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32


def test_the_bytes_of_a_record() -> None:
    """F19.1: as TensorFlow writes them."""
    assert framed(b"hello").hex() == "0500000000000000eab2043e68656c6c6fbb1f1c19"
    assert len(framed(b"")) == 16  # F19.3


@given(PAYLOADS)
def test_records_come_back(payloads: list[bytes]) -> None:
    """F19.1, F19.3"""
    window, offset = Window(io.BytesIO(b"".join(map(framed, payloads)))), 0
    for payload in payloads:
        assert payload_at(window, offset) == payload
        offset += len(payload) + 16
    assert payload_at(window, offset) is None


@pytest.mark.parametrize("size", range(1, 20))
def test_a_record_that_is_cut_off_is_truncated(size: int) -> None:
    """D16.24, F19.4"""
    with pytest.raises(BadRecord, match="truncated record at 0"):
        payload_at(Window(io.BytesIO(framed(b"four")[:size])), 0)


@pytest.mark.parametrize("place", range(20))
def test_a_changed_byte_makes_a_record_corrupted(place: int) -> None:
    """D16.24, F19.4"""
    broken = bytearray(framed(b"four"))
    broken[place] ^= 1
    with pytest.raises(BadRecord, match="corrupted record at 0"):
        payload_at(Window(io.BytesIO(bytes(broken))), 0)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_length_beyond_all_memory_is_a_truncated_record(compressed: bool) -> None:
    length = struct.pack("<Q", 2**60)
    data = length + struct.pack("<I", masked_crc(length)) + b"few bytes"
    window = Window(io.BytesIO(zlib.compress(data)), "ZLIB") if compressed else Window(io.BytesIO(data))
    with pytest.raises(BadRecord, match="truncated record at 0"):
        payload_at(window, 0)


@given(st.binary(max_size=60), st.binary(max_size=20), st.binary(max_size=60))
def test_heads_are_found_at_once_as_one_by_one(before: bytes, payload: bytes, after: bytes) -> None:
    block = before + framed(payload) + after
    one_by_one = [
        i for i in range(len(block) - 11) if masked_crc(block[i : i + 8]) == struct.unpack_from("<I", block, i + 8)[0]
    ]
    assert _heads(block).tolist() == one_by_one
    assert len(before) in one_by_one


@pytest.mark.parametrize("gap", [0, 1, 5, 65_525, 65_526, 65_536, 200_000])
def test_the_next_whole_record_is_found_behind_any_gap(gap: int) -> None:
    noise = Random(gap).randbytes(gap)
    window, place = Window(io.BytesIO(noise + framed(b"found"))), 0
    for _ in range(10):
        place, found = search(window, place)
        if found:
            break
    assert (place, found) == (gap, True)


def test_a_search_ends_where_the_file_does() -> None:
    assert search(Window(io.BytesIO(b"x" * 30)), 5) == (30, False)
    assert search(Window(io.BytesIO(b"x" * 30)), 30) == (30, False)


def test_a_broken_payload_is_passed_over_by_its_length_even_if_it_holds_records() -> None:
    inner = framed(b"inner")
    outer = bytearray(framed(b"x" + inner))
    outer[12] ^= 1
    assert end_of(Window(io.BytesIO(bytes(outer) + framed(b"next"))), 0) == len(outer)
    assert end_of(Window(io.BytesIO(bytes(outer))), 0) == len(outer)
    assert end_of(Window(io.BytesIO(bytes(outer) + b"no record")), 0) is None
    assert end_of(Window(io.BytesIO(bytes(outer)[:-1])), 0) is None
    outer[0] ^= 1
    assert end_of(Window(io.BytesIO(bytes(outer) + framed(b"next"))), 0) is None


def test_no_head_in_nothing() -> None:
    assert _heads(b"short").dtype == np.int64
    assert _heads(bytes(1000)).tolist() == []


def whole_one_by_one(data: bytes) -> list[bytes]:
    """The payloads of the whole records that some bytes begin with."""
    window, found, at = Window(io.BytesIO(data)), [], 0
    while True:
        try:
            payload = payload_at(window, at)
        except BadRecord:
            return found
        if payload is None:
            return found
        found.append(payload)
        at += len(payload) + 16


RUNS = st.lists(st.tuples(st.integers(0, 70), st.integers(1, 20)), min_size=1, max_size=3)


FLIPS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7)), max_size=2)


@given(RUNS, FLIPS, st.integers(0, 20), st.sampled_from([2, 1000]))
def test_many_records_at_once_are_those_that_are_whole_one_by_one(
    runs: list[tuple[int, int]], flips: list[tuple[int, int]], cut: int, many: int
) -> None:
    """Runs of records of one length, with flipped bits and a cut end, of which `many` are checked together."""
    random = Random(str((runs, flips)))
    data = bytearray(b"".join(framed(random.randbytes(length)) for length, count in runs for _ in range(count)))
    for place, bit in flips:
        data[place % len(data)] ^= 1 << bit
    text = bytes(data[: len(data) - cut])
    with patch.multiple(framing, _FEW=many, _MANY=many):
        starts, ends, _ = framed_records(text)
        n = num_whole(text, starts, ends)
    assert [text[a:b] for a, b in zip(starts[:n], ends[:n], strict=True)] == whole_one_by_one(text)


@pytest.mark.parametrize(("count", "length"), [(600, 50), (20, 60_001)])
def test_the_checksums_of_records_of_one_length_are_checked_together(
    count: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(b"".join(framed(bytes([i % 256]) * length) for i in range(count)))
    starts, ends, _ = framed_records(bytes(data))
    one_by_one = Mock(wraps=framing.google_crc32c.value)
    monkeypatch.setattr(framing.google_crc32c, "value", one_by_one)
    assert num_whole(bytes(data), starts, ends) == count
    assert not one_by_one.called
    data[ends[7] - 1] ^= 1
    assert num_whole(bytes(data), starts, ends) == 7

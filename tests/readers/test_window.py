"""Bytes of files through a window: as they are, and decompressed."""

import gzip
import io
import zlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import DataLossError
from dflow.readers.window import Window
from tests.readers.bounds import bounded

PACK = {"": lambda data: data, "ZLIB": zlib.compress, "GZIP": gzip.compress}


class OneWay(io.BytesIO):
    """A file that cannot seek."""

    def seekable(self) -> bool:
        return False


def window(data: bytes, compression: str = "") -> Window:
    return Window(io.BytesIO(PACK[compression](data)), compression)


@given(st.binary(), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50))), st.sampled_from(sorted(PACK)))
def test_it_shows_the_bytes_at_each_place_ahead(data: bytes, looks: list[tuple[int, int]], compression: str) -> None:
    for file in (io.BytesIO(PACK[compression](data)), OneWay(PACK[compression](data))):
        seen, offset = Window(file, compression), 0
        for step, n in looks:
            offset += step
            seen.move(offset)
            assert seen.at(offset, n) == data[offset : offset + n]
            assert seen.at(offset + 3, n) == data[offset + 3 : offset + 3 + n]


@pytest.mark.parametrize("compression", PACK)
def test_it_goes_far_ahead_in_a_large_file(compression: str) -> None:
    data = Random(1).randbytes(1_000_000)
    seen = window(data, compression)
    assert seen.at(10, 700_000) == data[10:700_010]
    seen.move(900_000)
    assert seen.at(900_001, 20) == data[900_001:900_021]
    seen.move(2_000_000)
    assert seen.at(2_000_000, 1) == b""


@pytest.mark.parametrize("compression", PACK)
def test_asking_for_more_than_there_is_allocates_only_what_there_is(compression: str) -> None:
    assert window(b"abc", compression).at(1, 2**60) == b"bc"


def test_it_tells_where_a_file_ends_if_it_need_not_read() -> None:
    assert window(b"abc").ends_before(4)
    assert not window(b"abc").ends_before(3)
    assert not window(b"abc", "GZIP").ends_before(4)
    assert not Window(OneWay(b"abc")).ends_before(4)


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_streams_one_after_another_are_one(compression: str) -> None:
    """As `cat` and padding tools leave them."""
    packed = PACK[compression](b"abc") + PACK[compression](b"def") + bytes(20)
    assert Window(io.BytesIO(packed), compression).at(0, 100) == b"abcdef"


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_a_stream_that_is_still_being_written_ends_where_it_was_flushed(compression: str) -> None:
    """F19.7"""
    deflate = zlib.compressobj(wbits={"ZLIB": 15, "GZIP": 31}[compression])
    packed = deflate.compress(b"abc") + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert Window(io.BytesIO(packed), compression).at(0, 100) == b"abc"


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_what_is_not_compressed_is_a_data_loss_each_time(compression: str) -> None:
    seen = Window(io.BytesIO(b"no such thing"), compression)
    for _ in range(2):
        with pytest.raises(DataLossError, match=f"no valid {compression} data"):
            seen.at(0, 1)


def test_what_comes_before_the_broken_byte_of_a_stream_can_be_had() -> None:
    """But for the last byte, which zlib keeps for itself if it meets the broken one in the same call."""
    data = Random(2).randbytes(400_000)
    deflate = zlib.compressobj(wbits=31)
    packed = deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 100  # no kind of block
    seen = Window(io.BytesIO(packed), "GZIP")
    for _ in range(2):
        with pytest.raises(DataLossError):
            seen.at(0, 400_001)
        assert seen.held(0) == data[:-1]
    assert seen.at(0, 399_999) == data[:-1]


def test_a_mutated_stream_gives_its_beginning_or_a_data_loss() -> None:
    random = Random(3)
    data = b"".join(b"%d," % i for i in range(300))
    packed = gzip.compress(data)
    with bounded() as inputs:
        for _ in inputs:
            broken = bytearray(packed)
            broken[random.randrange(12, len(packed) - 8)] = random.randrange(256)
            seen = Window(io.BytesIO(bytes(broken)), "GZIP")
            try:
                found = seen.at(0, 10_000)
            except DataLossError:
                found = seen.held(0)
            assert isinstance(found, bytes)
            assert len(found) <= 10_000


def test_it_reads_at_once_what_it_held_before_and_does_not_copy_it() -> None:
    """A piece that begins where the last one ended is given as the file gave it."""
    pieces: list[bytes] = []

    class Watched(io.BytesIO):
        def read(self, n: int | None = -1) -> bytes:
            pieces.append(super().read(n))
            return pieces[-1]

    seen = Window(Watched(bytes(2_400_000)))
    seen.at(0, 800_000)
    pieces.clear()
    for offset in (800_000, 1_600_000):
        seen.move(offset)
        assert seen.at(offset, 800_000) is pieces[-1]
    assert len(pieces) == 2

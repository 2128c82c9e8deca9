"""Records of one length."""

import gzip
import os
import zlib
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dflow as df
from dflow.errors import DataLossError, InvalidArgumentError
from dflow.readers.fixed_length import FixedLengthRecordReader, FixedLengthRecords
from tests.readers.bounds import bounded
from tests.readers.helpers import file_names, mutated, records, run_to_end, values

PACK = {"": lambda data: data, "ZLIB": zlib.compress, "GZIP": gzip.compress}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fixed"


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize(
    ("options", "content", "expected"),
    [
        ({}, b"abcdefgh", [b"abc", b"def"]),
        ({}, b"ab", []),
        ({}, b"", []),
        ({"header_bytes": 2, "footer_bytes": 1}, b"HHabcdefF", [b"abc", b"def"]),
        ({"footer_bytes": 1}, b"abcdef", [b"abc"]),
        ({"header_bytes": 2, "footer_bytes": 1, "hop_bytes": 2}, b"HHabcdefgF", [b"abc", b"cde", b"efg"]),
        ({"hop_bytes": 4}, b"abc.def.gh", [b"abc", b"def"]),
        ({"header_bytes": 20}, b"abcdef", []),
        ({"hop_bytes": 0}, b"abcdef", [b"abc", b"def"]),
    ],
)
def test_a_record_is_there_if_it_and_the_footer_are(
    path: Path, encoding: str, options: dict[str, int], content: bytes, expected: list[bytes]
) -> None:
    """D16.17 to D16.21"""
    path.write_bytes(PACK[encoding](content))
    assert values(FixedLengthRecords(3, **options, encoding=encoding), path) == expected


def test_keys_are_the_file_and_the_record_number_from_zero(path: Path) -> None:
    """D16.17"""
    path.write_bytes(b"HHabcdef")
    name = os.fsencode(path)
    assert records(FixedLengthRecords(3, 2), path) == [(name + b":0", b"abc"), (name + b":1", b"def")]


@given(
    st.binary(max_size=60), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 12), st.integers(0)
)
def test_records_are_slices_of_the_file(
    tmp_path_factory: Any, content: bytes, size: int, header: int, footer: int, hop: int, start: int
) -> None:
    path = tmp_path_factory.mktemp("fixed") / "f"
    path.write_bytes(content)
    starts = range(header, len(content) - size - footer + 1, hop or size)
    expected = [content[start : start + size] for start in starts]
    start %= len(expected) + 1
    assert values(FixedLengthRecords(size, header, footer, hop), path, start) == expected[start:]
    path.write_bytes(gzip.compress(content))
    assert values(FixedLengthRecords(size, header, footer, hop, "GZIP"), path, start) == expected[start:]


@pytest.mark.parametrize(
    ("sizes", "fact"),
    [
        ((0,), "record_bytes must be > 0 not 0"),
        ((-1,), "record_bytes must be > 0 not -1"),
        ((1, -1), "header_bytes must be >= 0 not -1"),
        ((1, 0, -1), "footer_bytes must be >= 0 not -1"),
        ((1, 0, 0, -1), "hop_bytes must be >= 0 not -1"),
    ],
)
def test_wrong_sizes_fail_the_run(sizes: Any, fact: str) -> None:
    """D16.22"""
    queue, fill = file_names("any")
    record = FixedLengthRecordReader(*sizes).read(queue)
    with df.Session() as sess:
        sess.run(fill)
        with pytest.raises(InvalidArgumentError, match=fact):
            sess.run(record)


def test_another_encoding_is_found_while_the_graph_is_built() -> None:
    with pytest.raises(ValueError, match="encoding must be None"):
        FixedLengthRecordReader(3, encoding="BZIP2")


def test_a_record_that_is_larger_than_any_memory_is_not_there(path: Path) -> None:
    path.write_bytes(gzip.compress(b"abc"))
    assert values(FixedLengthRecords(2**60, encoding="GZIP"), path) == []
    assert values(FixedLengthRecords(2**60), path) == []
    assert values(FixedLengthRecords(1, header_bytes=2**60), path) == []


def test_a_reader_goes_through_its_files(path: Path, tmp_path: Path) -> None:
    """D16.7, D16.20"""
    path.write_bytes(gzip.compress(b"abcdefg"))
    (tmp_path / "empty").write_bytes(gzip.compress(b""))
    reader = FixedLengthRecordReader(3, encoding="GZIP")
    queue, fill = file_names(path, tmp_path / "empty", path)
    record = reader.read(queue)
    with df.Session() as sess:
        sess.run(fill)
        assert [value for _, value in run_to_end(sess, record)] == [b"abc", b"def"] * 2
        assert sess.run([reader.num_records_produced(), reader.num_work_units_completed()]) == [4, 3]


def test_an_error_of_broken_compressed_data_names_the_file_each_time(path: Path) -> None:
    path.write_bytes(b"no zlib")
    form = FixedLengthRecords(3, encoding="ZLIB")
    form.open(str(path))
    for _ in range(2):
        with pytest.raises(DataLossError, match=f"{path}; the file is no valid ZLIB data"):
            form.read()
    form.close()


def test_a_mutated_compressed_file_gives_records_or_a_data_loss(path: Path) -> None:
    random = Random(5)
    packed = zlib.compress(b"".join(b"%03d" % i for i in range(200)))
    with bounded() as inputs:
        for _ in inputs:
            path.write_bytes(mutated(packed, random))
            try:
                found = values(FixedLengthRecords(3, encoding="ZLIB"), path)
            except DataLossError:
                continue
            assert all(len(value) == 3 for value in found)

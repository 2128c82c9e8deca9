"""TFRecord files outside of graphs: writing, iterating, options."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import DataLossError, FailedPreconditionError, NotFoundError
from dflow.python_io import TFRecordCompressionType, TFRecordOptions, TFRecordWriter, tf_record_iterator
from dflow.readers.tfrecord_framing import framed

TYPES = ["", "ZLIB", "GZIP"]


def write(path: Any, records: list[bytes], options: Any = None) -> None:
    with TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records"


@given(st.lists(st.binary()), st.sampled_from(TYPES))
def test_what_was_written_is_iterated_over(tmp_path_factory: Any, records: list[bytes], compression: str) -> None:
    """F19.5, F19.6"""
    path = tmp_path_factory.mktemp("records") / "f"
    write(path, records, compression)
    assert list(tf_record_iterator(path, compression)) == records


@pytest.mark.parametrize(("compression", "unpack"), [("", bytes), ("ZLIB", zlib.decompress), ("GZIP", gzip.decompress)])
def test_a_file_is_one_stream_that_anyone_can_read(path: Path, compression: str, unpack: Any) -> None:
    """F19.1, F19.5"""
    write(path, [b"ab", b""], compression)
    assert unpack(path.read_bytes()) == framed(b"ab") + framed(b"")


@pytest.mark.parametrize(("compression", "pack"), [("ZLIB", zlib.compress), ("GZIP", gzip.compress)])
def test_a_stream_that_others_made_is_read(path: Path, compression: str, pack: Any) -> None:
    """F19.5"""
    path.write_bytes(pack(framed(b"ab") + framed(b"c")))
    assert list(tf_record_iterator(str(path), TFRecordOptions(compression))) == [b"ab", b"c"]


@pytest.mark.parametrize("compression", TYPES)
def test_records_can_be_read_after_a_flush(path: Path, compression: str) -> None:
    """F19.7"""
    writer = TFRecordWriter(str(path), compression)
    writer.write(b"ab")
    writer.flush()
    assert list(tf_record_iterator(path, compression)) == [b"ab"]
    writer.write(b"c")
    writer.close()
    assert list(tf_record_iterator(path, compression)) == [b"ab", b"c"]


def test_a_closed_writer_takes_nothing_but_another_close(path: Path) -> None:
    """F19.7"""
    writer = TFRecordWriter(str(path))
    writer.close()
    writer.close()
    with pytest.raises(FailedPreconditionError, match=r"Writer is closed\."):
        writer.write(b"x")
    with pytest.raises(FailedPreconditionError):
        writer.flush()


def test_a_record_is_bytes(path: Path) -> None:
    with TFRecordWriter(path) as writer:
        writer.write(bytearray(b"ab"))
        with pytest.raises(TypeError, match="a record must be bytes, got str"):
            writer.write("text")  # type: ignore[arg-type]
    assert list(tf_record_iterator(path)) == [b"ab"]


def test_missing_files_and_folders_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="missing"):
        next(tf_record_iterator(tmp_path / "missing"))
    with pytest.raises(NotFoundError, match="missing"):
        TFRecordWriter(tmp_path / "missing" / "f")


def test_a_folder_is_no_file_of_records(tmp_path: Path) -> None:
    with pytest.raises(FailedPreconditionError, match="directory"):
        next(tf_record_iterator(tmp_path))
    with pytest.raises(FailedPreconditionError, match="directory"):
        TFRecordWriter(tmp_path)


def test_a_broken_record_is_a_data_loss(path: Path) -> None:
    """F19.4"""
    path.write_bytes(framed(b"ab") + framed(b"cd")[:-1])
    records = tf_record_iterator(path)
    assert next(records) == b"ab"
    with pytest.raises(DataLossError, match="truncated record at 18"):
        next(records)


def test_broken_compressed_data_is_a_data_loss_that_names_the_file(path: Path) -> None:
    path.write_bytes(b"no zlib")
    with pytest.raises(DataLossError, match=f"{path}; the file is no valid ZLIB data"):
        next(tf_record_iterator(path, "ZLIB"))


def test_a_url_is_written_and_read_in_its_file_system() -> None:
    write("memory://test_tfrecord_io/f", [b"ab"], "GZIP")
    with fsspec.open("memory://test_tfrecord_io/f", "rb") as file:
        assert gzip.decompress(file.read()) == framed(b"ab")
    assert list(tf_record_iterator("memory://test_tfrecord_io/f", "GZIP")) == [b"ab"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, ""),
        ("", ""),
        ("GZIP", "GZIP"),
        (TFRecordCompressionType.NONE, ""),
        (TFRecordCompressionType.ZLIB, "ZLIB"),
        (TFRecordOptions(), ""),
        (TFRecordOptions(TFRecordCompressionType.GZIP), "GZIP"),
        (TFRecordOptions(TFRecordOptions("ZLIB")), "ZLIB"),
    ],
)
def test_options_name_their_compression(options: Any, expected: str) -> None:
    """F19.8"""
    assert TFRecordOptions.get_compression_type_string(options) == expected


@pytest.mark.parametrize("options", ["BZIP2", "gzip", 3, 1.0, object(), []])
def test_unknown_options_are_value_errors(path: Path, options: Any) -> None:
    """F19.5"""
    for use in (TFRecordOptions, TFRecordOptions.get_compression_type_string):
        with pytest.raises(ValueError, match="Not a valid compression_type"):
            use(options)
    with pytest.raises(ValueError, match="Not a valid compression_type"):
        TFRecordWriter(path, options)
    with pytest.raises(ValueError, match="Not a valid compression_type"):
        tf_record_iterator(path, options)


def test_the_options_of_zlib_are_used(path: Path) -> None:
    """F19.8"""
    sizes = []
    for level in (0, 9):
        options = TFRecordOptions("ZLIB", flush_mode=zlib.Z_FULL_FLUSH, window_bits=9, compression_level=level)
        write(path, [b"ab" * 1000], options)
        assert list(tf_record_iterator(path, "ZLIB")) == [b"ab" * 1000]
        sizes.append(path.stat().st_size)
    assert sizes[1] < 100 < sizes[0]
    with pytest.raises(ValueError, match="window_bits must be 9 to 15"):
        TFRecordWriter(path, TFRecordOptions("GZIP", window_bits=20))

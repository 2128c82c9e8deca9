"""TFRecord files outside of graphs: writing, iterating, options."""

import gzip
import random
import zlib
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import DataLossError, FailedPreconditionError, NotFoundError
from dflow.python_io import TFRecordCompressionType, TFRecordOptions, TFRecordWriter, tf_record_iterator
from dflow.readers.tfrecord.framing import framed

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


TEXT = b"".join(b"%d is the square of %d; " % (i * i, i) for i in range(60_000))  # some blocks


def size(path: Path, compression: str = "ZLIB", **options: Any) -> int:
    """The size of a file with some text and some random bytes, which is read back."""
    records = [TEXT[:1000], random.Random(3).randbytes(50_000), TEXT, b"", TEXT[500:700]]
    write(path, records, TFRecordOptions(compression, **options))
    assert list(tf_record_iterator(path, compression)) == records
    unpack = zlib.decompress if compression == "ZLIB" else gzip.decompress
    assert unpack(path.read_bytes()) == b"".join(map(framed, records))
    return path.stat().st_size


@pytest.mark.parametrize("compression", ["ZLIB", "GZIP"])
def test_each_option_of_zlib_has_its_effect_on_the_file(path: Path, compression: str) -> None:
    """F19.8"""
    plain = size(path, compression)
    assert size(path, compression, compression_level=0) > 1_500_000 > 500_000 > plain
    assert size(path, compression, compression_level=1) > plain > size(path, compression, compression_level=9)
    assert size(path, compression, compression_level=6) == plain
    assert size(path, compression, window_bits=8) == size(path, compression, window_bits=9) != plain
    assert size(path, compression, mem_level=1) != plain == size(path, compression, mem_level=9)
    for strategy in (zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED):
        assert size(path, compression, compression_strategy=strategy) > plain
    assert size(path, compression, compression_method=zlib.DEFLATED) == plain
    assert size(path, compression, input_buffer_size=4096, output_buffer_size=4096) == plain


@pytest.mark.parametrize("compression", ["ZLIB", "GZIP"])
def test_a_flush_mode_ends_each_block_of_the_file_with_a_flush(path: Path, compression: str) -> None:
    """F19.8"""
    records = [bytes(range(256)) * 64] * 4  # 16 KB each

    def ends(**options: Any) -> int:
        write(path, records, TFRecordOptions(compression, **options))
        assert list(tf_record_iterator(path, compression)) == records
        return path.read_bytes().count(b"\0\0\xff\xff")

    assert ends() == 0
    assert ends(input_buffer_size=4096) == 0
    for mode in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH):
        assert ends(flush_mode=mode) == 0  # 64 KB are less than a buffer of 256 KB
        assert ends(flush_mode=mode, input_buffer_size=20_000) == 3
        assert ends(flush_mode=mode, input_buffer_size=4096) == 8  # the heads, and each payload by itself
    assert ends(flush_mode=zlib.Z_PARTIAL_FLUSH, input_buffer_size=20_000) == 0


@pytest.mark.parametrize(("compression", "head"), [("ZLIB", b"\x78"), ("GZIP", b"\x1f\x8b\x08\x00\x00\x00\x00\x00")])
def test_a_compressed_file_keeps_its_kind_whatever_the_window(path: Path, compression: str, head: bytes) -> None:
    write(path, [b"ab"], TFRecordOptions(compression))
    assert path.read_bytes().startswith(head)
    for bits in (8, 12, 28):
        write(path, [b"ab"], TFRecordOptions(compression, window_bits=bits))
        assert list(tf_record_iterator(path, compression)) == [b"ab"]


@pytest.mark.parametrize("compression", ["ZLIB", "GZIP"])
def test_a_file_whose_flush_mode_is_the_end_of_a_stream_can_be_read(path: Path, compression: str) -> None:
    records = [b"%d" % i * 50 for i in range(100)]
    write(path, records, TFRecordOptions(compression, flush_mode=zlib.Z_FINISH, input_buffer_size=200))
    assert list(tf_record_iterator(path, compression)) == records


def test_a_flush_shows_the_records_so_far_and_is_cheap_when_there_are_none(path: Path) -> None:
    """F19.7"""
    with TFRecordWriter(path, TFRecordOptions("ZLIB", flush_mode=zlib.Z_FULL_FLUSH)) as writer:
        for i in range(3):
            writer.write(b"%d" % i)
            writer.flush()
            there = path.stat().st_size
            writer.flush()
            assert path.stat().st_size == there
            assert list(tf_record_iterator(path, "ZLIB")) == [b"%d" % k for k in range(i + 1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compression_level", 10),
        ("compression_level", -2),
        ("compression_method", 9),
        ("window_bits", 20),
        ("window_bits", -15),
        ("mem_level", 0),
        ("compression_strategy", 5),
        ("flush_mode", 6),
    ],
)
def test_an_option_that_zlib_does_not_know_is_named(path: Path, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} of a compressed TFRecord file must be one of .*, got {value}"):
        TFRecordWriter(path, TFRecordOptions("GZIP", **{name: value}))
    write(path, [b"ab"], TFRecordOptions("", **{name: value}))  # which is not asked for there

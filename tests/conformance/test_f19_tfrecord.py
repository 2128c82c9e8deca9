"""TFRecord files, written by programs and read in this process and on a cluster.  Statement ids: F19."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

import dflow as tf
from tests.conformance.inputs import filled, rest

Options, Writer, iterate = tf.python_io.TFRecordOptions, tf.python_io.TFRecordWriter, tf.python_io.tf_record_iterator
COMPRESSIONS = {"": bytes, "ZLIB": zlib.compress, "GZIP": gzip.compress}
DECOMPRESSIONS = {"": bytes, "ZLIB": zlib.decompress, "GZIP": gzip.decompress}
each_compression = pytest.mark.parametrize("compression", COMPRESSIONS)


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def on_disk(*records: bytes) -> bytes:
    """A file of records, by the letter of the format."""
    lengths = [struct.pack("<Q", len(record)) for record in records]
    return b"".join(
        length + masked(length) + record + masked(record) for length, record in zip(lengths, records, strict=True)
    )


def read(target: str, file: Path, options: Any = None) -> list[bytes]:
    """The records that a session reads from a file."""
    with tf.Session(target) as sess:
        _, value = tf.TFRecordReader(options=options).read(filled(sess, [str(file)]))
        return rest(sess, value)


def write(file: Path, records: list[bytes], options: Any = None) -> None:
    with Writer(str(file), options) as writer:
        for record in records:
            writer.write(record)


def test_the_checksum_of_the_test_is_that_of_castagnoli() -> None:
    """F19.2: the check value that is published for it."""
    assert crc32c(b"123456789") == 0xE3069283


def test_a_record_is_its_length_and_its_payload_each_with_a_masked_checksum(target: str, tmp_path: Path) -> None:
    """F19.1, F19.2: nothing stands before the first record or behind the last one."""
    file, records = tmp_path / "f", [b"ab", b"\x00\xff" * 50, b"last"]
    write(file, records)
    assert file.read_bytes() == on_disk(*records)
    file.write_bytes(on_disk(*reversed(records)))
    assert read(target, file) == records[::-1]


def test_a_payload_may_be_empty_and_a_record_has_sixteen_bytes_more(target: str, tmp_path: Path) -> None:
    """F19.3"""
    file = tmp_path / "f"
    write(file, [b"", b"abc", b""])
    assert file.stat().st_size == 3 * 16 + 3
    assert read(target, file) == list(iterate(str(file))) == [b"", b"abc", b""]


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: data[:2] + b"\x01" + data[3:], "corrupted record at 0"),  # the length
        (lambda data: data[:9] + b"\xff" + data[10:], "corrupted record at 0"),  # its checksum
        (lambda data: data[:12] + b"X" + data[13:], "corrupted record at 0"),  # the payload
        (lambda data: data[:-1] + b"\xff", "corrupted record at 0"),  # its checksum
        (lambda data: data[:5], "truncated record at 0"),
        (lambda data: data[:13], "truncated record at 0"),
        (lambda data: data[:-1], "truncated record at 0"),
    ],
)
def test_both_checksums_are_checked_and_a_file_that_is_cut_off_is_a_data_loss(
    target: str, tmp_path: Path, damage: Any, text: str
) -> None:
    """F19.4"""
    file = tmp_path / "f"
    file.write_bytes(damage(on_disk(b"abc")))
    with pytest.raises(tf.errors.DataLossError, match=text):
        read(target, file)
    with pytest.raises(tf.errors.DataLossError, match=text):
        next(iterate(str(file)))


@each_compression
def test_compression_is_of_the_whole_stream_as_others_write_and_read_it(
    target: str, tmp_path: Path, compression: str
) -> None:
    """F19.5"""
    file, records = tmp_path / "f", [b"ab", b"", b"c" * 1000]
    write(file, records, compression)
    assert DECOMPRESSIONS[compression](file.read_bytes()) == on_disk(*records)
    file.write_bytes(COMPRESSIONS[compression](on_disk(*records)))
    assert read(target, file, Options(compression)) == read(target, file, compression) == records


@pytest.mark.parametrize("options", ["BZIP2", "gzip", 3, object()])
def test_unknown_options_are_value_errors(tmp_path: Path, options: Any) -> None:
    """F19.5"""
    for use in (
        lambda: Options(options),
        lambda: Options.get_compression_type_string(options),
        lambda: Writer(str(tmp_path / "f"), options),
        lambda: iterate(str(tmp_path / "f"), options),
        lambda: tf.TFRecordReader(options=options),
    ):
        with pytest.raises(ValueError, match="Not a valid compression_type"):
            use()


def test_an_iterator_gives_bytes_and_then_stops(tmp_path: Path) -> None:
    """F19.6"""
    write(tmp_path / "f", [b"a", b"b"])
    records = iterate(str(tmp_path / "f"))
    assert [next(records), next(records)] == [b"a", b"b"]
    with pytest.raises(StopIteration):
        next(records)


@each_compression
def test_flushed_records_are_read_from_a_file_that_is_still_being_written(
    target: str, tmp_path: Path, compression: str
) -> None:
    """F19.7"""
    file = tmp_path / "f"
    writer = Writer(str(file), compression)
    writer.write(b"ab")
    writer.flush()
    assert list(iterate(str(file), compression)) == read(target, file, compression) == [b"ab"]
    writer.write(b"c")
    writer.close()
    assert read(target, file, compression) == [b"ab", b"c"]


@each_compression
def test_a_closed_writer_takes_no_record_and_a_second_close_is_harmless(tmp_path: Path, compression: str) -> None:
    """F19.7"""
    with Writer(str(tmp_path / "f"), compression) as writer:
        writer.write(b"ab")
    writer.close()
    with pytest.raises(tf.errors.FailedPreconditionError):
        writer.write(b"x")
    with pytest.raises(tf.errors.FailedPreconditionError):
        writer.flush()
    assert list(iterate(str(tmp_path / "f"), compression)) == [b"ab"]


def test_options_have_a_compression_and_the_settings_of_zlib(target: str, tmp_path: Path) -> None:
    """F19.8"""
    kinds = tf.python_io.TFRecordCompressionType
    assert Options.get_compression_type_string(None) == ""
    assert [Options.get_compression_type_string(Options(kind)) for kind in (kinds.NONE, kinds.ZLIB, kinds.GZIP)] == [
        *("", "ZLIB", "GZIP")
    ]
    file, sizes = tmp_path / "f", []
    for level in (0, 9):
        options = Options("ZLIB", zlib.Z_FULL_FLUSH, 1024, 2048, 10, level, zlib.DEFLATED, 5, zlib.Z_FILTERED)
        write(file, [b"ab" * 1000], options)
        sizes.append(file.stat().st_size)
        assert read(target, file, options) == [b"ab" * 1000]
    assert sizes[1] < sizes[0]

"""Readers of files, in this process and on a cluster.  Statement ids: D16."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest

import dflow as tf
from tests.conformance.inputs import filled, rest, write_lines
from tests.conformance.programs import in_thread


def test_a_reader_hands_out_the_lines_of_each_file_of_a_queue(target: str, tmp_path: Path) -> None:
    """D16.1, D16.2, D16.3, D16.5, D16.6, D16.13"""
    files = [
        write_lines(tmp_path / "a.txt", ["a1", "", " a3 "]),
        write_lines(tmp_path / "b.txt", []),
        str(tmp_path / "c.txt"),
    ]
    Path(files[2]).write_bytes(b"c1\r\nc2")
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader(name="lines")
    key, value = reader.read(queue)
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([files]))
        sess.run(queue.close())
        found = [sess.run([key, value, value]) for _ in range(5)]
        assert [row[1] for row in found] == [b"a1", b"", b" a3 ", b"c1", b"c2"]
        assert all(row[1] == row[2] for row in found)
        lines = [(0, 1), (0, 2), (0, 3), (2, 1), (2, 2)]
        assert [row[0].decode() for row in found] == [f"{files[file]}:{line}" for file, line in lines]
        assert sess.run(counts) == [5, 2]
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient") as caught:
            sess.run(value)
        assert caught.value.op is value.op
        assert sess.run(counts) == [5, 3]


def test_a_reader_takes_batches_that_do_not_cross_files_and_can_be_reset(target: str, tmp_path: Path) -> None:
    """D16.8, D16.25, D16.26"""
    files = [write_lines(tmp_path / f"{n}.txt", [f"{n}-{i}" for i in range(n)]) for n in (7, 4)]
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader()
    n = tf.placeholder(tf.int64, [])
    _, values = reader.read_up_to(queue, n)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([files + files]))
        assert [len(sess.run(values, {n: 3})) for _ in range(5)] == [3, 3, 1, 3, 1]
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(values, {n: 0})
        sess.run(values, {n: 2})
        sess.run(reader.reset())
        assert sess.run(reader.num_records_produced()) == 0
        assert sess.run(values, {n: 2}).tolist() == [b"4-0", b"4-1"], "the rest of the file was dropped"


def test_a_readers_state_can_be_saved_and_brought_back(target: str, tmp_path: Path) -> None:
    """D16.9, D16.10, D9"""
    file = write_lines(tmp_path / "lines.txt", [f"line {i}" for i in range(5)])
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader(name="test_reader")
    _, value = reader.read(queue)
    save, state = reader.serialize_state(), tf.placeholder(tf.string, [])
    restore = reader.restore_state(state)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue(file))
        assert [sess.run(value) for _ in range(2)] == [b"line 0", b"line 1"]
        saved = sess.run(save)
        assert isinstance(saved, bytes)
        assert [sess.run(value) for _ in range(2)] == [b"line 2", b"line 3"]
        sess.run(restore, {state: saved})
        assert sess.run(value) == b"line 2"
        with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse state for TextLineReader"):
            sess.run(restore, {state: saved[:-3]})


def test_two_reads_of_one_reader_share_its_place(target: str, tmp_path: Path) -> None:
    """D16.12"""
    file = write_lines(tmp_path / "lines.txt", [f"{i}" for i in range(40)])
    queue = tf.FIFOQueue(10, tf.string, ())
    reader = tf.TextLineReader()
    values = [reader.read(queue)[1] for _ in range(2)]
    with tf.Session(target) as sess:
        sess.run(queue.enqueue(file))
        sess.run(queue.close())

        def read(value: tf.Tensor) -> list[bytes]:
            found = []
            try:
                while True:
                    found.append(sess.run(value))
            except tf.errors.OutOfRangeError:
                return found

        both = [future.result(60) for future in [in_thread(read, value) for value in values]]
    assert sorted(int(line) for found in both for line in found) == list(range(40))


def test_a_reader_waits_for_a_file_name(target: str, tmp_path: Path) -> None:
    """D16.4"""
    file = write_lines(tmp_path / "lines.txt", ["first"])
    queue = tf.FIFOQueue(10, tf.string, ())
    _, value = tf.TextLineReader().read(queue)
    enqueue = queue.enqueue(file)
    with tf.Session(target) as sess:
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(value, options=tf.RunOptions(timeout_in_ms=100))
        read = in_thread(sess.run, value)
        sess.run(enqueue)
        assert read.result(30) == b"first"


def test_a_file_that_is_not_there_is_named_by_the_error_with_the_operation_and_the_line(
    target: str, tmp_path: Path
) -> None:
    """D16.11, X26.5, D7"""
    missing, there = str(tmp_path / "missing.txt"), write_lines(tmp_path / "there.txt", ["here"])
    queue = tf.FIFOQueue(10, tf.string, ())
    _, value = tf.TextLineReader().read(queue, name="read_lines")
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[missing, there]]))
        with pytest.raises(tf.errors.NotFoundError, match=r"missing\.txt") as caught:
            sess.run(value)
        assert caught.value.op is value.op
        assert "read_lines" in str(caught.value)
        assert "test_d16_readers.py" in str(caught.value)
        assert sess.run(value) == b"here", "the next read goes on with the next file"


def test_a_queue_that_holds_no_file_names_is_an_invalid_argument(target: str) -> None:
    """D16.1"""
    queue = tf.FIFOQueue(10, [tf.string, tf.int32], [(), ()])
    _, value = tf.TextLineReader().read(queue)
    with tf.Session(target) as sess, pytest.raises(tf.errors.InvalidArgumentError, match="one scalar string component"):
        sess.run(value)


def test_an_element_that_is_not_one_file_name_is_an_invalid_argument_and_the_next_is_read(target: str) -> None:
    """D16.1"""
    queue = tf.FIFOQueue(10, tf.string)
    key, _ = tf.IdentityReader().read(queue)
    with tf.Session(target) as sess:
        for element in (["a", "b"], [], ["c"], "d"):
            sess.run(queue.enqueue([element]))
        for shape in (r"\(2,\)", r"\(0,\)"):
            with pytest.raises(tf.errors.InvalidArgumentError, match=f"one-element string tensor.*{shape}"):
                sess.run(key)
        assert [sess.run(key), sess.run(key)] == [b"c", b"d"]


# -- what one read gives, of each kind


def make_file(kind: str, path: Path) -> str:
    """A file of two records, "r0" and "r1", for a reader of this kind; for the whole-file reader it is one."""
    if kind == "tfrecord":
        with tf.python_io.TFRecordWriter(str(path)) as writer:
            writer.write(b"r0")
            writer.write(b"r1")
    else:
        path.write_bytes({"text": b"r0\nr1\n", "fixed": b"r0r1"}.get(kind, b"r0"))
    return str(path)


MAKE: dict[str, Any] = {
    "text": lambda name=None: tf.TextLineReader(name=name),
    "fixed": lambda name=None: tf.FixedLengthRecordReader(2, name=name),
    "tfrecord": lambda name=None: tf.TFRecordReader(name=name),
    "whole": lambda name=None: tf.WholeFileReader(name=name),
    "identity": lambda name=None: tf.IdentityReader(name=name),
}
RECORDS = {"text": 2, "fixed": 2, "tfrecord": 2, "whole": 1, "identity": 1}
each_kind = pytest.mark.parametrize("kind", MAKE)


@each_kind
def test_a_file_is_finished_by_the_read_that_finds_its_end_or_with_its_only_record(
    target: str, tmp_path: Path, kind: str
) -> None:
    """D16.6, D16.7: a file that is one record ends together with it, any other one when nothing more is found."""
    reader = MAKE[kind]()
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    assert [count.dtype for count in counts] == [tf.int64, tf.int64]
    with tf.Session(target) as sess:
        _, value = reader.read(filled(sess, [make_file(kind, tmp_path / "f")]))
        assert sess.run(counts) == [0, 0]
        for _ in range(RECORDS[kind]):
            sess.run(value)
        assert sess.run(counts) == [RECORDS[kind], 1 if RECORDS[kind] == 1 else 0]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(value)
        assert sess.run(counts) == [RECORDS[kind], 1]


@each_kind
def test_a_batch_is_never_empty_and_the_end_of_the_input_is_an_error(target: str, tmp_path: Path, kind: str) -> None:
    """D16.1, D16.5, D16.25"""
    files = [make_file(kind, tmp_path / name) for name in ("a", "b")]
    reader = MAKE[kind]()
    with tf.Session(target) as sess:
        keys, values = reader.read_up_to(filled(sess, files), 5)
        assert (keys.shape.as_list(), values.dtype) == ([None], tf.string)
        found = rest(sess, [keys, values])
        assert [[len(part) for part in batch] for batch in found] == [[RECORDS[kind]] * 2] * 2
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(values)


@pytest.mark.parametrize("number", [0, -1])
def test_a_batch_needs_a_positive_number_of_records(target: str, number: int) -> None:
    """D16.26"""
    with tf.Session(target) as sess:
        _, values = tf.IdentityReader().read_up_to(filled(sess, ["a"]), number)
        with pytest.raises(tf.errors.InvalidArgumentError, match="num_records must be positive"):
            sess.run(values)


def test_a_reader_takes_the_reference_of_a_queue_and_gives_scalars(target: str) -> None:
    """D16.1"""
    with tf.Session(target) as sess:
        key, value = tf.IdentityReader().read(filled(sess, ["item"]).queue_ref)
        assert (key.shape, value.shape, key.dtype, value.dtype) == ((), (), tf.string, tf.string)
        assert sess.run([key, value]) == [b"item", b"item"]


def test_a_name_is_taken_only_when_no_file_is_in_progress(target: str, tmp_path: Path) -> None:
    """D16.2"""
    files = [write_lines(tmp_path / name, ["1", "2"]) for name in ("a", "b")]
    with tf.Session(target) as sess:
        queue = filled(sess, files)
        _, value = tf.TextLineReader().read(queue)
        sizes = []
        for _ in range(4):
            sess.run(value)
            sizes.append(sess.run(queue.size()))
        assert sizes == [1, 1, 0, 0]


def test_a_reset_reader_drops_its_file_and_starts_with_the_next_one(target: str, tmp_path: Path) -> None:
    """D16.8"""
    files = [write_lines(tmp_path / name, [f"{name}1", f"{name}2"]) for name in ("a", "b", "c")]
    reader = tf.TextLineReader()
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    with tf.Session(target) as sess:
        _, value = reader.read(filled(sess, files))
        assert [sess.run(value) for _ in range(3)] == [b"a1", b"a2", b"b1"]
        assert sess.run(counts) == [3, 1]
        sess.run(reader.reset())
        assert sess.run(counts) == [0, 0]
        assert sess.run(value) == b"c1"
        assert sess.run(counts) == [1, 0]


# -- state


@each_kind
def test_readers_of_every_kind_have_a_state_that_brings_back_counts_and_place(
    target: str, tmp_path: Path, kind: str
) -> None:
    """D16.9, D9: the queue is not affected."""
    files = [make_file(kind, tmp_path / name) for name in ("a", "b", "c")]
    reader, state = MAKE[kind](), tf.placeholder(tf.string, [])
    assert reader.supports_serialize
    save, restore, produced = reader.serialize_state(), reader.restore_state(state), reader.num_records_produced()
    with tf.Session(target) as sess:
        queue = filled(sess, files)
        record = list(reader.read(queue))
        sess.run(record)
        saved = sess.run(save)
        after = sess.run(record)
        left = sess.run(queue.size())
        sess.run(restore, {state: saved})
        assert isinstance(saved, bytes)
        assert sess.run([produced, queue.size()]) == [1, left]
        again = sess.run(record)
        assert sess.run(produced) == 2
        if RECORDS[kind] == 1:  # its place is between two files: the queue has the next one
            assert again[0] == files[2].encode()
        else:
            assert again == after


@pytest.mark.parametrize("change", ["cut", "empty", "longer", "altered"])
@pytest.mark.parametrize("kind", ["identity", "text"])
def test_bytes_that_are_no_state_are_an_error_and_leave_the_reader_reset(target: str, kind: str, change: str) -> None:
    """D16.10"""
    reader, state = MAKE[kind]("test_reader"), tf.placeholder(tf.string, [])
    save, restore, produced = reader.serialize_state(), reader.restore_state(state), reader.num_records_produced()
    with tf.Session(target) as sess:
        if kind == "identity":
            sess.run(reader.read(filled(sess, ["a", "b"])))
        good = sess.run(save)
        bad = {"cut": good[:-1], "empty": b"", "longer": good + b"ExtraJunk", "altered": b"BOGUS" + good[5:]}[change]
        text = f"Could not parse state for {type(reader).__name__} 'test_reader'"
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            sess.run(restore, {state: bad})
        assert sess.run(produced) == 0


def test_a_state_is_a_scalar() -> None:
    """D16.10"""
    with pytest.raises(ValueError, match="scalar"):
        tf.IdentityReader().restore_state(["one", "two"])


# -- files that are not there


@pytest.mark.parametrize("kind", ["text", "fixed", "tfrecord"])
def test_a_file_that_cannot_be_opened_is_an_error_once(target: str, tmp_path: Path, kind: str) -> None:
    """D16.11"""
    files = [str(tmp_path / "missing"), make_file(kind, tmp_path / "there")]
    with tf.Session(target) as sess:
        _, value = MAKE[kind]().read(filled(sess, files))
        with pytest.raises(tf.errors.NotFoundError, match="missing"):
            sess.run(value)
        assert sess.run(value) == b"r0"


def test_a_reader_of_whole_files_stays_at_one_that_is_not_there(target: str, tmp_path: Path) -> None:
    """D16.11"""
    files = [str(tmp_path / "missing"), make_file("whole", tmp_path / "there")]
    reader = tf.WholeFileReader()
    with tf.Session(target) as sess:
        _, value = reader.read(filled(sess, files))
        for _ in range(3):
            with pytest.raises(tf.errors.NotFoundError, match="missing"):
                sess.run(value)
        sess.run(reader.reset())
        assert sess.run(value) == b"r0"


# -- TextLineReader


def test_header_lines_of_each_file_are_left_out_but_counted(target: str, tmp_path: Path) -> None:
    """D16.13, D16.14"""
    rows = {"a": ["head", "x", "y"], "b": ["head"], "c": [], "d": ["head", "z"]}
    files = [write_lines(tmp_path / name, lines) for name, lines in rows.items()]
    with tf.Session(target) as sess:
        one = rest(sess, tf.TextLineReader(skip_header_lines=1).read(filled(sess, files)))
        assert [value for _, value in one] == [b"x", b"y", b"z"]
        assert [key.decode() for key, _ in one] == [f"{files[0]}:2", f"{files[0]}:3", f"{files[3]}:2"]
        assert [value for _, value in rest(sess, tf.TextLineReader(2).read(filled(sess, files)))] == [b"y"]


def test_a_negative_number_of_header_lines_is_an_invalid_argument(target: str, tmp_path: Path) -> None:
    """D16.14"""
    with tf.Session(target) as sess:
        _, value = tf.TextLineReader(skip_header_lines=-1).read(filled(sess, [write_lines(tmp_path / "f", ["x"])]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="skip_header_lines"):
            sess.run(value)


# -- WholeFileReader, IdentityReader


def test_a_whole_file_is_a_record_whose_key_is_its_name(target: str, tmp_path: Path) -> None:
    """D16.15"""
    contents = {"a": b"1\n2\n", "b": b"\x00\xff", "c": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in contents]
    with tf.Session(target) as sess:
        found = rest(sess, tf.WholeFileReader().read(filled(sess, files)))
    assert [tuple(record) for record in found] == [
        (file.encode(), content) for file, content in zip(files, contents.values(), strict=True)
    ]


def test_work_items_are_their_own_keys_and_values(target: str) -> None:
    """D16.16"""
    with tf.Session(target) as sess:
        found = rest(sess, tf.IdentityReader().read(filled(sess, ["a", b"b\xff", "", "a"])))
    assert [tuple(record) for record in found] == [(item, item) for item in (b"a", b"b\xff", b"", b"a")]


# -- FixedLengthRecordReader


@pytest.mark.parametrize(
    ("options", "content", "expected"),
    [
        ({}, b"abcdef", [b"abc", b"def"]),
        ({"hop_bytes": 0}, b"abcdef", [b"abc", b"def"]),
        ({"header_bytes": 2}, b"HHabcdef", [b"abc", b"def"]),
        ({"header_bytes": 2, "footer_bytes": 1}, b"HHabcdefF", [b"abc", b"def"]),
        ({"footer_bytes": 1}, b"abcdef", [b"abc"]),
        ({}, b"abcde", [b"abc"]),
        ({}, b"ab", []),
        ({}, b"", []),
        ({"hop_bytes": 1}, b"abcde", [b"abc", b"bcd", b"cde"]),
        ({"hop_bytes": 4}, b"abc-def-gh", [b"abc", b"def"]),
        ({"header_bytes": 1, "footer_bytes": 1, "hop_bytes": 2}, b"HabcdeF", [b"abc", b"cde"]),
    ],
)
def test_records_of_one_length_lie_between_header_and_footer(
    target: str, tmp_path: Path, options: dict[str, int], content: bytes, expected: list[bytes]
) -> None:
    """D16.17, D16.18, D16.19: a record and the footer after it must be there; a part of one is dropped silently."""
    file = tmp_path / "f"
    file.write_bytes(content)
    with tf.Session(target) as sess:
        found = rest(sess, tf.FixedLengthRecordReader(3, **options).read(filled(sess, [str(file)])))
    assert [tuple(record) for record in found] == [
        (f"{file}:{number}".encode(), record) for number, record in enumerate(expected)
    ]


@pytest.mark.parametrize(("encoding", "pack"), [("GZIP", gzip.compress), ("ZLIB", zlib.compress)])
def test_files_are_decompressed_before_they_are_cut_into_records(
    target: str, tmp_path: Path, encoding: str, pack: Any
) -> None:
    """D16.20"""
    file = tmp_path / "f"
    file.write_bytes(pack(b"HHabcdefF"))
    reader = tf.FixedLengthRecordReader(3, header_bytes=2, footer_bytes=1, encoding=encoding)
    with tf.Session(target) as sess:
        found = rest(sess, reader.read(filled(sess, [str(file)])))
    assert [tuple(record) for record in found] == [(f"{file}:0".encode(), b"abc"), (f"{file}:1".encode(), b"def")]


def test_a_file_shorter_than_its_header_is_an_empty_one(target: str, tmp_path: Path) -> None:
    """D16.21: no early end of the input, which TensorFlow reports here."""
    for name, content in {"short": b"H", "long": b"HHHHabc"}.items():
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in ("short", "long", "short")]
    reader = tf.FixedLengthRecordReader(3, header_bytes=4)
    with tf.Session(target) as sess:
        assert [value for _, value in rest(sess, reader.read(filled(sess, files)))] == [b"abc"]
        assert sess.run(reader.num_work_units_completed()) == 3


@pytest.mark.parametrize("sizes", [(-1,), (0,), (3, -1), (3, 0, -1), (3, 0, 0, -1)])
def test_negative_sizes_are_invalid_arguments(target: str, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    """D16.22"""
    with tf.Session(target) as sess:
        _, value = tf.FixedLengthRecordReader(*sizes).read(filled(sess, [make_file("fixed", tmp_path / "f")]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="_bytes must be"):
            sess.run(value)


# -- TFRecordReader


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_the_key_of_a_tfrecord_is_its_file_and_its_place_in_what_was_compressed(
    target: str, tmp_path: Path, compression: str
) -> None:
    """D16.23"""
    file, options = str(tmp_path / "f"), tf.python_io.TFRecordOptions(compression)
    with tf.python_io.TFRecordWriter(file, options) as writer:
        for record in (b"ab", b"cd", b"ef"):
            writer.write(record)
    with tf.Session(target) as sess:
        found = rest(sess, tf.TFRecordReader(options=options).read(filled(sess, [file])))
    assert [tuple(record) for record in found] == [
        (f"{file}:{place}".encode(), value) for place, value in ((0, b"ab"), (18, b"cd"), (36, b"ef"))
    ]


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: data[:-1], "truncated record at 18"),
        (lambda data: data[:20], "truncated record at 18"),
        (lambda data: data[:18] + b"\xff" + data[19:], "corrupted record at 18"),
        (lambda data: data[:30] + b"\xff" + data[31:], "corrupted record at 18"),
    ],
)
def test_a_reader_of_tfrecords_stays_at_a_damaged_one(target: str, tmp_path: Path, damage: Any, text: str) -> None:
    """D16.24"""
    file = Path(make_file("tfrecord", tmp_path / "f"))
    file.write_bytes(damage(file.read_bytes()))
    with tf.Session(target) as sess:
        _, value = tf.TFRecordReader().read(filled(sess, [str(file)]))
        assert sess.run(value) == b"r0"
        for _ in range(2):
            with pytest.raises(tf.errors.DataLossError, match=text):
                sess.run(value)


def test_an_empty_file_of_tfrecords_has_none(target: str, tmp_path: Path) -> None:
    """D16.24"""
    (tmp_path / "empty").touch()
    files = [str(tmp_path / "empty"), make_file("tfrecord", tmp_path / "f")]
    with tf.Session(target) as sess:
        assert [value for _, value in rest(sess, tf.TFRecordReader().read(filled(sess, files)))] == [b"r0", b"r1"]

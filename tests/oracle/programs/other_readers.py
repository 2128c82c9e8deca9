"""WholeFileReader, IdentityReader and FixedLengthRecordReader."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, session, until_the_end, waits, write


def _queue(tf: Any, sess: Any, items: list[Any], close: bool = True) -> Any:
    queue = tf.FIFOQueue(20, tf.string, shapes=())
    sess.run(queue.enqueue_many([items]))
    if close:
        sess.run(queue.close())
    return queue


def whole_files(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n", b=b"\x00\xff", c="")
    reader = tf.WholeFileReader()
    with session(tf) as sess:
        record = list(reader.read(_queue(tf, sess, paths)))
        counts = [reader.num_records_produced(), reader.num_work_units_completed()]
        found: dict[str, Any] = {"none": sess.run(counts), "first": sess.run(record), "one": sess.run(counts)}
        found["rest"] = until_the_end(tf, sess, record)
        found["counts"] = sess.run(counts)
        return found


def whole_files_up_to(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1", b="2", c="3")
    reader = tf.WholeFileReader()
    with session(tf) as sess:
        return {"batches": until_the_end(tf, sess, list(reader.read_up_to(_queue(tf, sess, paths), 2)))}


def a_missing_whole_file(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1", b="2")
    with session(tf) as sess:
        reader = tf.WholeFileReader()
        record = list(reader.read(_queue(tf, sess, [paths[0], str(folder / "missing"), paths[1]])))
        found: dict[str, Any] = {"first": sess.run(record)}
        found["missing"] = [kind_of_error(lambda: sess.run(record)) for _ in range(2)]
        sess.run(reader.reset())
        found["after a reset"] = sess.run(record)
        return found


def identity(tf: Any, folder: Path) -> dict[str, Any]:
    reader = tf.IdentityReader()
    with session(tf) as sess:
        queue = _queue(tf, sess, ["a", b"b\xff", "", "d", "e"], close=False)
        record = list(reader.read(queue))
        counts = [reader.num_records_produced(), reader.num_work_units_completed()]
        found: dict[str, Any] = {"none": sess.run(counts), "first": sess.run(record), "one": sess.run(counts)}
        found["up to three"] = sess.run(list(reader.read_up_to(queue, 3)))
        found["two"] = sess.run(counts)
        found["rest"] = [sess.run(record) for _ in range(3)]
        found["waits"] = waits(tf, sess, record)
        return found


def identity_state(tf: Any, folder: Path) -> dict[str, Any]:
    reader = tf.IdentityReader(name="reader")
    state = tf.placeholder(tf.string, ())
    save, restore = reader.serialize_state(), reader.restore_state(state)
    with session(tf) as sess:
        queue = _queue(tf, sess, list("abcdef"), close=False)
        record = list(reader.read(queue))
        produced = reader.num_records_produced()
        sess.run(record)
        saved = sess.run(save)
        later = [sess.run(record)[1], sess.run(record)[1]]
        counted = sess.run(produced)
        sess.run(restore, {state: saved})
        return {
            "is bytes": isinstance(saved, bytes),
            "later": later,
            "counted": counted,
            "restored": sess.run(produced),
            "goes on": sess.run(record),
            "and counts": sess.run(produced),
            "supports_serialize": reader.supports_serialize,
        }


def broken_states(tf: Any, folder: Path) -> dict[str, Any]:
    reader = tf.IdentityReader(name="test_reader")
    state = tf.placeholder(tf.string, ())
    restore, save = reader.restore_state(state), reader.serialize_state()
    text = "Could not parse state for IdentityReader 'test_reader'"
    with session(tf) as sess:
        record = list(reader.read(_queue(tf, sess, ["a", "b"], close=False)))
        sess.run(record)
        saved = sess.run(save)
        return {
            "cut": kind_of_error(lambda: sess.run(restore, {state: saved[:-1]}), text),
            "empty": kind_of_error(lambda: sess.run(restore, {state: b""}), text),
            "longer": kind_of_error(lambda: sess.run(restore, {state: saved + b"ExtraJunk"}), text),
            "altered": kind_of_error(lambda: sess.run(restore, {state: b"BOGUS" + saved[5:]}), text),
            "a vector": error(lambda: reader.restore_state(["one", "two"])),
            "goes on": sess.run(record),
        }


def whole_file_state(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1", b="2", c="3")
    reader = tf.WholeFileReader()
    state = tf.placeholder(tf.string, ())
    save, restore = reader.serialize_state(), reader.restore_state(state)
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    with session(tf) as sess:
        record = list(reader.read(_queue(tf, sess, paths, close=False)))
        sess.run(record)
        saved = sess.run(save)
        sess.run(record)
        sess.run(restore, {state: saved})
        return {"counts": sess.run(counts), "goes on": sess.run(record), "and counts": sess.run(counts)}


def fixed_length(tf: Any, folder: Path) -> dict[str, Any]:
    content = "HHHH" + "".join(f"{it:03d}" for it in range(5)) + "FF"
    paths = write(folder, a=content, b="", c="HHHH001FF", d="HHHH00")
    cases: dict[str, dict[str, Any]] = {
        "plain": {"record_bytes": 3},
        "header": {"record_bytes": 3, "header_bytes": 4},
        "header and footer": {"record_bytes": 3, "header_bytes": 4, "footer_bytes": 2},
        "footer": {"record_bytes": 4, "footer_bytes": 2},
        "overlap": {"record_bytes": 3, "header_bytes": 4, "footer_bytes": 2, "hop_bytes": 1},
        "gaps": {"record_bytes": 3, "header_bytes": 4, "footer_bytes": 2, "hop_bytes": 6},
        "no hop": {"record_bytes": 3, "header_bytes": 4, "hop_bytes": 0},
    }
    found = {}
    with session(tf) as sess:
        for name, options in cases.items():
            files = [it for it in paths if name in ("plain", "footer") or not it.endswith("b.txt")]
            record = tf.FixedLengthRecordReader(**options).read(_queue(tf, sess, files))
            found[name] = until_the_end(tf, sess, list(record))
    return found


def a_header_longer_than_the_file(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="HH", b="HHHH123")
    with session(tf) as sess:
        record = list(tf.FixedLengthRecordReader(3, header_bytes=4).read(_queue(tf, sess, paths)))
        first = kind_of_error(lambda: sess.run(record))
        return {"short file": first, "rest": until_the_end(tf, sess, record)}


def fixed_length_counts(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="123456", b="789")
    reader = tf.FixedLengthRecordReader(3)
    with session(tf) as sess:
        queue = _queue(tf, sess, paths, close=False)
        record, counts = list(reader.read(queue)), [reader.num_records_produced(), reader.num_work_units_completed()]
        steps = [[sess.run(record), sess.run(counts)] for _ in range(3)]
        found: dict[str, Any] = {"steps": steps, "waits": waits(tf, sess, record), "after": sess.run(counts)}
        sess.run(reader.reset())
        found["reset"] = sess.run(counts)
        return found


def fixed_length_up_to(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="11223344556677", b="8899")
    with session(tf) as sess:
        record = tf.FixedLengthRecordReader(2).read_up_to(_queue(tf, sess, paths), 3)
        return {"batches": until_the_end(tf, sess, list(record))}


def compressed_fixed_length(tf: Any, folder: Path) -> dict[str, Any]:
    content = b"HH" + b"abcdefghi" + b"F"
    found = {}
    with session(tf) as sess:
        for encoding, pack in (("GZIP", gzip.compress), ("ZLIB", zlib.compress)):
            paths = write(folder, **{encoding: pack(content)})
            for name, options in {
                "plain": {"record_bytes": 2},
                "header": {"record_bytes": 3, "header_bytes": 2, "footer_bytes": 1},
                "hop": {"record_bytes": 3, "header_bytes": 2, "footer_bytes": 1, "hop_bytes": 2},
            }.items():
                reader = tf.FixedLengthRecordReader(**options, encoding=encoding)
                found[f"{encoding} {name}"] = until_the_end(tf, sess, list(reader.read(_queue(tf, sess, paths))))
    return found


def wrong_lengths(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="123")
    with session(tf) as sess:

        def fails(*args: int) -> dict[str, Any]:
            reader = tf.FixedLengthRecordReader(*args)
            record = reader.read(_queue(tf, sess, paths))
            return kind_of_error(lambda: sess.run(record[0]))

        return {
            "record": fails(-1),
            "no record": fails(0),
            "header": fails(3, -1),
            "footer": fails(3, 0, -1),
            "hop": fails(3, 0, 0, -1),
        }

"""TFRecord files: TFRecordWriter, tf_record_iterator, TFRecordReader."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, session, until_the_end, waits

RECORDS = [b"one", b"", b"\x00\xff" * 50, b"four"]


def _write(tf: Any, path: Path, records: list[bytes], options: Any = None) -> str:
    with tf.python_io.TFRecordWriter(str(path), options) as writer:
        for it in records:
            writer.write(it)
    return str(path)


def _records(tf: Any, path: str, options: Any = None) -> list[bytes]:
    return list(tf.python_io.tf_record_iterator(path, options))


def files(tf: Any, folder: Path) -> dict[str, Any]:
    path = _write(tf, folder / "a", RECORDS)
    return {
        "bytes": Path(path).read_bytes(),
        "records": _records(tf, path),
        "empty": [Path(_write(tf, folder / "empty", [])).read_bytes(), _records(tf, str(folder / "empty"))],
        "missing": error(lambda: _records(tf, str(folder / "missing"))),
    }


def compression(tf: Any, folder: Path) -> dict[str, Any]:
    kinds = tf.python_io.TFRecordCompressionType
    plain = Path(_write(tf, folder / "plain", RECORDS)).read_bytes()
    found: dict[str, Any] = {}
    for name, unpack, pack in (("GZIP", gzip.decompress, gzip.compress), ("ZLIB", zlib.decompress, zlib.compress)):
        options = tf.python_io.TFRecordOptions(getattr(kinds, name))
        path = _write(tf, folder / name, RECORDS, options)
        (folder / f"own_{name}").write_bytes(pack(plain))
        found[name] = {
            "unpacked": unpack(Path(path).read_bytes()) == plain,
            "records": _records(tf, path, options),
            "written elsewhere": _records(tf, str(folder / f"own_{name}"), options),
            "text": tf.python_io.TFRecordOptions.get_compression_type_string(options),
            "of a string": _records(tf, _write(tf, folder / f"string_{name}", RECORDS, name), name),
        }
    return found | {
        "none": tf.python_io.TFRecordOptions.get_compression_type_string(None),
        "NONE": _records(tf, str(folder / "plain"), tf.python_io.TFRecordOptions(kinds.NONE)),
        "wrong": error(lambda: tf.python_io.TFRecordOptions("BZ2")),
    }


def options_of_compression(tf: Any, folder: Path) -> dict[str, Any]:
    """The files themselves: both libraries compress with zlib."""
    text = b"".join(b"%d is the square of %d; " % (i * i, i) for i in range(40_000))
    records = [text[:1000], text, b"", *(text[i * 100 : i * 120] for i in range(200))]
    found: dict[str, Any] = {}
    for kind in ("ZLIB", "GZIP"):
        for options in (
            {},
            *({"compression_level": it} for it in (1, 2, 6, 9)),
            *({"compression_strategy": it} for it in range(5)),
            *({"flush_mode": it} for it in (0, 1, 2, 3, 5)),
            *({"mem_level": it} for it in (1, 8, 9)),
            *({"window_bits": it} for it in ((8, 9, 12, 15) if kind == "ZLIB" else ())),
            {"input_buffer_size": 4096},
            {"input_buffer_size": 4096, "flush_mode": 3},
            {"compression_level": 9, "flush_mode": 2, "mem_level": 8},
        ):
            made = tf.python_io.TFRecordOptions(kind, **options)
            path = Path(_write(tf, folder / "f", records, made))
            found[f"{kind} {options}"] = [
                hashlib.sha256(path.read_bytes()).hexdigest(),
                path.stat().st_size,
                _records(tf, str(path), made) == records,
            ]
    return found


def broken_files(tf: Any, folder: Path) -> dict[str, Any]:
    content = Path(_write(tf, folder / "a", [b"first", b"second"])).read_bytes()
    changed = bytearray(content)
    changed[12] ^= 1
    length = bytearray(content)
    length[0] ^= 1
    found = {}
    for name, data in {
        "cut payload": content[:-6],
        "cut header": content[:25],
        "payload": bytes(changed),
        "length": bytes(length),
        "text": b"this is no file of records, but text",
    }.items():
        (folder / "broken").write_bytes(data)
        records = tf.python_io.tf_record_iterator(str(folder / "broken"))
        good = []

        def read(records: Any = records, good: list[bytes] = good) -> None:
            good.extend(iter(records))

        found[name] = [kind_of_error(read)]
    return found


def the_writer(tf: Any, folder: Path) -> dict[str, Any]:
    path = str(folder / "a")
    writer = tf.python_io.TFRecordWriter(path)
    writer.write(b"one")
    writer.flush()
    found: dict[str, Any] = {"flushed": _records(tf, path)}
    writer.write(b"two")
    writer.close()
    found["closed"] = _records(tf, path)
    found["again"] = writer.close()
    found["write"] = kind_of_error(lambda: writer.write(b"three"))
    found["flush"] = kind_of_error(writer.flush)
    found["no folder"] = kind_of_error(lambda: tf.python_io.TFRecordWriter(str(folder / "none" / "a")))
    return found


def flushed_while_compressed(tf: Any, folder: Path) -> dict[str, Any]:
    path = str(folder / "a")
    options = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)
    writer = tf.python_io.TFRecordWriter(path, options)
    writer.write(b"one")
    writer.close()
    return {"closed": _records(tf, path, options)}


def _queue(tf: Any, sess: Any, paths: list[str], close: bool = True) -> Any:
    queue = tf.FIFOQueue(20, tf.string, shapes=())
    sess.run(queue.enqueue_many([paths]))
    if close:
        sess.run(queue.close())
    return queue


def reader(tf: Any, folder: Path) -> dict[str, Any]:
    paths = [_write(tf, folder / "a", RECORDS), _write(tf, folder / "b", []), _write(tf, folder / "c", [b"c"])]
    made = tf.TFRecordReader()
    counts = [made.num_records_produced(), made.num_work_units_completed()]
    with session(tf) as sess:
        record = list(made.read(_queue(tf, sess, paths, close=False)))
        found: dict[str, Any] = {"records": [sess.run(record) for _ in range(5)], "counts": sess.run(counts)}
        found["waits"] = waits(tf, sess, record)
        found["after"] = sess.run(counts)
        sess.run(made.reset())
        found["reset"] = sess.run(counts)
        return found


def read_up_to(tf: Any, folder: Path) -> dict[str, Any]:
    paths = [_write(tf, folder / name, [b"%d" % it for it in range(n)]) for name, n in (("a", 7), ("b", 4))]
    with session(tf) as sess:
        batch = tf.TFRecordReader().read_up_to(_queue(tf, sess, paths), 3)
        return {"batches": until_the_end(tf, sess, list(batch))}


def compressed_reader(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    with session(tf) as sess:
        for name in ("GZIP", "ZLIB"):
            options = tf.python_io.TFRecordOptions(getattr(tf.python_io.TFRecordCompressionType, name))
            path = _write(tf, folder / name, RECORDS, options)
            record = tf.TFRecordReader(options=options).read(_queue(tf, sess, [path]))
            found[name] = until_the_end(tf, sess, list(record))
    return found


def a_reader_of_broken_files(tf: Any, folder: Path) -> dict[str, Any]:
    path = Path(_write(tf, folder / "a", [b"first", b"second", b"third"]))
    content = path.read_bytes()
    found = {}
    with session(tf) as sess:
        changed = bytearray(content)
        changed[21 + 12] ^= 1
        for name, data, text in (
            ("cut", content[:-3], "truncated record at 43"),
            ("changed", bytes(changed), "corrupted record at 33"),
        ):
            (folder / name).write_bytes(data)
            record = list(tf.TFRecordReader().read(_queue(tf, sess, [str(folder / name)])))
            good = [sess.run(record) for _ in range(2 if name == "cut" else 1)]
            found[name] = [good, *[kind_of_error(lambda record=record: sess.run(record), text) for _ in range(2)]]
    return found

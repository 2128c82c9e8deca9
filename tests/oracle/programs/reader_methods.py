"""Every method of every reader, where two files are read to their end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import kind_of_error, names, session, shape, until_the_end, write


def text_lines(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.TextLineReader(name="reader"), write(folder, a="1\n2\n3\n", b="4\n5\n"))


def fixed_length(tf: Any, folder: Path) -> dict[str, Any]:
    reader = tf.FixedLengthRecordReader(2, header_bytes=1, footer_bytes=1, name="reader")
    return _methods(tf, reader, write(folder, a="h112233f", b="h4455f"))


def whole_files(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.WholeFileReader(name="reader"), write(folder, a="one", b=""))


def identity(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.IdentityReader(name="reader"), ["a", "b", "c"])


def tf_records(tf: Any, folder: Path) -> dict[str, Any]:
    paths = [str(folder / "a"), str(folder / "b")]
    for path, records in zip(paths, ([b"1", b"22", b""], [b"4"]), strict=True):
        with tf.python_io.TFRecordWriter(path) as writer:
            for record in records:
                writer.write(record)
    return _methods(tf, tf.TFRecordReader(name="reader"), paths)


def _methods(tf: Any, reader: Any, work: list[str]) -> dict[str, Any]:
    queue = tf.FIFOQueue(20, tf.string, shapes=[[]])
    fill = queue.enqueue_many([work])
    key, value = reader.read(queue, name="one")
    keys, values = reader.read_up_to(queue, 2, name="some")
    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
    reset = reader.reset()
    found: dict[str, Any] = {
        "names": names([key, value, keys, values, *counts, reset]),
        "static": [shape(it) for it in (key, value, keys, values, *counts)],
    }
    with session(tf) as sess:
        sess.run(fill)
        found["first"] = sess.run([key, value])
        found["counts"] = sess.run(counts)
        sess.run(reset)
        found["after a reset"] = sess.run(counts)
        found["some"] = sess.run([keys, values])
        sess.run(queue.close())
        found["rest"] = until_the_end(tf, sess, [key, value])
        found["end"] = kind_of_error(lambda: sess.run([keys, values]), "is closed and has insufficient elements")
        return found | {"all": sess.run(counts)}

"""TextLineReader, and what all readers have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import error, kind_of_error, session, shape, until_the_end, waits, write


def _files(tf: Any, sess: Any, paths: list[str], close: bool = True) -> Any:
    queue = tf.FIFOQueue(20, tf.string, shapes=())
    sess.run(queue.enqueue_many([paths]))
    if close:
        sess.run(queue.close())
    return queue


def lines(tf: Any, folder: Path) -> dict[str, Any]:
    contents = {
        "plain": "one\ntwo\nthree",
        "ends_with_newline": "a\nb\n",
        "windows": "x\r\ny\r\n\r\nz",
        "empty": "",
        "blank": "\n\n  spaces  \n",
        "bytes_": b"\xff\x00\xfe\nnext",
        "carriage": "a\rb\n\r",
    }
    found = {}
    with session(tf) as sess:
        for name, content in contents.items():
            reader = tf.TextLineReader()
            record = reader.read(_files(tf, sess, write(folder, **{name: content})))
            found[name] = until_the_end(tf, sess, list(record))
    return found


def several_files(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n", b="", c="3")
    with session(tf) as sess:
        reader = tf.TextLineReader()
        record = reader.read(_files(tf, sess, paths))
        return {
            "records": until_the_end(tf, sess, list(record)),
            "end": error(lambda: sess.run(record[0]), "is closed and has insufficient"),
        }


def headers(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="h\nh\n1\n2\n", b="h", c="h\nh\n3")
    found: dict[str, Any] = {}
    with session(tf) as sess:
        for skip in (0, 1, 2):
            record = tf.TextLineReader(skip_header_lines=skip).read(_files(tf, sess, paths))
            found[f"skip {skip}"] = until_the_end(tf, sess, list(record))
        record = tf.TextLineReader(skip_header_lines=-1).read(_files(tf, sess, paths))
        found["negative"] = kind_of_error(lambda: sess.run(record[0]))
    return found


def counts(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n", b="3\n")
    reader = tf.TextLineReader()
    produced, completed = reader.num_records_produced(), reader.num_work_units_completed()
    with session(tf) as sess:
        record = reader.read(_files(tf, sess, paths, close=False))
        steps = [sess.run([produced, completed])]
        for _ in range(3):
            sess.run(list(record))
            steps.append(sess.run([produced, completed]))
        return {"steps": steps, "waits": waits(tf, sess, record[0]), "after": sess.run([produced, completed])}


def reset(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n3\n", b="4\n5\n")
    reader = tf.TextLineReader()
    with session(tf) as sess:
        record = list(reader.read(_files(tf, sess, paths)))
        first = sess.run(record)
        sess.run(reader.reset())
        counted = sess.run([reader.num_records_produced(), reader.num_work_units_completed()])
        return {"first": first, "counts": counted, "goes on": until_the_end(tf, sess, record)}


def read_up_to(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="".join(f"a{it}\n" for it in range(7)), b="".join(f"b{it}\n" for it in range(4)))
    reader, n = tf.TextLineReader(), tf.placeholder(tf.int64, ())
    with session(tf) as sess:
        keys, values = reader.read_up_to(_files(tf, sess, paths), 3)
        found: dict[str, Any] = {"static": [shape(keys), shape(values)]}
        found["batches"] = until_the_end(tf, sess, [keys, values])
        more = reader.read_up_to(_files(tf, sess, paths), n)
        found["fed"] = [sess.run(list(more), {n: it}) for it in (1, 2, 10)]
        found["none"] = kind_of_error(lambda: sess.run(more[0], {n: 0}))
        return found


def missing_files(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n", b="2\n")
    with session(tf) as sess:
        reader = tf.TextLineReader(name="reader")
        record = list(reader.read(_files(tf, sess, [paths[0], str(folder / "missing"), paths[1]]), name="read"))
        return {
            "first": sess.run(record),
            "missing": error(lambda: sess.run(record)),
            "goes on": sess.run(record),
        }


def one_record_a_step(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n3\n4\n5\n")
    with session(tf) as sess:
        reader, queue = tf.TextLineReader(), _files(tf, sess, paths)
        key, value = reader.read(queue)
        other = reader.read(queue)[1]
        found: dict[str, Any] = {"used twice": sess.run([value, key, value, tf.identity(value)])}
        found["two reads"] = sorted(sess.run([value, other]))
        found["two readers"] = sess.run(value)
        return found


def queues_that_do_not_fit(tf: Any, folder: Path) -> dict[str, Any]:
    def fails(queue: Any, element: Any) -> bool:
        def run() -> None:
            record = tf.TextLineReader().read(queue)
            with session(tf) as sess:
                sess.run(queue.enqueue(element))
                sess.run(record[0])

        return kind_of_error(run)["error"] in ("InvalidArgumentError", "TypeError", "ValueError")

    return {
        "numbers": fails(tf.FIFOQueue(5, tf.int32, shapes=()), 1),
        "two components": fails(tf.FIFOQueue(5, [tf.string, tf.string], shapes=[(), ()]), ["a", "b"]),
    }


def names_and_a_queue_reference(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n")
    with session(tf) as sess:
        queue = _files(tf, sess, paths)
        reader = tf.TextLineReader(name="mine")
        key, value = reader.read(queue.queue_ref, name="get")
        return {
            "names": [key.name, value.name, reader.reader_ref.op.name],
            "static": [shape(key), shape(value), key.dtype.name],
            "default name": tf.TextLineReader().reader_ref.op.name,
            "read": sess.run([key, value]),
            "supports_serialize": reader.supports_serialize,
        }


def serialize(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="1\n2\n3\n")
    with session(tf) as sess:
        reader = tf.TextLineReader(name="reader")
        record = list(reader.read(_files(tf, sess, paths)))
        sess.run(record)
        return {"error": kind_of_error(lambda: sess.run(reader.serialize_state()))}

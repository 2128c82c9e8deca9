"""Input producers: queues that queue runners fill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, session, shape, until_the_end, write


@contextmanager
def _running(tf: Any) -> Iterator[Any]:
    """A session with its local variables initialized and its queue runners running; stops and joins them."""
    with session(tf) as sess:
        sess.run(tf.local_variables_initializer())
        coord = tf.train.Coordinator()
        tf.train.start_queue_runners(sess, coord)
        yield sess
        coord.request_stop()
        coord.join(stop_grace_period_secs=20)


def strings(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.train.string_input_producer(["a", "b", "c"], num_epochs=2, shuffle=False)
    element = queue.dequeue()
    with _running(tf) as sess:
        return {"elements": until_the_end(tf, sess, element), "name": queue.name, "static": shape(element)}


def strings_in_any_order(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.train.string_input_producer(list("abcdefgh"), num_epochs=3)
    element = queue.dequeue()
    with _running(tf) as sess:
        found = until_the_end(tf, sess, element)
        return {"epochs": [sorted(found[at : at + 8]) for at in (0, 8, 16)], "count": len(found)}


def without_end(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.train.string_input_producer(["a", "b"], shuffle=False, capacity=3)
    element = queue.dequeue()
    with _running(tf) as sess:
        return {
            "elements": [sess.run(element) for _ in range(7)],
            "local variables": [it.name for it in tf.local_variables()],
        }


def ranges(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.train.range_input_producer(4, num_epochs=2, shuffle=False, capacity=2)
    element = queue.dequeue()
    with _running(tf) as sess:
        return {"elements": until_the_end(tf, sess, element), "dtype": element.dtype.name}


def rows(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.train.input_producer([[1, 2], [3, 4], [5, 6]], num_epochs=1, shuffle=False)
    some = queue.dequeue_many(2)
    with _running(tf) as sess:
        return {"elements": until_the_end(tf, sess, some), "static": shape(some), "name": queue.name}


def slices(tf: Any, folder: Path) -> dict[str, Any]:
    letters, numbers = tf.train.slice_input_producer(
        [["a", "b", "c"], [[1, 1], [2, 2], [3, 3]]], num_epochs=2, shuffle=False
    )
    with _running(tf) as sess:
        return {
            "elements": until_the_end(tf, sess, [letters, numbers]),
            "static": [shape(letters), shape(numbers)],
        }


def slices_in_any_order(tf: Any, folder: Path) -> dict[str, Any]:
    pair = tf.train.slice_input_producer([list("abcdef"), list(range(6))], num_epochs=1, seed=7)
    with _running(tf) as sess:
        found = until_the_end(tf, sess, pair)
        return {"pairs": sorted((text.decode(), int(number)) for text, number in found)}


def epochs(tf: Any, folder: Path) -> dict[str, Any]:
    limited = tf.train.limit_epochs(tf.constant([1, 2]), num_epochs=2, name="limit")
    unlimited = tf.constant([1, 2])
    with session(tf) as sess:
        before = kind_of_error(lambda: sess.run(limited))
        sess.run(tf.local_variables_initializer())
        return {
            "not initialized": before,
            "limited": until_the_end(tf, sess, limited),
            "at the end": kind_of_error(lambda: sess.run(limited)),
            "unlimited is the tensor": tf.train.limit_epochs(unlimited) is unlimited,
            "local variables": [it.name for it in tf.local_variables()],
            "dtypes": [it.dtype.base_dtype.name for it in tf.local_variables()],
            "zero": error(lambda: tf.train.limit_epochs(unlimited, 0), "must be > 0"),
        }


def epoch_counter_of_a_producer(tf: Any, folder: Path) -> dict[str, Any]:
    tf.train.string_input_producer(["a"], num_epochs=3)
    tf.train.range_input_producer(3, num_epochs=3, name="mine")
    return {
        "local variables": [it.name for it in tf.local_variables()],
        "queue runners": [it.name for it in tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)],
    }


def not_initialized(tf: Any, folder: Path) -> dict[str, Any]:
    element = tf.train.string_input_producer(["a"], num_epochs=1).dequeue()
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        tf.train.start_queue_runners(sess, coord)
        consumer = kind_of_error(lambda: sess.run(element))
        return {"consumer": consumer, "join": kind_of_error(lambda: coord.join(stop_grace_period_secs=20))}


def an_empty_tensor(tf: Any, folder: Path) -> dict[str, Any]:
    names = tf.placeholder_with_default(np.zeros([0], object), [None])
    element = tf.train.string_input_producer(names).dequeue()
    with session(tf) as sess:
        coord = tf.train.Coordinator()
        tf.train.start_queue_runners(sess, coord)
        consumer = kind_of_error(lambda: sess.run(element))
        return {"consumer": consumer, "join": kind_of_error(lambda: coord.join(stop_grace_period_secs=20))}


def wrong_producers(tf: Any, folder: Path) -> dict[str, Any]:
    train = tf.train
    return {
        "an empty list": error(lambda: train.string_input_producer([])),
        "no epochs": error(lambda: train.string_input_producer(["a"], num_epochs=0)),
        "unknown rows": error(lambda: train.input_producer(tf.placeholder(tf.int32, None)), "fully defined shape"),
        "no slices": error(lambda: train.slice_input_producer([])),
        "a given shape": train.input_producer(tf.placeholder(tf.int32, None), element_shape=[2]).shapes[0].as_list(),
    }


def larger_than_the_queue(tf: Any, folder: Path) -> dict[str, Any]:
    element = tf.train.string_input_producer(list("abcdef"), num_epochs=20, shuffle=False, capacity=4).dequeue()
    with _running(tf) as sess:
        return {"all": b"".join(until_the_end(tf, sess, element))}


def shared_names(tf: Any, folder: Path) -> dict[str, Any]:
    one = tf.train.range_input_producer(3, num_epochs=1, shared_name="shared", shuffle=False)
    two = tf.train.range_input_producer(3, num_epochs=1, shared_name="shared", shuffle=False, name="second")
    with session(tf) as sess:
        sess.run(one.enqueue(7))
        return {"size": sess.run(two.size()), "element": sess.run(two.dequeue())}


def files_that_match(tf: Any, folder: Path) -> dict[str, Any]:
    write(folder, a="1", b="2", c="3")
    (folder / "other.csv").write_text("4")
    names = tf.train.match_filenames_once(str(folder / "*.txt"))
    several = tf.train.match_filenames_once([str(folder / "a*"), str(folder / "*.csv")], name="several")
    with session(tf) as sess:
        sess.run(tf.local_variables_initializer())
        found = {"one": sorted(sess.run(names).tolist()), "several": sorted(sess.run(several).tolist())}
        write(folder, d="5")
        return found | {"kept": len(sess.run(names))}


def files_to_columns(tf: Any, folder: Path) -> dict[str, Any]:
    paths = write(folder, a="x,y\n1,2\n3,4\n", b="x,y\n5,6\n")
    queue = tf.train.string_input_producer(paths, num_epochs=2, shuffle=False)
    key, line = tf.TextLineReader(skip_header_lines=1).read(queue)
    x, y = tf.decode_csv(line, [[0], [0]])
    with _running(tf) as sess:
        return {"rows": until_the_end(tf, sess, [key, x, y])}

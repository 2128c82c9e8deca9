"""PaddingFIFOQueue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, in_thread, is_waiting, kind_of_error, session, shape, waits


def each_batch_to_its_own_size(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.string], shapes=[[None], [None, 2]])
    numbers, texts = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.string, [None, 2])
    put = queue.enqueue([numbers, texts])
    with session(tf) as sess:
        for n in (1, 3, 2, 0, 5, 4):
            sess.run(put, {numbers: list(range(1, n + 1)), texts: np.full((n, 2), b"x", object)})
        return {
            "one": sess.run(queue.dequeue()),
            "two": sess.run(queue.dequeue_many(2)),
            "smaller": sess.run(queue.dequeue_up_to(2)),
            "last": sess.run(queue.dequeue()),
        }


def two_unknown_sizes(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, tf.float32, shapes=[[None, None]])
    value = tf.placeholder(tf.float32, [None, None])
    put = queue.enqueue(value)
    with session(tf) as sess:
        for rows, columns in ((1, 3), (2, 1), (3, 2)):
            sess.run(put, {value: np.ones((rows, columns), np.float32) * rows})
        return {"all": sess.run(queue.dequeue_many(3))}


def zeros_of_all_dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    found = {}
    with session(tf) as sess:
        for name in ("float16", "float64", "int8", "int64", "uint8", "bool", "complex64", "string"):
            queue = tf.PaddingFIFOQueue(10, getattr(tf, name), shapes=[[None]])
            value = tf.placeholder(getattr(tf, name), [None])
            put = queue.enqueue(value)
            for n in (1, 2):
                sess.run(put, {value: np.array([b"s"] * n, object) if name == "string" else np.ones(n, name)})
            found[name] = sess.run(queue.dequeue_many(2))
    return found


def shapes_fully_known(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], shapes=[(), (2,)])
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3], [[1, 1], [2, 2], [3, 3]]]))
        return {"one": sess.run(queue.dequeue()), "many": sess.run(queue.dequeue_many(2))}


def many_of_one_size(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, tf.int32, shapes=[[None]])
    with session(tf) as sess:
        sess.run(queue.enqueue_many([[[1, 2], [3, 4]]]))
        sess.run(queue.enqueue_many([[[5], [6]]]))
        return {"all": sess.run(queue.dequeue_many(4)), "none": sess.run(queue.dequeue_many(0))}


def static_shapes(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], shapes=[(), (None, 2)])
    return {
        "one": [shape(it) for it in queue.dequeue()],
        "many": [shape(it) for it in queue.dequeue_many(3)],
        "up to": [shape(it) for it in queue.dequeue_up_to(3)],
        "name": queue.name,
        "type": queue.queue_ref.op.type,
    }


def wrong_constructions(tf: Any, folder: Path) -> dict[str, Any]:
    text = "When providing partial shapes, a list of shapes must be provided."
    return {
        "no shapes": error(lambda: tf.PaddingFIFOQueue(10, tf.int32, None), text),
        "a flat shape": error(lambda: tf.PaddingFIFOQueue(10, tf.int32, ()), text),
        "unknown rank": error(lambda: tf.PaddingFIFOQueue(10, tf.int32, [None]), "must have a defined rank"),
        "too few": error(lambda: tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], [()])),
    }


def wrong_elements(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], shapes=[(), (None, 3)], name="q")
    value = tf.placeholder(tf.int32, None)
    one, many = queue.enqueue([1, value], name="one"), queue.enqueue_many([[1], value], name="many")
    with session(tf) as sess:
        return {
            "build": error(lambda: queue.enqueue([1, np.zeros((3, 4), np.int32)])),
            "one": error(lambda: sess.run(one, {value: np.zeros((3, 4))}), "Expected [?,3], got [3,4]"),
            "rank": error(lambda: sess.run(one, {value: np.zeros((3,))}), "Expected [?,3], got [3]"),
            "many": error(lambda: sess.run(many, {value: np.zeros((1, 3, 4))}), "Expected [1,?,3], got [1,3,4]"),
            "size": sess.run(queue.size()),
        }


def close(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(10, tf.int32, shapes=[[None]])
    value = tf.placeholder(tf.int32, [None])
    put, three, shut = queue.enqueue([value]), queue.dequeue_many(3), queue.close()
    with session(tf) as sess:
        sess.run(put, {value: [1]})
        sess.run(put, {value: [2, 2]})
        getting = in_thread(sess.run, three)
        found: dict[str, Any] = {"waits": is_waiting(getting)}
        sess.run(shut)
        found["too many"] = kind_of_error(lambda: getting.result(20), "is closed and has insufficient")
        found["given back"] = sess.run(queue.dequeue())
        found["rest"] = sess.run(queue.dequeue_up_to(3))
        found["end"] = kind_of_error(lambda: sess.run(queue.dequeue()))
        found["put"] = kind_of_error(lambda: sess.run(put, {value: [1]}), "is closed")
        return found


def capacity(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PaddingFIFOQueue(2, tf.int32, shapes=[[None]], names=["x"])
    with session(tf) as sess:
        sess.run(queue.enqueue_many({"x": [[1], [2]]}))
        return {"waits": waits(tf, sess, queue.enqueue({"x": [3]})), "kept": sess.run(queue.dequeue_many(2))}

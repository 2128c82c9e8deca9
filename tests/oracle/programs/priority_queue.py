"""PriorityQueue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, in_thread, is_waiting, kind_of_error, session, shape, until_the_end, waits


def smallest_first(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(10, [tf.string], shapes=[()])
    with session(tf) as sess:
        sess.run(queue.enqueue([np.int64(5), "five"]))
        sess.run(queue.enqueue_many([np.array([3, -7, 9, 0], np.int64), ["three", "minus seven", "nine", "zero"]]))
        return {
            "one": sess.run(queue.dequeue()),
            "many": sess.run(queue.dequeue_many(2)),
            "up to": sess.run(queue.dequeue_up_to(2)),
            "dtypes": [it.name for it in queue.dtypes],
            "shapes": [it.as_list() for it in queue.shapes],
            "static": [shape(it) for it in queue.dequeue_many(2)],
            "name": queue.name,
            "type": queue.queue_ref.op.type,
        }


def only_priorities_and_dictionaries(tf: Any, folder: Path) -> dict[str, Any]:
    named = tf.PriorityQueue(10, [tf.float32], shapes=[()], names=["priority", "value"])
    with session(tf) as sess:
        sess.run(named.enqueue_many({"priority": np.array([2, 1], np.int64), "value": [2.0, 1.0]}))
        return {"one": sess.run(named.dequeue()), "many": sess.run(named.dequeue_many(1))}


def equal_priorities(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(20, [tf.int32], shapes=[()])
    with session(tf) as sess:
        sess.run(queue.enqueue_many([np.array([1, 0] * 5, np.int64), list(range(10))]))
        priorities, values = sess.run(queue.dequeue_many(10))
        return {
            "priorities": priorities,
            "first": sorted(values[:5].tolist()),
            "second": sorted(values[5:].tolist()),
        }


def a_batch_waits_for_all(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(20, [tf.int32], shapes=[()])
    number = tf.placeholder(tf.int64, ())
    put, ten = queue.enqueue([number, tf.cast(number, tf.int32)]), queue.dequeue_many(10)
    with session(tf) as sess:
        getting = in_thread(sess.run, ten)
        found: dict[str, Any] = {"waits": is_waiting(getting)}
        for it in (5, 3, 8, 1, 9):
            sess.run(put, {number: it})
        found["size"] = sess.run(queue.size())
        for it in (0, 7, 2, 6, 4):
            sess.run(put, {number: it})
        found["sorted"] = getting.result(20)
        return found


def close(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(20, [tf.int32], shapes=[()])
    put = queue.enqueue_many([np.array([2, 1], np.int64), [2, 1]])
    with session(tf) as sess:
        sess.run(put)
        sess.run(queue.close())
        return {
            "too many": kind_of_error(lambda: sess.run(queue.dequeue_many(3)), "is closed and has insufficient"),
            "size": sess.run(queue.size()),
            "all": sess.run(queue.dequeue_many(2)),
            "end": kind_of_error(lambda: sess.run(queue.dequeue()), "is closed and has insufficient"),
            "put": kind_of_error(lambda: sess.run(put), "is closed"),
        }


def the_rest_of_a_closed_queue(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(20, [tf.int32], shapes=[()])
    with session(tf) as sess:
        sess.run(queue.enqueue_many([np.array([2, 1], np.int64), [2, 1]]))
        sess.run(queue.close())
        rest = until_the_end(tf, sess, queue.dequeue_up_to(3))
        return {"rest": rest, "size": sess.run(queue.size())}


def capacity(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(2, [tf.int32], shapes=[()])
    put = queue.enqueue([np.int64(1), 1])
    with session(tf) as sess:
        sess.run([put])
        sess.run([put])
        return {"waits": waits(tf, sess, put), "three of two wait": waits(tf, sess, queue.dequeue_many(3))}


def wrong_priorities(tf: Any, folder: Path) -> dict[str, Any]:
    queue = tf.PriorityQueue(10, [tf.string], shapes=[()])
    unknown = tf.placeholder(tf.int64, None)
    put = queue.enqueue([unknown, "x"], name="put")
    text = "Shape mismatch in tuple component 0. Expected [], got [2]"
    with session(tf) as sess:
        return {
            "a string": error(lambda: queue.enqueue(["a", "x"])),
            "an int32 tensor": error(lambda: queue.enqueue([tf.constant(1), "x"])),
            "a vector": error(lambda: queue.enqueue([np.array([1, 2], np.int64), "x"])),
            "a vector that is fed": error(lambda: sess.run(put, {unknown: [1, 2]}), text),
        }

"""Every method of every kind of queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, in_thread, is_waiting, kind_of_error, names, session, shape, until_the_end


def fifo(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.FIFOQueue(3, [tf.int64, tf.string], [[], []], names=["a", "b"]))


def padding(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.PaddingFIFOQueue(3, [tf.int64, tf.string], [[], []], names=["a", "b"]))


def shuffle(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.RandomShuffleQueue(3, 0, [tf.int64, tf.string], [[], []], names=["a", "b"]))


def priority(tf: Any, folder: Path) -> dict[str, Any]:
    return _methods(tf, tf.PriorityQueue(3, [tf.string], [[]], names=["a", "b"]))


def _methods(tf: Any, queue: Any) -> dict[str, Any]:
    number, some = tf.placeholder(tf.int64, []), tf.placeholder(tf.int64, [None])
    one = queue.enqueue({"a": number, "b": tf.constant("x")})
    many = queue.enqueue_many({"a": some, "b": tf.fill(tf.shape(some), "x")})
    out, two, rest = queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(5)
    size, closed = queue.size(), queue.is_closed()
    chosen = tf.QueueBase.from_list(0, [queue])
    found: dict[str, Any] = {
        "dtypes": [it.name for it in queue.dtypes],
        "shapes": [it.as_list() for it in queue.shapes],
        "names": [queue.names, queue.name, queue.queue_ref.op.type],
        "operations": names([one, many, out["a"].op, two["a"].op, rest["a"].op, size.op, closed.op]),
        "static": [shape(it) for it in (out["a"], two["a"], rest["a"], size, closed)],
        "chosen": [[it.name for it in chosen.dtypes], chosen.names],
        "wrong": error(lambda: queue.enqueue({"a": 1})),
    }
    with session(tf) as sess:
        sess.run(one, {number: 1})
        sess.run(many, {some: [2, 3]})
        found["full"] = [sess.run(size), sess.run(closed), sess.run(chosen.size())]
        waiting = in_thread(sess.run, one, {number: 4})
        found["waits"] = is_waiting(waiting)
        elements = [sess.run(out)["a"]]
        waiting.result(20)
        elements += list(sess.run(two)["a"])
        found["left"] = sess.run(size)
        waiting = in_thread(sess.run, many, {some: [5, 6, 7]})
        found["too many"] = is_waiting(waiting)
        sess.run(queue.close(cancel_pending_enqueues=True))
        found["cancelled"] = kind_of_error(lambda: waiting.result(20))
        found["closed"] = [sess.run(closed), sess.run(chosen.is_closed())]
        found["refused"] = kind_of_error(lambda: sess.run(one, {number: 8}), "is closed")
        elements += until_the_end(tf, sess, out["a"])
        found["elements"] = sorted(int(it) for it in elements)
        found["end"] = [
            kind_of_error(lambda it=it: sess.run(it), "is closed and has insuff") for it in (out, two, rest)
        ]
        return found | {"twice": kind_of_error(lambda: sess.run(queue.close())), "empty": sess.run(size)}


def lists_of_queues(tf: Any, folder: Path) -> dict[str, Any]:
    """Of each kind that gives elements of one dtype."""
    index = tf.placeholder(tf.int32, [])
    queues = [
        tf.FIFOQueue(5, tf.int64, shapes=[[]]),
        tf.PaddingFIFOQueue(5, tf.int64, shapes=[[]]),
        tf.RandomShuffleQueue(5, 0, tf.int64, shapes=[[]]),
    ]
    chosen = tf.QueueBase.from_list(index, queues)
    put, got = chosen.enqueue(tf.cast(index, tf.int64) * 10), chosen.dequeue()
    with session(tf) as sess:
        for it in range(3):
            sess.run(put, {index: it})
        sizes = [sess.run(it.size()) for it in queues]
        return {"sizes": sizes, "elements": [sess.run(got, {index: it}) for it in (2, 0, 1)]}


def elements_of_two_axes(tf: Any, folder: Path) -> dict[str, Any]:
    queues = [
        tf.FIFOQueue(9, tf.float32, shapes=[[2, 2]]),
        tf.PaddingFIFOQueue(9, tf.float32, shapes=[[None, 2]]),
        tf.RandomShuffleQueue(9, 0, tf.float32, shapes=[[2, 2]]),
    ]
    values = np.ones((3, 2, 2), np.float32)
    with session(tf) as sess:
        found = []
        for queue in queues:
            sess.run(queue.enqueue_many([values]))
            sess.run(queue.enqueue(values[0]))
            found.append([sess.run(queue.dequeue_many(2)), sess.run(queue.dequeue_up_to(1)), sess.run(queue.dequeue())])
        return {"found": found}

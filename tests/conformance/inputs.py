"""What the programs about input share: a session whose queue runners run, and what comes out of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dflow as tf
from dflow import train

LIMIT = tf.ConfigProto(operation_timeout_in_ms=20_000)  # each run ends, whatever happens


@contextmanager
def running(target: str) -> Iterator[tuple[tf.Session, train.Coordinator]]:
    """A session with its local variables initialized and its queue runners running; stops and joins them."""
    with tf.Session(target, config=LIMIT) as sess:
        sess.run(tf.local_variables_initializer())
        coord = train.Coordinator()
        train.start_queue_runners(sess, coord)
        yield sess, coord
        coord.request_stop()
        coord.join(stop_grace_period_secs=60)


def rest(sess: tf.Session, fetch: Any) -> list[Any]:
    """What runs give until the input ends."""
    run, found = sess.make_callable(fetch), []
    while True:
        try:
            found.append(run())
        except tf.errors.OutOfRangeError:
            return found


def the_queue() -> tf.QueueBase:
    """The queue of the last queue runner that was added to the default graph."""
    queue: tf.QueueBase = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)[-1].queue
    return queue


def numbers(count: int, epochs: int | None = 1) -> tf.Tensor:
    """0, 1, 2, ... in their order."""
    number: tf.Tensor = train.range_input_producer(count, num_epochs=epochs, shuffle=False).dequeue()
    return number


def as_lists(found: list[Any]) -> list[Any]:
    return [batch.tolist() for batch in found]


def start(sess: tf.Session, coord: train.Coordinator) -> list[threading.Thread]:
    """Initialize the local variables and start the queue runners."""
    sess.run(tf.local_variables_initializer())
    return train.start_queue_runners(sess, coord)


def write_lines(path: Path, rows: list[str]) -> str:
    """A text file with these lines; gives its name."""
    path.write_text("".join(row + "\n" for row in rows))
    return str(path)


def lines_of(files: list[str], epochs: int | None = 1) -> tuple[tf.Tensor, tf.Tensor]:
    """(key, value) of the lines of the files, in their order."""
    names = train.string_input_producer(files, num_epochs=epochs, shuffle=False)
    key, value = tf.TextLineReader().read(names)
    return key, value


def filled(sess: tf.Session, items: list[Any]) -> tf.FIFOQueue:
    """A closed queue of strings, such as file names."""
    queue = tf.FIFOQueue(len(items), tf.string, ())
    sess.run(queue.enqueue_many([items]))
    sess.run(queue.close())
    return queue

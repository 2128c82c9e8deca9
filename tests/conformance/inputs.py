"""What the programs about input share: a session whose queue runners run, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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

"""The input pipeline of TensorFlow 1: files -> records -> columns -> a shuffle queue -> batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from competitors import Fact
from measure import Sample, seconds_a_call

from programs import CPU

BATCH, CAPACITY, RESERVE = 128, 1000, 500


@dataclass(frozen=True)
class Listing:
    """One pipeline.

    read: builds the part of a loop that reads from a queue of file names.  It returns the components of one record, or
        with `many` those of several records on a leading axis.
    """

    read: Callable[[Any, Any], list[Any]]
    shapes: Sequence[tuple[int, ...]]  # the shapes of the components of a record
    dtypes: Sequence[str]
    many: bool = False
    loops: int = 1
    batch: int = BATCH
    at_once: int = 1  # number of batches that leave the queue together; the program splits them
    capacity: int = CAPACITY
    reserve: int = RESERVE

    def build(
        self, tf: Any, files: Sequence[str], home: str, loops: Sequence[str], shared: str = "", epochs: int = 0
    ) -> tuple[Any, Any]:
        """Build a queue on the device `home` and one loop to fill it on each device of `loops`.

        Returns the tensors of one dequeue, and the size of the queue.  The queue of file names is on the device of its
        reader, because TensorFlow 1 requires this.  epochs: the number of passes over the files, or 0 without end.
        """
        with tf.device(home):
            dtypes = [getattr(tf, name) for name in self.dtypes]
            queue = tf.RandomShuffleQueue(
                self.capacity, self.reserve, dtypes, list(self.shapes), shared_name=shared or None
            )
        enqueues = []
        for device in loops:
            with tf.device(device):
                record = self.read(tf, tf.train.string_input_producer(list(files), epochs or None))
            enqueues.append(queue.enqueue_many(record) if self.many else queue.enqueue(record))
        if enqueues:
            tf.train.add_queue_runner(tf.train.QueueRunner(queue, enqueues))
        batch = queue.dequeue_many(self.batch * self.at_once)
        return batch if isinstance(batch, (list, tuple)) else [batch], queue.size()


class Running:
    """A pipeline that never ends.  Its loops wait while its queue is full, so that others can be measured."""

    def __init__(
        self, tf: Any, listing: Listing, files: Sequence[str], home: str = CPU, loops: Sequence[str] | None = None,
        target: str = "", shared: str = "",
    ) -> None:  # fmt: skip
        self._listing = listing
        graph = tf.Graph()
        with graph.as_default():
            devices = [home] * listing.loops if loops is None else loops
            batch, self._size = listing.build(tf, files, home, devices, shared)
            self._coord = tf.train.Coordinator()
            self._sess = tf.Session(target, graph=graph)
            self._threads = tf.train.start_queue_runners(self._sess, self._coord)
            self._take = partial(next, apart(forever(self._sess.make_callable(batch)), listing.batch))

    def sample(self) -> float:
        """Return records a second, measured for one second after the records already in the queue are gone."""
        batch = self._listing.batch
        self._wait_until_full()
        for _ in range((self._listing.capacity - self._listing.reserve) // batch + self._listing.at_once):
            self._take()
        found = batch / seconds_a_call(self._take, seconds=1.0)
        self._wait_until_full()
        return found

    def _wait_until_full(self) -> None:
        """Wait until the size of the queue is its capacity or no longer grows.

        Loops that enqueue many records at once may leave some room.
        """
        before = -1
        while (now := self._sess.run(self._size)) < self._listing.capacity and now != before:
            before = now
            time.sleep(0.05)

    def close(self) -> None:
        self._coord.request_stop()
        self._coord.join(self._threads)
        self._sess.close()


def fact(tf: Any, listing: Listing, files: Sequence[str]) -> list[float]:
    """Return the number of records of one pass over the files, and the sums of their components.

    Each loop makes one pass, and the numbers are divided by the number of loops.
    """
    count, sums = 0, np.zeros(len(listing.shapes))
    listing = replace(listing, at_once=1)
    graph = tf.Graph()
    with graph.as_default():
        batch, _ = listing.build(tf, files, CPU, [CPU] * listing.loops, epochs=1)
        init = tf.local_variables_initializer()
    with tf.Session("", graph=graph) as sess:
        sess.run(init)
        coord = tf.train.Coordinator()
        with graph.as_default():
            threads = tf.train.start_queue_runners(sess, coord)
        expected = listing.loops * CHECKED
        while count < expected:
            values = sess.run(batch)
            count += len(values[0])
            sums += [float(np.sum(value, dtype=np.float64)) for value in values]
        coord.request_stop()
        coord.join(threads)
    return [count / listing.loops, *(sums / listing.loops).tolist()]


CHECKED = 1280  # number of records in the file for the facts, a multiple of the batch size


def measured(
    tf: Any, listings: Mapping[str, Listing], files: Sequence[str], checked: str
) -> tuple[dict[str, Running], dict[str, Fact]]:
    """Start all pipelines in sessions of this process.  Returns them, and their facts for the file `checked`."""
    running = {name: Running(tf, listing, files) for name, listing in listings.items()}
    return running, {name: partial(fact, tf, one, [checked]) for name, one in listings.items()}


def samples(running: Mapping[str, Running]) -> dict[str, Sample]:
    return {name: one.sample for name, one in running.items()}


# -- iterators of batches


def forever(call: Callable[[], Any]) -> Iterator[Any]:
    while True:
        yield call()


def apart(many: Iterable[Sequence[Any]], batch: int = BATCH) -> Iterator[tuple[Any, ...]]:
    """Split arrays that hold several batches into single batches."""
    for arrays in many:
        for start in range(0, len(arrays[0]), batch):
            yield tuple(array[start : start + batch] for array in arrays)


def numbers(batches: Any) -> list[float]:
    """Return the fact of one pass: the number of records and the sums of their components.

    batches: an iterator of tuples of arrays.
    """
    count, sums = 0, None
    for batch in batches:
        count += len(batch[0])
        found = np.array([float(np.sum(np.asarray(part), dtype=np.float64)) for part in batch])
        sums = found if sums is None else sums + found
    return [float(count), *(sums.tolist() if sums is not None else [])]


def rate(batches: Any, records: int = BATCH, drop: int = 20) -> float:
    """Return records a second of an endless iterator, measured for one second.

    records: the size of a batch.  drop: the number of batches to drop first, because they were fetched ahead.
    """
    for _ in range(drop):
        next(batches)
    return records / seconds_a_call(lambda: next(batches), seconds=1.0)

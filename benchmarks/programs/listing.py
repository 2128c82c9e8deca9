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
    """One pipeline.  read: what a loop does with a queue of file names: one record, or `many` on a leading axis."""

    read: Callable[[Any, Any], list[Any]]
    shapes: Sequence[tuple[int, ...]]  # of the components of a record
    dtypes: Sequence[str]
    many: bool = False
    loops: int = 1
    batch: int = BATCH
    at_once: int = 1  # so many batches leave the queue together, and are cut apart by the program
    capacity: int = CAPACITY
    reserve: int = RESERVE

    def build(
        self, tf: Any, files: Sequence[str], home: str, loops: Sequence[str], shared: str = "", epochs: int = 0
    ) -> tuple[Any, Any]:
        """A queue at home, filled by a loop on each device; gives what leaves it at once, and its size.

        epochs: passes over the files, 0 for no end.  The file names are beside their reader: TensorFlow 1 places
        no reader on another device than its queue.
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
    """A pipeline without an end.  It stands still while nobody takes from it, so that others can be measured."""

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
        """Records a second, in a second, once what had gathered in the queue is gone."""
        batch = self._listing.batch
        self._wait_until_full()
        for _ in range((self._listing.capacity - self._listing.reserve) // batch + self._listing.at_once):
            self._take()
        found = batch / seconds_a_call(self._take, seconds=1.0)
        self._wait_until_full()
        return found

    def _wait_until_full(self) -> None:
        """Full: as full as it gets when each loop enqueues so many at once."""
        before = -1
        while (now := self._sess.run(self._size)) < self._listing.capacity and now != before:
            before = now
            time.sleep(0.05)

    def close(self) -> None:
        self._coord.request_stop()
        self._coord.join(self._threads)
        self._sess.close()


def fact(tf: Any, listing: Listing, files: Sequence[str]) -> list[float]:
    """How many records come out of one pass of each loop over the files, and the sums of their components; a loop."""
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


CHECKED = 1280  # records in the file that facts are about: some whole batches


def measured(
    tf: Any, listings: Mapping[str, Listing], files: Sequence[str], checked: str
) -> tuple[dict[str, Running], dict[str, Fact]]:
    """All of them in sessions of this process, and their facts about the file `checked`."""
    running = {name: Running(tf, listing, files) for name, listing in listings.items()}
    return running, {name: partial(fact, tf, one, [checked]) for name, one in listings.items()}


def samples(running: Mapping[str, Running]) -> dict[str, Sample]:
    return {name: one.sample for name, one in running.items()}


# -- batches one after the other


def forever(call: Callable[[], Any]) -> Iterator[Any]:
    while True:
        yield call()


def apart(many: Iterable[Sequence[Any]], batch: int = BATCH) -> Iterator[tuple[Any, ...]]:
    """The batches out of arrays that hold some of them."""
    for arrays in many:
        for start in range(0, len(arrays[0]), batch):
            yield tuple(array[start : start + batch] for array in arrays)


def numbers(batches: Any) -> list[float]:
    """The fact of an iterator over all batches of one pass: tuples of arrays."""
    count, sums = 0, None
    for batch in batches:
        count += len(batch[0])
        found = np.array([float(np.sum(np.asarray(part), dtype=np.float64)) for part in batch])
        sums = found if sums is None else sums + found
    return [float(count), *(sums.tolist() if sums is not None else [])]


def rate(batches: Any, records: int = BATCH, drop: int = 20) -> float:
    """Records a second of an iterator without an end, in a second, once what had been fetched ahead is gone."""
    for _ in range(drop):
        next(batches)
    return records / seconds_a_call(lambda: next(batches), seconds=1.0)

"""Queues that hold few or many items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from competitors import Fact
from measure import SMALL, Sample, seconds_a_call

LENGTHS: Sequence[int] = (10, 1_000) if SMALL else (10, 1_000, 100_000, 10_000_000)
KINDS = ("FIFOQueue", "RandomShuffleQueue")
SIZES = (1, 100)  # numbers of items that go in and out at once
PIECE = 10_000  # number of items of one enqueue while a queue is filled
CHECKED = 1_000  # largest length of a queue for a fact


def case(kind: str, length: int, size: int) -> str:
    return f"{kind} of {length:,} items: {'one' if size == 1 else size} in and out"


class Filled:
    """A queue that holds the numbers from 0 to `length` - 1.  Each call puts some items in and takes as many out."""

    def __init__(self, tf: Any, kind: str, length: int) -> None:
        graph = tf.Graph()
        with graph.as_default():
            options = {"min_after_dequeue": 0} if kind == "RandomShuffleQueue" else {}
            queue = getattr(tf, kind)(length + max(SIZES), dtypes=[tf.float32], shapes=[()], **options)
            numbers = tf.placeholder(tf.float32, [None])
            fill, ends = queue.enqueue_many([numbers]), {size: self._ends(tf, queue, size) for size in SIZES}
        self._sess = tf.Session("", graph=graph)
        self._calls = {
            size: (self._sess.make_callable(put), self._sess.make_callable(take)) for size, (put, take) in ends.items()
        }
        for start in range(0, length, PIECE):
            self._sess.run(fill, {numbers: np.arange(start, min(start + PIECE, length), dtype=np.float32)})

    @staticmethod
    def _ends(tf: Any, queue: Any, size: int) -> tuple[Any, Any]:
        if size == 1:
            return queue.enqueue([0.0]), queue.dequeue()
        return queue.enqueue_many([tf.zeros([size])]), queue.dequeue_many(size)

    def both(self, size: int) -> Any:
        """Put `size` zeros in, then take as many items out."""
        put, take = self._calls[size]
        put()
        return take()


def all_cases(
    make: Callable[[str, int], Any], lengths: Sequence[int] = LENGTHS
) -> tuple[dict[str, Sample], dict[str, Fact]]:
    """Return the samples and the facts.  A sample is the time of one item, in and out.

    make(kind, length) makes a queue.  It is called when a sample first needs the queue.
    """
    kept = cache(make)

    def sample(kind: str, length: int, size: int) -> float:
        queue = kept(kind, length)
        return seconds_a_call(lambda: queue.both(size)) / size

    def fact(kind: str, length: int, size: int) -> list[float]:
        """Take all numbers while zeros replace them, and return their sum, which does not depend on the order."""
        length = min(length, CHECKED) // size * size
        queue, total, rounds = make(kind, length), 0.0, 0
        everything = sum(range(length))
        while total < everything and rounds < 100 * CHECKED:
            total, rounds = total + float(np.sum(queue.both(size))), rounds + 1
        return [total]

    names = [(kind, length, size) for kind in KINDS for length in lengths for size in SIZES if size <= length]
    return (
        {case(*name): partial(sample, *name) for name in names},
        {case(*name): partial(fact, *name) for name in names},
    )

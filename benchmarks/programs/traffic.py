"""A queue in one process, a producer in a second process, and a consumer in a third.

The items are the 64-bit numbers 1, 2, 3, ..., or arrays that are filled with one of these numbers.  The consumer adds
the numbers up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from measure import size

from programs import PS, WORKERS


@dataclass(frozen=True)
class Traffic:
    """The sizes of a case.

    numbers: how many numbers an item has.
    many: how many items go into the queue, and out of it, at once.
    steps: the number of steps of a sample.
    capacity: the capacity of the queue, in items.
    """

    numbers: int
    many: int
    steps: int
    capacity: int

    @property
    def items(self) -> int:
        return self.many * self.steps

    def block(self, last: int) -> Any:
        """Return the items of a step as an array [many, numbers], without a dimension of size 1, or as a number."""
        if self.numbers == 1:
            return float(last) if self.many == 1 else np.arange(last - self.many + 1, last + 1, dtype=np.float64)
        values = np.arange(last - self.many + 1, last + 1, dtype=np.float64)[:, np.newaxis]
        return (values * np.ones((1, self.numbers)))[() if self.many > 1 else 0]

    def total(self, block: Any) -> float:
        """Return the sum of the numbers of a step."""
        return float(np.sum(np.reshape(block, (self.many, self.numbers))[:, 0]))


MEGABYTE = size(131_072, 1_310)  # number of 8-byte numbers in an item
CASES = {
    "8 bytes, one by one": Traffic(1, 1, size(2000, 20), 1000),
    "8 bytes, in hundreds": Traffic(1, 100, size(1000, 5), 1000),
    "1 MB, one by one": Traffic(MEGABYTE, 1, size(300, 5), 20),
    "1 MB, in tens": Traffic(MEGABYTE, 10, size(40, 2), 20),
}
CHECKED = 4  # number of steps of a fact


@dataclass(frozen=True)
class Ends:
    """The two ends of a queue in a graph."""

    put: Any  # an operation
    take: Any  # an operation
    total: Any  # the sum of the dequeued numbers, a variable of the consumer
    init: Any  # an operation that resets both ends


def build(tf: Any, traffic: Traffic, shared: str) -> Ends:
    """Build the queue on the ps and its ends on the workers."""
    shape = () if traffic.numbers == 1 else (traffic.numbers,)
    with tf.device(PS):
        queue = tf.FIFOQueue(traffic.capacity, [tf.float64], [shape], shared_name=shared)
    with tf.device(WORKERS[0]):
        last = tf.Variable(np.float64(0), name="last")
        number = tf.assign_add(last, np.float64(traffic.many))
        if traffic.many == 1:
            put = queue.enqueue([number * np.ones(shape)])
        else:
            offsets = np.arange(1.0 - traffic.many, 1.0).reshape(-1, *(1 for _ in shape))
            put = queue.enqueue_many([(number + offsets) * np.ones((1, *shape))])
    with tf.device(WORKERS[1]):
        total = tf.Variable(np.float64(0), name="total")
        items = queue.dequeue() if traffic.many == 1 else queue.dequeue_many(traffic.many)
        take = tf.assign_add(total, tf.reduce_sum(items if not shape else items[..., 0]))
    return Ends(put, take.op, total, tf.group(last.initializer, total.initializer))

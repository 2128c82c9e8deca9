"""A queue in one process, what fills it in a second one, and what empties it in a third.

An item is a 64-bit number, or an array that is full of one: 1, 2, 3, ...  Whoever takes them adds the numbers up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from measure import size

from programs import PS, WORKERS


@dataclass(frozen=True)
class Traffic:
    """numbers: in an item; many: items at once; steps: of a sample; capacity: of the queue, in items."""

    numbers: int
    many: int
    steps: int
    capacity: int

    @property
    def items(self) -> int:
        return self.many * self.steps

    def block(self, last: int) -> Any:
        """The items of a step, for those who compute with NumPy: [numbers], or [many, numbers], or a number."""
        if self.numbers == 1:
            return float(last) if self.many == 1 else np.arange(last - self.many + 1, last + 1, dtype=np.float64)
        values = np.arange(last - self.many + 1, last + 1, dtype=np.float64)[:, np.newaxis]
        return (values * np.ones((1, self.numbers)))[() if self.many > 1 else 0]

    def total(self, block: Any) -> float:
        """The numbers of a step, added up."""
        return float(np.sum(np.reshape(block, (self.many, self.numbers))[:, 0]))


MEGABYTE = size(131_072, 1_310)  # numbers of 8 bytes
CASES = {
    "8 bytes, one by one": Traffic(1, 1, size(2000, 20), 1000),
    "8 bytes, in hundreds": Traffic(1, 100, size(1000, 5), 1000),
    "1 MB, one by one": Traffic(MEGABYTE, 1, size(300, 5), 20),
    "1 MB, in tens": Traffic(MEGABYTE, 10, size(40, 2), 20),
}
CHECKED = 4  # steps that a fact is about


@dataclass(frozen=True)
class Ends:
    """Both ends of a queue in a graph."""

    put: Any  # an operation
    take: Any  # an operation
    total: Any  # the numbers taken, added up: a variable of the taker
    init: Any  # sets both ends back


def build(tf: Any, traffic: Traffic, shared: str) -> Ends:
    """The queue is on the ps, the ends are on the workers."""
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

"""Does an item cost the same in a queue that holds 10,000,000 items as in one of 10?

Queues of numbers, in a session of this process, are filled before the clock starts. Then items go in and as many come
out: one at a time (`enqueue`, `dequeue`) or 100 at a time (`enqueue_many`, `dequeue_many`), with `make_callable`. The
table shows the time of one item, in and out. The only target is that the figures of a kind are alike.

By hand, with no thread that might wait: a `deque`, a list in which the last item takes the place of the drawn one, and
NumPy arrays for 100 items at once.
"""

from __future__ import annotations

import random
from collections import deque
from functools import partial
from typing import Any

import numpy as np
from competitors import Competitor, Here, Peer
from measure import MICROSECONDS, rounds_asked
from programs.queues import SIZES, Filled, all_cases
from tables import BY_HAND, report

import dflow as df


class Fifo:
    """A deque for single items, and a ring buffer for many at once."""

    def __init__(self, length: int) -> None:
        self._items = deque(map(float, range(length)))
        self._ring = np.empty(length + max(SIZES), np.float32)
        self._ring[:length] = range(length)
        self._first, self._last = 0, length

    def both(self, size: int) -> Any:
        if size == 1:
            self._items.append(0.0)
            return self._items.popleft()
        self._ring[np.arange(self._last, self._last + size) % len(self._ring)] = 0
        taken = self._ring[np.arange(self._first, self._first + size) % len(self._ring)]
        self._first, self._last = self._first + size, self._last + size
        return taken


class Shuffle:
    """A list for single items, in which the last item takes the place of the drawn one; an array for many at once."""

    def __init__(self, length: int) -> None:
        self._items = list(map(float, range(length)))
        self._array = np.zeros(length + max(SIZES), np.float32)
        self._array[:length] = range(length)
        self._random = np.random.default_rng(1)

    def both(self, size: int) -> Any:
        if size == 1:
            self._items.append(0.0)
            place = int(random.random() * len(self._items))
            self._items[place], self._items[-1] = self._items[-1], self._items[place]
            return self._items.pop()
        places = self._random.choice(len(self._array), size, replace=False, shuffle=False)
        taken = self._array[places]
        self._array[places] = 0  # the new items, as many as were taken
        return taken


def by_hand(kind: str, length: int) -> Fifo | Shuffle:
    return Fifo(length) if kind == "FIFOQueue" else Shuffle(length)


def main() -> None:
    rounds = rounds_asked(__doc__)
    competitors: list[Competitor] = [
        Here("dflow", *all_cases(partial(Filled, df))),
        Peer("TF1", "tensorflow", "tf1_queue_length.py"),
        Here(BY_HAND, *all_cases(by_hand)),
    ]
    print(report(__doc__, MICROSECONDS, competitors, rounds=rounds))


if __name__ == "__main__":
    main()

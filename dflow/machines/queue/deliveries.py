"""Deliveries: elements on their way to another process, which the queue keeps until they are acknowledged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dflow.machines.queue.attempts import Take
from dflow.machines.queue.store import Store, Taken

Run = tuple[int, int]  # elements that came one after the other: how many came before them, and how many they are


@dataclass(slots=True, eq=False)
class _Delivery:
    runs: list[Run]
    taken: Taken  # in the store's own form
    many: bool
    count: int


class Deliveries:
    """The deliveries of one queue.

    Returned elements go to the front of the store.  There they are in the order in which they came to the queue,
    regardless of the order of their return, and of how often they were delivered before.
    """

    def __init__(self, store: Store) -> None:
        self.unacknowledged = 0  # elements
        self._store = store
        self._deliveries: dict[int, _Delivery] = {}
        self._returned: list[Run] = []  # the returned elements, which are at the front, sorted
        self._left = 0  # the number of elements that have left the store at least once

    def add(self, take: Take, taken: Taken, runs: list[Run], n: int) -> None:
        """Record a delivery: the n elements that left the store for `take`."""
        self._deliveries[take.ticket] = _Delivery(runs, taken, take.many, n)
        self.unacknowledged += n

    def acknowledge(self, ticket: int) -> int:
        """Forget a delivery.  Returns its elements; 0 if there is no such delivery."""
        delivery = self._deliveries.pop(ticket, None)
        if delivery is None:
            return 0
        self.unacknowledged -= delivery.count
        return delivery.count

    def take_back(self, ticket: int) -> int:
        """Store a delivery's elements again.  Returns how many; 0 if there is no such delivery."""
        delivery = self._deliveries.pop(ticket, None)
        if delivery is None:
            return 0
        self.unacknowledged -= delivery.count
        if delivery.many:
            self._store.give_back_many(delivery.taken)
        else:
            self._store.give_back(delivery.taken)
        if self._store.ordered:
            self._sort_in(delivery.runs)
        return delivery.count

    def left_front(self, n: int) -> list[Run]:
        """Record that n elements left the front of the store, returned ones first.  Returns their runs."""
        runs = []
        while n and self._returned:
            first, count = self._returned[0]
            gone = min(n, count)
            runs.append((first, gone))
            n -= gone
            if gone == count:
                del self._returned[0]
            else:
                self._returned[0] = (first + gone, count - gone)
        if n:
            runs.append((self._left, n))
            self._left += n
        return runs if len(runs) == 1 else _joined(runs)

    def clear(self) -> None:
        """Drop all deliveries."""
        self._deliveries.clear()
        self._returned.clear()
        self.unacknowledged = 0

    def _sort_in(self, runs: list[Run]) -> None:
        """Sort the elements that were just put to the front in among the elements that were returned before."""
        older = [run for run in self._returned if run < runs[-1]]
        if older:
            lifted = [(run, self._store.take_many(run[1])) for run in (*runs, *older)]
            for _, taken in sorted(lifted, key=lambda one: one[0], reverse=True):
                self._store.give_back_many(taken)
        self._returned = _joined(sorted([*self._returned, *runs]))


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Sorted runs, with adjacent ones joined."""
    joined: list[Run] = []
    for first, count in runs:
        if joined and sum(joined[-1]) == first:
            joined[-1] = (joined[-1][0], joined[-1][1] + count)
        else:
            joined.append((first, count))
    return joined

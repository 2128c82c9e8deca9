"""Loans: elements on their way to another process, which the queue keeps until they are acknowledged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dflow.machines.queue.attempts import Take
from dflow.machines.queue.store import Store, Taken

Run = tuple[int, int]  # elements that came one after the other: how many came before them, and how many they are


@dataclass(slots=True, eq=False)
class _Loan:
    runs: list[Run]
    taken: Taken  # in the store's own form
    many: bool
    count: int


class Loans:
    """The loans of one queue.

    Returned elements go to the front of the store.  There they are in the order in which they came to the queue,
    regardless of the order of their return, and of how often they were lent before.
    """

    def __init__(self, store: Store) -> None:
        self.lent = 0  # elements
        self._store = store
        self._loans: dict[int, _Loan] = {}
        self._returned: list[Run] = []  # the returned elements, which are at the front, sorted
        self._left = 0  # the number of elements that have left the store at least once

    def add(self, take: Take, taken: Taken, runs: list[Run], n: int) -> None:
        """Record a loan: the n elements that left the store for `take`."""
        self._loans[take.ticket] = _Loan(runs, taken, take.many, n)
        self.lent += n

    def acknowledge(self, ticket: int) -> int:
        """Forget a loan.  Returns its elements; 0 if there is no such loan."""
        loan = self._loans.pop(ticket, None)
        if loan is None:
            return 0
        self.lent -= loan.count
        return loan.count

    def take_back(self, ticket: int) -> int:
        """Store a loan's elements again.  Returns how many; 0 if there is no such loan."""
        loan = self._loans.pop(ticket, None)
        if loan is None:
            return 0
        self.lent -= loan.count
        if loan.many:
            self._store.give_back_many(loan.taken)
        else:
            self._store.give_back(loan.taken)
        if self._store.ordered:
            self._sort_in(loan.runs)
        return loan.count

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
        """Drop all loans."""
        self._loans.clear()
        self._returned.clear()
        self.lent = 0

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

"""Elements on their way to another process, which the queue keeps until it hears that they arrived."""

from __future__ import annotations

from dataclasses import dataclass

from dflow.queues.attempts import Take
from dflow.queues.store import Store, Taken


@dataclass(slots=True, eq=False)
class _Loan:
    number: int  # loans count up
    taken: Taken  # in the store's own form
    many: bool
    count: int


class Loans:
    """The loans of one queue.

    What comes back goes to the front of the store.  Loans that come back stand there in the order in which they were
    lent, in whatever order they come; what is lent again after it came back counts as a new loan.
    """

    def __init__(self, store: Store) -> None:
        self.lent = 0  # elements
        self._store = store
        self._made = 0
        self._loans: dict[int, _Loan] = {}
        self._returned: list[list[int]] = []  # [number, elements] of loans that came back and are at the front, sorted

    def add(self, take: Take, taken: Taken, n: int) -> None:
        """Keep the n elements that left the store for `take`."""
        self._made += 1
        self._loans[take.ticket] = _Loan(self._made, taken, take.many, n)
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
        if not self._store.ordered:
            self._give_back(loan)
            return loan.count
        older = sum(count for number, count in self._returned if number < loan.number)
        passed = self._store.take_many(older) if older else None
        self._give_back(loan)
        if passed is not None:
            self._store.give_back_many(passed)
        self._returned.append([loan.number, loan.count])
        self._returned.sort()
        return loan.count

    def left_front(self, n: int) -> None:
        """n elements left the front of the store, and with them what had come back."""
        while n and self._returned:
            first = self._returned[0]
            gone = min(n, first[1])
            first[1] -= gone
            n -= gone
            if not first[1]:
                del self._returned[0]

    def clear(self) -> None:
        """Drop all loans."""
        self._loans.clear()
        self._returned.clear()
        self.lent = 0

    def _give_back(self, loan: _Loan) -> None:
        if loan.many:
            self._store.give_back_many(loan.taken)
        else:
            self._store.give_back(loan.taken)

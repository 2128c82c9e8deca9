"""Random sequences of calls against a model that moves one element at a time, with plain lists."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dflow.errors import AbortedError, CancelledError, OutOfRangeError
from dflow.queues import Queue
from tests.queues.helpers import DONE, ended, new_queue, one

WITHDRAWN = AbortedError(None, None, "withdrawn")


@dataclass
class Want:
    """An attempt that waits: `values` go in (None: a close), or `n` come out."""

    ticket: int
    values: list[int] | None = None
    n: int = 0
    many: bool = False
    partly: bool = False
    lend: bool = False
    got: list[list[int]] = field(default_factory=list)


@dataclass
class Model:
    """What a FIFO queue has to do.  An item is [value, number of the loan that it came back from, or -1]."""

    capacity: int
    reserve: int
    items: list[list[int]] = field(default_factory=list)
    puts: list[Want] = field(default_factory=list)
    takes: list[Want] = field(default_factory=list)
    loans: dict[int, tuple[int, list[list[int]]]] = field(default_factory=dict)
    loans_made: int = 0
    closed: bool = False
    entered: list[int] = field(default_factory=list)
    over: dict[int, Any] = field(default_factory=dict)  # what ended since `settle` was called

    @property
    def lent(self) -> int:
        return sum(len(items) for _, items in self.loans.values())

    def settle(self) -> dict[int, Any]:
        while self.put_one() | self.take_all():
            pass
        over, self.over = self.over, {}
        return over

    def put_one(self) -> bool:
        """One step of the head of the enqueues."""
        if not self.puts:
            return False
        head = self.puts[0]
        if self.closed:
            self.over[head.ticket] = CancelledError
        elif head.values is None:
            self.closed = True
            self.over[head.ticket] = DONE
        elif self.capacity < 0 or len(self.items) + self.lent < self.capacity:
            self.entered.append(head.values[0])
            self.items.append([head.values.pop(0), -1])
            if head.values:
                return True
            self.over[head.ticket] = DONE
        else:
            return False
        del self.puts[0]
        return True

    def take_all(self) -> bool:
        """All that the dequeues can do."""
        before = len(self.items), len(self.takes)
        while self.takes:
            head = self.takes[0]
            while len(head.got) < head.n and len(self.items) > (0 if self.closed else self.reserve):
                head.got.append(self.items.pop(0))
            if len(head.got) < head.n:
                if not self.closed or self.loans:
                    break
                if not (head.partly and head.got):
                    self.items[:0] = head.got
                    self.over[head.ticket] = OutOfRangeError
                    del self.takes[0]
                    continue
            values = [value for value, _ in head.got]
            self.over[head.ticket] = values if head.many else values[0]
            if head.lend:
                self.loans_made += 1
                self.loans[head.ticket] = self.loans_made, head.got
            del self.takes[0]
        return before != (len(self.items), len(self.takes))

    def withdraw(self, ticket: int) -> None:
        for want in self.puts + self.takes:
            if want.ticket == ticket:
                self.items[:0] = want.got
                self.over[ticket] = AbortedError
        self.puts = [want for want in self.puts if want.ticket != ticket]
        self.takes = [want for want in self.takes if want.ticket != ticket]

    def close_and_cancel(self, ticket: int) -> None:
        self.over |= {want.ticket: CancelledError for want in self.puts} | {ticket: DONE}
        self.puts, self.closed = [], True

    def take_back(self, ticket: int) -> None:
        if ticket not in self.loans:
            return
        number, items = self.loans.pop(ticket)
        if self.takes:  # those that the head has taken are the next ones, too
            self.items[:0] = self.takes[0].got
            self.takes[0].got = []
        place = 0
        while place < len(self.items) and -1 < self.items[place][1] < number:
            place += 1
        self.items[place:place] = [[value, number] for value, _ in items]


class Pair:
    """A queue and its model, which get the same calls and must agree."""

    def __init__(self, kind: str, capacity: int, reserve: int) -> None:
        self.queue: Queue = new_queue(kind, capacity, min_after_dequeue=reserve, seed=(1, 2))
        self.model = Model(capacity, reserve)
        self.ordered = kind == "FIFOQueue"
        self.tickets = 0
        self.next_value = 0
        self.open_tickets: set[int] = set()
        self.inside = Counter[int]()  # values that are in the queue
        self.lent: dict[int, list[int]] = {}

    def call(self, what: str, n: int, lend: bool) -> None:
        ticket = self.tickets
        old = n * 7919 % (ticket + 1)  # some ticket from before
        replies = getattr(self, what)(ticket, n, lend, old)
        if what not in ("withdraw", "acknowledge", "take_back"):
            self.open_tickets.add(ticket)
            self.tickets += 1
        self.compare(ended(replies), self.model.settle())

    def enqueue(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.next_value += 1
        self.model.puts.append(Want(ticket, [self.next_value]))
        return self.queue.enqueue(ticket, one(self.next_value))

    def enqueue_many(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        values = list(range(self.next_value + 1, self.next_value + n + 1))
        self.next_value += n
        if n:
            self.model.puts.append(Want(ticket, values.copy()))
        else:
            self.model.over[ticket] = DONE
        return self.queue.enqueue_many(ticket, one(values))

    def dequeue(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.model.takes.append(Want(ticket, n=1, lend=lend))
        return self.queue.dequeue(ticket, lend=lend)

    def dequeue_many(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.want(Want(ticket, n=n, many=True, lend=lend))
        return self.queue.dequeue_many(ticket, n, lend=lend)

    def dequeue_up_to(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.want(Want(ticket, n=n, many=True, lend=lend, partly=True))
        return self.queue.dequeue_up_to(ticket, n, lend=lend)

    def want(self, want: Want) -> None:
        if want.n:
            self.model.takes.append(want)
        else:
            self.model.over[want.ticket] = []

    def close(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.model.puts.append(Want(ticket))
        return self.queue.close(ticket)

    def close_and_cancel(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.model.close_and_cancel(ticket)
        return self.queue.close(ticket, cancel_pending_enqueues=True)

    def withdraw(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.model.withdraw(old)
        return self.queue.withdraw(old, WITHDRAWN)

    def acknowledge(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.model.loans.pop(old, None)
        self.lent.pop(old, None)
        return self.queue.acknowledge(old)

    def take_back(self, ticket: int, n: int, lend: bool, old: int) -> Any:
        self.model.take_back(old)
        self.inside.update(self.lent.pop(old, []))
        return self.queue.take_back(old)

    def compare(self, real: dict[int, Any], expected: dict[int, Any]) -> None:
        """The same attempts ended in the same way, and what came out had been in."""
        assert real.keys() == expected.keys()
        assert real.keys() <= self.open_tickets  # each ends once
        self.open_tickets -= real.keys()
        self.inside.update(self.model.entered)
        self.model.entered.clear()
        for ticket, outcome in real.items():
            if self.ordered or not isinstance(outcome, list | int):
                assert outcome == expected[ticket]
            values = outcome if isinstance(outcome, list) else [outcome] if isinstance(outcome, int) else []
            assert len(values) == len(_listed(expected[ticket]))
            assert all(self.inside[value] == 1 for value in values)
            self.inside.subtract(values)
            if ticket in self.model.loans:
                self.lent[ticket] = values
        self.compare_counts()

    def compare_counts(self) -> None:
        counts, model = self.queue.counts(), self.model
        assert (counts.size, counts.lent, counts.closed) == (len(model.items), model.lent, model.closed)
        assert (counts.waiting_enqueues, counts.waiting_dequeues) == (len(model.puts), len(model.takes))
        assert counts.enqueued - counts.dequeued == self.inside.total()


def _listed(outcome: Any) -> list[int]:
    return outcome if isinstance(outcome, list) else [outcome] if isinstance(outcome, int) else []


CALLS = st.tuples(
    st.sampled_from(
        ["enqueue", "enqueue_many", "dequeue", "dequeue_many", "dequeue_up_to"] * 3
        + ["withdraw", "acknowledge", "take_back"] * 2
        + ["close", "close_and_cancel"]
    ),
    st.integers(0, 9),
    st.booleans(),
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["FIFOQueue", "RandomShuffleQueue"]),
    st.integers(-1, 6),
    st.integers(0, 5),
    st.lists(CALLS, max_size=60),
)
def test_a_queue_does_what_the_model_does_and_loses_and_repeats_nothing(
    kind: str, capacity: int, reserve: int, calls: list[tuple[str, int, bool]]
) -> None:
    """Q2.11, Q2.12, Q3.10, Q4.3 to Q4.10, Q5.1 to Q5.8, Q6.1, Q8.2 to Q8.4, D1"""
    if kind == "FIFOQueue":
        reserve = 0
    elif capacity >= 0:
        capacity += 1
        reserve = min(reserve, capacity - 1)
    pair = Pair(kind, capacity, reserve)
    for call in calls:
        pair.call(*call)

    pair.call("close_and_cancel", 0, False)
    while pair.lent:  # what comes back may be lent again
        ticket = min(pair.lent)
        settle = pair.take_back if ticket % 2 else pair.acknowledge
        pair.compare(ended(settle(0, 0, False, ticket)), pair.model.settle())
    pair.call("dequeue_up_to", 10**6, False)
    assert not pair.open_tickets  # all have ended
    assert not pair.inside.total()  # all came out


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(0, 4), st.lists(CALLS, max_size=40))
def test_stored_and_lent_elements_never_need_more_room_than_there_is(
    capacity: int, reserve: int, calls: list[tuple[str, int, bool]]
) -> None:
    """Q2.11, Q8.2: holds as long as no dequeue_many takes more than fits, or gives back what it took"""
    pair = Pair("RandomShuffleQueue", capacity + reserve, reserve)
    for what, n, lend in calls:
        if what not in ("withdraw", "dequeue_many", "dequeue_up_to"):
            pair.call(what, n, lend)
            counts = pair.queue.counts()
            assert counts.size + counts.lent <= counts.capacity

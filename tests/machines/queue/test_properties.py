"""Random sequences of calls against a model that moves one element at a time, with plain lists."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dflow.errors import AbortedError
from dflow.machines.queue import Queue
from tests.machines.queue.helpers import DONE, ended, new_queue
from tests.machines.queue.kinds import KINDS
from tests.machines.queue.model import Model, Want

WITHDRAWN = AbortedError(None, None, "withdrawn")


class Pair:
    """A queue and its model, which get the same calls and must agree."""

    def __init__(self, kind: str, capacity: int, reserve: int) -> None:
        self.kind = KINDS[kind]
        self.queue: Queue = new_queue(kind, capacity, min_after_dequeue=reserve, **self.kind.arguments)
        self.model = Model(capacity, reserve, self.kind.rank)
        self.tickets = 0
        self.next_value = 0
        self.open_tickets: set[int] = set()
        self.inside = Counter[int]()  # values that are in the queue
        self.unacknowledged: dict[int, list[int]] = {}

    def call(self, what: str, n: int, ack: bool) -> None:
        ticket = self.tickets
        old = n * 7919 % (ticket + 1)  # some ticket from before
        replies = getattr(self, what)(ticket, n, ack, old)
        if what not in ("withdraw", "acknowledge", "take_back"):
            self.open_tickets.add(ticket)
            self.tickets += 1
        self.compare(ended(replies), self.model.settle())

    def enqueue(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.next_value += 1
        self.model.puts.append(Want(ticket, [self.next_value]))
        return self.queue.enqueue(ticket, self.kind.element(self.next_value))

    def enqueue_many(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        values = list(range(self.next_value + 1, self.next_value + n + 1))
        self.next_value += n
        if n:
            self.model.puts.append(Want(ticket, values.copy()))
        else:
            self.model.over[ticket] = DONE
        return self.queue.enqueue_many(ticket, self.kind.batch(values))

    def dequeue(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.model.takes.append(Want(ticket, n=1, ack=ack))
        return self.queue.dequeue(ticket, ack=ack)

    def dequeue_many(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.want(Want(ticket, n=n, many=True, ack=ack))
        return self.queue.dequeue_many(ticket, n, ack=ack)

    def dequeue_up_to(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.want(Want(ticket, n=n, many=True, ack=ack, partly=True))
        return self.queue.dequeue_up_to(ticket, n, ack=ack)

    def want(self, want: Want) -> None:
        if want.n:
            self.model.takes.append(want)
        else:
            self.model.over[want.ticket] = []

    def close(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.model.puts.append(Want(ticket))
        return self.queue.close(ticket)

    def close_and_cancel(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.model.close_and_cancel(ticket)
        return self.queue.close(ticket, cancel_pending_enqueues=True)

    def withdraw(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.model.withdraw(old)
        return self.queue.withdraw(old, WITHDRAWN)

    def acknowledge(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.model.deliveries.pop(old, None)
        self.unacknowledged.pop(old, None)
        return self.queue.acknowledge(old)

    def take_back(self, ticket: int, n: int, ack: bool, old: int) -> Any:
        self.model.take_back(old)
        self.inside.update(self.unacknowledged.pop(old, []))
        return self.queue.take_back(old)

    def compare(self, real: dict[int, Any], expected: dict[int, Any]) -> None:
        """The same attempts ended in the same way, and what came out had been in."""
        assert real.keys() == expected.keys()
        assert real.keys() <= self.open_tickets  # each ends once
        self.open_tickets -= real.keys()
        self.inside.update(self.model.entered)
        self.model.entered.clear()
        for ticket, outcome in real.items():
            values = self.values(outcome, expected[ticket])
            wanted = _listed(expected[ticket])
            assert values == wanted if self.kind.ordered else len(values) == len(wanted)
            assert all(self.inside[value] == 1 for value in values)
            self.inside.subtract(values)
            if ticket in self.model.deliveries:
                self.unacknowledged[ticket] = values
        self.compare_counts()

    def values(self, outcome: Any, expected: Any) -> list[int]:
        """What came out of the queue, where the model says that something did."""
        if isinstance(expected, list):
            return self.kind.numbers(outcome)
        if isinstance(expected, int):
            return [self.kind.number(outcome)]
        assert outcome == expected
        return []

    def compare_counts(self) -> None:
        counts, model = self.queue.counts(), self.model
        assert (counts.size, counts.unacknowledged, counts.closed) == (
            len(model.items),
            model.unacknowledged,
            model.closed,
        )
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


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=400)
@given(
    capacity=st.integers(-1, 6),
    reserve=st.integers(0, 5),
    calls=st.lists(CALLS, max_size=60),
)
def test_a_queue_does_what_the_model_does_and_loses_and_repeats_nothing(
    kind: str, capacity: int, reserve: int, calls: list[tuple[str, int, bool]]
) -> None:
    """Q2.11, Q2.12, Q3.10, Q4.3 to Q4.10, Q5.1 to Q5.8, Q6.1, Q7.9, Q8.2 to Q8.4, Q9.2, Q9.5, D1"""
    if kind != "RandomShuffleQueue":
        reserve = 0
    elif capacity >= 0:
        capacity += 1
        reserve = min(reserve, capacity - 1)
    pair = Pair(kind, capacity, reserve)
    for call in calls:
        pair.call(*call)

    pair.call("close_and_cancel", 0, False)
    while pair.unacknowledged:  # what comes back may be delivered again
        ticket = min(pair.unacknowledged)
        settle = pair.take_back if ticket % 2 else pair.acknowledge
        pair.compare(ended(settle(0, 0, False, ticket)), pair.model.settle())
    pair.call("dequeue_up_to", 10**6, False)
    assert not pair.open_tickets  # all have ended
    assert not pair.inside.total()  # all came out


@settings(max_examples=100)
@given(st.integers(1, 5), st.integers(0, 4), st.lists(CALLS, max_size=40))
def test_stored_and_unacknowledged_elements_never_need_more_room_than_there_is(
    capacity: int, reserve: int, calls: list[tuple[str, int, bool]]
) -> None:
    """Q2.11, Q8.2: holds as long as no dequeue_many takes more than fits, or gives back what it took"""
    pair = Pair("RandomShuffleQueue", capacity + reserve, reserve)
    for what, n, ack in calls:
        if what not in ("withdraw", "dequeue_many", "dequeue_up_to"):
            pair.call(what, n, ack)
            counts = pair.queue.counts()
            assert counts.size + counts.unacknowledged <= counts.capacity

"""A queue as a model: one element at a time, with plain lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dflow.errors import AbortedError, CancelledError, OutOfRangeError
from tests.machines.queue.helpers import DONE


@dataclass
class Want:
    """An attempt that waits: `values` go in (None: a close), or `n` come out."""

    ticket: int
    values: list[int] | None = None
    n: int = 0
    many: bool = False
    partly: bool = False
    ack: bool = False
    got: list[list[int]] = field(default_factory=list)


@dataclass
class Model:
    """What a queue has to do.  An item is [value, how many came before it].

    rank: None for one that is first in, first out, where a waiting dequeue takes elements as they come.
    """

    capacity: int
    reserve: int
    rank: Callable[[int], tuple[int, int]] | None = None
    items: list[list[int]] = field(default_factory=list)
    puts: list[Want] = field(default_factory=list)
    takes: list[Want] = field(default_factory=list)
    deliveries: dict[int, list[list[int]]] = field(default_factory=dict)
    came: int = 0  # elements so far
    closed: bool = False
    entered: list[int] = field(default_factory=list)
    over: dict[int, Any] = field(default_factory=dict)  # what ended since `settle` was called

    @property
    def unacknowledged(self) -> int:
        return sum(map(len, self.deliveries.values()))

    def settle(self) -> dict[int, Any]:
        put = self.put_one if self.rank is None else self.put_all
        while put() | self.take_all():
            pass
        over, self.over = self.over, {}
        return over

    def put_all(self) -> bool:
        """All that the enqueues can do."""
        moved = False
        while self.put_one():
            moved = True
        return moved

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
        elif self.capacity < 0 or len(self.items) + self.unacknowledged < self.capacity:
            self.items.append([head.values[0], self.came])
            self.came += 1
            self.entered.append(head.values.pop(0))
            self.sort()
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
            at_once = len(self.items) >= head.n or (self.closed and not self.deliveries)
            while len(head.got) < head.n and len(self.items) > (0 if self.closed else self.reserve):
                if self.rank and not (at_once or head.got):
                    break
                head.got.append(self.items.pop(0))
            if len(head.got) < head.n:
                if not self.closed or self.deliveries:
                    break
                if not (head.partly and head.got):
                    self.items[:0] = head.got
                    self.over[head.ticket] = OutOfRangeError
                    del self.takes[0]
                    continue
            values = [value for value, _ in head.got]
            self.over[head.ticket] = values if head.many else values[0]
            if head.ack:
                self.deliveries[head.ticket] = head.got
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
        if ticket not in self.deliveries:
            return
        items = self.deliveries.pop(ticket)
        if self.takes:  # those that the head has taken are the next ones, too
            self.items[:0] = self.takes[0].got
            self.takes[0].got = []
        self.items = sorted(self.items + items, key=lambda item: item[1])
        self.sort()

    def sort(self) -> None:
        rank = self.rank
        if rank is not None:
            self.items.sort(key=lambda item: rank(item[0]))

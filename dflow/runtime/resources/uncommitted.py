"""Records that a loop has read before it is certain that it will use them.

Until they are committed, the counts and the state of their reader are those of a reader that did not read them; what is
rolled back is read again, before all that follows it.

Several loops may read with one reader and put into one queue.  Their records enter the queue in the order of reading:
each block waits for its turn, which comes when the blocks of other loops before it are committed.  If one of these is
rolled back, the blocks behind it are stale: they have to be rolled back as well, so that nothing is in the queue whose
predecessors are not.
A loop that reads a single record does not say where that is, so it reads it while no loop has a block; `Phases` sees to
that.  Loops with other queues are not waited for: these queues may be full for ever.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any


class Phase(Enum):
    """What the loops of one reader and one queue do at a time."""

    BLOCKS = "blocks"
    SINGLE_RECORDS = "single records"


class Entry:
    """A loop that takes part in a phase, or waits for it.  admitted: called, in any thread, when a wait is over."""

    def __init__(self, phases: Phases, phase: Phase, admitted: Callable[[], None]) -> None:
        self.phase = phase
        self.inside = False
        self.admitted = admitted
        self._phases = phases

    def leave(self) -> None:
        """Take part no more, or wait no more."""
        self._phases.leave(self)


class Phases:
    """Loops take part in one phase together; those that want another one wait, and are served in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: set[Entry] = set()
        self._waiting: deque[Entry] = deque()

    def enter(self, phase: Phase, admitted: Callable[[], None]) -> Entry:
        """Take part in a phase, at once if `Entry.inside`, else as soon as `admitted` is called."""
        entry = Entry(self, phase, admitted)
        with self._lock:
            if self._waiting or any(other.phase is not phase for other in self._inside):
                self._waiting.append(entry)
            else:
                entry.inside = True
                self._inside.add(entry)
        return entry

    def leave(self, entry: Entry) -> None:
        """See `Entry.leave`."""
        with self._lock:
            if entry.inside:
                entry.inside = False
                self._inside.remove(entry)
            elif entry in self._waiting:
                self._waiting.remove(entry)
            admitted = self._admit()
        for other in admitted:
            other.admitted()

    def _admit(self) -> list[Entry]:
        """Under the lock: let in those who may take part now."""
        admitted = []
        while self._waiting and all(other.phase is self._waiting[0].phase for other in self._inside):
            entry = self._waiting.popleft()
            entry.inside = True
            self._inside.add(entry)
            admitted.append(entry)
        return admitted


class UncommittedRecords:
    """A block of records.

    start: the place of the first record among all that the reader ever read.
    records: keys and values, two vectors of one length.
    commit: counts the next so many records.  roll_back: lets the rest be read again.
    owner: the loop that has read it.  changed: called, in any thread, when its turn has come, or when it is stale.
    """

    def __init__(
        self,
        start: int,
        records: tuple[Any, Any],
        commit: Callable[[int], None],
        roll_back: Callable[[], None],
        order: ReadingOrder,
        owner: str,
        changed: Callable[[], None],
    ) -> None:
        self.start = start
        self.records = records
        self.owner = owner
        self.changed = changed
        self.has_turn = False
        self.stale = False
        self.left = len(records[0])  # records that are not committed
        self._commit = commit
        self._roll_back = roll_back
        self._order = order

    def commit(self, count: int) -> None:
        """The next `count` records are read, and never come back."""
        self.left -= count
        self._commit(count)
        if not self.left:
            self._order.remove(self)

    def roll_back(self) -> None:
        """The records that are not committed are read again."""
        if self.left:
            self.left = 0
            self._roll_back()
            self._order.remove(self, rolled_back=True)


class ReadingOrder:
    """The uncommitted blocks of one reader whose records go into one queue."""

    def __init__(self) -> None:
        self.phases = Phases()
        self._lock = threading.Lock()
        self._blocks: list[UncommittedRecords] = []  # by start

    def add(self, block: UncommittedRecords) -> None:
        """A block was read."""
        with self._lock:
            insort(self._blocks, block, key=lambda it: it.start)
            changed = self._give_turns()
        _call_all(changed)

    def remove(self, block: UncommittedRecords, rolled_back: bool = False) -> None:
        """A block is committed, or rolled back."""
        with self._lock:
            self._blocks.remove(block)
            stale = [other for other in self._blocks if rolled_back and other.start > block.start]
            for other in stale:
                other.stale = True
            changed = [other.changed for other in stale] + self._give_turns()
        _call_all(changed)

    def _give_turns(self) -> list[Callable[[], None]]:
        """Under the lock: it is the turn of the first block, and of those of the same loop that follow it."""
        changed = []
        for block in self._blocks:
            if block.owner != self._blocks[0].owner:
                break
            if not block.has_turn:
                block.has_turn = True
                changed.append(block.changed)
        return changed


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


class ReadingOrders:
    """The orders of one reader, by queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: dict[Hashable, ReadingOrder] = {}

    def of(self, queue: Hashable) -> ReadingOrder:
        with self._lock:
            return self._orders.setdefault(queue, ReadingOrder())

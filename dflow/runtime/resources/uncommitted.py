"""Records that a loop has read before it is certain that it will use them, and whose turn it is to read.

Until they are committed, the counts and the state of their reader are those of a reader that did not read them; what is
rolled back is read again, before all that follows it.

Several loops may read with one reader and put into one queue.  They take turns, so that records enter the queue in the
order of reading, and nothing is in the queue whose predecessors are not.  Loops with other queues do not wait for each
other: a queue may be full for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class UncommittedRecords:
    """A block of records.

    records: keys and values, two vectors of one length.
    commit: counts the next so many records.  roll_back: lets the rest be read again.
    """

    def __init__(self, records: tuple[Any, Any], commit: Callable[[int], None], roll_back: Callable[[], None]) -> None:
        self.records = records
        self.left = len(records[0])  # records that are not committed
        self._commit = commit
        self._roll_back = roll_back

    def commit(self, count: int) -> None:
        """The next `count` records are read, and never come back."""
        self.left -= count
        self._commit(count)

    def roll_back(self) -> None:
        """The records that are not committed are read again."""
        if self.left:
            self.left = 0
            self._roll_back()


class Turns:
    """The loops that read with one reader for one queue: one after the other, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: deque[tuple[object, Callable[[], None]]] = deque()  # the first one has its turn

    def take(self, loop: object, its_turn: Callable[[], None]) -> bool:
        """Whether it is a loop's turn.  If not, `its_turn` is called, in any thread, when it is."""
        with self._lock:
            if not any(other == loop for other, _ in self._line):
                self._line.append((loop, its_turn))
            return bool(self._line[0][0] == loop)

    def leave(self, loop: object) -> None:
        """End a loop's turn, or its wait; nothing happens if it has neither."""
        with self._lock:
            first = self._line[0] if self._line else None
            self._line = deque(pair for pair in self._line if pair[0] != loop)
            now = self._line[0] if self._line else None
        if now is not None and now is not first:
            now[1]()

"""Turns of the loops that read with one reader and enqueue into one queue.

They take turns, so that records enter the queue in the order of reading: nothing is in the queue while records before
it are not.  Loops with other queues do not wait for each other, as a queue may stay full for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class LoopTurns:
    """The loops that read with one reader for one queue: one after the other, in the order of their arrival."""

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

    @property
    def contended(self) -> bool:
        """Whether other loops wait for their turn."""
        return len(self._line) > 1

"""Turns of the loops that read with one reader and enqueue into one queue.

Not to be confused with the turns of threads that run steps of a local session: `Turns` in `base/turns.py`.

Loops take turns so that records enter the queue in the order of reading: an element enters only after the elements of
all earlier records.  Loops with different queues do not wait for each other, as a queue may stay full for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class LoopTurns:
    """The turns of loops that read with one reader for one queue: in the order of their arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line: deque[tuple[object, Callable[[], None]]] = deque()  # loops; the first has its turn

    def take(self, loop: object, its_turn: Callable[[], None]) -> bool:
        """Whether it is the loop's turn.  If not, the loop waits: `its_turn` is called, in any thread, when it is."""
        with self._lock:
            if not any(queued == loop for queued, _ in self._line):
                self._line.append((loop, its_turn))
            return bool(self._line[0][0] == loop)

    def leave(self, loop: object) -> None:
        """End a loop's turn, or its wait for one; does nothing if it has neither."""
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

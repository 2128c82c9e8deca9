"""A delivery, and what became of it."""

from __future__ import annotations

from collections.abc import Callable


class FakeDelivery:
    """Settles a delivery as a queue of this process does, or as a connection does that takes its time.

    settled: what it was called with.  slow: an acknowledgement leaves this process with `left()`, and is lost with
    `left(False)`.
    """

    def __init__(self, slow: bool = False) -> None:
        self.settled: list[bool] = []
        self._slow = slow
        self._waiting: list[Callable[[bool], None]] = []

    def __call__(self, accepted: bool, then: Callable[[bool], None] | None = None) -> None:
        self.settled.append(accepted)
        if then is None:
            return
        if self._slow:
            self._waiting.append(then)
        else:
            then(True)

    def left(self, sent: bool = True) -> None:
        """What was said has left this process, or it never will."""
        while self._waiting:
            self._waiting.pop(0)(sent)

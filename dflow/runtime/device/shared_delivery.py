"""A delivery whose elements, or results of them, go to several receivers at once."""

from __future__ import annotations

import threading

from dflow.runtime.base.answers import Settle, Then


class SharedDelivery:
    """A delivery to several receivers: accepted with the first acceptance, released when all have released it."""

    __slots__ = ("_lock", "_open", "_sent", "_settle", "_settled", "_waiting")

    def __init__(self, settle: Settle, receivers: int) -> None:
        self._settle = settle
        self._open = receivers
        self._settled = False
        self._sent: bool | None = None  # whether the acknowledgement has left this process; None: not known yet
        self._waiting: list[Then] = []  # of receivers that have accepted, until `_sent` is known
        self._lock = threading.Lock()

    def __call__(self, accepted: bool, then: Then | None = None) -> None:
        with self._lock:
            self._open -= 1
            first = not self._settled and (accepted or self._open == 0)
            self._settled = self._settled or first
            sent = self._sent
            if sent is None and then is not None:
                self._waiting.append(then)
        if first and accepted:
            self._settle(True, self._acknowledged)
        elif first:
            self._settle(False)
        elif sent is not None and then is not None:
            then(sent)

    def _acknowledged(self, sent: bool) -> None:
        with self._lock:
            self._sent = sent
            waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(sent)

    def give_back(self) -> None:
        """Release it after a failure to send it, unless a receiver has accepted it already."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self._settle(False)

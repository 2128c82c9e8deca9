"""Asks: single attempts on queues of other processes, outside of any step: of readers, and of loops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dflow.runtime.base.answers import Answer, Settle, Withdraw
from dflow.runtime.base.failures import as_op_error, lost
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.lane import Lane
from dflow.runtime.transport.requests import Unanswered
from dflow.specs import QueueSpec


class Asks:
    """The asks of this process, which wait for queues elsewhere."""

    def __init__(self) -> None:
        self.unanswered: Unanswered[tuple[Answer, str]] = Unanswered()  # the answer, and the device of its queue

    def send(
        self, lane: Lane, session: str, device: str, queue: QueueSpec, method: str, answer: Answer, *arguments: Any
    ) -> Withdraw:
        """Ask the process at the other end of `lane`; gives what withdraws it."""
        number = self.unanswered.add(lane, (answer, device))
        owner, op, times = getattr(answer, "owner", ""), getattr(answer, "op", ""), getattr(answer, "times", 1)
        lane.send(m.Ask(number, session, device, queue, method, arguments, owner, op, times))
        if lane.closed:  # perhaps before this ask was there to be seen
            self.lane_closed(lane)
        return lambda: lane.send(m.Withdraw(number))

    def lane_closed(self, lane: Lane) -> None:
        """The queues behind this lane are gone."""
        for answer, device in self.unanswered.pop_all(lane):
            answer(lost(lane.peer, [device], "a queue that was in use"))


class ServedAsks:
    """The asks of other processes, which wait for queues here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Lane, int], Withdraw | None] = {}  # None: its attempt is being made

    def serve(self, lane: Lane, number: int, attempt: Callable[[Answer], Withdraw]) -> None:
        """Make the attempt; its end, or the error that `attempt` raises, is the answer."""
        key = (lane, number)
        with self._lock:
            self._waiting[key] = None

        def answer(outcome: Any, settle: Settle | None = None, *more: tuple[Any, Settle]) -> None:
            with self._lock:
                wanted = key in self._waiting
                self._waiting.pop(key, None)
            if wanted:
                loan = None if settle is None else lane.lend(settle)
                lane.send(m.Answer(number, outcome, loan, tuple((value, lane.lend(its)) for value, its in more)))
            elif settle is not None:
                settle(False)
                for _, its in more:
                    its(False)

        try:
            withdraw = attempt(answer)
        except Exception as error:
            answer(as_op_error(error))
            return
        with self._lock:
            if key in self._waiting:
                self._waiting[key] = withdraw

    def withdraw(self, lane: Lane, number: int) -> None:
        """Whoever asked does not want the answer any more; the queue still says that it was cancelled."""
        with self._lock:
            withdraw = self._waiting.get((lane, number))
        if withdraw is not None:
            withdraw()

    def lane_closed(self, lane: Lane) -> None:
        """Nobody waits for these answers any more."""
        with self._lock:
            withdraws = [self._waiting.pop(key) for key in list(self._waiting) if key[0] is lane]
        for withdraw in withdraws:
            if withdraw is not None:
                withdraw()

    def __len__(self) -> int:
        return len(self._waiting)

"""Requests: messages to another process that it answers with a `Reply` of their number."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from dflow.errors import OpError, UnavailableError
from dflow.runtime.base.deadline import Deadline, Patience
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.lane import Lane

T = TypeVar("T")


class Unanswered(Generic[T]):
    """What waits for answers of other processes, by number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[Lane, T]] = {}

    def add(self, lane: Lane, item: T) -> int:
        """The number that goes over the lane, and comes back with the answer."""
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = (lane, item)
        return number

    def pop(self, number: int) -> T | None:
        """What waited under this number; None if it waits no more."""
        with self._lock:
            _, item = self._waiting.pop(number, (None, None))
        return item

    def pop_all(self, lane: Lane) -> list[T]:
        """All that waited for the other end of a lane."""
        with self._lock:
            numbers = [number for number, (other, _) in self._waiting.items() if other is lane]
            return [self._waiting.pop(number)[1] for number in numbers]

    def __len__(self) -> int:
        return len(self._waiting)


class Requests:
    """The requests of this process."""

    def __init__(self) -> None:
        self.unanswered: Unanswered[Future[Any]] = Unanswered()

    def send(self, lane: Lane, make: Callable[[int], Any]) -> Future[Any]:
        """Send the message that `make(number)` gives; the future ends with its `Reply`."""
        future: Future[Any] = Future()
        lane.send(make(self.unanswered.add(lane, future)))
        return future

    def replied(self, reply: m.Reply) -> None:
        future = self.unanswered.pop(reply.reply)
        if future is None:
            return
        if reply.error is not None:
            future.set_exception(reply.error)
        else:
            future.set_result(reply.value)

    def lane_closed(self, lane: Lane, error: OpError) -> None:
        """Nothing more is answered over this lane."""
        for future in self.unanswered.pop_all(lane):
            future.set_exception(error)


def answered(lane: Lane, reply: Future[Any], task: str, deadline: Deadline) -> Any:
    """Wait for the reply to a request; `task` is what was asked for, as in "worker tcp://... did not <task>".

    Raises the error of the reply, DeadlineExceededError, and UnavailableError if the worker was lost before.
    """
    patience = Patience(deadline)
    while True:
        try:
            return reply.result(patience.pause())
        except TimeoutError:
            patience.check(f"worker {lane.peer}", task)
        except UnavailableError as error:
            if not lane.closed:
                raise
            raise UnavailableError(None, None, f"worker {lane.peer} was lost and did not {task}") from error

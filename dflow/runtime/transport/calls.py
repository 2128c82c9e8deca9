"""Calls: messages to another process that it answers with a `Return` of the same number.

There are two kinds.  The answer to a request ends a future.  A `QueueCall` is an attempt of a reader or a loop on a
queue, outside of any step: it can be withdrawn, and its answer is called, perhaps with a delivery.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from dflow.errors import OpError, UnavailableError
from dflow.runtime.base.answers import Answer, Withdraw
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.deadline import Deadline, Patience
from dflow.runtime.base.failures import lost
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.channel import Channel
from dflow.specs import QueueSpec


class Calls:
    """The calls of this process that wait for a `Return`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[Channel, Future[Any] | Answer, str]] = {}  # the last: the device of a queue

    def request(self, channel: Channel, make: Callable[[int], Any]) -> Future[Any]:
        """Send the message `make(call)`; the future ends with its outcome."""
        future: Future[Any] = Future()
        channel.send(make(self._add(channel, future)))
        return future

    def call_queue(
        self,
        channel: Channel,
        session: str,
        device: str,
        queue: QueueSpec,
        method: str,
        answer: Answer,
        *arguments: Any,
    ) -> Withdraw:
        """Make an attempt on a queue at the other end of a channel; returns the function that withdraws it."""
        call = self._add(channel, answer, device)
        owner, op, times = getattr(answer, "owner", ""), getattr(answer, "op", ""), getattr(answer, "times", 1)
        channel.send(m.QueueCall(call, session, device, queue, method, arguments, owner, op, times))
        return lambda: channel.send(m.Withdraw(call))

    def _add(self, channel: Channel, waiting: Future[Any] | Answer, device: str = "") -> int:
        call = next(self._numbers)
        with self._lock:
            self._waiting[call] = channel, waiting, device
        return call

    def pop(self, call: int) -> Future[Any] | Answer | None:
        """Remove a call whose outcome has come; returns its future or answer, None if the call has ended before."""
        with self._lock:
            _, waiting, _ = self._waiting.pop(call, (None, None, ""))
        return waiting

    def channel_closed(self, channel: Channel, closing: OpError | None) -> None:
        """End the calls over a channel that has closed.  closing: the reason if this process itself ends."""
        with self._lock:
            calls = [call for call, (other, *_) in self._waiting.items() if other is channel]
            ended = [self._waiting.pop(call) for call in calls]
        for _, waiting, device in ended:
            if isinstance(waiting, Future):
                waiting.set_exception(closing or lost(channel.peer, [], "a request to it"))
            else:
                waiting(lost(channel.peer, [device], "a queue that was in use"))

    def __len__(self) -> int:
        return len(self._waiting)


class ServedCalls:
    """The attempts of other processes on queues of this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Channel, int], Attempt] = {}

    def serve(self, channel: Channel, call: m.QueueCall, begin: Callable[[Attempt], Withdraw]) -> None:
        """Make the attempt of a message; its outcome is the outcome of the call."""
        key = (channel, call.call)
        attempt = Attempt(call.owner, call.op, partial(self._answered, key), times=call.times)
        with self._lock:
            self._waiting[key] = attempt
        if attempt.start(begin):
            self._answered(key, attempt)

    def _answered(self, key: tuple[Channel, int], attempt: Attempt) -> None:
        channel, call = key
        with self._lock:
            self._waiting.pop(key, None)
        outcomes = attempt.take()
        if outcomes:
            (outcome, delivery), *further = [
                (value, None if settle is None else channel.add_delivery(settle)) for value, settle in outcomes
            ]
            channel.send(m.Return(call, outcome, delivery, tuple(further)))

    def withdraw(self, channel: Channel, call: int) -> None:
        """Withdraw an attempt; the queue answers it with CancelledError."""
        with self._lock:
            attempt = self._waiting.get((channel, call))
        if attempt is not None:
            attempt.cancel()

    def channel_closed(self, channel: Channel) -> None:
        """Withdraw all attempts of the process at the other end, which is gone."""
        with self._lock:
            attempts = [self._waiting.pop(key) for key in list(self._waiting) if key[0] is channel]
        for attempt in attempts:
            attempt.withdraw()

    def __len__(self) -> int:
        return len(self._waiting)


def end_future(future: Future[Any], outcome: Any) -> None:
    """End the future of a request with its outcome."""
    if isinstance(outcome, OpError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def answered(channel: Channel, reply: Future[Any], task: str, deadline: Deadline) -> Any:
    """Wait for the outcome of a request.  task: the request in words, as in "worker tcp://... did not <task>".

    Raises the outcome if it is an error, DeadlineExceededError at the deadline, and UnavailableError if the worker was
    lost before.
    """
    patience = Patience(deadline)
    while True:
        try:
            return reply.result(patience.pause())
        except TimeoutError:
            patience.check(f"worker {channel.peer}", task)
        except UnavailableError as error:
            if not channel.closed:
                raise
            raise UnavailableError(None, None, f"worker {channel.peer} was lost and did not {task}") from error

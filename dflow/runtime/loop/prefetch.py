"""The source of a loop that prefetches: the next elements come while an iteration computes with the present ones.

Each iteration takes elements that have come, or waits for them.  The next elements are requested when none are left,
and only then.  So a loop that has nothing to do stands in the queue's line once, as any consumer does.

A slow loop requests the elements of one iteration.  A fast loop requests those of several iterations and gets as many
as are there, but no more than it uses in `WINDOW_S`: other consumers could work with them.

Elements are acknowledged when their iteration takes them.  At any end of the loop, the unused ones go back to the front
of the queue, in their old order, as they would from a consumer that died.

    state      meaning                                  event      next state
    EMPTY      nothing is here, nothing is requested    request    REQUESTED
                                                        release    EMPTY
    REQUESTED  the queue has not answered               answer     READY
                                                        release    EMPTY
    READY      elements, or an error, are here          take       READY
                                                        take last  EMPTY
                                                        release    EMPTY
    CLOSED     the loop has ended

In each state, `close` leads to CLOSED.

benchmarks/queue_between_processes.py shows the gain: with prefetch, three times as many items of 8 bytes a second go
from one worker to another, one by one, and half as many again in hundreds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from dflow.compile import PrefetchedDequeue
from dflow.errors import OpError
from dflow.runtime.base.answers import Settle, unacknowledged
from dflow.runtime.base.attempt import Attempt, Given, give_back
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.states import States
from dflow.runtime.loop.stage import Stage
from dflow.runtime.step.process import Process

WINDOW_S = 0.002  # seconds; a loop requests the elements that it uses in this time, and those of one iteration at least
MOST = 16  # iterations whose elements are requested at once, at most


class State(Enum):
    """The state of a loop's prefetch."""

    EMPTY = "empty"
    REQUESTED = "requested"
    READY = "ready"
    CLOSED = "closed"


TABLE = {
    State.EMPTY: {"request": State.REQUESTED, "release": State.EMPTY, "close": State.CLOSED},
    State.REQUESTED: {"answer": State.READY, "release": State.EMPTY, "close": State.CLOSED},
    State.READY: {"take": State.READY, "take last": State.EMPTY, "release": State.EMPTY, "close": State.CLOSED},
    State.CLOSED: {"close": State.CLOSED},
}


def iterations_in_window(seconds: float) -> int:
    """The number of iterations, of so many seconds each, that fit into `WINDOW_S`: at least 1, at most `MOST`."""
    return MOST if seconds * MOST <= WINDOW_S else max(1, int(WINDOW_S / seconds))


class Source(Stage):
    """The source of a loop without prefetch: its iterations have no feeds."""

    def take(self, left: int) -> list[Any]:
        """The feeds of the next iteration.  left: the number of iterations to come, this one included."""
        return []


class PrefetchSource(Source):
    """The source of a loop that prefetches."""

    def __init__(self, process: Process, session: str, owner: str, dequeue: PrefetchedDequeue) -> None:
        self.waited_s = 0.0
        self._process = process
        self._session = session
        self._owner = owner
        self._dequeue = dequeue
        self._state = States(f"the prefetch of {owner}", TABLE, State.EMPTY)
        self._attempt: Attempt | None = None  # REQUESTED
        self._withdrawn: Attempt | None = None  # an attempt whose answer is still to come
        self._ready: deque[Given] = deque()  # READY
        self._inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # attempts that were answered; None: a stop
        self._sent: SimpleQueue[bool] = SimpleQueue()  # whether an acknowledgement has left this process
        self._stopped: OpError | None = None
        self._finishing = False
        self._taken_at = 0.0
        self._window = 1  # iterations

    def take(self, left: int) -> list[Any]:
        """The element, or the batch, of the next iteration; waits for it.  Raises the queue's error, or that of a stop.

        Requests no elements for iterations after the last one.
        """
        self._measure()
        if self._stopped is not None:
            raise self._stopped
        if self._state.now is State.EMPTY:
            self._await(lambda: self._withdrawn is None)
            self._request(left)
        self._await(lambda: self._state.now is State.READY)
        outcome, settle = self._ready.popleft()
        self._state.change("take" if self._ready else "take last")
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, self._dequeue.op)
        if settle is not None:
            self._acknowledge(settle)
        if not self._ready and left > 1 and not self._finishing:
            self._request(left - 1)
        return self._dequeue.feeds(outcome)

    def finish(self) -> None:
        self._finishing = True

    def stop(self, error: OpError) -> None:
        self._stopped = error
        self._inbox.put(None)
        self._sent.put(False)

    def release(self) -> None:
        self._state.change("release")
        self._give_back()

    def close(self, failed: bool) -> None:
        self._state.change("close")
        self._give_back()

    def _give_back(self) -> None:
        """Release the elements that are here or on their way.

        The next request waits for the return of those on their way.  Otherwise, it would get later elements first.
        """
        attempt, self._attempt = self._attempt, None
        ready, self._ready = self._ready, deque()
        if attempt is not None:
            self._withdrawn = attempt
            attempt.withdraw()
        give_back(ready)

    def _measure(self) -> None:
        """Choose the window by the duration of the last iteration."""
        now = monotonic()
        seconds, self._taken_at = now - self._taken_at, now
        self._window = iterations_in_window(seconds)

    def _request(self, iterations: int) -> None:
        """Request the elements of the next iterations: as many as the window has, at most `iterations`."""
        dequeue = self._dequeue
        times = 1 if self._finishing else min(self._window, iterations)
        put = self._inbox.put
        attempt = self._attempt = Attempt(self._owner, dequeue.op.name, put, returned=put, times=times)
        self._state.change("request")
        call_queue = partial(
            self._process.call_queue, self._session, dequeue.op.device, dequeue.address, dequeue.queue, dequeue.method
        )
        if attempt.start(lambda answer: call_queue(answer, *dequeue.arguments)):
            self._answered(attempt)

    def _await(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds.  Raises the error of a stop."""
        if condition():
            return
        started = monotonic()
        timeout: float | None = WINDOW_S
        try:
            while not condition():
                try:
                    self._note(self._inbox.get(timeout=timeout))
                except Empty:
                    self.before_wait()
                    timeout = None
        finally:
            self.waited_s += monotonic() - started

    def _note(self, attempt: Attempt | None) -> None:
        """Handle an attempt that was answered, or that has returned; None: a stop, whose error is raised."""
        if attempt is None:
            assert self._stopped is not None
            raise self._stopped
        if attempt is self._attempt:
            self._answered(attempt)
        elif attempt is self._withdrawn and attempt.over:
            self._withdrawn = None

    def _answered(self, attempt: Attempt) -> None:
        self._attempt = None
        self._ready.extend(attempt.take())
        self._state.change("answer")

    def _acknowledge(self, settle: Settle) -> None:
        """Acknowledge a delivery.  Returns when the acknowledgement has left this process."""
        settle(True, self._sent.put)
        if not self._sent.get():
            raise self._stopped or unacknowledged().placed(self._dequeue.op)

"""The source of a loop that prefetches: the next elements come while an iteration computes with its own.

Each iteration takes what has come for it, or waits until it comes.  When nothing is left, and only then, the next
elements are requested, so that a loop which has nothing to do stands in the queue's line once, as any consumer does.
A slow loop requests those of one iteration.  A fast one requests those of several, as many as are there: what it uses
in `WINDOW_S` and no more, so that it does not keep from other consumers what they could work with.

What came early is acknowledged when its iteration takes it.  Whatever ends the loop, it goes back to the
front, in its old order, as it would from a consumer that died.

    state    meaning                                  event      next state
    EMPTY    nothing is here, nothing is requested    request    REQUESTED
    REQUESTED  the queue has not answered             answer     READY
                                                      release    EMPTY
    READY    elements, or an error, are here          take       READY
                                                      take last  EMPTY
                                                      release    EMPTY
    CLOSED   the loop has ended
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

WINDOW_S = 0.002  # seconds of a loop's work that it requests at once, if that is more than one iteration
MOST = 16  # iterations


class State(Enum):
    """What a loop has of its next elements."""

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


def iterations_in_window(took: float) -> int:
    """How many iterations of so many seconds fit into `WINDOW_S`; 1 at least, `MOST` at most."""
    return MOST if took * MOST <= WINDOW_S else max(1, int(WINDOW_S / took))


class Source(Stage):
    """The source of a loop that feeds nothing to its iterations."""

    def take(self, left: int) -> list[Any]:
        """The feeds of the next iteration.  left: how many iterations the loop will make, this one included."""
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
        self._withdrawn: Attempt | None = None  # whose answer is still to come
        self._ready: deque[Given] = deque()  # READY
        self._inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # attempts that were answered; None: a stop
        self._sent: SimpleQueue[bool] = SimpleQueue()  # has an acknowledgement left this process?
        self._stopped: OpError | None = None
        self._finishing = False
        self._taken_at = 0.0
        self._window = 1  # iterations

    def take(self, left: int) -> list[Any]:
        """The element, or the batch, of the next iteration; waits for it.  Raises the queue's error, or that of a stop.

        Nothing is requested beyond the last iteration.
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
        """What is here goes back.

        So does what is on its way; it is waited for before the next request, which would else be answered with what
        comes after it.
        """
        attempt, self._attempt = self._attempt, None
        ready, self._ready = self._ready, deque()
        if attempt is not None:
            self._withdrawn = attempt
            attempt.withdraw()
        give_back(ready)

    def _measure(self) -> None:
        """Note how fast the loop goes."""
        now = monotonic()
        took, self._taken_at = now - self._taken_at, now
        self._window = iterations_in_window(took)

    def _request(self, iterations: int) -> None:
        """Request the elements of the next iterations."""
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
        """Wait until it holds.  Raises the error of a stop."""
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
        """An attempt was answered, or has returned; None: a stop."""
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
        """Accept the delivery; returns when the acknowledgement has left this process."""
        settle(True, self._sent.put)
        if not self._sent.get():
            raise self._stopped or unacknowledged().placed(self._dequeue.op)

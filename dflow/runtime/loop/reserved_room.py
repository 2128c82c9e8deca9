"""Room that a queue of another process reserves for the elements of a loop.

What is sent into reserved room is as good as in, so the loop goes on while it is on its way.  One message is on its way
at a time; what is put until its answer comes goes with the next one, which also asks for more room.

    state      meaning                            event      next state
    IDLE       no room is reserved                request    REQUESTED
    REQUESTED  the loop waits for room            reserved   RESERVED
                                                  release    IDLE
    RESERVED   room is reserved, 0 or more        release    IDLE
    FAILED     nothing goes in any more           release    FAILED
    CLOSED     the loop has ended

In each of them `fail` leads to FAILED, `close` to CLOSED.  A message may be on its way in each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from dflow.errors import AbortedError, OpError, OpInfo
from dflow.machines.queue.store import Batch
from dflow.runtime.base import timeouts
from dflow.runtime.base.answers import Settle, no_delivery
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.states import States


class State(Enum):
    """What a loop has of a queue's room."""

    IDLE = "idle"
    REQUESTED = "requested"
    RESERVED = "reserved"
    FAILED = "failed"
    CLOSED = "closed"


_ENDS = {"fail": State.FAILED, "close": State.CLOSED}
TABLE = {
    State.IDLE: {"request": State.REQUESTED, "release": State.IDLE, **_ENDS},
    State.REQUESTED: {"reserved": State.RESERVED, "release": State.IDLE, **_ENDS},
    State.RESERVED: {"release": State.IDLE, **_ENDS},
    State.FAILED: {"release": State.FAILED, **_ENDS},
    State.CLOSED: {"close": State.CLOSED},
}

CallQueue = Callable[..., Callable[[], None]]  # (method, answer, *arguments): gives what withdraws the call


@dataclass(frozen=True, slots=True)
class Rows:
    """Elements that go into the queue together.

    in_queue: called when they are in.  lost: called if nobody will know whether they are.
    """

    count: int
    components: Batch
    in_queue: Callable[[], None] = lambda: None
    lost: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """Rows on their way, and the reservation that they go into."""

    attempt: Attempt
    ticket: int | None
    rows: list[Rows]


class ReservedRoom:
    """The room of one loop.  All methods but `stop` are called in the loop's thread.

    op: the enqueue, for errors and reports.  call_queue: makes an attempt on the queue.
    before_wait: called before it waits, so that the loop holds nothing else meanwhile.
    error: why nothing goes in any more, if so.  waited_s: how long the loop has waited here.
    """

    def __init__(self, owner: str, op: OpInfo, call_queue: CallQueue, before_wait: Callable[[], None]) -> None:
        self.room = 0  # reserved elements, beside those that are on their way
        self.error: OpError | None = None
        self.waited_s = 0.0
        self._owner = owner
        self._op = op
        self._call_queue = call_queue
        self._before_wait = before_wait
        self._state = States(f"the room of {owner} for {op.name!r}", TABLE, State.IDLE)
        self._stop: OpError | None = None
        self._inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # attempts that were answered; None: a stop
        self._request: Attempt | None = None  # REQUESTED
        self._ticket: int | None = None  # what the queue calls the reservation
        self._free: Settle = no_delivery  # lets the reservation go
        self._unit = 1  # elements that come together
        self._wanted = 1  # elements that are to have room
        self._outbox: list[Rows] = []  # goes with the next message
        self._sending: list[Message] = []

    @property
    def pending(self) -> int:
        """Elements that are put, and of which it is not known that they are in."""
        return sum(rows.count for rows in self._outbox) + sum(r.count for m in self._sending for r in m.rows)

    def look(self) -> None:
        """Note what has happened, without waiting.  Raises `error`."""
        while not self._inbox.empty():
            self._next(NEVER)
        self.check()

    def check(self) -> None:
        """Raises `error`, if nothing goes in any more."""
        if self.error is not None:
            raise self.error

    def wait(self, wanted: int, unit: int) -> int:
        """The room that there is; waits until there is some.  Raises `error`.

        wanted: elements that are to have room from now on.  unit: elements that come together; 0 if there is room, but
        not for a unit.
        A loop that waits holds no room: who stands before it in the queue's line, even a close, does not wait for it.
        """
        self._unit, self._wanted = unit, wanted
        self._wait_while(lambda: not self.room and bool(self._sending))
        if not self.room and self.error is None:
            self.release()
            self._request_room()
            self._wait_while(lambda: self._state.now is State.REQUESTED)
        self.check()
        return self.room

    def put(self, rows: Rows) -> None:
        """Put elements into the room that there is for them: they leave now, or with the next message."""
        self.room -= rows.count
        self._outbox.append(rows)
        if not self._sending:
            self._send()

    def flush(self) -> None:
        """Wait until all that was put has left.  Raises `error`."""
        self._wait_while(lambda: bool(self._outbox))
        self.check()

    def attempt(self, method: str, *arguments: Any) -> None:
        """Make another attempt on the queue and wait for its end.  Raises its error, or `error`."""
        attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        if not self._begin(attempt, method, *arguments):
            self._wait_while(lambda: attempt.pending)
            if attempt.pending:
                attempt.cancel()
                if self._stop is not None:  # it may be in all the same
                    self._wait_while(lambda: attempt.pending, Deadline(timeouts.STOP_GRACE))
        if attempt.pending:
            attempt.withdraw()
            self.check()
        ((outcome, _),) = attempt.take()
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, self._op)

    def release(self) -> None:
        """Send what was put, and let the rest of the room go."""
        if self._outbox and (self.error is None or self._stop is not None):
            self._send()
        request, self._request = self._request, None
        if request is not None:
            request.withdraw()
        free, self._free = self._free, no_delivery
        free(True)
        self._ticket, self.room = None, 0
        self._state.change("release")

    def drain(self) -> None:
        """Wait until all that was put is in; after a stop, wait a moment for what is on its way.  Raises `error`."""
        self._wait_while(lambda: bool(self._sending or self._outbox))
        self.release()
        if self._stop is not None:
            self._wait_while(lambda: bool(self._sending), Deadline(timeouts.STOP_GRACE))
        self.check()

    def close(self) -> None:
        """Nothing is put any more, and nobody will know of what is still on its way."""
        for message in self._sending:
            message.attempt.withdraw()
            for rows in message.rows:
                rows.lost()
        self._sending.clear()
        self._state.change("close")

    def stop(self, error: OpError) -> None:
        """Wait for no room any more; what was sent goes in.  Called from any thread."""
        self._stop = error
        self._inbox.put(None)

    # -- what happens

    def _request_room(self) -> None:
        self._state.change("request")
        attempt = self._request = Attempt(self._owner, self._op.name, self._inbox.put)
        if self._begin(attempt, "reserve_room", self._wanted, self._unit):
            self._handle(attempt)

    def _send(self) -> None:
        """Send what waits in the outbox."""
        rows, self._outbox = self._outbox, []
        attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        self._sending.append(Message(attempt, self._ticket, rows))
        more = max(0, self._wanted - self.room)
        batches = [it.components for it in rows]
        if self._begin(attempt, "enqueue_reserved", self._ticket, more, self._unit, *batches):
            self._handle(attempt)

    def _begin(self, attempt: Attempt, method: str, *arguments: Any) -> bool:
        """Start an attempt on the queue; True if it has ended already."""
        return attempt.start(lambda answer: self._call_queue(method, answer, *arguments))

    def _wait_while(self, condition: Callable[[], bool], deadline: Deadline = NEVER) -> None:
        """Wait while it holds, until the deadline; without one, until something has failed."""
        if not condition():
            return
        self._before_wait()
        started = monotonic()
        while condition() and (self.error is None or deadline is not NEVER) and self._next(deadline):
            pass
        self.waited_s += monotonic() - started

    def _next(self, deadline: Deadline) -> bool:
        """Wait for the next event and note it; False if there is none until the deadline."""
        try:
            attempt = self._inbox.get(timeout=deadline.left())
        except Empty:
            return False
        if attempt is not None:
            self._handle(attempt)
        elif self._stop is not None:
            self._fail(self._stop)
        return True

    def _handle(self, attempt: Attempt) -> None:
        """An attempt was answered."""
        if attempt is self._request:
            self._request = None
            self._requested(*attempt.take()[0])
            return
        message = next((message for message in self._sending if message.attempt is attempt), None)
        if message is not None:
            self._sending.remove(message)
            self._sent(message)

    def _requested(self, outcome: Any, settle: Settle | None) -> None:
        if isinstance(outcome, BaseException):
            self._fail(outcome)
            return
        if self._state.now is not State.REQUESTED:  # a stop came first
            (settle or no_delivery)(False)
            return
        self.room, self._ticket = self.room + int(outcome[0]), int(outcome[1])
        self._free = settle or self._free
        self._state.change("reserved")

    def _sent(self, message: Message) -> None:
        """The queue has answered a message."""
        ((outcome, _),) = message.attempt.take()
        if isinstance(outcome, BaseException):
            self._fail(outcome)
            if not isinstance(outcome, AbortedError):  # the queue was reset: they are not in
                for rows in message.rows:
                    rows.lost()
            return
        if int(outcome[0]) != sum(rows.count for rows in message.rows):
            self._fail(AbortedError(None, None, "the queue reserves no room for this loop any more"))
            return
        if message.ticket == self._ticket:  # else it has been let go, and what came beside it too
            self.room += int(outcome[1])
        for rows in message.rows:
            rows.in_queue()
        if self._outbox and not self._sending and self.error is None:
            self._send()

    def _fail(self, error: BaseException) -> None:
        if self.error is None:  # a copy, to name this operation: others are stopped with the same error
            self.error = as_op_error(error).portable().placed(self._op)
            self._state.change("fail")

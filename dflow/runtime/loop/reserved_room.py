"""Room that a queue of another process reserves for the elements of a loop.

Pipelined enqueues (`pipelined_enqueue.py`) and blocks (`RemoteBlockSink` in `blocks.py`) use it.  An element that is
sent into reserved room is as good as in the queue, so the loop goes on while the element is on its way.

One message is on its way at a time.  Elements that are put before its answer comes go with the next message, which also
requests more room.

    state      meaning                            event      next state
    IDLE       no room is reserved                request    REQUESTED
                                                  release    IDLE
    REQUESTED  the loop waits for room            reserved   RESERVED
                                                  release    IDLE
    RESERVED   room is reserved, 0 or more        release    IDLE
    FAILED     no element goes in any more        release    FAILED
    CLOSED     the loop has ended

From each state, `close` leads to CLOSED; from each state but CLOSED, `fail` leads to FAILED.  A message may be on its
way in each state.
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
    """The state of a loop's reserved room."""

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

CallQueue = Callable[..., Callable[[], None]]  # call(method, answer, *arguments) returns the function that withdraws it


@dataclass(frozen=True, slots=True)
class Rows:
    """Elements that go into the queue together.  Not the `Rows` of `ops/rules/batching.py`.

    in_queue: called when they are in the queue.  lost: called if it cannot be known whether they are.
    """

    count: int
    components: Batch
    in_queue: Callable[[], None] = lambda: None
    lost: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """Rows on their way to the queue, and the reservation that they use."""

    attempt: Attempt
    ticket: int | None
    rows: list[Rows]


class ReservedRoom:
    """The room of one loop.  All methods but `stop` are called in the loop's thread.

    op: the enqueue, for errors and reports.  call_queue: makes an attempt on the queue.
    before_wait: called before the loop waits here, so that it holds nothing else meanwhile.
    error: why no element goes in any more; None if they do.  waited_s: seconds that the loop has waited here.
    """

    def __init__(self, owner: str, op: OpInfo, call_queue: CallQueue, before_wait: Callable[[], None]) -> None:
        self.room = 0  # elements that still fit into the reserved room
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
        self._ticket: int | None = None  # the queue's number of the reservation
        self._free: Settle = no_delivery  # releases the reservation
        self._unit = 1  # elements that are put together
        self._wanted = 1  # elements to reserve room for
        self._outbox: list[Rows] = []  # for the next message
        self._sending: list[Message] = []

    @property
    def pending(self) -> int:
        """The number of elements that were put and are not known to be in the queue."""
        return sum(rows.count for rows in self._outbox) + sum(r.count for m in self._sending for r in m.rows)

    def look(self) -> None:
        """Handle the events that have come, without waiting.  Raises `error`."""
        while not self._inbox.empty():
            self._next(NEVER)
        self.check()

    def check(self) -> None:
        """Raise `error`, if there is one."""
        if self.error is not None:
            raise self.error

    def wait(self, wanted: int, unit: int) -> int:
        """The reserved room, in elements; waits until there is some.  0 if the queue has room, but not for a unit.

        wanted: elements to reserve room for from now on.  unit: elements that are put together.  Raises `error`.
        A loop that waits holds no room, so that attempts before it in the queue's line, such as a close, do not wait
        for it.
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
        """Put elements into reserved room, which must be large enough: they leave now, or with the next message."""
        self.room -= rows.count
        self._outbox.append(rows)
        if not self._sending:
            self._send()

    def flush(self) -> None:
        """Wait until all elements that were put have left.  Raises `error`."""
        self._wait_while(lambda: bool(self._outbox))
        self.check()

    def attempt(self, method: str, *arguments: Any) -> None:
        """Make an attempt of another kind on the queue, and wait for its end.  Raises its error, or `error`."""
        attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        if not self._begin(attempt, method, *arguments):
            self._wait_while(lambda: attempt.pending)
            if attempt.pending:
                attempt.cancel()
                if self._stop is not None:  # its elements may be in the queue nevertheless
                    self._wait_while(lambda: attempt.pending, Deadline(timeouts.STOP_GRACE))
        if attempt.pending:
            attempt.withdraw()
            self.check()
        ((outcome, _),) = attempt.take()
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, self._op)

    def release(self) -> None:
        """Send the elements that were put, and release the rest of the room."""
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
        """Wait until all elements are in the queue; after a stop, a moment for those on their way.  Raises `error`."""
        self._wait_while(lambda: bool(self._sending or self._outbox))
        self.release()
        if self._stop is not None:
            self._wait_while(lambda: bool(self._sending), Deadline(timeouts.STOP_GRACE))
        self.check()

    def close(self) -> None:
        """End the use of the room.  Elements that are still on their way count as `lost`."""
        for message in self._sending:
            message.attempt.withdraw()
            for rows in message.rows:
                rows.lost()
        self._sending.clear()
        self._outbox.clear()  # these were not sent
        self._state.change("close")

    def stop(self, error: OpError) -> None:
        """End all waiting for room, with `error`.  Elements that were sent go in.  Called from any thread."""
        self._stop = error
        self._inbox.put(None)

    # -- events

    def _request_room(self) -> None:
        self._state.change("request")
        attempt = self._request = Attempt(self._owner, self._op.name, self._inbox.put)
        if self._begin(attempt, "reserve_room", self._wanted, self._unit):
            self._handle(attempt)

    def _send(self) -> None:
        """Send the elements of the outbox."""
        rows, self._outbox = self._outbox, []
        attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        self._sending.append(Message(attempt, self._ticket, rows))
        missing = max(0, self._wanted - self.room)
        batches = [it.components for it in rows]
        if self._begin(attempt, "enqueue_reserved", self._ticket, missing, self._unit, *batches):
            self._handle(attempt)

    def _begin(self, attempt: Attempt, method: str, *arguments: Any) -> bool:
        """Start an attempt on the queue; True if it has ended already."""
        return attempt.start(lambda answer: self._call_queue(method, answer, *arguments))

    def _wait_while(self, condition: Callable[[], bool], deadline: Deadline = NEVER) -> None:
        """Wait while the condition holds: until the deadline, or, without one, until there is an `error`."""
        if not condition():
            return
        self._before_wait()
        started = monotonic()
        while condition() and (self.error is None or deadline is not NEVER) and self._next(deadline):
            pass
        self.waited_s += monotonic() - started

    def _next(self, deadline: Deadline) -> bool:
        """Wait for the next event and handle it; False if there is none until the deadline."""
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
        """Handle an attempt that was answered."""
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
        """Handle the answer to a message."""
        ((outcome, _),) = message.attempt.take()
        if isinstance(outcome, BaseException):
            self._fail(outcome)
            if not isinstance(outcome, AbortedError):  # a reset queue has none of them
                for rows in message.rows:
                    rows.lost()
            return
        if int(outcome[0]) != sum(rows.count for rows in message.rows):
            self._fail(AbortedError(None, None, "the queue reserves no room for this loop any more"))
            return
        if message.ticket == self._ticket:  # else it was released, with the room of this answer
            self.room += int(outcome[1])
        for rows in message.rows:
            rows.in_queue()
        if self._outbox and not self._sending and self.error is None:
            self._send()

    def _fail(self, error: BaseException) -> None:
        if self.error is None:  # a copy that names this operation: the same error stops others, too
            self.error = as_op_error(error).portable().placed(self._op)
            self._state.change("fail")

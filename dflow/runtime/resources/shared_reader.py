"""A reader shared by threads: a pure machine, one thread at a time that works with it, and callers that wait.

Its records are unacknowledged until their deliveries are settled, as the elements of a queue are: see
`shared_queue.py`.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np

from dflow import forks
from dflow.errors import AbortedError, CancelledError, InvalidArgumentError, OpError
from dflow.machines.queue.queue import Reply
from dflow.machines.reader.reader import Effects, NeedFile, Reader
from dflow.runtime.base.answers import (
    Answer,
    NamedAnswer,
    Then,
    Withdraw,
    no_delivery,
    unacknowledged,
)
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.deadline import has_deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.resources.loop_turns import LoopTurns
from dflow.specs import ReaderSpec

logger = logging.getLogger("dflow.reader")

Event = Callable[[], Effects]  # a piece of work with the machine of a reader
RequestFile = Callable[[Answer], Withdraw]  # dequeues a file name from the file-name queue of a read


class SharedReader:
    """A reader that many threads use.

    When the machine needs a file, the reader calls `request_file(answer)`.  This takes a file name out of the file-name
    queue, on any device, and returns the function that withdraws the request.

    The work with the machine is a line of events.  One thread at a time, the worker, does them: a thread that adds an
    event becomes the worker if there is none.  `_lock` guards the line, and is never held while the machine works.

    * The thread of an attempt, if it has no deadline, reads files until the attempt is answered.  A new thread does the
      rest of the line, and reads the files whose names come later.
    * Between two events, an attempt waits in the machine only if there is nothing to read.  So withdraw, settle and
      abort read nothing.

    Why: a file may take for ever to open or to read (a network disk that is gone, a pipe).  So no thread waits for a
    file except the one that opens or reads it.
    """

    def __init__(self, spec: ReaderSpec, make_format: Callable[[], Any]) -> None:
        self.spec = spec
        self._machine = Reader(spec.name, spec.kind, make_format)  # only the worker uses it
        self._lock = threading.Lock()  # guards the attributes below; never held for long
        self._events: deque[tuple[Event, bool]] = deque()  # each with whether it may read a file
        self._has_worker = False
        self._waiting: dict[int, tuple[Answer, RequestFile | None]] = {}
        self._request: tuple[int, Attempt] | None = None  # the ticket of a read, and its request for a file name
        self._tickets = itertools.count()
        self._aborted: OpError | None = None
        self.detached = False  # it is no longer in its container
        self._turns: dict[Hashable, LoopTurns] = {}  # by queue
        forks.in_child(self, SharedReader._forked)

    def _forked(self) -> None:
        """In a forked child: if a thread was at work with the reader, the reader belongs to the parent."""
        if self._has_worker or self._lock.locked():
            home = forks.Home(f"reader {self.spec.name!r}", "make a new session here")
            home.leave()
            self._lock, self._aborted, self.detached = threading.Lock(), home.error(), True

    def read(
        self,
        reply: Answer,
        request_file: RequestFile,
        limit: int | None,
        uncommitted: bool = False,
        opens: bool = True,
    ) -> Withdraw:
        """Start a read of one record (limit None) or of up to `limit`; returns the function that withdraws it.

        uncommitted: the reader counts the records as they are committed, see `RecordDelivery.commit`.
        opens: whether it may open a file, or wait for one; else the answer may be None.
        """
        read = partial(self._machine.read, limit=limit, ack=True, uncommitted=uncommitted, opens=opens)
        return self._begin(reply, request_file, read, True)

    def attempt(self, reply: Answer, method: str, *args: Any) -> Withdraw:
        """Start `state`, `reset` or `restore`, after any read in progress; returns the function that withdraws it."""
        return self._begin(reply, None, lambda ticket: self._do(ticket, method, args), method == "restore")

    def _begin(
        self, reply: Answer, request_file: RequestFile | None, event: Callable[[int], Effects], reads: bool
    ) -> Withdraw:
        """request_file: of a read; None for an attempt that requests no file and leaves reading to another thread."""
        with self._lock:
            aborted, ticket = self._aborted, next(self._tickets)
            if aborted is None:
                self._waiting[ticket] = (reply, request_file)
        may_read = request_file is not None and not has_deadline()
        if aborted is not None:
            reply(aborted.portable())
        else:
            self._add(
                lambda: event(ticket) if ticket in self._waiting else [],
                reads,
                lambda: may_read and ticket in self._waiting,
            )
        return partial(self._withdraw, ticket)

    def turns(self, queue: Hashable) -> LoopTurns:
        """The turns of the loops that read records for a queue."""
        with self._lock:
            if queue not in self._turns:
                self._turns[queue] = LoopTurns()
            return self._turns[queue]

    def _do(self, ticket: int, method: str, args: tuple[Any, ...]) -> Effects:
        """The machine's `state`, `reset` or `restore`, for an attempt."""
        try:
            result = getattr(self._machine, method)(*args)
        except Exception as error:
            return [Reply(ticket, None, as_op_error(error))]
        if method == "state":
            return [Reply(ticket, (np.array(result, dtype=object),))]
        return [Reply(ticket), *(result or [])]

    # -- the line of events

    def _add(self, event: Event, reads: bool = False, may_read: Callable[[], bool] = lambda: False) -> None:
        """Append an event to the line.  reads: it may read a file.  may_read: whether this thread still may."""
        with self._lock:
            self._events.append((event, reads))
            if self._has_worker:
                return
            self._has_worker = True
        self._work(may_read)

    def _work(self, may_read: Callable[[], bool]) -> None:
        try:
            while True:
                reading = may_read()
                with self._lock:
                    if not self._events:
                        self._has_worker = False
                        return
                    event, reads = self._events[0]
                    allowed = reading or not reads
                    if allowed:
                        self._events.popleft()
                if not allowed:
                    return self._hand_over()
                if effects := event():
                    self._apply(effects)
        except BaseException:
            with self._lock:
                self._has_worker = False
            raise

    def _hand_over(self) -> None:
        work = partial(self._work, lambda: True)
        threading.Thread(target=work, name=f"dflow-{self.spec.name}", daemon=True).start()

    def _apply(self, effects: Effects) -> None:
        """Answer attempts and request files.  Records that were read for an attempt withdrawn meanwhile go back."""
        answers: list[Callable[[], None]] = []
        with self._lock:
            for effect in effects:
                waiting = self._waiting.get(effect.ticket)
                if isinstance(effect, NeedFile):
                    if waiting is not None and waiting[1] is not None:
                        answers.append(partial(self._request_file_name, effect.ticket, waiting[0], waiting[1]))
                    else:
                        self._events.appendleft((partial(self._machine.no_file, _nobody_reads()), False))
                elif waiting is None:
                    if effect.error is None:
                        self._events.appendleft((partial(self._machine.take_back, effect.ticket), False))
                else:
                    del self._waiting[effect.ticket]
                    if effect.error is not None:
                        answers.append(partial(waiting[0], effect.error))
                    elif waiting[1] is None or effect.value is None:
                        answers.append(partial(waiting[0], effect.value))
                    else:
                        delivery = RecordDelivery(self._machine, effect.ticket, self._add)
                        answers.append(partial(waiting[0], effect.value, delivery))
        for answer in answers:
            answer()

    def _request_file_name(self, ticket: int, reply: Answer, request_file: RequestFile) -> None:
        """Request a file name for a read, with the read's owner and operation, for reports of the queue."""
        owner, op = (reply.owner, reply.op) if isinstance(reply, NamedAnswer) else ("", "")
        request = Attempt(owner, op, self._named, returned=lambda _: self._no_file(_nobody_reads()), quick=False)
        with self._lock:
            self._request = (ticket, request)
        ended = request.start(request_file)
        with self._lock:
            waits = ticket in self._waiting
        if ended:
            self._named(request)
        elif not waits:  # the read was withdrawn meanwhile
            request.withdraw()

    def _named(self, request: Attempt) -> None:
        """Handle a file name, or an error.  The name goes back if no read waits for the file now."""
        with self._lock:
            if self._request is not None and self._request[1] is request:
                self._request = None
            has_reads = bool(self._waiting)
        for outcome, delivery in request.take():
            settle = delivery or no_delivery
            if not has_reads:
                self._no_file(_nobody_reads())
                settle(False)
            elif isinstance(outcome, OpError):
                self._no_file(outcome)
            else:
                settle(True, partial(self._go_on_with, self._file(np.asarray(outcome[0]))))

    def _no_file(self, error: OpError) -> None:
        self._add(partial(self._machine.no_file, error))

    def _go_on_with(self, named: Event, acknowledged: bool) -> None:
        """Read the file, if the acknowledgement of its name has left this process; an error otherwise."""
        if acknowledged:
            self._add(named, True)
        else:
            self._no_file(unacknowledged())

    def _file(self, name: np.ndarray[Any, Any]) -> Event:
        if name.size == 1:
            return partial(self._machine.file, name.item())
        fact = f"Expected to dequeue a one-element string tensor, a file name; its shape is {name.shape}"
        return partial(self._machine.no_file, InvalidArgumentError(None, None, fact))

    def _withdraw(self, ticket: int) -> None:
        error = CancelledError(None, None, "Reader operation was cancelled")
        with self._lock:
            waiting = self._waiting.pop(ticket, None)
            current, request = self._request, None
            if current is not None and current[0] == ticket:
                request, self._request = current[1], None
        if waiting is not None:
            waiting[0](error)
            self._add(partial(self._machine.withdraw, ticket, error))
        if request is not None:
            request.withdraw()

    def abort(self, reason: str) -> None:
        """End every attempt, waiting or later, with an AbortedError of its own: the reader was reset."""
        error = AbortedError(None, None, reason)
        self.detached = True
        with self._lock:
            self._aborted = error
            waiting, self._waiting = self._waiting, {}
            current, self._request = self._request, None
        for answer, _ in waiting.values():
            answer(error.portable())
        self._add(partial(self._end, list(waiting), error))
        if current is not None:
            current[1].withdraw()

    def _end(self, tickets: list[int], error: OpError) -> Effects:
        for ticket in tickets:
            self._machine.withdraw(ticket, error)
        try:
            self._machine.reset()  # it closes the file in progress
        except Exception:  # the container still drops its other items
            logger.exception("reader %s was reset, and its file could not be closed", self.spec.name)
        return []

    # -- counts, which never wait

    @property
    def produced(self) -> int:
        return self._machine.produced

    @property
    def completed(self) -> int:
        return self._machine.completed

    @property
    def left_out(self) -> int:
        return self._machine.left_out

    def row(self) -> dict[str, Any]:
        """The row of the reader on the dashboard."""
        return {"name": self.spec.name, "records": self.produced, "files": self.completed}


class RecordDelivery:
    """Settles the delivery of a read: True accepts the records, False lets them be read again."""

    __slots__ = ("_add", "_machine", "_ticket")

    def __init__(self, machine: Reader, ticket: int, add: Callable[[Event], None]) -> None:
        self._machine = machine
        self._ticket = ticket
        self._add = add

    def __call__(self, accepted: bool, then: Then | None = None) -> None:
        self._add(partial(self._machine.acknowledge if accepted else self._machine.take_back, self._ticket))
        if then is not None:
            then(True)

    def commit(self, count: int) -> None:
        """Commit the next `count` records of an uncommitted read: the reader counts them from now on."""
        self._add(partial(self._machine.commit, self._ticket, count))


def _nobody_reads() -> OpError:
    return CancelledError(None, None, "nobody reads")

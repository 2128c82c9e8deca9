"""A reader shared by threads: a pure machine, one thread at a time that works with it, and callers that wait.

As a queue does, it waits for acknowledgements, see `shared_queue.py`.
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

Event = Callable[[], Effects]  # something that is done with the machine of a reader
RequestFile = Callable[[Answer], Withdraw]  # takes a file name out of the queue of a read


class SharedReader:
    """A reader that many threads use.

    When it needs a file it asks `request_file(answer)`, which takes one out of the file-name queue, wherever that is,
    and gives what withdraws the request.

    A file may take for ever to open or to read (a network disk that is gone, a pipe), so nobody waits for that but the
    thread that does it.  What is to be done with the machine stands in a line of events, and one thread at a time, the
    worker, does it: whoever adds an event while there is no worker.  `_lock` guards the line and is never held while
    the machine works.  An attempt's own thread, if it has no deadline, reads files until the attempt is answered; what
    is left then, and file names that come later, are for a thread made for it.  Between two events an attempt waits in
    the machine only while there is nothing to read, so withdrawing, settling and aborting read nothing.
    """

    def __init__(self, spec: ReaderSpec, make_format: Callable[[], Any]) -> None:
        self.spec = spec
        self._machine = Reader(spec.name, spec.kind, make_format)  # the worker's
        self._lock = threading.Lock()  # of all that follows; never held for long
        self._events: deque[tuple[Event, bool]] = deque()  # and whether it may read a file
        self._has_worker = False
        self._waiting: dict[int, tuple[Answer, RequestFile | None]] = {}
        self._request: tuple[int, Attempt] | None = None  # a request for a file name, and the read that it is for
        self._tickets = itertools.count()
        self._aborted: OpError | None = None
        self.dropped = False  # it is in its container no more
        self._turns: dict[Hashable, LoopTurns] = {}  # by queue
        forks.in_child(self, SharedReader._forked)

    def _forked(self) -> None:
        """In a forked child: one that a thread was working for is the parent's."""
        if self._has_worker or self._lock.locked():
            home = forks.Home(f"reader {self.spec.name!r}", "make a new session here")
            home.leave()
            self._lock, self._aborted, self.dropped = threading.Lock(), home.error(), True

    def read(self, reply: Answer, request_file: RequestFile, limit: int | None, uncommitted: bool = False) -> Withdraw:
        """Start a read of one record (limit None) or of up to `limit`; gives what withdraws it.

        uncommitted: the reader's counts move on as the records are committed, see `RecordDelivery.commit`.
        """
        read = partial(self._machine.read, limit=limit, ack=True, uncommitted=uncommitted)
        return self._begin(reply, request_file, read, True)

    def attempt(self, reply: Answer, method: str, *args: Any) -> Withdraw:
        """Start `state`, `reset` or `restore`, which come after a read in progress; gives what withdraws it."""
        return self._begin(reply, None, lambda ticket: self._do(ticket, method, args), method == "restore")

    def _begin(
        self, reply: Answer, request_file: RequestFile | None, event: Callable[[int], Effects], reads: bool
    ) -> Withdraw:
        """request_file: of a read; None for what asks for no file and leaves reading to another thread."""
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
            found = getattr(self._machine, method)(*args)
        except Exception as error:
            return [Reply(ticket, None, as_op_error(error))]
        if method == "state":
            return [Reply(ticket, (np.array(found, dtype=object),))]
        return [Reply(ticket), *(found or [])]

    # -- the line of events

    def _add(self, event: Event, reads: bool = False, may_read: Callable[[], bool] = lambda: False) -> None:
        """Do this after all that stands in line.  reads: it may read a file; may_read: may this thread, still?"""
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
                    mine = reading or not reads
                    if mine:
                        self._events.popleft()
                if not mine:
                    return self._hand_over()
                if effects := event():
                    self._tell(effects)
        except BaseException:
            with self._lock:
                self._has_worker = False
            raise

    def _hand_over(self) -> None:
        work = partial(self._work, lambda: True)
        threading.Thread(target=work, name=f"dflow-{self.spec.name}", daemon=True).start()

    def _tell(self, effects: Effects) -> None:
        """Answer callers and ask for files.  What was read for an attempt that was withdrawn meanwhile goes back."""
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
                    elif waiting[1] is None:
                        answers.append(partial(waiting[0], effect.value))
                    else:
                        delivery = RecordDelivery(self._machine, effect.ticket, self._add)
                        answers.append(partial(waiting[0], effect.value, delivery))
        for answer in answers:
            answer()

    def _request_file_name(self, ticket: int, reply: Answer, request_file: RequestFile) -> None:
        """Ask for a file name, for an attempt; a report of the queue says who reads."""
        owner, op = (reply.owner, reply.op) if isinstance(reply, NamedAnswer) else ("", "")
        request = Attempt(owner, op, self._named, returned=lambda _: self._no_file(_nobody_reads()), quick=False)
        with self._lock:
            self._request = (ticket, request)
        ended = request.start(request_file)
        with self._lock:
            wanted = ticket in self._waiting
        if ended:
            self._named(request)
        elif not wanted:  # the read was withdrawn meanwhile
            request.withdraw()

    def _named(self, request: Attempt) -> None:
        """A file name came, or an error; it goes back if nobody reads the file now."""
        with self._lock:
            if self._request is not None and self._request[1] is request:
                self._request = None
            wanted = bool(self._waiting)
        for outcome, delivery in request.take():
            settle = delivery or no_delivery
            if not wanted:
                self._no_file(_nobody_reads())
                settle(False)
            elif isinstance(outcome, OpError):
                self._no_file(outcome)
            else:
                settle(True, partial(self._go_on_with, self._file(np.asarray(outcome[0]))))

    def _no_file(self, error: OpError) -> None:
        self._add(partial(self._machine.no_file, error))

    def _go_on_with(self, named: Event, acknowledged: bool) -> None:
        """Read the file, whose name is this reader's now."""
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
            asked, request = self._request, None
            if asked is not None and asked[0] == ticket:
                request, self._request = asked[1], None
        if waiting is not None:
            waiting[0](error)
            self._add(partial(self._machine.withdraw, ticket, error))
        if request is not None:
            request.withdraw()

    def abort(self, reason: str) -> None:
        """The reader was reset: every attempt, waiting or later, ends with an AbortedError of its own."""
        error = AbortedError(None, None, reason)
        self.dropped = True
        with self._lock:
            self._aborted = error
            waiting, self._waiting = self._waiting, {}
            asked, self._request = self._request, None
        for answer, _ in waiting.values():
            answer(error.portable())
        self._add(partial(self._end, list(waiting), error))
        if asked is not None:
            asked[1].withdraw()

    def _end(self, tickets: list[int], error: OpError) -> Effects:
        for ticket in tickets:
            self._machine.withdraw(ticket, error)
        try:
            self._machine.reset()  # it closes the file in progress
        except Exception:  # what its container drops with it is dropped all the same
            logger.exception("reader %s was reset, and its file could not be closed", self.spec.name)
        return []

    # -- what never waits

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
        """What the dashboard shows."""
        return {"name": self.spec.name, "records": self.produced, "files": self.completed}


class RecordDelivery:
    """Settles a read: call it with True to keep the records, with False to let them be read again."""

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
        """Keep the next `count` records of an uncommitted read, which count from now on."""
        self._add(partial(self._machine.commit, self._ticket, count))


def _nobody_reads() -> OpError:
    return CancelledError(None, None, "nobody reads")

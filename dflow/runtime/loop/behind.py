"""The enqueue of a loop, behind its iterations: the next element is computed while the last ones are on their way.

The queue, in another process, keeps room for some elements of the loop: what is sent there is as good as in, and the
loop goes on.  One message is on its way at a time; what is computed until its answer comes goes with the next one.
Each message asks for more room, for what the loop makes in `AHEAD_S`.  An element for which there is none waits for it,
as an enqueue does, and the loop with it.  A slow loop does without: it enqueues, and waits for the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import numpy as np

from dflow.compile import PipelinedEnqueue
from dflow.errors import AbortedError, OpError
from dflow.machines.queue.checks import ComponentCheck
from dflow.runtime.base import timeouts
from dflow.runtime.base.answers import Answering, Settle, Withdraw, no_loan, no_withdraw
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.transfers import to_host
from dflow.runtime.loop.ahead import MOST, pace
from dflow.runtime.step.process import Process

SLOW_S = 0.02  # seconds of an iteration from which on a loop keeps no room: others could not use it for so long

Batch = tuple[Any, ...]


class SentBehind:
    """What one running loop puts into a queue of another process.  A context: at its end all is in, or given up.

    waited_s: how long the loop had to wait for the queue.
    Its answers come in any thread, everything else is the loop's.
    """

    def __init__(self, process: Process, session: str, owner: str, what: PipelinedEnqueue) -> None:
        self.waited_s = 0.0
        self.fetches = what.fetches  # so many values of an iteration are for the user
        self._process = process
        self._session = session
        self._owner = owner
        self._what = what
        self._check = ComponentCheck(what.queue)
        self._changed = threading.Condition()  # of all that follows
        self._error: OpError | None = None  # why nothing goes in any more
        self._stopped = False  # the error is, or would be, a stop
        self._kept: int | None = None  # what the queue calls the room that it keeps
        self._free: Settle = no_loan  # lets the room go
        self._room = 0  # elements that it keeps room for, beside those that were sent
        self._unit = 1  # elements that come together
        self._wanted = 1  # elements that are to have room
        self._asked: Withdraw | None = None  # for room, and there is no answer yet
        self._outbox: list[Batch] = []  # goes with the next message
        self._sending = 0  # elements that were sent and not answered
        self._alone = 0  # so many iterations enqueue, and wait
        self._done_at = monotonic()
        self._pace = 1  # iterations in `AHEAD_S`

    def __enter__(self) -> SentBehind:
        return self

    def __exit__(self, kind: Any, *rest: object) -> None:
        with self._changed:
            self._wait_while(lambda: bool(self._sending or self._outbox))
            error = self._error
            self._let_go()
            if self._stopped:
                self._changed.wait_for(lambda: not self._sending, timeouts.STOP_GRACE)
        if kind is None and error is not None:
            raise error

    def put(self, values: list[Any]) -> None:
        """An iteration's element, or elements: returns when they are in, or sent into room that is kept for them.

        values: what the loop's plan gave.  Raises what ended an attempt of this one, or of one before.
        """
        what = self._what
        components = tuple(
            np.asarray(constant if place is None else to_host(values[place])) for place, constant in what.components
        )
        error = self._check.batch(components) if what.many else self._check.element(components)
        if error is not None:
            raise as_op_error(error, what.op)
        batch = components if what.many else tuple(component[np.newaxis] for component in components)
        count = len(batch[0])
        with self._changed:
            took = monotonic() - self._done_at
            self._pace = 1 if took > SLOW_S else max(2, pace(took))
            self._check_error()
            if not count or not self._find_room(count):
                self._let_go()
                self._enqueue(components)
            else:
                self._room -= count
                self._outbox.append(batch)
                if not self._sending:
                    self._send()
        self._done_at = monotonic()

    def let_go(self) -> None:
        """Keep no room while the loop has something else to wait for; what was computed goes in."""
        with self._changed:
            self._let_go()

    def stop(self, error: OpError) -> None:
        """Wait for no room any more; what was sent goes in.  Called from any thread."""
        with self._changed:
            self._fail(error)
            self._stopped = True

    # -- under the lock

    def _find_room(self, count: int) -> bool:
        """Is there room for the next elements?  Waits for it if it is asked for, and none is left.

        So a loop that waits holds none: who stands before it in the queue's line, even a close, does not wait for it.
        """
        if self._alone or self._pace == 1:
            self._alone = max(0, self._alone - 1)
            return False
        self._unit, self._wanted = count, count * self._pace
        self._wait_while(lambda: not self._room and self._sending > 0)
        if not self._room:
            self._ask_room()
            self._wait_while(lambda: not self._room and self._asked is not None)
        self._check_error()
        if self._room < count:
            self._alone = MOST  # there is none for so many at once: the queue is small, or full most of the time
        return self._room >= count

    def _ask_room(self) -> None:
        if self._kept is None:
            self._asked = self._ask("keep_room", self._found_room, self._wanted, self._unit)
        else:
            self._asked = self._ask("keep_more", self._found_room, self._wanted, self._unit, self._kept)

    def _found_room(self, outcome: Any, settle: Settle | None = None) -> None:
        with self._changed:
            if isinstance(outcome, BaseException):
                self._fail(outcome)
            elif self._asked is None:  # it is not wanted any more
                (settle or no_loan)(False)
            else:
                self._room, self._kept = self._room + int(outcome[0]), int(outcome[1])
                self._free = settle or self._free
            self._asked = None
            self._changed.notify_all()

    def _send(self) -> None:
        """Send what waits in the outbox."""
        batches, self._outbox = self._outbox, []
        count = sum(len(batch[0]) for batch in batches)
        self._sending += count
        more = max(0, self._wanted - self._room)
        self._ask("put_kept", partial(self._sent, self._kept, count), self._kept, more, self._unit, *batches)

    def _sent(self, kept: int | None, count: int, outcome: Any, settle: Settle | None = None) -> None:
        with self._changed:
            self._sending -= count
            if isinstance(outcome, BaseException):
                self._fail(outcome)
            elif int(outcome[0]) != count:
                self._fail(AbortedError(None, None, "the queue keeps no room for this loop any more"))
            else:
                if kept == self._kept:  # else it has been let go, and what came beside it too
                    self._room += int(outcome[1])
                if self._outbox and not self._sending:
                    self._send()
            self._changed.notify_all()

    def _let_go(self) -> None:
        """What was computed goes in; the room that is left is free for others."""
        if self._outbox and (self._error is None or self._stopped):
            self._send()
        if self._asked is not None:
            self._asked()
            self._asked = None
        self._free(True)
        self._kept, self._room, self._free = None, 0, no_loan

    def _enqueue(self, components: Batch) -> None:
        """Put it in as any enqueue does, and wait for that."""
        found: list[Any] = []

        def answer(outcome: Any, settle: Settle | None = None) -> None:
            with self._changed:
                found.append(outcome)
                self._changed.notify_all()

        withdraw = self._ask("enqueue_many" if self._what.many else "enqueue", answer, components)
        self._wait_while(lambda: not found)
        if not found:
            withdraw()
            # It may be in all the same.
            self._changed.wait_for(lambda: bool(found), timeouts.STOP_GRACE if self._stopped else 0)
        if not found and self._error is not None:
            raise self._error
        if isinstance(found[0], BaseException):
            raise as_op_error(found[0], self._what.op)

    def _ask(self, method: str, answer: Callable[..., None], *arguments: Any) -> Withdraw:
        what = self._what
        reply = Answering(answer, self._owner, what.op.name, quick=True)
        try:
            return self._process.ask(self._session, what.op.device, what.address, what.queue, method, reply, *arguments)
        except OpError as error:
            self._fail(error)
            return no_withdraw

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        """Wait while it holds, and nothing has failed."""
        if condition():
            started = monotonic()
            self._changed.wait_for(lambda: self._error is not None or not condition())
            self.waited_s += monotonic() - started

    def _check_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _fail(self, error: BaseException) -> None:
        if self._error is None:  # a copy, to name this operation: others are stopped with the same error
            self._error = as_op_error(error).portable().placed(self._what.op)
        self._changed.notify_all()

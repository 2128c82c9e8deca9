"""The dequeue of a loop, ahead of its iterations: the next elements come while one computes with its own.

Each iteration is given what has come for it, or gets it when it comes.  When nothing is left, and only then, the next
elements are asked for, so that a loop which has nothing to do stands in the queue's line once, as any consumer does.
A slow loop asks for those of one iteration.  A fast one asks for those of several, as many as are there: what it uses
in `AHEAD_S` and no more, so that it does not keep from other consumers what they could work with.

What came early stays lent by its queue until its step has it.  Whatever ends the loop, it goes back to the front, in
its old order, as it would from a consumer that died.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import Any

from dflow.compile import Ahead
from dflow.errors import OpError
from dflow.runtime.base.answers import Answering, Settle, Withdraw
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.device.loan import Loan
from dflow.runtime.device.lone_attempt import LoneAttempt
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step

AHEAD_S = 0.002  # seconds of a loop's work that it takes ahead, if that is more than one iteration
MOST = 16  # iterations


def pace(took: float) -> int:
    """The iterations that go ahead in a loop whose last one took so many seconds."""
    return MOST if took * MOST <= AHEAD_S else max(1, int(AHEAD_S / took))


class TakenAhead:
    """What one running loop takes ahead.  Its answers come in any thread, everything else is the loop's."""

    def __init__(self, process: Process, session: str, owner: str, what: Ahead) -> None:
        self._process = process
        self._session = session
        self._owner = owner
        self.what = what
        self._lock = threading.Lock()
        self._asked = 0  # the number of the ask whose answer is wanted
        self._open = False  # was it not answered yet?
        self._withdraw: Withdraw | None = None
        self._found: deque[tuple[Any, Settle | None]] = deque()  # for the next steps
        self._step: Step | LoneAttempt | None = None  # that waits for the answer
        self._left = 0  # steps that the loop will make and that have nothing yet
        self._over = False  # is it known that no more come?
        self._given_at = 0.0
        self._pace = 1  # steps in `AHEAD_S`

    def give(self, step: Step | LoneAttempt, left: int = sys.maxsize) -> None:
        """Give a step its elements, now or when they come; the error that comes instead ends it.

        left: so many steps the loop will make, from this one on; nothing is taken beyond them.
        """
        with self._lock:
            self._left = left
            self._measure()
            found = self._found.popleft() if self._found else None
            ask = None
            if found is None:
                self._step = step
                ask = None if self._open else self._next()
        if found is not None:
            self._deliver(step, *found)
        elif ask is not None:
            self._ask(*ask)

    def finish(self) -> None:
        """No step comes after the one that runs; called from any thread."""
        with self._lock:
            self._over = True
            waits = self._step is not None
        if not waits:
            self.give_back()

    def give_back(self) -> None:
        """The loop has ended, or will not take another step: what it did not use goes back to the queue."""
        with self._lock:
            self._over = True
            self._asked += 1  # an answer on its way goes back when it is here
            self._open = False
            self._step = None
            found, self._found = self._found, deque()
            withdraw, self._withdraw = self._withdraw, None
        if withdraw is not None:
            withdraw()
        _give_back(found)

    def _measure(self) -> None:
        """Under the lock: how fast the loop goes."""
        now = monotonic()
        took, self._given_at = now - self._given_at, now
        self._pace = pace(took)

    def _next(self) -> tuple[int, int]:
        """Under the lock: the number of the next ask, whose answer is wanted from now on, and for how many steps."""
        self._asked += 1
        self._open = True
        return self._asked, 1 if self._over else min(self._pace, self._left)

    def _ask(self, number: int, steps: int) -> None:
        what = self.what
        answer = Answering(partial(self._answered, number), self._owner, what.op.name, quick=True, times=steps)
        try:
            withdraw = self._process.ask(
                self._session, what.op.device, what.address, what.queue, what.method, answer, *what.arguments
            )
        except OpError as error:
            self._answered(number, error)
            return
        with self._lock:
            wanted = self._asked == number
            if wanted and self._open:
                self._withdraw = withdraw
        if not wanted:
            withdraw()

    def _answered(
        self, number: int, outcome: Any, settle: Settle | None = None, *more: tuple[Any, Settle | None]
    ) -> None:
        """An ask has its answer.  more: for further steps."""
        found = deque([(outcome, settle), *more])
        with self._lock:
            wanted = self._asked == number
            step = None
            if wanted:
                self._open, self._withdraw = False, None
                step, self._step = self._step, None
                first = found.popleft() if step is not None else None
                self._found = found
        if not wanted:
            _give_back(found)
        elif step is not None and first is not None:
            self._deliver(step, *first)

    def _deliver(self, step: Step | LoneAttempt, outcome: Any, settle: Settle | None) -> None:
        """Give a step what came for it, and ask for what comes next if nothing is left."""
        if isinstance(outcome, BaseException):
            step.cancel(as_op_error(outcome, self.what.op))
            return
        with self._lock:  # before the step goes on, and another one comes
            self._left -= 1
            ask = None if self._found or self._over or not self._left else self._next()
        if isinstance(step, LoneAttempt):
            step(outcome, settle)
        else:
            self._bring(step, outcome, settle)
        if ask is not None:
            self._ask(*ask)

    def _bring(self, step: Step, outcome: Any, settle: Settle | None) -> None:
        """To the parts of the step."""
        what, values = self.what, self.what.values(outcome)
        step.values.update({edge: values[edge] for edge in what.fetched})
        loan = None if settle is None else Loan(settle, len(what.arrivals))
        for device, edges in what.arrivals.items():
            self._process.deliver(step.id, device, [(edge, values[edge]) for edge in edges], loan)


def _give_back(found: Iterable[tuple[Any, Settle | None]]) -> None:
    for _, settle in found:
        if settle is not None:
            settle(False)

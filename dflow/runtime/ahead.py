"""The dequeue of a loop, an iteration ahead: the next elements come while this iteration computes with its own.

Each iteration is given what has come for it, or gets it when it comes.  Only then the next elements are asked for, so
that a loop which has nothing to do stands in the queue's line once, as any consumer does.

What came early stays lent by its queue until its step has it.  Whatever ends the loop, it goes back to the front, in
its old order, as it would from a consumer that died.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from dflow.compile import Ahead
from dflow.errors import OpError
from dflow.runtime.attempts import Answering, Settle, Withdraw
from dflow.runtime.failures import as_op_error
from dflow.runtime.part import Loan
from dflow.runtime.step import Step

if TYPE_CHECKING:
    from dflow.runtime.process import Process


class TakenAhead:
    """What one running loop takes ahead.  Its answers come in any thread, everything else is the loop's."""

    def __init__(self, process: Process, session: str, owner: str, what: Ahead) -> None:
        self._process = process
        self._session = session
        self._owner = owner
        self._what = what
        self._lock = threading.Lock()
        self._asked = 0  # the number of the ask whose answer is wanted
        self._open = False  # was it not answered yet?
        self._withdraw: Withdraw | None = None
        self._found: tuple[Any, Settle | None] | None = None  # an answer for the next step
        self._step: Step | None = None  # that waits for the answer
        self._last = False  # is there no step after this one?

    def give(self, step: Step, last: bool) -> None:
        """Give a step its elements, now or when they come; the error that comes instead ends it.

        last: the loop makes no step after this one, so that nothing more is taken.
        """
        with self._lock:
            self._last = self._last or last
            found, self._found = self._found, None
            number = None
            if found is None:
                self._step = step
                number = None if self._open else self._next()
        if found is not None:
            self._deliver(step, *found)
        elif number is not None:
            self._ask(number)

    def finish(self) -> None:
        """No step comes after the one that runs; called from any thread."""
        with self._lock:
            self._last = True
            waits = self._step is not None
        if not waits:
            self.give_back()

    def give_back(self) -> None:
        """The loop has ended, or will not take another step: what it did not use goes back to the queue."""
        with self._lock:
            self._last = True
            self._asked += 1  # an answer on its way goes back when it is here
            self._open = False
            self._step = None
            found, self._found = self._found, None
            withdraw, self._withdraw = self._withdraw, None
        if withdraw is not None:
            withdraw()
        if found is not None:
            _settle(found[1], False)

    def _next(self) -> int:
        """Under the lock: the number of the next ask, whose answer is wanted from now on."""
        self._asked += 1
        self._open = True
        return self._asked

    def _ask(self, number: int) -> None:
        what = self._what
        answer = Answering(partial(self._answered, number), self._owner, what.op.name, quick=True)
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

    def _answered(self, number: int, outcome: Any, settle: Settle | None = None) -> None:
        with self._lock:
            wanted = self._asked == number
            step = None
            if wanted:
                self._open, self._withdraw = False, None
                step, self._step = self._step, None
                if step is None:
                    self._found = (outcome, settle)
        if not wanted:
            _settle(settle, False)
        elif step is not None:
            self._deliver(step, outcome, settle)

    def _deliver(self, step: Step, outcome: Any, settle: Settle | None) -> None:
        """Give a step what came for it, and ask for what comes next."""
        what = self._what
        if isinstance(outcome, BaseException):
            step.cancel(as_op_error(outcome, what.op))
            return
        with self._lock:
            number = None if self._last else self._next()  # before the step goes on, and another one comes
        values = {edge: None if output is None else outcome[output] for edge, output in what.outputs.items()}
        step.values.update({edge: values[edge] for edge in what.fetched})
        loan = Loan(partial(_settle, settle), len(what.arrivals))
        for device, edges in what.arrivals.items():
            self._process.deliver(step.id, device, [(edge, values[edge]) for edge in edges], loan)
        if number is not None:
            self._ask(number)


def _settle(settle: Settle | None, accepted: bool) -> None:
    if settle is not None:
        settle(accepted)

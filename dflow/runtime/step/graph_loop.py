"""A `while_loop` whose operations are on several devices, or may wait: each iteration is a step of its own.

The loop is one operation of the step that it belongs to, an attempt: it is answered when the loop has ended, and a
withdrawal cancels the iteration that runs.  A thread of its own goes through the iterations.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from dflow.compile import LoopSteps
from dflow.dead import DEAD
from dflow.errors import CancelledError, OpError
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers


class GraphLoop:
    """One run of a loop.  reply: called once, with the values that leave it, or with an error."""

    def __init__(
        self, process: Process, session: str, loop: LoopSteps, operands: Sequence[Any], reply: Callable[..., None]
    ) -> None:
        self._process = process
        self._session = session
        self._loop = loop
        self._operands = operands
        self._reply = reply
        self._numbers = StepNumbers(f"{session}/while-{uuid.uuid4().hex[:8]}")
        self._lock = threading.Lock()
        self._withdrawn: OpError | None = None
        self._step: Step | None = None

    def withdraw(self) -> None:
        """End the loop: cancel its iteration."""
        with self._lock:
            self._withdrawn = CancelledError(None, None, "the step of the loop was cancelled")
            step = self._step
        if step is not None:
            step.cancel(self._withdrawn)

    def run(self) -> None:
        """Go through the iterations."""
        try:
            outcome: Any = self._repeat()
        except Exception as error:
            outcome = as_op_error(error)
        self._reply(outcome)

    def _repeat(self) -> tuple[Any, ...]:
        loop, operands = self._loop, self._operands
        feeds: list[Any] = [None] * len(loop.call.feeds)
        for feed, place in loop.constants:
            feeds[feed] = operands[place]
        for feed, firsts, _ in loop.variables:
            feeds[feed] = next((operands[i] for i in firsts if operands[i] is not DEAD), DEAD)
        results: list[Any] = [DEAD] * loop.results
        while True:
            values = self._iteration(feeds)
            for i in range(loop.results):
                if values[i] is not DEAD:
                    results[i] = values[i]
            nexts = [DEAD if place is None else values[place] for _, _, place in loop.variables]
            if all(value is DEAD for value in nexts):
                return tuple(results)
            for (feed, _, _), value in zip(loop.variables, nexts, strict=True):
                feeds[feed] = value

    def _iteration(self, feeds: Sequence[Any]) -> list[Any]:
        step = Step(self._process, self._session, self._loop.call, self._numbers)
        with self._lock:
            self._step = step
            withdrawn = self._withdrawn
        if withdrawn is not None:
            step.cancel(withdrawn)
        return step.run(feeds)


def start_loop(
    process: Process, session: str, loop: LoopSteps, operands: Sequence[Any], reply: Callable[..., None]
) -> Callable[[], None]:
    """Start a loop.  Returns the function that withdraws it."""
    running = GraphLoop(process, session, loop, operands, reply)
    threading.Thread(target=running.run, name=f"dflow-while-{process.name}", daemon=True).start()
    return running.withdraw

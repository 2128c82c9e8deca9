"""The body of a loop that goes one iteration at a time: a step, or one program of the loop's own device."""

from __future__ import annotations

from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import OpError
from dflow.runtime.device.program import Program
from dflow.runtime.loop.stage import Stage
from dflow.runtime.step.process import Process
from dflow.runtime.step.single_segment import only_program, run_program
from dflow.runtime.step.step import Step, StepNumbers


class Body(Stage):
    """Runs the plan of a loop, once for each iteration."""

    def __init__(self, process: Process, spec: LoopSpec) -> None:
        self.waited_s = 0.0
        self._process = process
        self._spec = spec
        self._numbers: StepNumbers | None = None  # until the first iteration
        self._program: Program | None = None  # if each step is one that never waits
        self._stopped: OpError | None = None
        self._step: Step | None = None

    def run(self, feeds: list[Any]) -> list[Any]:
        """The values of the fetches.  Raises what ended the step, or the error of a stop."""
        spec = self._spec
        if self._numbers is None:
            self._numbers = StepNumbers(spec.owner)
            program = only_program(self._process, spec.session, spec.call)
            self._program = None if program is None or program.blocks else program
        if self._program is not None:
            return run_program(self._process, spec.call, self._program, feeds)
        step = self._step = Step(self._process, spec.session, spec.call, self._numbers)
        if self._stopped is not None:  # `stop` may have found the step before
            step.cancel(self._stopped)
        try:
            return step.run(feeds)
        finally:
            self.waited_s += step.waited_s

    def stop(self, error: OpError) -> None:
        self._stopped = error  # before it looks for a step: one that begins later sees this
        step = self._step
        if step is not None:
            step.cancel(error)

    def close(self, failed: bool) -> None:
        self._step = None  # and the values of the last iteration

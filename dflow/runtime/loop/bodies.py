"""The body of a loop that makes one iteration at a time.

Each iteration is a step (`step/step.py`).  If it is one segment of this process that never waits, it is one call of the
segment's program instead (`step/single_segment.py`).
"""

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
        self._program: Program | None = None  # if the step is one segment that never waits
        self._stopped: OpError | None = None
        self._step: Step | None = None

    def run(self, feeds: list[Any]) -> list[Any]:
        """Run one iteration.  Returns the values of the fetches.  Raises the error of the step, or that of a stop."""
        spec = self._spec
        if self._numbers is None:
            self._numbers = StepNumbers(spec.owner)
            program = only_program(self._process, spec.session, spec.call)
            self._program = None if program is None or program.blocks else program
        if self._program is not None:
            ended = self._reason if self._program.loops else None
            return run_program(self._process, spec.call, self._program, feeds, ended)
        step = self._step = Step(self._process, spec.session, spec.call, self._numbers)
        if self._stopped is not None:  # `stop` may have run before this step was made
            step.cancel(self._stopped)
        try:
            return step.run(feeds)
        finally:
            self.waited_s += step.waited_s

    def _reason(self) -> OpError | None:
        return self._stopped

    def stop(self, error: OpError) -> None:
        self._stopped = error  # set before the step is looked up: a later step sees it
        step = self._step
        if step is not None:
            step.cancel(error)

    def close(self, failed: bool) -> None:
        self._step = None  # drops the values of the last iteration, too

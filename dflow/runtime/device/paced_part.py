"""Paced parts: the Dask tasks of a cold run run their segments, one by one.

A paced part differs from other parts in one point: work that is ready waits until the task of its segment runs it.

A segment runs at most once: a task that Dask starts again is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from dflow.errors import OpError, UnavailableError
from dflow.runtime.base.answers import Settle
from dflow.runtime.base.ids import StepId
from dflow.runtime.device.installed import InstalledPlan
from dflow.runtime.device.part import FINISHED, Executor, Part, Router


class PacedPart(Part):
    """One step on one device, whose segments are run by `run_segment`."""

    def __init__(
        self, executor: Executor, session: str, installed: InstalledPlan, step: StepId, router: Router
    ) -> None:
        super().__init__(executor, session, installed, step, router, run=_never)
        segments = installed.plan.segments
        self._places = {segment.index: i for i, segment in enumerate(segments)}
        self._work: list[SimpleQueue[Callable[[], None] | None]] = [SimpleQueue() for _ in segments]
        self._claimed: set[int] = set()
        self._run_already: set[int] = set()

    def run_segment(self, index: int, before_wait: Callable[[], None]) -> None:
        """Run a segment in this thread when its tensors have come; waits until its operation is answered.

        Raises the error that ended the part, and UnavailableError if the segment was begun before.
        before_wait: called once, before the first wait of a blocking operation, for its tensors or for its answer.
        """
        i = self._places[index]
        self._claim(i)
        may_wait = self._installed.programs[i].blocks
        while i not in self._run_already and self.ended is None:
            work = self._ready(i)
            if work is None and may_wait:
                before_wait()
                may_wait = False
            work = work or self._work[i].get()
            if work is not None:
                work()
        if self.ended is not None and self.ended is not FINISHED:
            raise self.ended.portable()

    def end(self, error: OpError, tell: bool) -> list[Settle]:
        deliveries = super().end(error, tell)
        for work in self._work:
            work.put(None)  # wakes the task of the segment, if it waits
        return deliveries

    def _claim(self, i: int) -> None:
        with self._lock:
            if i in self._claimed:
                fact = "it ran already, and its results were lost with a worker; a step runs at most once"
                raise UnavailableError(self._installed.plan.segments[i].op, None, fact)
            self._claimed.add(i)

    def _ready(self, i: int) -> Callable[[], None] | None:
        """Work of a segment that is there already."""
        with suppress(Empty):
            return self._work[i].get_nowait()
        return None

    def _submit(self, i: int, work: Callable[[], None], quick: bool) -> None:
        self._work[i].put(work)

    def _completed(self, i: int, results: dict[int, Any], settle: Settle | None) -> None:
        super()._completed(i, results, settle)
        self._run_already.add(i)


def _never(work: Callable[[], None], quick: bool) -> None:
    raise AssertionError("the segments of a paced part are run by `run_segment`")

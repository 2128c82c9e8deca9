"""A cold step's part on one device: its segments come one by one, as Dask tasks.

A segment of an announced step runs once, whatever Dask starts again; see `cold.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import secede

from dflow.errors import AbortedError, CancelledError, OpError, UnavailableError
from dflow.runtime import messages as m
from dflow.runtime.failures import as_op_error
from dflow.runtime.part import Edges, InstalledPlan, StepId
from dflow.runtime.program import Program
from dflow.runtime.transfers import to_host

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost
    from dflow.runtime.process import Process


@dataclass(frozen=True, slots=True)
class Lent:
    """Says of a segment's result that its elements are on loan, and where the loan is settled."""

    address: str
    device: str
    step: StepId
    segment: int


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What a segment's task gives: the values of its edges."""

    values: dict[int, Any]
    lent: Lent | None = None


class ColdPart:
    """A cold step's part on one device: its segments come one by one, as Dask tasks."""

    def __init__(
        self, host: DeviceHost, session: str, installed: InstalledPlan, step: StepId, feeds: Edges, lane: Any
    ) -> None:
        self.host = host
        self.session = session
        self.step = step
        self.outlet = self  # the owner is known by its lane, as for every part
        self.owner = self
        self.lane = lane
        self._programs = {program.segment.index: program for program in installed.programs}
        self._feeds = [(edge, host.asarray(value)) for edge, value in feeds]
        self._lock = threading.Lock()
        self._claimed: set[int] = set()
        self._waiting: dict[int, tuple[Callable[[], None] | None, Callable[[Any], None]]] = {}
        self._lent: dict[int, Callable[[bool], None]] = {}
        self._records: Any = None
        self._error: OpError | None = None

    def run_segment(self, index: int, values: dict[int, Any]) -> SegmentResult:
        """Run one segment, once; waits for a blocking one.  Raises its error, or the one that ended the part."""
        program = self._programs[index]
        with self._lock:
            if self._error is not None:
                raise self._error
            if index in self._claimed:
                fact = "it ran already, and what it gave was lost with a worker; a step runs at most once"
                raise UnavailableError(program.info, None, fact)
            self._claimed.add(index)
        known = dict(self._feeds) | {edge: self.host.asarray(value) for edge, value in values.items()}
        lent = None
        if program.blocks:
            results = self._attempt(program, known)
            with self._lock:
                if index in self._lent:
                    lent = Lent(self.host.process.name, self.host.name, self.step, index)
        else:
            results = program.run(known)
        return SegmentResult({edge: to_host(value) for edge, value in results}, lent)

    def _attempt(self, program: Program, values: dict[int, Any]) -> list[tuple[int, Any]]:
        index, done = program.segment.index, threading.Event()
        answer: list[Any] = []

        def end(outcome: Any) -> None:
            answer.append(outcome)
            done.set()

        def reply(outcome: Any, settle: Callable[[bool], None] | None = None) -> None:
            with self._lock:
                taken = self._error is None and index in self._waiting
                if taken:
                    del self._waiting[index]
                    if settle is not None:
                        self._lent[index] = settle
            if taken:
                end(outcome)
            elif settle is not None:
                settle(False)

        with self._lock:
            if self._error is not None:
                raise self._error
            self._waiting[index] = (None, end)
        withdraw = program.attempt(values, reply)
        with self._lock:
            if index in self._waiting:
                self._waiting[index] = (withdraw, end)
        if not done.is_set():
            secede()
            done.wait()
        outcome = answer[0]
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, program.info)
        return program.answered(outcome)

    def settle(self, segment: int) -> bool:
        """Someone takes over what a segment was lent; False if it went back already."""
        with self._lock:
            if self._error is not None:
                return False
            settle = self._lent.pop(segment, None)
        if settle is not None:
            settle(True)
        return True

    def cancel(self, error: OpError) -> None:
        """End the part: withdraw what waits, give back what is lent."""
        with self._lock:
            if self._error is not None:
                return
            self._error = error
            waiting, self._waiting = self._waiting, {}
            lent, self._lent = self._lent, {}
        self.host.ended(self, finished=False)
        for withdraw, end in waiting.values():
            end(error)
            if withdraw is not None:
                withdraw()
        for settle in lent.values():
            settle(False)

    def finish(self) -> None:
        """The step ended well: what no one took over was not wanted by anyone, and is gone with the step."""
        with self._lock:
            lent, self._lent = self._lent, {}
        for settle in lent.values():
            settle(True)
        self.cancel(CancelledError(None, None, "the step has ended"))

    def deliver(self, edges: Edges) -> bool:
        """A cold step's tensors travel with Dask, never this way."""
        return False


def announce(process: Process, message: m.Announce, lane: Any) -> None:
    """A step's owner says that its segments will come."""
    process.check_session(message.session)
    host = process.hosts[message.device]
    installed = host.session(message.session).plans.get(message.plan)
    if installed is None:
        raise AbortedError(None, None, f"plan {message.plan} of session {message.session} is not known on {host.name}")
    host.add_part(ColdPart(host, message.session, installed, message.step, message.feeds, lane), message.floor)

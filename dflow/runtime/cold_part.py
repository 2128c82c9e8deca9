"""A cold step's part on one device: its segments come one by one, as Dask tasks.

A segment of an announced step runs once, whatever Dask starts again; see `cold.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from distributed import secede

from dflow.errors import CancelledError, OpError, UnavailableError
from dflow.runtime import messages as m
from dflow.runtime.failures import as_op_error
from dflow.runtime.part import Edges, InstalledPlan, Loan, Outlet, StepId, end_parts, with_record
from dflow.runtime.pending import Pending
from dflow.runtime.program import Program
from dflow.runtime.transfers import to_host

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost
    from dflow.runtime.process import Process


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What a segment's task gives: the values of its edges.

    lent: the caller must take them over, at the device of the segment, or they go back to their queue.
    """

    values: dict[int, Any]
    lent: bool = False


class ColdPart:
    """A cold step's part on one device: its segments come one by one, as Dask tasks."""

    def __init__(
        self, host: DeviceHost, session: str, installed: InstalledPlan, step: StepId, feeds: Edges, outlet: Outlet
    ) -> None:
        self.host = host
        self.session = session
        self.step = step
        self.outlet = outlet
        self._installed = installed
        self._programs = {program.segment.index: program for program in installed.programs}
        self._feeds = [(edge, host.asarray(value)) for edge, value in feeds]
        self._lock = threading.Lock()
        self._claimed: set[int] = set()
        self._waiting: dict[int, tuple[Callable[[], None] | None, Callable[[Any], None]]] = {}
        self._unsettled: dict[int, Callable[[bool], None]] = {}  # what answers brought, and no one has yet
        self._lent: dict[int, Callable[[bool], None]] = {}  # what is on its way to the caller
        self._records: list[Any] = []  # keys of the records that this step read, for errors
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
        try:
            results = self._attempt(program, known) if program.blocks else program.run(known)
        except OpError as error:
            with_record(error, self._records)
            raise
        lent = program.blocks and self._lend(index)
        return SegmentResult({edge: to_host(value) for edge, value in results}, lent)

    def _lend(self, index: int) -> bool:
        """See to it that what a segment was lent gets an owner; True if that may be the caller.

        On this device it is the step's own now.  The hosts of other devices that use it say whether they are there:
        the values come with Dask, but a loan that waited for these would make the queue wait for what else their
        segments need.
        """
        plan, program = self._installed.plan, self._programs[index]
        gives = program.segment.gives
        devices = {device for edge in gives for device in plan.routes.get(edge, ())}
        caller = any(edge in plan.fetched for edge in gives)
        with self._lock:
            settle = self._unsettled.pop(index, None)
            if settle is None:
                return False
            if any(edge in self._installed.consumers for edge in gives) or not (devices or caller):
                loan, devices, caller = settle, set(), False
            else:
                loan = Loan(settle, len(devices) + caller)
            if caller:
                self._lent[index] = loan
        if not (devices or caller):
            loan(True)
        for device in devices:
            self.outlet.send(device, [], loan)
        return caller

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
                        self._unsettled[index] = settle
            if taken:
                end(outcome)
            elif settle is not None:
                settle(False)

        with self._lock:
            if self._error is not None:
                raise self._error
            self._waiting[index] = (None, end)
        withdraw = program.attempt(values, Pending(reply, self.step[0], program.info.name))
        with self._lock:
            if index in self._waiting:
                self._waiting[index] = (withdraw, end)
        if not done.is_set():
            secede()
            done.wait()
        outcome = answer[0]
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, program.info)
        if program.info.kind.startswith("ReaderRead"):
            self._records.append(outcome[0])
        return program.answered(outcome)

    def take_over(self, segment: int) -> bool:
        """The caller has what a segment was lent; False if that went back already."""
        with self._lock:
            if self._error is not None:
                return False
            loan = self._lent.pop(segment, None)
        if loan is not None:
            loan(True)
        return True

    def cancel(self, error: OpError) -> None:
        """End the part from outside; nothing happens if it has ended."""
        end_parts([self], error)

    def fail(self, error: OpError) -> None:
        """End the part and tell the owner."""
        end_parts([self], error, tell=True)

    def end(self, error: OpError, tell: bool) -> list[Callable[[], None]]:
        """End the part: withdraw what waits.  Gives what gives back what is lent; see `end_parts`."""
        with self._lock:
            if self._error is not None:
                return []
            self._error = error
            waiting, self._waiting = self._waiting, {}
            lent = [*self._unsettled.values(), *self._lent.values()]
            self._unsettled, self._lent = {}, {}
        self.host.ended(self, finished=False)
        for withdraw, end in waiting.values():
            end(error)
            if withdraw is not None:
                withdraw()
        if tell:
            self.outlet.failed(self.host.name, error)
        return [partial(settle, False) for settle in lent]

    def finish(self) -> None:
        """The step ended well: what no one took over was not wanted by anyone, and is gone with the step."""
        with self._lock:
            lent = [*self._unsettled.values(), *self._lent.values()]
            self._unsettled, self._lent = {}, {}
        for settle in lent:
            settle(True)
        self.cancel(CancelledError(None, None, "the step has ended"))

    def deliver(self, edges: Edges) -> bool:
        """Will tensors that are lent, and come with Dask, be the step's own here?"""
        with self._lock:
            return self._error is None

    def sends_to(self, address: str) -> list[str]:
        """The devices of the process at `address` that tensors of this part go to."""
        return self._installed.devices_at(address)


def announce(process: Process, message: m.Announce, owner: Any) -> None:
    """A step's owner says that its segments will come."""
    process.check_session(message.session)
    host = process.hosts[message.device]
    installed = host.installed(message.session, message.plan)
    outlet = process.outlet(message.step, message.session, message.device, message.plan, owner)
    part = ColdPart(host, message.session, installed, message.step, message.feeds, outlet)
    host.add_part(part, message.floor)
    if owner.lane.closed:  # meanwhile, so that nobody saw the part
        part.cancel(CancelledError(None, None, f"{owner.lane.peer}, which ran this step, is gone"))

"""A step's part on one device.

One rule: each segment has a count of missing inputs; at zero it runs; its outputs lower the counts of others, here or
on another device.  An operation that waits is an attempt and holds no thread.

A part ends in one of three ways: all its segments ran (finished), one of them failed, or it was cancelled.  Whatever
the way, its waiting attempts are withdrawn and what was lent to it but not used is given back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dflow.compile import DevicePlan
from dflow.errors import OpError
from dflow.runtime.batched import BatchProgram
from dflow.runtime.failures import as_op_error
from dflow.runtime.pending import Pending
from dflow.runtime.program import Program

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost

StepId = tuple[str, int]  # who owns the step (a session, a loop of it), and its number there
Edges = list[tuple[int, Any]]


class Loan:
    """Elements that are lent to several receivers: theirs with the first yes, given back when all said no."""

    def __init__(self, settle: Callable[[bool], None], receivers: int) -> None:
        self._settle = settle
        self._open = receivers
        self._settled = False
        self._lock = threading.Lock()

    def __call__(self, accepted: bool) -> None:
        with self._lock:
            self._open -= 1
            if self._settled or not (accepted or self._open == 0):
                return
            self._settled = True
        self._settle(accepted)

    def give_back(self) -> None:
        """They did not get away: they go back, unless someone has them already."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self._settle(False)


def end_parts(parts: Iterable[Any], error: OpError, tell: bool = False) -> None:
    """End parts together, so that what one of them gives back does not go to another one of them.

    tell: say it to their owners, which are still there.
    """
    for give_back in [give for part in parts for give in part.end(error, tell)]:
        give_back()


class Outlet(Protocol):
    """Where a part's results go.  A loan, if there is one, must be called once with True or False."""

    def send(self, device: str, edges: Edges, loan: Callable[[bool], None] | None) -> None:
        """Tensors for the step's part on another device."""

    def fetched(self, edges: Edges, loan: Callable[[bool], None] | None, finished: str = "") -> object:
        """Tensors for the owner of the step.  finished: the device, if all segments of the part ran."""

    def finished(self, device: str) -> None:
        """All segments of the part ran."""

    def failed(self, device: str, error: OpError) -> None:
        """A segment failed; the owner cancels the other parts."""


class InstalledPlan:
    """A device's part of a plan, ready to run."""

    def __init__(self, plan: DevicePlan, programs: Sequence[Program], batch: BatchProgram | None = None) -> None:
        self.plan = plan
        self.batch = batch
        self.programs = programs
        self.missing = [len(segment.needs) for segment in plan.segments]
        self.ready = [i for i, count in enumerate(self.missing) if count == 0]
        self.consumers: dict[int, list[int]] = {}
        for i, segment in enumerate(plan.segments):
            for edge in segment.needs:
                self.consumers.setdefault(edge, []).append(i)
        self.uses = {edge: len(users) for edge, users in self.consumers.items()}

    def devices_at(self, address: str) -> list[str]:
        """The devices of the process at `address` that the part has to do with."""
        return [device for device, where in self.plan.addresses.items() if where == address]


class Part:
    """One step on one device."""

    def __init__(
        self,
        host: DeviceHost,
        session: str,
        installed: InstalledPlan,
        step: StepId,
        outlet: Outlet,
        run: Callable[[Callable[[], None]], None],
    ) -> None:
        self.host = host
        self.session = session
        self.step = step
        self.outlet = outlet
        self._installed = installed
        self._run = run
        self._lock = threading.Lock()
        self._missing = list(installed.missing)
        self._uses = dict(installed.uses)
        self._values: dict[int, Any] = {}
        self._open = len(installed.programs)  # segments that have not run
        self._sending = 0  # segments whose results are on their way
        self._attempts: dict[int, Callable[[], None] | None] = {}
        self._unsettled: dict[int, Callable[[bool], None]] = {}
        self._records: list[np.ndarray[Any, Any]] = []  # keys of the records that this step read, for errors
        self._ended = False

    # -- tensors come in

    def begin(self, feeds: Edges) -> None:
        """Start what needs nothing, and what needs only feeds."""
        for i in self._installed.ready:
            self._run(partial(self._execute, i))
        if feeds:
            self.deliver(feeds)

    def deliver(self, edges: Iterable[tuple[int, Any]]) -> bool:
        """Tensors for this part; False if it has ended and they were not taken."""
        ready = []
        with self._lock:
            if self._ended:
                return False
            for edge, value in edges:
                self._values[edge] = value
                for i in self._installed.consumers.get(edge, ()):
                    self._missing[i] -= 1
                    if self._missing[i] == 0:
                        ready.append(i)
        for i in ready:
            self._run(partial(self._execute, i))
        return True

    # -- segments run

    def _execute(self, i: int) -> None:
        if self._ended:
            return
        program = self._installed.programs[i]
        try:
            if program.blocks:
                self._attempt(i, program)
            else:
                self._completed(program, program.run(self._values), None)
        except BaseException as error:  # whatever it is, the owner must hear of it
            self.fail(with_record(as_op_error(error), self._records))

    def _attempt(self, i: int, program: Program) -> None:
        with self._lock:
            if self._ended:
                return
            self._attempts[i] = None
        pending = Pending(partial(self._reply, i), self.step[0], program.info.name)
        withdraw = program.attempt(self._values, pending)
        with self._lock:
            if i in self._attempts:
                self._attempts[i] = withdraw
                if not self._ended:
                    return
        if self._ended and withdraw is not None:
            withdraw()

    def _reply(self, i: int, outcome: Any, settle: Callable[[bool], None] | None = None) -> None:
        """The answer of an attempt, in whichever thread gave it."""
        with self._lock:
            taken = not self._ended and i in self._attempts
            if taken:
                del self._attempts[i]
                if settle is not None:
                    self._unsettled[i] = settle
        if taken:
            self._run(partial(self._answered, i, outcome))
        elif settle is not None:
            settle(False)

    def _answered(self, i: int, outcome: Any) -> None:
        program = self._installed.programs[i]
        try:
            if isinstance(outcome, BaseException):
                raise as_op_error(outcome)
            results = program.answered(outcome)
            with self._lock:
                if self._ended:
                    return
                settle = self._unsettled.pop(i, None)
            if program.info.kind.startswith("ReaderRead"):
                self._records.append(outcome[0])
            self._completed(program, results, settle)
        except BaseException as error:
            self.fail(with_record(as_op_error(error, program.info), self._records))

    # -- tensors go out

    def _completed(self, program: Program, results: Edges, settle: Callable[[bool], None] | None) -> None:
        """A segment ran: send its results, and say so with the last of them if the part is finished then.

        `_open` counts the segments that have not run, `_sending` those whose results are on their way: the part has
        finished when both are 0, not before, so that no result comes after the news of the end.
        """
        plan = self._installed.plan
        done = program.segment.done
        if done is not None:
            results = [*results, (done, None)]
        here = [(edge, value) for edge, value in results if edge in self._installed.consumers]
        there: dict[str, Edges] = {}
        for edge, value in results:
            for device in plan.routes.get(edge, ()):
                there.setdefault(device, []).append((edge, value))
        caller = [(edge, value) for edge, value in results if edge in plan.fetched]
        self._free(program)
        loan: Loan | None = None
        if settle is not None:
            if here or not (there or caller):
                settle(True)
            else:
                loan = Loan(settle, len(there) + bool(caller))
        with self._lock:
            self._open -= 1
            self._sending += 1
            last = self._open == 0 and self._sending == 1 and not self._ended
        try:
            if here:
                self.deliver(here)
            for device, edges in there.items():
                self.outlet.send(device, edges, loan)
            if caller:
                self.outlet.fetched(caller, loan, self.host.name if last else "")
        except BaseException:
            if loan is not None:
                loan.give_back()
            raise
        with self._lock:
            self._sending -= 1
            finished = self._open == 0 and self._sending == 0 and not self._ended
            if finished:
                self._ended = True
        if finished:
            self.host.ended(self, finished=True)
            if not (caller and last):
                self.outlet.finished(self.host.name)

    def _free(self, program: Program) -> None:
        """Let go of the values that no other segment of this step needs."""
        with self._lock:
            for _, edge in program.arguments:
                self._uses[edge] -= 1
                if self._uses[edge] <= 0:
                    self._values.pop(edge, None)

    # -- the end

    def fail(self, error: OpError) -> None:
        """A segment failed: end the part and tell the owner, once."""
        end_parts([self], error, tell=True)

    def cancel(self, error: OpError) -> None:
        """End the part from outside; nothing happens if it has ended."""
        end_parts([self], error)

    def end(self, error: OpError, tell: bool) -> list[Callable[[], None]]:
        """End the part: withdraw what waits.  Gives what gives back what is lent; see `end_parts`."""
        with self._lock:
            if self._ended:
                return []
            self._ended = True
            attempts, unsettled = self._attempts, self._unsettled
            self._unsettled = {}
        self.host.ended(self, finished=False)
        for withdraw in attempts.values():
            if withdraw is not None:
                withdraw()
        if tell:
            self.outlet.failed(self.host.name, error)
        return [partial(settle, False) for settle in unsettled.values()]

    def sends_to(self, address: str) -> list[str]:
        """The devices of the process at `address` that tensors of this part go to."""
        return self._installed.devices_at(address)


def with_record(error: OpError, read: Sequence[np.ndarray[Any, Any]]) -> OpError:
    """The error, with the file and line of the record that it is about.

    read: the keys that each read of this step gave.  With several of them it is not known which one was meant.
    """
    index = getattr(error, "record", None)
    if index is None or len(read) != 1:
        return error
    keys = read[0].reshape(-1)
    if index < len(keys):
        error.message += f" (the record is {keys[index].decode(errors='replace')})"
    return error

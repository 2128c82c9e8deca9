"""A step's part on one device.

One rule: each segment has a count of missing inputs; at zero it runs; its outputs lower the counts of others, here or
on another device.  An operation that waits is an attempt (`attempts.py`) and holds no thread.

A part ends in one of three ways: all its segments ran (finished), one of them failed, or it was cancelled.  Whatever
the way, its waiting attempts are withdrawn and what was lent to it but not used is given back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dflow.compile import DevicePlan, Segment
from dflow.errors import CancelledError, OpError
from dflow.runtime.attempts import WAITING, Attempts, Settle, Then
from dflow.runtime.batch_program import BatchProgram
from dflow.runtime.failures import as_op_error
from dflow.runtime.program import Program

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost

StepId = tuple[str, int]  # who owns the step (a session, a loop of it), and its number there
Edges = list[tuple[int, Any]]
Run = Callable[[Callable[[], None], bool], None]  # run(work, quick): do it in some thread, not before this returns

_FINISHED = CancelledError(None, None, "the step has ended")


class Loan:
    """Elements that are lent to several receivers: theirs with the first yes, given back when all said no."""

    __slots__ = ("_lock", "_open", "_sent", "_settle", "_settled", "_waiting")

    def __init__(self, settle: Settle, receivers: int) -> None:
        self._settle = settle
        self._open = receivers
        self._settled = False
        self._sent: bool | None = None  # has the acknowledgement left this process?  None: that is not known yet
        self._waiting: list[Then] = []  # receivers that said yes, and wait for that
        self._lock = threading.Lock()

    def __call__(self, accepted: bool, then: Then | None = None) -> None:
        with self._lock:
            self._open -= 1
            first = not self._settled and (accepted or self._open == 0)
            self._settled = self._settled or first
            sent = self._sent
            if sent is None and then is not None:
                self._waiting.append(then)
        if first and accepted:
            self._settle(True, self._acknowledged)
        elif first:
            self._settle(False)
        elif sent is not None and then is not None:
            then(sent)

    def _acknowledged(self, sent: bool) -> None:
        with self._lock:
            self._sent = sent
            waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(sent)

    def give_back(self) -> None:
        """They did not get away: they go back, unless someone has them already."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
        self._settle(False)


def end_parts(parts: Iterable[Any], error: OpError, tell: bool = False) -> None:
    """End parts together, so that what one of them gives back does not go to another one of them.

    error: each part gets a copy, since its owner adds to it.  tell: say it to their owners, which are still there.
    """
    for give_back in [give for part in parts for give in part.end(error.portable(), tell)]:
        give_back()


class Outlet(Protocol):
    """Where a part's results go.  A loan, if there is one, must be called once with True or False."""

    def send(self, device: str, edges: Edges, loan: Settle | None) -> None:
        """Tensors for the step's part on another device."""

    def fetched(self, edges: Edges, loan: Settle | None, finished: str = "") -> object:
        """Tensors for the owner of the step.  finished: the device, if all segments of the part ran."""

    def finished(self, device: str) -> None:
        """All segments of the part ran; not called if the plan says that this part does not report."""

    def failed(self, device: str, error: OpError) -> None:
        """A segment failed; the owner cancels the other parts."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the results of a segment go: edges, its control edge included."""

    here: tuple[int, ...]  # to other segments of the part
    there: tuple[tuple[str, tuple[int, ...]], ...]  # to other devices
    caller: tuple[int, ...]  # to the owner of the step
    receivers: int  # how many other devices and owners get something


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
        self.routes = [self._route(segment) for segment in plan.segments]
        only = programs[0] if len(programs) == 1 else None
        self.only = None if plan.routes else only  # all of the step, if it has no other part

    def _route(self, segment: Segment) -> Route:
        gives, routes = segment.gives, self.plan.routes
        devices = dict.fromkeys(device for edge in gives for device in routes.get(edge, ()))
        here = tuple(edge for edge in gives if edge in self.consumers)
        there = tuple((d, tuple(edge for edge in gives if d in routes.get(edge, ()))) for d in devices)
        caller = tuple(edge for edge in gives if edge in self.plan.fetched)
        return Route(here, there, caller, len(there) + bool(caller))

    def devices_at(self, address: str) -> list[str]:
        """The devices of the process at `address` that the part has to do with."""
        return [device for device, where in self.plan.addresses.items() if where == address]


class Part(Attempts):
    """One step on one device."""

    def __init__(
        self,
        host: DeviceHost,
        session: str,
        installed: InstalledPlan,
        step: StepId,
        outlet: Outlet,
        run: Run,
    ) -> None:
        super().__init__(host, session, installed, step, outlet)
        self._run = run
        self._missing = installed.missing.copy()
        self._uses = installed.uses.copy()
        self._values: dict[int, Any] = {}
        self._open = len(installed.programs)  # segments that have not run
        self._sending = 0  # segments whose results are on their way

    # -- tensors come in

    def begin(self) -> None:
        """Start what needs nothing."""
        self._start(self._installed.ready)

    def wants(self) -> bool:
        """Whether tensors that come now are of use here."""
        return self.ended is None

    def deliver(self, edges: Iterable[tuple[int, Any]]) -> None:
        """Tensors for this part; dropped if it has ended."""
        with self._lock:
            ready = self._receive(edges) if self.ended is None else []
        self._start(ready)

    def _receive(self, edges: Iterable[tuple[int, Any]]) -> list[int]:
        """Under the lock: keep tensors; gives the segments that lack nothing now."""
        ready = []
        for edge, value in edges:
            self._values[edge] = value
            for i in self._installed.consumers.get(edge, ()):
                self._missing[i] -= 1
                if self._missing[i] == 0:
                    ready.append(i)
        return ready

    # -- segments run

    def _start(self, segments: Iterable[int]) -> None:
        for i in segments:
            self._run(partial(self._execute, i), self._installed.programs[i].quick)

    def _execute(self, i: int) -> None:
        if self.ended is not None:
            return
        program = self._installed.programs[i]
        try:
            if not program.blocks:
                self._completed(i, program.run(self._values), None)
            elif (outcome := self.attempt(i, program, self._values)) is not WAITING:
                self._go_on(i, outcome)
        except BaseException as error:  # whatever it is, the owner must hear of it
            self.fail(with_record(as_op_error(error), self._records))

    def _answered(self, i: int, outcome: Any) -> None:
        if self.ended is None:
            self._run(partial(self._go_on, i, outcome), True)

    def _go_on(self, i: int, outcome: Any) -> None:
        program = self._installed.programs[i]
        try:
            results = self.results(program, outcome)
            self._completed(i, results, self.take(i))
        except BaseException as error:
            self.fail(with_record(as_op_error(error, program.info), self._records))

    # -- tensors go out

    def _completed(self, i: int, results: dict[int, Any], settle: Settle | None) -> None:
        """A segment ran: send its results, and say so with the last of them if the part is finished then.

        `_open` counts the segments that have not run, `_sending` those whose results are on their way: the part has
        finished when both are 0, not before, so that no result comes after the news of the end.
        """
        route = self._installed.routes[i]
        loan: Loan | None = None
        if settle is not None:
            if route.here or not route.receivers:
                settle(True)
            else:
                loan = Loan(settle, route.receivers)
        with self._lock:
            self._free(i)
            ready = self._receive(_values(route.here, results)) if self.ended is None else []
            self._open -= 1
            self._sending += 1
            last = self._open == 0 and self._sending == 1 and self.ended is None
        self._start(ready)
        if route.receivers:
            self._send(route, results, loan, last)
        with self._lock:
            self._sending -= 1
            finished = self._open == 0 and self._sending == 0 and self.ended is None
            if finished:
                self.ended = _FINISHED
        if finished:
            self.host.ended(self, finished=True)
            if self._installed.plan.reports and not (last and route.caller):
                self.outlet.finished(self.host.name)

    def _send(self, route: Route, results: dict[int, Any], loan: Loan | None, last: bool) -> None:
        try:
            for device, edges in route.there:
                self.outlet.send(device, _values(edges, results), loan)
            if route.caller:
                self.outlet.fetched(_values(route.caller, results), loan, self.host.name if last else "")
        except BaseException:
            if loan is not None:
                loan.give_back()
            raise

    def _free(self, i: int) -> None:
        """Under the lock: let go of the values that no other segment of this step needs."""
        for _, edge in self._installed.programs[i].arguments:
            self._uses[edge] -= 1
            if self._uses[edge] <= 0:
                self._values.pop(edge, None)


def _values(edges: Iterable[int], results: dict[int, Any]) -> Edges:
    """What goes out; a control edge has no value."""
    return [(edge, results.get(edge)) for edge in edges]


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

"""A part: the segments of one step on one device.

TensorFlow calls it a graph partition.  It must not be confused with a partition of a Dask collection.

Each segment has a count of missing inputs.  It runs when the count is zero, and its outputs lower the counts of other
segments, on this device or on another one.  An operation that waits is an attempt and holds no thread.

A part ends in one of three ways: all its segments ran (finished), one of them failed, or it was cancelled.  In each
case its waiting attempts are withdrawn, and the deliveries that it has not used are released.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from dflow.dead import DEAD
from dflow.errors import CancelledError, OpError
from dflow.runtime.base.answers import Settle
from dflow.runtime.base.attempt import Attempt, give_back
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.base.interrupts import NO_INTERRUPTS, interruptible
from dflow.runtime.device.installed import InstalledPlan, Route
from dflow.runtime.device.program import Program
from dflow.runtime.device.shared_delivery import SharedDelivery

Run = Callable[[Callable[[], None], bool], None]  # run(work, quick): do the work in some thread, after the return

FINISHED = CancelledError(None, None, "the step has ended")


class Router(Protocol):
    """The routes of a part's results.  A delivery, if there is one, must be called once with True or False.

    channel: to the owner of the step; None if the owner is in this process.
    """

    channel: Any

    def send(self, device: str, address: str, edges: Edges, delivery: Settle | None) -> None:
        """Send tensors to the step's part on another device."""

    def fetched(self, edges: Edges, delivery: Settle | None, finished: str = "") -> object:
        """Send tensors to the owner of the step.  finished: the device, if all segments of the part ran."""

    def finished(self, device: str) -> None:
        """Report that all segments of the part ran.  Not called if the part does not report, by its plan."""

    def failed(self, device: str, error: OpError) -> None:
        """Report that a segment failed; the owner cancels the other parts."""


class Executor(Protocol):
    """The device executor as a part sees it; see `executor.py`."""

    name: str

    def asarray(self, value: Any) -> Any: ...

    def ended(self, part: Part, finished: bool) -> None:
        """Note that a part ended.  A finished part has all its tensors: no late ones can come."""


class Part:
    """One step on one device."""

    def __init__(
        self,
        executor: Executor,
        session: str,
        installed: InstalledPlan,
        step: StepId,
        router: Router,
        run: Run,
    ) -> None:
        self.executor = executor
        self.session = session
        self.step = step
        self.router = router
        self.ended: OpError | None = None  # the reason of the end
        self._installed = installed
        self._run = run
        self._lock = threading.Lock()  # guards the attributes below
        self._missing = installed.missing.copy()
        self._uses = installed.uses.copy()
        self._values: dict[int, Any] = {}
        self._open = len(installed.programs)  # segments that have not run
        self._sending = 0  # segments whose results are being sent
        self._attempts: dict[int, Attempt] = {}  # of segments that have not taken their answer
        self._records: list[Any] = []  # keys of the records that this step read, for errors

    # -- tensors come in

    def begin(self) -> None:
        """Start the segments that need no tensors."""
        self._start(self._installed.ready)

    def wants(self) -> bool:
        """Whether the part can still use tensors."""
        return self.ended is None

    def deliver(self, edges: Iterable[tuple[int, Any]]) -> None:
        """Take tensors for this part; they are dropped if it has ended."""
        with self._lock:
            ready = self._receive(edges) if self.ended is None else []
        self._start(ready)

    def _receive(self, edges: Iterable[tuple[int, Any]]) -> list[int]:
        """Under the lock: keep tensors; returns the segments whose inputs are now complete."""
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
            self._submit(i, partial(self._execute, i), self._installed.programs[i].quick)

    def _submit(self, i: int, work: Callable[[], None], quick: bool) -> None:
        """Have work of a segment done in some thread."""
        self._run(work, quick)

    def _execute(self, i: int) -> None:
        if self.ended is not None:
            return
        program = self._installed.programs[i]
        try:
            if program.blocks:
                self._attempt(i, program)
            else:
                with interruptible(self._reason) if program.loops else NO_INTERRUPTS:
                    results = program.run(self._values)
                self._completed(i, results, None)
        except BaseException as error:  # the owner must hear of any exception
            self.fail(with_record(as_op_error(error), self._records))

    def _reason(self) -> OpError | None:
        return self.ended

    def _attempt(self, i: int, program: Program) -> None:
        attempt = Attempt(self.step[0], program.info.name, partial(self._answered, i))
        with self._lock:
            if self.ended is not None:
                return
            self._attempts[i] = attempt
        if program.start(self._values, attempt):
            self._go_on(i)

    def _answered(self, i: int, attempt: Attempt) -> None:
        if self.ended is None:
            self._submit(i, partial(self._go_on, i), True)

    def _go_on(self, i: int) -> None:
        """Complete a segment whose attempt was answered."""
        attempt = self._attempts.pop(i, None)
        outcomes = () if attempt is None else attempt.take()
        if self.ended is not None:
            give_back(outcomes)
            return
        program = self._installed.programs[i]
        try:
            ((outcome, settle),) = outcomes
            if isinstance(outcome, BaseException):
                raise as_op_error(outcome, program.info)
            if program.reads and outcome is not DEAD:
                self._records.append(outcome[0])
            self._completed(i, program.answered(outcome), settle)
        except BaseException as error:
            self.fail(with_record(as_op_error(error, program.info), self._records))

    # -- tensors go out

    def _completed(self, i: int, results: dict[int, Any], settle: Settle | None) -> None:
        """Send the results of a segment that ran.  If it is the last one, report with them that the part finished.

        `_open` counts the segments that have not run, `_sending` those whose results are being sent.  The part has
        finished when both are 0, so that no result comes after the report of the end.
        """
        route = self._installed.routes[i]
        delivery: SharedDelivery | None = None
        if settle is not None:
            if route.here or not route.receivers:
                settle(True)
            else:
                delivery = SharedDelivery(settle, route.receivers)
        with self._lock:
            self._free(i)
            ready = self._receive(_values(route.here, results)) if self.ended is None else []
            self._open -= 1
            self._sending += 1
            last = self._open == 0 and self._sending == 1 and self.ended is None
        self._start(ready)
        if route.receivers:
            self._send(route, results, delivery, last)
        with self._lock:
            self._sending -= 1
            finished = self._open == 0 and self._sending == 0 and self.ended is None
            if finished:
                self.ended = FINISHED
        if finished:
            self.executor.ended(self, finished=True)
            if self._installed.plan.reports and not (last and route.caller):
                self.router.finished(self.executor.name)

    def _send(self, route: Route, results: dict[int, Any], delivery: SharedDelivery | None, last: bool) -> None:
        try:
            for device, address, edges in route.there:
                self.router.send(device, address, _values(edges, results), delivery)
            if route.caller:
                self.router.fetched(_values(route.caller, results), delivery, self.executor.name if last else "")
        except BaseException:
            if delivery is not None:
                delivery.give_back()
            raise

    def _free(self, i: int) -> None:
        """Under the lock: drop the values that no other segment of this part needs."""
        for _, edge in self._installed.programs[i].arguments:
            self._uses[edge] -= 1
            if self._uses[edge] <= 0:
                self._values.pop(edge, None)

    # -- the end

    def fail(self, error: OpError) -> None:
        """End the part, because a segment failed or another process is gone, and tell the owner, once."""
        for settle in self.end(error, tell=True):
            settle(False)

    def cancel(self, error: OpError) -> None:
        """End the part from outside; does nothing if it has ended."""
        for settle in self.end(error, tell=False):
            settle(False)

    def end(self, error: OpError, tell: bool) -> list[Settle]:
        """End the part and withdraw its attempts.  Returns the deliveries for the caller to release; see `end_parts`.

        tell: whether to report the error to the owner.
        """
        with self._lock:
            if self.ended is not None:
                return []
            self.ended = error
            attempts, self._attempts = self._attempts, {}
        self.executor.ended(self, finished=False)
        outcomes = [outcome for attempt in attempts.values() for outcome in attempt.abandon()]
        if tell:
            self.router.failed(self.executor.name, error)
        return [settle for _, settle in outcomes if settle is not None]

    def sends_to(self, address: str) -> list[str]:
        """The devices of the process at `address` to which this part sends tensors."""
        return self._installed.devices_at(address)


def end_parts(parts: Iterable[Part], error: OpError, tell: bool = False) -> None:
    """End parts together, so that elements which one of them releases do not go to another one of them.

    error: each part gets a copy, since its owner adds to it.  tell: whether to report it to the owners.
    """
    for settle in [settle for part in parts for settle in part.end(error.portable(), tell)]:
        settle(False)


def _values(edges: Iterable[int], results: dict[int, Any]) -> Edges:
    """Edges with their values, for a message.  The value of a control edge is None."""
    return [(edge, results.get(edge)) for edge in edges]


def with_record(error: OpError, read: Sequence[np.ndarray[Any, Any]]) -> OpError:
    """The error, with the file and line of its record.

    read: the keys of each read of this step.  With several reads it is unknown which one the error belongs to.
    """
    index = getattr(error, "record", None)
    if index is None or len(read) != 1:
        return error
    keys = read[0].reshape(-1)
    if index < len(keys):
        error.message += f" (the record is {keys[index].decode(errors='replace')})"
    return error

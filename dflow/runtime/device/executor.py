"""The device executor: the plans that sessions installed on a device, and the parts of steps in flight there.

All runs use it: cold and hot runs, loops and local sessions.  Only `part.py` handles errors, cancelling and attempts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from dflow.compile import DevicePlan
from dflow.errors import AbortedError, OpError
from dflow.registry import READERS, OpDef, ReaderFormat
from dflow.runtime.base.answers import Settle, unacknowledged
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.held import HeldByDevice
from dflow.runtime.base.ids import Edges, StepId, session_of
from dflow.runtime.device.binding import plain
from dflow.runtime.device.device import Device
from dflow.runtime.device.ended_steps import EndedSteps
from dflow.runtime.device.installed import InstalledPlan
from dflow.runtime.device.loop import WhileLoop
from dflow.runtime.device.paced_part import PacedPart
from dflow.runtime.device.part import Part, Router, Run, end_parts
from dflow.runtime.device.program import Program
from dflow.runtime.device.trace import KernelCall, Trace
from dflow.runtime.device.vectorized_program import VectorizedProgram


class DeviceExecutor(Device):
    """A device that runs parts of steps."""

    def __init__(
        self,
        name: str,
        xp: Any = np,
        virtual: bool = False,
        scope: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        super().__init__(name, xp, virtual, scope)
        self._plans: dict[str, dict[int, InstalledPlan]] = {}  # session -> plan -> the plan
        self._parts: dict[StepId, Part] = {}
        self._early: dict[StepId, list[tuple[list[tuple[int, Any]], Any]]] = {}  # tensors of parts not started yet
        self._ended = EndedSteps()

    # -- sessions and their plans

    def install(
        self,
        session: str,
        part: DevicePlan,
        kernels: Mapping[str, OpDef],
        formats: Mapping[str, Callable[..., ReaderFormat]] = READERS,
    ) -> None:
        """Make a plan ready to run.

        Raises InvalidArgumentError if it cannot be made ready, AbortedError if the session is not known.
        """
        self.session(session)
        inter_op = self.process.allow(session, part.threads)
        trace = Trace(self.synchronize) if part.traced else None
        loops = partial(WhileLoop, asarray=self.asarray)
        bind = plain(self, kernels, session, part.addresses, loops, None if trace is None else trace.observed)
        programs = [Program(segment, self, bind, inter_op) for segment in part.segments]
        body = part.vectorized
        vectorized = None if body is None else VectorizedProgram(body, kernels, self, session, part.addresses, inter_op)
        with self._lock:
            self.session(session).formats.update(formats)  # again: it may have ended meanwhile
            self._plans.setdefault(session, {})[part.plan] = InstalledPlan(part, programs, vectorized, trace)

    def installed(self, session: str, plan: int) -> InstalledPlan:
        """A plan of a session; AbortedError if it is not installed, or the session is not known."""
        installed = self._plans.get(session, {}).get(plan)
        if installed is None:
            self.session(session)
            raise AbortedError(None, None, f"plan {plan} of session {session} is not known on {self.name}")
        return installed

    def take_trace(self, session: str, plan: int) -> list[KernelCall]:
        """The kernel calls of a traced plan since the last call; [] for another one."""
        trace = self.installed(session, plan).trace
        return [] if trace is None else trace.take()

    def forget_plan(self, session: str, plan: int) -> None:
        with self._lock:
            self._plans.get(session, {}).pop(plan, None)

    def drop_session(self, session: str, error: OpError) -> None:
        """End a session: fail its steps, drop its plans and its private queues and readers."""
        with self._lock:
            self._sessions.pop(session, None)  # from here on nothing starts
            self._plans.pop(session, None)
            parts = [part for part in self._parts.values() if part.session == session]
            early = [self._early.pop(step) for step in list(self._early) if session_of(step) == session]
        end_parts(parts, error, tell=True)
        for arrivals in early:
            self._refuse(arrivals)
        with self._lock:
            self._ended.forget_session(session)
        self.state.drop_session(session)

    # -- steps

    def start(
        self,
        session: str,
        plan: int,
        step: StepId,
        low_water: int,
        feeds: Edges,
        router: Router,
        run: Run | None,
        delivery: Settle | None = None,
    ) -> Part:
        """Start this device's part of a step.

        run: runs work that is ready in some thread; None for a `PacedPart`, whose segments the caller runs.
        low_water: the low-water mark of the step's owner: all its steps with smaller numbers have ended.
        AbortedError if the plan is not installed: then, and only then, the caller releases the delivery of the feeds.
        """
        with self._lock:  # otherwise the session might end in between, and leave a part behind
            installed = self.installed(session, plan)
            part = (
                PacedPart(self, session, installed, step, router)
                if run is None
                else Part(self, session, installed, step, router, run)
            )
            begins = self._ended.begin(step, low_water)
            if begins:
                self._parts[step] = part
                early = self._early.pop(step, [])
        if not begins:
            self._refuse([(feeds, delivery)])
            return part
        part.begin()
        if feeds:
            self._hand_over(part, feeds, delivery)
        for edges, early_delivery in early:
            self._hand_over(part, edges, early_delivery)
        return part

    def part(self, step: StepId) -> Part | None:
        """The part of a step that is in flight here, or None."""
        with self._lock:
            return self._parts.get(step)

    def has_ended(self, step: StepId) -> bool:
        """Whether a step ended here before all its segments ran."""
        with self._lock:
            return self._ended.has(step)

    def deliver(self, step: StepId, edges: list[tuple[int, Any]], delivery: Any = None) -> None:
        """Take tensors from another device; kept if the step has not started here yet, refused if it has ended."""
        with self._lock:
            part = self._parts.get(step)
            may_start = not self._ended.has(step) and session_of(step) in self._sessions
            if part is None and may_start:
                self._early.setdefault(step, []).append((edges, delivery))
                return
        if part is not None:
            self._hand_over(part, edges, delivery)
        elif delivery is not None:
            delivery(False)

    def _hand_over(self, part: Part, edges: Edges, delivery: Settle | None) -> None:
        try:
            arrived = [(edge, self.asarray(value)) for edge, value in edges]
        except Exception as error:  # for example if the device's memory is full
            part.fail(as_op_error(error))
            if delivery is not None:
                delivery(False)
            return
        if delivery is None:
            part.deliver(arrived)
        elif part.wants():
            delivery(True, partial(self._acknowledged, part, arrived))
        else:
            delivery(False)

    @staticmethod
    def _acknowledged(part: Part, edges: Edges, sent: bool) -> None:
        """Hand tensors to a part if the acknowledgement has left this process; fail the part otherwise."""
        if sent:
            part.deliver(edges)
        else:
            part.fail(unacknowledged())

    @staticmethod
    def _refuse(early: list[tuple[list[tuple[int, Any]], Any]]) -> None:
        for _, delivery in early:
            if delivery is not None:
                delivery(False)

    def cancel(self, step: StepId, error: OpError) -> None:
        """End a step's part here, started or not."""
        with self._lock:
            part = self._parts.get(step)
            if part is None:
                self._mark_ended(step)
            early = self._early.pop(step, [])
        self._refuse(early)  # not under the lock: elements that go back wake other attempts
        if part is not None:
            part.cancel(error)

    def end_owner(self, owner: str, error: OpError) -> None:
        """End all steps of an owner; no more of them begin."""
        with self._lock:
            if session_of((owner, 0)) in self._sessions:
                self._ended.raise_mark(owner, sys.maxsize)
            parts = [part for part in self._parts.values() if part.step[0] == owner]
            early = [self._early.pop(step) for step in list(self._early) if step[0] == owner]
        end_parts(parts, error)
        for arrivals in early:
            self._refuse(arrivals)

    def parts_of(self, which: Callable[[Part], bool]) -> list[Part]:
        """The parts in flight that `which` picks."""
        with self._lock:
            return [part for part in self._parts.values() if which(part)]

    def held(self) -> HeldByDevice:
        """A snapshot of the sessions, plans and parts of steps on this device."""
        with self._lock:
            plans = tuple((session, number) for session, numbers in self._plans.items() for number in numbers)
            parts, early = tuple(self._parts), tuple(self._early)
            return HeldByDevice(tuple(self._sessions), plans, parts, early, len(self._ended))

    def ended(self, part: Any, finished: bool) -> None:
        """Note that a part ended.  A finished part has all its tensors: no late ones can come."""
        with self._lock:
            self._parts.pop(part.step, None)
            if not finished:
                self._mark_ended(part.step)

    def _mark_ended(self, step: StepId) -> None:
        if session_of(step) in self._sessions:  # no step of an ended session starts, so none has to be remembered
            self._ended.add(step)

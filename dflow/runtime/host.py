"""A device host: the state of one device, the plans that sessions installed there, and the parts of steps in flight.

Every way to run something, a cold or a hot run, a loop, a local session, ends here.  Errors, cancelling and attempts
exist once, in `part.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dflow.compile import DevicePlan
from dflow.errors import AbortedError, InvalidArgumentError, OpError
from dflow.registry import READERS, OpDef, ReaderFormat
from dflow.runtime.attempts import Settle, unacknowledged
from dflow.runtime.batch_program import BatchProgram
from dflow.runtime.ended import EndedSteps, session_of
from dflow.runtime.failures import as_op_error, unknown_session
from dflow.runtime.part import Edges, InstalledPlan, Outlet, Part, Run, StepId, end_parts
from dflow.runtime.program import Program
from dflow.runtime.shared_queue import SharedQueue, same_queue
from dflow.runtime.shared_reader import SharedReader
from dflow.runtime.state import DeviceState
from dflow.runtime.transfers import to_device
from dflow.specs import QueueSpec, ReaderSpec, ResourceKey

if TYPE_CHECKING:
    from dflow.runtime.process import Process

WELL_KEPT = 1000  # cold steps that ended well; what comes late for one comes within milliseconds


class HostSession:
    """What one session has on one device: its plans and the state of its operations."""

    def __init__(self) -> None:
        self.plans: dict[int, InstalledPlan] = {}
        self.formats: dict[str, Callable[..., ReaderFormat]] = {}  # of readers, as the session's program defines them
        self.used: set[ResourceKey] = set()  # queues and readers
        self._op_states: dict[str, Any] = {}
        self._lock = threading.Lock()

    def op_state(self, op: str, make: Callable[[], Any]) -> Any:
        """State of one operation in this session."""
        with self._lock:
            if op not in self._op_states:
                self._op_states[op] = make()
            return self._op_states[op]


class DeviceHost:
    """One device.

    xp: its array namespace.  virtual: a CPU that plays a GPU.  scope: makes the context manager in which arrays of the
    device are made and its programs run, such as CuPy's device; one for each use, since it belongs to one thread.
    """

    def __init__(
        self,
        name: str,
        xp: Any = np,
        virtual: bool = False,
        scope: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.name = name
        self.xp = xp
        self.scope = scope
        self.virtual = virtual
        self.state = DeviceState(name)
        self.process: Process  # set by Process.add_host
        self._lock = threading.RLock()
        self._sessions: dict[str, HostSession] = {}
        self._parts: dict[StepId, Part] = {}
        self._early: dict[StepId, list[tuple[list[tuple[int, Any]], Any]]] = {}
        self._ended = EndedSteps()
        self._ended_well: dict[StepId, None] = {}  # cold steps, the latest last

    def asarray(self, value: Any) -> Any:
        """A host array as an array of this device."""
        with self.scope():
            return to_device(value, self.xp)

    # -- queues and readers

    def machine(self, spec: QueueSpec | ReaderSpec, session: str) -> Any:
        """The queue or reader of a spec, made at first sight.

        InvalidArgumentError if another queue, or reader, has its name; AbortedError for a session that is not known.
        """
        _check_name(spec)
        owner = "" if spec.shared_name else session
        if isinstance(spec, QueueSpec):
            return self._queue(spec, ResourceKey("queue", spec.container, spec.name, owner), session)
        return self._reader(spec, ResourceKey("reader", spec.container, spec.name, owner), session)

    def _queue(self, spec: QueueSpec, key: ResourceKey, session: str) -> SharedQueue:
        with self._lock:  # or the session might end in between, and leave a queue behind
            self.session(session).used.add(key)
            found: SharedQueue = self.state.resource(key, lambda: SharedQueue(spec))
        same_queue(found.spec, spec)
        return found

    def _reader(self, spec: ReaderSpec, key: ResourceKey, session: str) -> SharedReader:
        def make() -> SharedReader:
            make_format = known.formats[spec.kind]
            return SharedReader(spec, lambda: make_format(**dict(spec.options)))

        with self._lock:
            known = self.session(session)
            known.used.add(key)
            found: SharedReader = self.state.resource(key, make)
        if found.spec.kind != spec.kind:
            fact = f"'{key}' on {self.name} has type {found.spec.kind}, expected {spec.kind}"
            raise InvalidArgumentError(None, None, fact)
        return found

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """What the dashboard shows: queues and readers, with the sessions that use them, and containers."""
        with self._lock:
            used = [(session, key) for session, known in self._sessions.items() for key in known.used]
        users: dict[ResourceKey, list[str]] = {}
        for session, key in used:
            users.setdefault(key, []).append(session)
        return self.state.rows(users)

    # -- sessions and their plans

    def begin_session(self, session: str) -> None:
        """From here on the session may use this device, until `drop_session`."""
        with self._lock:
            self._sessions.setdefault(session, HostSession())

    def session(self, session: str) -> HostSession:
        """What a session has here; AbortedError if it did not begin here, or has ended."""
        with self._lock:
            found = self._sessions.get(session)
        if found is None:
            raise unknown_session(session, self.name)
        return found

    def install(
        self,
        session: str,
        part: DevicePlan,
        kernels: Mapping[str, OpDef],
        formats: Mapping[str, Callable[..., ReaderFormat]] = READERS,
    ) -> None:
        """Make a plan ready to run.

        Raises InvalidArgumentError for what cannot be made ready, AbortedError for a session that is not known.
        """
        found = self.session(session)
        turn = self.process.allow(session, part.threads)
        programs = [Program(segment, kernels, self, session, part.addresses, turn) for segment in part.segments]
        found.formats.update(formats)
        batch = None if part.batch is None else BatchProgram(part.batch, kernels, self, turn)
        found.plans[part.plan] = InstalledPlan(part, programs, batch)

    def installed(self, session: str, plan: int) -> InstalledPlan:
        """A plan of a session; AbortedError if it is not installed, or the session is not known."""
        installed = self.session(session).plans.get(plan)
        if installed is None:
            raise AbortedError(None, None, f"plan {plan} of session {session} is not known on {self.name}")
        return installed

    def forget_plan(self, session: str, plan: int) -> None:
        with self._lock:
            found = self._sessions.get(session)
        if found is not None:
            found.plans.pop(plan, None)

    def drop_session(self, session: str, error: OpError) -> None:
        """The session ended: its steps fail, its plans and its private queues and readers go."""
        with self._lock:
            self._sessions.pop(session, None)  # from here on nothing starts
            parts = [part for part in self._parts.values() if part.session == session]
            early = [self._early.pop(step) for step in list(self._early) if session_of(step) == session]
        end_parts(parts, error, tell=True)
        for late in early:
            self._refuse(late)
        with self._lock:
            self._ended.forget_session(session)
        self.state.drop_session(session)

    # -- steps

    def start(
        self,
        session: str,
        plan: int,
        step: StepId,
        floor: int,
        feeds: Edges,
        outlet: Outlet,
        run: Run,
        loan: Settle | None = None,
    ) -> Part:
        """Start this device's part of a step.  `run` is given what is ready to run, and runs it in some thread.

        floor: all steps of this owner below it have ended.  AbortedError if the plan is not installed; the loan of what
        is fed is the caller's to give back then, and only then.
        """
        part = Part(self, session, self.installed(session, plan), step, outlet, run)
        with self._lock:
            self.installed(session, plan)  # still: the session may have ended
            ended = self._ended.has(step)
            if not ended:
                self._ended.raise_floor(step[0], floor)
                self._parts[step] = part
                early = self._early.pop(step, [])
        if ended:
            self._refuse([(feeds, loan)])
            return part
        part.begin()
        if feeds:
            self._hand_over(part, feeds, loan)
        for edges, its_loan in early:
            self._hand_over(part, edges, its_loan)
        return part

    def add_part(self, part: Any, floor: int) -> None:
        """A part that someone else runs; AbortedError if its step or its session has ended already."""
        with self._lock:
            self.session(part.session)
            if self._ended.has(part.step):
                raise AbortedError(None, None, "the step has ended")
            self._ended.raise_floor(part.step[0], floor)
            self._parts[part.step] = part

    def part(self, step: StepId) -> Any:
        """The part of a step that is in flight here, or None."""
        with self._lock:
            return self._parts.get(step)

    def deliver(self, step: StepId, edges: list[tuple[int, Any]], loan: Any = None) -> None:
        """Tensors from another device; kept if the step has not started here yet, refused if it has ended."""
        with self._lock:
            part = self._parts.get(step)
            wanted = not self._ended.has(step) and session_of(step) in self._sessions
            if part is None and wanted:
                self._early.setdefault(step, []).append((edges, loan))
                return
        if part is not None:
            self._hand_over(part, edges, loan)
        elif loan is not None:
            loan(self.ended_well(step))

    def end_cold(self, step: StepId) -> None:
        """The owner of a cold step says that it ended well.

        Its results may have come before a queue's question for what it lent: the values came with Dask, the question
        over another lane.  So this is known for a while, also beyond the end of the session.
        """
        with self._lock:
            self._ended_well[step] = None
            if len(self._ended_well) > WELL_KEPT:
                del self._ended_well[next(iter(self._ended_well))]
        part = self.part(step)
        if part is not None:
            part.finish()

    def ended_well(self, step: StepId) -> bool:
        """Is it a cold step of which `end_cold` told lately?"""
        return step in self._ended_well

    def _hand_over(self, part: Part, edges: Edges, loan: Settle | None) -> None:
        try:
            arrived = [(edge, self.asarray(value)) for edge, value in edges]
        except Exception as error:  # a device that is full, for example
            part.fail(as_op_error(error))
            if loan is not None:
                loan(False)
            return
        if loan is None:
            part.deliver(arrived)
        elif part.wants():
            loan(True, partial(self._acknowledged, part, arrived))
        else:
            loan(False)

    @staticmethod
    def _acknowledged(part: Part, edges: Edges, sent: bool) -> None:
        """A part may use what was lent to it: the acknowledgement has left this process."""
        if sent:
            part.deliver(edges)
        else:
            part.fail(unacknowledged())

    @staticmethod
    def _refuse(early: list[tuple[list[tuple[int, Any]], Any]]) -> None:
        for _, loan in early:
            if loan is not None:
                loan(False)

    def cancel(self, step: StepId, error: OpError) -> None:
        """End a step's part here, started or not."""
        with self._lock:
            part = self._parts.get(step)
            if part is None:
                self._mark_ended(step)
            early = self._early.pop(step, [])
        self._refuse(early)  # not under the lock: what goes back wakes others
        if part is not None:
            part.cancel(error)

    def end_owner(self, owner: str, error: OpError) -> None:
        """None of an owner's steps goes on or begins."""
        with self._lock:
            if session_of((owner, 0)) in self._sessions:
                self._ended.raise_floor(owner, sys.maxsize)
            parts = [part for part in self._parts.values() if part.step[0] == owner]
            early = [self._early.pop(step) for step in list(self._early) if step[0] == owner]
        end_parts(parts, error)
        for late in early:
            self._refuse(late)

    def parts_of(self, which: Callable[[Part], bool]) -> list[Part]:
        """The parts in flight that `which` picks."""
        with self._lock:
            return [part for part in self._parts.values() if which(part)]

    def ended(self, part: Any, finished: bool) -> None:
        """A part ended.  One that finished had all its tensors: nothing late can come for it."""
        with self._lock:
            self._parts.pop(part.step, None)
            if not finished:
                self._mark_ended(part.step)

    def _mark_ended(self, step: StepId) -> None:
        if session_of(step) in self._sessions:  # of a session that ended nothing starts, nothing is kept
            self._ended.add(step)

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Do something that may wait on a thread of its own."""
        threading.Thread(target=work, name=f"dflow-{name}", daemon=True).start()


def _check_name(spec: QueueSpec | ReaderSpec) -> None:
    if spec.shared_name.startswith("_"):
        raise InvalidArgumentError(None, None, f"shared_name {spec.shared_name!r} must not start with '_'")
    if any(not (c.isalnum() or c in "_.-/") for c in spec.container):
        raise InvalidArgumentError(
            None, None, f"container {spec.container!r} contains invalid characters; letters, digits, _ . - / are valid"
        )

"""A device host: the state of one device, the plans that sessions installed there, and the parts of steps in flight.

Every way to run something, a cold or a hot run, a loop, a local session, ends here.  Errors, cancelling and attempts
exist once, in `part.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from dflow.compile import DevicePlan
from dflow.devices import DeviceSpec
from dflow.errors import AbortedError, InvalidArgumentError, OpError
from dflow.registry import READERS, OpDef, ReaderFormat
from dflow.runtime.container import Container
from dflow.runtime.failures import as_op_error
from dflow.runtime.part import InstalledPlan, Outlet, Part, StepId, end_parts
from dflow.runtime.program import Program
from dflow.runtime.shared import SharedQueue, SharedReader, same_queue
from dflow.runtime.transfers import to_device
from dflow.specs import QueueSpec, ReaderSpec, ResourceKey

if TYPE_CHECKING:
    from dflow.runtime.process import Process


class HostSession:
    """What one session has on one device: its plans and the state of its operations."""

    def __init__(self) -> None:
        self.plans: dict[int, InstalledPlan] = {}
        self.formats: dict[str, Callable[..., ReaderFormat]] = {}  # of readers, as the session's program defines them
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

    xp: its array namespace.  virtual: a CPU that plays a GPU.  scope: a context manager in which its programs run,
    such as CuPy's device, which is a matter of the thread.
    """

    def __init__(
        self, name: str, xp: Any = np, virtual: bool = False, scope: AbstractContextManager[Any] | None = None
    ) -> None:
        self.name = name
        self.xp = xp
        self.scope = scope
        self.virtual = virtual
        self.process: Process  # set by Process.add_host
        self._lock = threading.RLock()
        self._containers: dict[str, Container] = {}
        self._sessions: dict[str, HostSession] = {}
        self._parts: dict[StepId, Part] = {}
        self._early: dict[StepId, list[tuple[list[tuple[int, Any]], Any]]] = {}
        self._ended: dict[str, tuple[int, set[int]]] = {}  # owner -> its floor, and ended steps above it

    def asarray(self, value: Any) -> Any:
        """A host array as an array of this device."""
        return to_device(value, self.xp)

    # -- state

    def container(self, name: str) -> Container:
        """The container of this name; made, empty, at first sight."""
        with self._lock:
            return self._containers.setdefault(name, Container(name, self.name))

    def resource(self, key: ResourceKey, make: Callable[[], Any]) -> Any:
        """The state under `key`; made by `make()` if it is not there yet."""
        return self.container(key.container).get_or_create((key.session, key.name), make)

    def machine(self, spec: QueueSpec | ReaderSpec, session: str) -> Any:
        """The queue or reader of a spec; InvalidArgumentError if another one has its name."""
        key = ResourceKey(spec.container, spec.name, "" if spec.shared_name else session)
        _check_name(spec)

        def make() -> Any:
            if isinstance(spec, QueueSpec):
                return SharedQueue(spec)
            make_format = self.session(session).formats[spec.kind]
            return SharedReader(spec, lambda: make_format(**dict(spec.options)))

        with self._lock:
            if key.session and key.session not in self._sessions:
                raise AbortedError(None, None, f"session {session} has ended, and '{key}' with it")
            found = self.resource(key, make)
        if isinstance(found, SharedQueue) and isinstance(spec, QueueSpec):
            same_queue(found.spec, spec)
            return found
        if isinstance(found, SharedReader) and found.spec.kind == spec.kind:
            return found
        has = found.spec.kind if hasattr(found.spec, "kind") else type(found).__name__
        raise InvalidArgumentError(None, None, f"'{key}' on {self.name} has type {has}, expected {spec.kind}")

    def containers(self) -> list[Container]:
        with self._lock:
            return list(self._containers.values())

    def reset(self, containers: Iterable[str]) -> None:
        """Drop the state in the named containers; waiting attempts end with AbortedError.

        The default container is called "", and as the job of this device.
        """
        names = set(containers)
        if DeviceSpec.from_string(self.name).job in names:
            names.add("")
        for container in self.containers():
            if container.name in names:
                container.drop(lambda key: True, "was reset")

    # -- sessions and their plans

    def knows(self, session: str) -> bool:
        """Has the session begun here, and not ended?"""
        with self._lock:
            return session in self._sessions

    def session(self, session: str) -> HostSession:
        """What a session has here; made at first sight."""
        with self._lock:
            return self._sessions.setdefault(session, HostSession())

    def install(
        self,
        session: str,
        part: DevicePlan,
        kernels: Mapping[str, OpDef],
        formats: Mapping[str, Callable[..., ReaderFormat]] = READERS,
    ) -> None:
        """Make a plan ready to run.  Raises InvalidArgumentError for what cannot be made ready."""
        programs = [Program(segment, kernels, self, session, part.addresses) for segment in part.segments]
        found = self.session(session)
        found.formats.update(formats)
        found.plans[part.plan] = InstalledPlan(part, programs)

    def installed(self, session: str, plan: int) -> InstalledPlan:
        """A plan of a session; AbortedError if it is not installed, or the session has ended."""
        with self._lock:
            found = self._sessions.get(session)
            installed = None if found is None else found.plans.get(plan)
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
            early = [self._early.pop(step) for step in list(self._early) if _session_of(step) == session]
        end_parts(parts, error, tell=True)
        for late in early:
            self._refuse(late)
        with self._lock:
            for owner in [owner for owner in self._ended if _session_of((owner, 0)) == session]:
                del self._ended[owner]
        for container in self.containers():
            container.drop(lambda key: key[0] == session, "belonged to a session that ended")

    # -- steps

    def start(
        self,
        session: str,
        plan: int,
        step: StepId,
        floor: int,
        feeds: Iterable[tuple[int, Any]],
        outlet: Outlet,
        run: Callable[[Callable[[], None]], None],
    ) -> Part:
        """Start this device's part of a step.  `run` is given what is ready to run, and runs it in some thread.

        floor: all steps of this owner below it have ended.  AbortedError if the plan is not installed.
        """
        part = Part(self, session, self.installed(session, plan), step, outlet, run)
        with self._lock:
            self.installed(session, plan)  # still: the session may have ended
            if self._has_ended(step):
                return part
            self._raise_floor(step[0], floor)
            self._parts[step] = part
            early = self._early.pop(step, [])
        part.begin([(edge, self.asarray(value)) for edge, value in feeds])
        for edges, loan in early:
            self._hand_over(part, edges, loan)
        return part

    def add_part(self, part: Any, floor: int) -> None:
        """A part that someone else runs; AbortedError if its step or its session has ended already."""
        with self._lock:
            if self._has_ended(part.step) or part.session not in self._sessions:
                raise AbortedError(None, None, "the step has ended")
            self._raise_floor(part.step[0], floor)
            self._parts[part.step] = part

    def part(self, step: StepId) -> Any:
        """The part of a step that is in flight here, or None."""
        with self._lock:
            return self._parts.get(step)

    def deliver(self, step: StepId, edges: list[tuple[int, Any]], loan: Any = None) -> None:
        """Tensors from another device; kept if the step has not started here yet, refused if it has ended."""
        with self._lock:
            part = self._parts.get(step)
            wanted = not self._has_ended(step) and _session_of(step) in self._sessions
            if part is None and wanted:
                self._early.setdefault(step, []).append((edges, loan))
                return
        if part is None:
            self._refuse([(edges, loan)])
        else:
            self._hand_over(part, edges, loan)

    def _hand_over(self, part: Part, edges: list[tuple[int, Any]], loan: Any) -> None:
        accepted = False
        try:
            accepted = part.deliver([(edge, self.asarray(value)) for edge, value in edges])
        except Exception as error:  # a device that is full, for example
            part.fail(as_op_error(error))
        if loan is not None:
            loan(accepted)

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
            if _session_of((owner, 0)) in self._sessions:
                self._raise_floor(owner, sys.maxsize)
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

    def _has_ended(self, step: StepId) -> bool:
        floor, above = self._ended.get(step[0], (0, ()))
        return step[1] < floor or step[1] in above

    def _mark_ended(self, step: StepId) -> None:
        if _session_of(step) in self._sessions:  # of a session that ended nothing starts, nothing is kept
            self._ended.setdefault(step[0], (0, set()))[1].add(step[1])

    def _raise_floor(self, owner: str, floor: int) -> None:
        old, above = self._ended.get(owner, (0, set()))
        if floor > old:
            self._ended[owner] = (floor, {number for number in above if number >= floor})

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Do something that may wait on a thread of its own."""
        threading.Thread(target=work, name=f"dflow-{name}", daemon=True).start()

    # -- what the dashboard shows

    def queue_rows(self) -> list[dict[str, Any]]:
        """The queues of this device; waits for nothing but their locks, which no one holds for long."""
        items = [item for container in self.containers() for item in container.items().values()]
        return [item.row() | {"device": self.name} for item in items if isinstance(item, SharedQueue)]

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Queues, readers and containers of this device."""
        items = [item for container in self.containers() for item in container.items().values()]
        readers = [item.row() | {"device": self.name} for item in items if isinstance(item, SharedReader)]
        containers = [container.row() for container in self.containers()]
        return {"queues": self.queue_rows(), "readers": readers, "containers": containers}


def _session_of(step: StepId) -> str:
    """The session of a step's owner, which is the session itself or one of its loops."""
    return step[0].partition("/")[0]


def _check_name(spec: QueueSpec | ReaderSpec) -> None:
    if spec.shared_name.startswith("_"):
        raise InvalidArgumentError(None, None, f"shared_name {spec.shared_name!r} must not start with '_'")
    if any(not (c.isalnum() or c in "_.-/") for c in spec.container):
        raise InvalidArgumentError(
            None, None, f"container {spec.container!r} contains invalid characters; letters, digits, _ . - / are valid"
        )

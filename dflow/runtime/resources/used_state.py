"""The state that a session has used on each device.  Only this file detects its loss.

Queues, readers, variables and tables live in the process of their device's worker.  A restarted worker has the same
devices, but they are empty.  Private state of a session ends with the session's connection, too.

* When a plan is installed, its state is noted, with the process and the connection through which it is used.
* Before the next plan is installed, the notes are compared with the table of devices of that plan.

Why not in each run: a plan belongs to one version of the table, and every loss makes a new version.  So a run of an
installed plan needs no check.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable, Plan
from dflow.errors import AbortedError, OpInfo
from dflow.runtime.base.failures import of_the_step
from dflow.specs import QueueSpec, ReaderSpec, TableSpec, VariableSpec

NAMED = 20  # queues, readers or variables that an error names

StateSpec = QueueSpec | ReaderSpec | VariableSpec | TableSpec


@dataclass(frozen=True, slots=True)
class StateUse:
    """A queue, a reader, a variable or a table that an operation of a plan uses."""

    op_device: str  # where the operation runs
    device: str  # where the state is
    address: str  # of that device's host
    spec: StateSpec


def state_of(plan: Plan) -> Iterator[StateUse]:
    """The state that the operations of a plan use, including those that a loop makes itself; it may repeat entries."""
    for device, part in plan.parts.items():
        for instruction in (i for segment in part.segments for i in segment.instructions):
            attrs = instruction.attrs
            for name in ("variable", "reader", "queue", "table"):
                spec = attrs.get(name)
                if isinstance(spec, StateSpec):
                    where = attrs.get(f"{name}_device", device)
                    address = plan.addresses[device] if where == device else part.addresses[where]
                    yield StateUse(device, where, address, spec)
    for away in (plan.prefetch, plan.pipelined):
        if away is not None:
            yield StateUse(away.op.device, away.op.device, away.address, away.queue)


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """The name of a queue, a reader, a variable or a table, as errors show it."""

    kind: str
    name: str
    container: str
    private: bool  # to the session

    def __str__(self) -> str:
        return repr(self.name) + (f" of container {self.container!r}" if self.container else "")


@dataclass(frozen=True, slots=True)
class Life:
    """The process and the connection of a use.  Shared state ends with the process, private state with either."""

    incarnation: str
    connection: int
    address: str

    @staticmethod
    def of(device: DeviceInfo) -> Life:
        return Life(device.incarnation, device.connection, device.address)

    def over(self, thing: Thing, now: Life) -> bool:
        """Whether a thing that was used in this life is lost."""
        return self.incarnation != now.incarnation or (thing.private and self.connection != now.connection)


class UsedState:
    """The state that one session has used, by device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, dict[Thing, Life]] = {}
        self._newest: dict[str, tuple[int, DeviceInfo]] = {}  # by device: the newest table version, its entry

    def use(self, plan: Plan, table: DeviceTable) -> None:
        """Note the state of a plan of this table, which is installed, with the newest known life of each device.

        This may be newer than the one in the table: then the plan was installed over the newer connection.
        """
        devices = table.by_name()
        things = {(use.device, _thing(use.spec)) for use in state_of(plan)}
        with self._lock:
            for name, thing in things:
                self._is_newest(devices[name], table)
                _, device = self._newest[name]
                if not device.lost and not device.starting:  # else the end of that life is known already
                    self._used.setdefault(name, {})[thing] = Life.of(device)

    def may_be_lost(self, table: DeviceTable) -> bool:
        """Whether any device has lost state that was used."""
        with self._lock:
            return any(_lost(self._used.get(device.name, {}), device) for device in table.devices)

    def check(self, touched: Mapping[str, Iterable[OpInfo]], table: DeviceTable) -> None:
        """AbortedError if a device has lost state that was used there; once for each loss.

        touched: the devices of a run, each with its operations there.
        """
        devices = table.by_name()
        losses, ops = [], list[OpInfo]()
        with self._lock:
            for name in sorted(touched):
                used, device = self._used.get(name, {}), devices[name]
                lost = _lost(used, device) if self._is_newest(device, table) else {}
                for thing in lost:
                    del used[thing]
                if lost:
                    losses.append(_loss(lost, device))
                    ops += touched[name]
        if losses:
            raise AbortedError(None, None, "\n".join(losses) + of_the_step(ops))

    def _is_newest(self, device: DeviceInfo, table: DeviceTable) -> bool:
        """Under the lock: whether no other thread has seen a newer table yet.  If so, keep the device's entry."""
        newest, _ = self._newest.get(device.name, (0, device))
        if newest <= table.version:
            self._newest[device.name] = (table.version, device)
        return newest <= table.version


def _lost(used: Mapping[Thing, Life], device: DeviceInfo) -> dict[Thing, Life]:
    """The used things that the device has lost."""
    now = Life.of(device)
    return {thing: life for thing, life in used.items() if device.lost or life.over(thing, now)}


def _loss(lost: Mapping[Thing, Life], now: DeviceInfo) -> str:
    """A text about a loss: the device, its worker, the lost state, and the device's present state."""
    before = next(iter(lost.values()))
    if before.incarnation == now.incarnation and not now.lost:
        fact = f"the connection to the worker {before.address} with {now.name} was lost, and with it what was there of "
        return f"{fact}this session alone: {in_words(lost)}.  The next run finds these new and empty"
    fact = f"the worker {before.address} with {now.name} was lost, and with it what this session has used there: "
    if now.lost:
        after = "Its device has not come back yet, and will be empty"
    else:
        after = f"Its device is back at {now.address}, empty: the next run begins with that"
    return f"{fact}{in_words(lost)}.  {after}"


def in_words(things: Iterable[Thing]) -> str:
    """The things as text, such as "queue 'a', variables 'b', 'c' of container 'd'"."""
    by_kind: dict[str, list[str]] = {}
    for thing in sorted(things):
        by_kind.setdefault(thing.kind, []).append(str(thing))
    return ", ".join(_listed(kind, names) for kind, names in by_kind.items())


def _listed(kind: str, names: list[str]) -> str:
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{kind}{'s' * (len(names) > 1)} {', '.join(names[:NAMED])}{rest}"


def _thing(spec: Any) -> Thing:
    if isinstance(spec, VariableSpec):
        return Thing("variable", spec.name, spec.container, spec.local)
    if isinstance(spec, TableSpec):
        return Thing("table", spec.name, spec.container, spec.private)
    kind = "queue" if isinstance(spec, QueueSpec) else "reader"
    return Thing(kind, spec.name, spec.container, not spec.shared_name)

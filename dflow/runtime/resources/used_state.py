"""What a session has used of the state of each device, and the one place that notices that it is gone.

Queues, readers and variables live in the process of their device's worker.  A restarted worker is the same device, with
nothing in it, and what is private to a session ends with the session's connection too.  So each thing that a plan uses
is noted when the plan is installed, with the process and the connection that it is used through; and before another
plan is installed, these are compared with the table of devices that the plan was made for.

Why only there: a plan belongs to one version of the table, and every loss makes a new version.  A run of a plan that
is installed looks at nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable, Plan
from dflow.errors import AbortedError, OpInfo
from dflow.runtime.base.failures import of_the_step
from dflow.specs import QueueSpec, ReaderSpec, VariableSpec

NAMED = 20  # things of one kind that an error names

StateSpec = QueueSpec | ReaderSpec | VariableSpec


@dataclass(frozen=True, slots=True)
class StateUse:
    """A queue, a reader or a variable that an operation of a plan uses."""

    op_device: str  # where the operation runs
    device: str  # where the state is
    address: str  # of that device's host
    spec: StateSpec


def state_of(plan: Plan) -> Iterator[StateUse]:
    """What the operations of a plan use, also those that a loop makes itself; the same thing may come often."""
    for device, part in plan.parts.items():
        for instruction in (i for segment in part.segments for i in segment.instructions):
            attrs = instruction.attrs
            for name in ("variable", "reader", "queue"):
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
    """A queue, a reader or a variable, as errors call it."""

    kind: str
    name: str
    container: str
    private: bool  # to the session

    def __str__(self) -> str:
        return repr(self.name) + (f" of container {self.container!r}" if self.container else "")


@dataclass(frozen=True, slots=True)
class Life:
    """Through what a thing was used.  Shared ones live as long as the process, private ones as the connection."""

    incarnation: str
    connection: int
    address: str

    @staticmethod
    def of(device: DeviceInfo) -> Life:
        return Life(device.incarnation, device.connection, device.address)

    def over(self, thing: Thing, now: Life) -> bool:
        """Is a thing gone that was used in this life?"""
        return self.incarnation != now.incarnation or (thing.private and self.connection != now.connection)


class UsedState:
    """The state that one session has used, by device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[str, dict[Thing, Life]] = {}
        self._newest: dict[str, tuple[int, DeviceInfo]] = {}  # device -> the newest version that it was seen in, and it

    def use(self, plan: Plan, table: DeviceTable) -> None:
        """A plan of this table is installed: from now on its state is used, in the newest life that is known.

        That may be another one than the table says, and the plan be installed over the connection of that.
        """
        devices = table.by_name()
        things = {(use.device, _thing(use.spec)) for use in state_of(plan)}
        with self._lock:
            for name, thing in things:
                self._is_news(devices[name], table)
                _, device = self._newest[name]
                if not device.lost and not device.starting:  # else it is known already what became of that life
                    self._used.setdefault(name, {})[thing] = Life.of(device)

    def may_be_lost(self, table: DeviceTable) -> bool:
        """Is something that was used gone, on any device?"""
        with self._lock:
            return any(_gone(self._used.get(device.name, {}), device) for device in table.devices)

    def check(self, touched: Mapping[str, Iterable[OpInfo]], table: DeviceTable) -> None:
        """Once for each loss: AbortedError if a device has lost what was used there.

        touched: the devices that a run has to do with, and its operations there.
        """
        devices = table.by_name()
        found, ops = [], list[OpInfo]()
        with self._lock:
            for name in sorted(touched):
                used, device = self._used.get(name, {}), devices[name]
                gone = _gone(used, device) if self._is_news(device, table) else {}
                for thing in gone:
                    del used[thing]
                if gone:
                    found.append(_loss(gone, device))
                    ops += touched[name]
        if found:
            raise AbortedError(None, None, "\n".join(found) + of_the_step(ops))

    def _is_news(self, device: DeviceInfo, table: DeviceTable) -> bool:
        """Under the lock: has no other thread come with a newer table already?"""
        newest, _ = self._newest.get(device.name, (0, device))
        if newest <= table.version:
            self._newest[device.name] = (table.version, device)
        return newest <= table.version


def _gone(used: Mapping[Thing, Life], device: DeviceInfo) -> dict[Thing, Life]:
    """What of the things that were used on a device is there no more."""
    now = Life.of(device)
    return {thing: life for thing, life in used.items() if device.lost or life.over(thing, now)}


def _loss(gone: Mapping[Thing, Life], now: DeviceInfo) -> str:
    """One device, its worker, what was there, and what is there now."""
    before = next(iter(gone.values()))
    if before.incarnation == now.incarnation and not now.lost:
        fact = f"the connection to the worker {before.address} with {now.name} was lost, and with it what was there of "
        return f"{fact}this session alone: {in_words(gone)}.  The next run finds these new and empty"
    fact = f"the worker {before.address} with {now.name} was lost, and with it what this session has used there: "
    if now.lost:
        after = "Its device has not come back yet, and will be empty"
    else:
        after = f"Its device is back at {now.address}, empty: the next run begins with that"
    return f"{fact}{in_words(gone)}.  {after}"


def in_words(things: Iterable[Thing]) -> str:
    """Such as "queue 'a', variables 'b', 'c' of container 'd'"."""
    by_kind: dict[str, list[str]] = {}
    for thing in sorted(things):
        by_kind.setdefault(thing.kind, []).append(str(thing))
    return ", ".join(_listed(kind, names) for kind, names in by_kind.items())


def _listed(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{kind}{'s' * (len(names) > 1)} {', '.join(names[:NAMED])}{more}"


def _thing(spec: Any) -> Thing:
    if isinstance(spec, VariableSpec):
        return Thing("variable", spec.name, spec.container, spec.local)
    kind = "queue" if isinstance(spec, QueueSpec) else "reader"
    return Thing(kind, spec.name, spec.container, not spec.shared_name)

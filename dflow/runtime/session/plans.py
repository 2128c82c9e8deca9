"""The plans of one session: compiled and installed at first sight, kept for later runs, forgotten when they are old.

A plan that is used is never forgotten: one that leaves the cache while steps or loops run it goes after the last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dflow.compile import DeviceTable, Plan, Threads, compile_plan, loop_plan, operations_by_device
from dflow.compile.place import default_device
from dflow.errors import DeadlineExceededError, InvalidArgumentError
from dflow.graph import Operation, Tensor
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.base.deadline import Deadline
from dflow.runtime.resources.used_state import UsedState
from dflow.runtime.session.awaited import AwaitedWorkers
from dflow.runtime.session.backend import Backend

PLANS_KEPT = 256  # of a session; the least recently used goes first


class Plans:
    """The plans of one session, by their fetches, their feeds and the version of the device table."""

    def __init__(self, backend: Backend, config: ConfigProto) -> None:
        self._backend = backend
        self._config = config
        self._lock = threading.Lock()
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._users: defaultdict[int, int] = defaultdict(int)  # plan number -> steps and loops that run it
        self._evicted: dict[int, Plan] = {}  # plans that left the cache and still have users
        self._others = 0  # threads that use the devices, and run no plan
        self._count = 0
        self._default_device = ""
        self._placed_state: dict[Operation, str] = {}  # where operations with state were placed
        self._used = UsedState()

    def take(
        self,
        elements: tuple[Tensor | Operation, ...],
        feeds: tuple[Tensor, ...],
        deadline: Deadline,
        *,
        program: bool = True,
    ) -> Plan:
        """The plan of these fetches and feeds; waits for the devices that do not know it yet, until the deadline.

        Whoever takes a plan gives it back with `done` after its use.
        program: is it the user's program that runs it?  Then AbortedError, once for each loss, for a device that has
        lost what the session used there.
        """
        key = (elements, feeds, self._backend.table(deadline=deadline).version, program)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                self._users[plan.number] += 1
                return plan
        with self.used():
            return self._make(elements, feeds, deadline, program)

    def _make(
        self, elements: tuple[Tensor | Operation, ...], feeds: tuple[Tensor, ...], deadline: Deadline, program: bool
    ) -> Plan:
        """Compile the plan, and install it on its devices."""
        table = self._table_for(elements, feeds, deadline, program)
        with self._lock:
            self._count += 1
            number = self._count
        plan = compile_plan(
            elements,
            feeds,
            table,
            self._default(table),
            number=number,
            soft_placement=self._config.allow_soft_placement,
            log_placement=self._config.log_device_placement,
            earlier=self._placed_state,
            threads=Threads(self._config.inter_op_parallelism_threads, self._config.intra_op_parallelism_threads),
        )
        self._backend.install(plan, deadline)
        if program:
            self._used.use(plan, table)
        return self._keep((elements, feeds, table.version, program), plan)

    def _table_for(
        self, elements: tuple[Tensor | Operation, ...], feeds: tuple[Tensor, ...], deadline: Deadline, program: bool
    ) -> DeviceTable:
        """The devices, when the workers of those that the plan needs have declared them."""
        awaited = AwaitedWorkers(deadline)
        while True:
            try:
                table = self._backend.table(fresh=True, deadline=deadline)
            except DeadlineExceededError:
                awaited.look_up()
                raise
            if table.complete and not awaited.workers and not self._used.may_be_lost(table):
                return table
            try:
                touched = operations_by_device(
                    elements,
                    feeds,
                    table,
                    self._default(table),
                    soft_placement=self._config.allow_soft_placement,
                    earlier=self._placed_state,
                )
            except InvalidArgumentError:
                awaited.check_there(table)
                raise
            if program:
                self._used.check(touched, table)
            if awaited.all_there(device for device in table.starting if device.name in touched):
                return table

    def _default(self, table: DeviceTable) -> str:
        """The session's default device; chosen for good when its worker has declared its devices."""
        with self._lock:
            if self._default_device in table.names:
                return self._default_device
            found = default_device(table)
            if found not in [device.name for device in table.starting]:
                self._default_device = found
            return found

    def take_for_loop(self, plan: Plan, driver: str, deadline: Deadline) -> Plan:
        """The plan that a loop on `driver` runs in place of `plan`, which it took: without what the loop does itself.

        That is a dequeue that it prefetches, an enqueue that it pipelines, or both; `plan` itself if there is none.
        The new plan is the loop's own, and goes with it.
        """
        with self._lock:
            self._count += 1
            number = self._count
        found = loop_plan(plan, driver, number)
        if found is plan:
            return plan
        self._backend.install(found, deadline)
        with self._lock:
            self._users[number] += 1
            self._evicted[number] = found
        self.done(plan)
        return found

    def _keep(self, key: Any, plan: Plan) -> Plan:
        """Put a new plan into the cache; gives the one to use, which is another thread's if that was faster."""
        with self._lock:
            kept = self._plans.setdefault(key, plan)
            self._users[kept.number] += 1
            unwanted = [plan] if kept is not plan else []
            if len(self._plans) > PLANS_KEPT:
                unwanted.append(self._plans.popitem(last=False)[1])
            in_use = [old for old in unwanted if self._users.get(old.number)]
            self._evicted.update({old.number: old for old in in_use})
        for old in unwanted:
            if old not in in_use:
                self._backend.forget(old)
        return kept

    def done(self, plan: Plan) -> None:
        """A step or a loop of the plan has ended."""
        with self._lock:
            self._users[plan.number] -= 1
            if self._users[plan.number]:
                return
            del self._users[plan.number]
            evicted = self._evicted.pop(plan.number, None)
        if evicted is not None:
            with self.used():
                self._backend.forget(evicted)

    @contextmanager
    def used(self) -> Iterator[None]:
        """A block that uses the devices, and is no step and no loop."""
        with self._lock:
            self._others += 1
        try:
            yield
        finally:
            with self._lock:
                self._others -= 1

    def in_use(self) -> bool:
        """Whether a step, a loop or another use of the devices is under way.

        In a forked child, which has none of the threads: whether one was under way at the fork.
        """
        return self._lock.locked() or bool(self._users) or self._others > 0

"""The plans of one session: a cache of installed plans.

The first run of some fetches and feeds compiles their plan and installs it on its devices.  Later runs take it from the
cache.  The least recently used plan leaves the cache first, and is removed from its devices.  If steps or loops still
run it, it is removed after the last of them.
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

PLANS_KEPT = 256  # plans in the cache of a session


class Plans:
    """The plans of one session, by their fetches, their feeds and the version of the device table."""

    def __init__(self, backend: Backend, config: ConfigProto) -> None:
        self._backend = backend
        self._config = config
        self._lock = threading.Lock()
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._users: defaultdict[int, int] = defaultdict(int)  # plan number -> steps and loops that run it
        self._evicted: dict[int, Plan] = {}  # plans that left the cache and still have users
        self._others = 0  # threads in a `used` block
        self._count = 0
        self._default_device = ""
        self._placed_state: dict[Operation, str] = {}  # the devices of operations with state
        self._used = UsedState()

    def take(
        self,
        elements: tuple[Tensor | Operation, ...],
        feeds: tuple[Tensor, ...],
        deadline: Deadline,
        *,
        program: bool = True,
        traced: bool = False,
    ) -> Plan:
        """The plan of these fetches and feeds.  Waits until the deadline for devices where it is not installed yet.

        Call `done` with the plan after its use.
        program: whether the user's program runs it.  Then a device that has lost state of the session raises
        AbortedError, once for each loss.
        traced: whether its kernel calls are timed.
        """
        key = (elements, feeds, self._backend.table(deadline=deadline).version, program, traced)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                self._users[plan.number] += 1
                return plan
        with self.used():
            return self._make(elements, feeds, deadline, program, traced)

    def _make(
        self,
        elements: tuple[Tensor | Operation, ...],
        feeds: tuple[Tensor, ...],
        deadline: Deadline,
        program: bool,
        traced: bool,
    ) -> Plan:
        """Compile the plan, and install it on its devices."""
        table = self._table_for(elements, feeds, deadline, program)
        number = self._next_number()
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
            numbers=iter(self._next_number, None),
        )
        if traced:
            plan = plan.traced()
        self._backend.install(plan, deadline)
        if program:
            for one in plan.whole():
                self._used.use(one, table)
        return self._keep((elements, feeds, table.version, program, traced), plan)

    def _next_number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def _table_for(
        self, elements: tuple[Tensor | Operation, ...], feeds: tuple[Tensor, ...], deadline: Deadline, program: bool
    ) -> DeviceTable:
        """The table of devices, after the workers of the plan's devices have declared them."""
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
        """The session's default device.  It does not change any more after its worker has declared it."""
        with self._lock:
            if self._default_device in table.names:
                return self._default_device
            default = default_device(table)
            if default not in [device.name for device in table.starting]:
                self._default_device = default
            return default

    def take_for_loop(self, plan: Plan, driver: str, deadline: Deadline) -> Plan:
        """The plan that a loop on `driver` runs in place of `plan`, which was taken for it.

        It is `plan` without the dequeue that the loop prefetches and the enqueue that it pipelines, and `plan` itself
        if there are none.  A new plan belongs to the loop, and is removed with it.
        """
        with self._lock:
            self._count += 1
            number = self._count
        own_plan = loop_plan(plan, driver, number)
        if own_plan is plan:
            return plan
        self._backend.install(own_plan, deadline)
        with self._lock:
            self._users[number] += 1
            self._evicted[number] = own_plan
        self.done(plan)
        return own_plan

    def _keep(self, key: Any, plan: Plan) -> Plan:
        """Put a new plan into the cache.  Returns the plan to use, which is another thread's if that was faster."""
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
        """Note the end of a step or a loop that used the plan."""
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
        """A block that uses the devices other than by a step or a loop."""
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

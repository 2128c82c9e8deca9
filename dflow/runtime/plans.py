"""The plans of one session: compiled and installed at first sight, kept for later runs, forgotten when they are old.

A plan that is used is never forgotten: one that leaves the cache while steps or loops run it goes after the last.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import Any

from dflow.compile import Plan, Threads, compile_plan, with_ahead, with_behind
from dflow.compile.place import default_device
from dflow.graph import Operation, Tensor
from dflow.runtime import settings
from dflow.runtime.backend import Backend
from dflow.runtime.config import ConfigProto
from dflow.runtime.deadline import Deadline

PLANS_KEPT = 256  # of a session; the least recently used goes first


class Plans:
    """The plans of one session, by their fetches, their feeds and the version of the device table."""

    def __init__(self, backend: Backend, config: ConfigProto) -> None:
        self._backend = backend
        self._config = config
        self._lock = threading.Lock()
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._users: Counter[int] = Counter()  # plan number -> steps and loops that run it
        self._evicted: dict[int, Plan] = {}  # plans that left the cache and still have users
        self._count = 0
        self._default_device = ""
        self._placed_state: dict[Operation, str] = {}  # where operations with state were placed

    def take(self, elements: tuple[Tensor | Operation, ...], feeds: tuple[Tensor, ...], deadline: Deadline) -> Plan:
        """The plan of these fetches and feeds; waits for the devices that do not know it yet, until the deadline.

        Whoever takes a plan gives it back with `done` after its use.
        """
        key = (elements, feeds, self._backend.devices(deadline=deadline).version)
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                self._users[plan.number] += 1
                return plan
        table = self._backend.devices(fresh=True, deadline=deadline)
        with self._lock:
            if self._default_device not in table.names:
                self._default_device = default_device(table)
            self._count += 1
            number = self._count
        plan = compile_plan(
            elements,
            feeds,
            table,
            self._default_device,
            number=number,
            soft_placement=self._config.allow_soft_placement,
            log_placement=self._config.log_device_placement,
            earlier=self._placed_state,
            threads=Threads(self._config.inter_op_parallelism_threads, self._config.intra_op_parallelism_threads),
        )
        self._backend.install(plan, deadline)
        return self._keep((elements, feeds, table.version), plan)

    def take_for_loop(self, plan: Plan, home: str, deadline: Deadline) -> Plan:
        """The plan that a loop on `home` runs in place of `plan`, which it took: without what the loop does itself.

        That is a dequeue that goes ahead of its iterations, or an enqueue that goes behind them; `plan` itself if there
        is none, or the settings say so.  The new one is the loop's own, and goes with it.
        """
        with self._lock:
            self._count += 1
            number = self._count
        found = with_ahead(plan, home, number) if settings.prefetch() else plan
        if found is plan and settings.pipelined_enqueues():
            found = with_behind(plan, home, number)
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
            in_use = [old for old in unwanted if self._users[old.number]]
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
            self._backend.forget(evicted)

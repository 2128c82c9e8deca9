"""Runs a plan in one thread, in an order that the test chooses, without a clock.

Everything that does not wait runs at once.  When nothing is left to run, one of the attempts that are ready starts: the
first one in a given order of operations.  When none is ready either, the step has ended or it is stuck.

With `shuffle`, what does not wait runs in a random order, as threads might.

Why one order is enough to compare two plans of one graph: what does not wait changes no queue, so the queues see the
same attempts in the same order if, and only if, the same attempts are ready each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dflow.compile import DeviceTable, Plan
from dflow.compile.lower import lower
from dflow.compile.place import place
from dflow.compile.prune import Needed, prune
from dflow.compile.segments import Group, grouped_ops
from dflow.errors import CancelledError, OpError
from dflow.registry import OPS
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.step.process import Process
from dflow.runtime.step.routing import ResultRouter

SESSION = "session"


def group_one_by_one(needed: Needed, placed: Mapping[Any, str]) -> list[Group]:
    """Each operation by itself: how TensorFlow runs a graph."""
    computed = grouped_ops(needed)
    return [Group(placed[op], (op,), op.definition.blocks) for op in needed.ops if op in computed]


def plan_with(
    group: Callable[..., list[Group]], fetches: Sequence[Any], table: DeviceTable, feeds: Sequence[Any] = ()
) -> Plan:
    """A plan whose segments are made by `group`."""
    needed = prune(fetches, feeds)
    placed = place(needed.ops, table, table.names[0])
    return lower(0, needed, group(needed, placed), placed, table)


@dataclass
class Outcome:
    """How a step ended: "done", "stuck" or the text of its error; and what happened on the way."""

    end: str = "stuck"
    values: dict[int, Any] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)  # attempts, in the order in which they began
    answered: list[str] = field(default_factory=list)  # and in that in which they were answered


class Driver(ResultRouter):
    """The owner of one step.  order: of the blocking operations; shuffle: the order of everything else."""

    def __init__(self, plan: Plan, order: Sequence[str] = (), shuffle: random.Random | None = None) -> None:
        self._process = Process("test")
        super().__init__((SESSION, 0), self._process.executors, self._process.channel_to)
        self.outcome = Outcome()
        self._plan = plan
        self._rank = {name: i for i, name in enumerate(order)}
        self._shuffle = shuffle
        self._work: list[Callable[[], None]] = []
        self._ready: dict[str, Callable[[], Any]] = {}  # operation -> what starts its attempt
        self._open = sum(part.reports for part in plan.parts.values())
        kernels = {
            kind: replace(definition, kernel=partial(self._defer, definition.kernel))
            if definition.blocks
            else definition
            for kind, definition in OPS.items()
        }
        for device in plan.parts:
            self._process.add_executor(DeviceExecutor(device))
        self._process.begin_session(SESSION)
        for device, part in plan.parts.items():
            self._process.executors[device].install(SESSION, part, kernels)

    def run(self, feeds: Sequence[Any] = ()) -> Outcome:
        """Run the step; gives how it ended."""
        self.outcome.values.update(zip(self._plan.feeds, feeds, strict=True))
        parts = []
        for device, part in self._plan.parts.items():
            fed = [(edge, self.outcome.values[edge]) for edge in part.feeds]
            host = self._process.executors[device]
            parts.append(host.start(SESSION, 0, self.id, 0, fed, self, lambda work, quick: self._work.append(work)))
        while self._open and (self._work or self._ready):
            if self._work:
                self._work.pop(self._shuffle.randrange(len(self._work)) if self._shuffle else 0)()
            else:
                name = min(self._ready, key=self._rank.__getitem__)
                self.outcome.started.append(name)
                self._ready.pop(name)()
        if not self._open and self.outcome.end == "stuck":
            self.outcome.end = "done"
        for started in parts:
            started.cancel(CancelledError(None, None, "the test is over"))
        return self.outcome

    def _defer(self, kernel: Any, context: Any, reply: Callable[..., None], *arrays: Any, **attrs: Any) -> None:
        """In the place of a blocking kernel: wait until the driver starts it."""

        def answer(*outcome: Any) -> None:
            self.outcome.answered.append(context.op)
            reply(*outcome)

        self._ready[context.op] = partial(kernel, context, answer, *arrays, **attrs)

    # -- the owner of the step's parts

    def fetched(
        self, edges: list[tuple[int, Any]], delivery: Callable[[bool], None] | None, finished: str = ""
    ) -> None:
        self.outcome.values.update(edges)
        if delivery is not None:
            delivery(True)
        if finished:
            self.finished(finished)

    def finished(self, device: str) -> None:
        self._open -= 1

    def failed(self, device: str, error: OpError) -> None:
        self.outcome.end = f"{type(error).__name__}: {error}"
        self._open = 0

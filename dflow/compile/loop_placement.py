"""The device of each folded loop, and the plan of its iterations, if they are steps of their own.

A loop whose operations are all on one device, and never wait, is a program of that device.  Each iteration of another
loop is a step, whose plan is made here; the device of the loop's condition drives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dflow.compile.frames import FoldedLoop
from dflow.compile.lower import lower
from dflow.compile.place import GATES, Placement
from dflow.compile.plan import DeviceTable, LoopSteps, Plan, Threads
from dflow.compile.prune import Needed
from dflow.compile.segments import segments
from dflow.registry import op_def


class LoopPlans:
    """The plans of the iterations of loops.  numbers: gives each plan its number in the session."""

    def __init__(self, table: DeviceTable, numbers: Iterator[int], threads: Threads) -> None:
        self.plans: list[Plan] = []
        self._table = table
        self._numbers = numbers
        self._threads = threads

    def place(self, needed: Needed, placed: Placement) -> None:
        """Give each loop its device, and a plan if it needs one."""
        for op in needed.ops:
            if isinstance(op, FoldedLoop):
                self.place(op.pass_, placed)
                self._place(op, placed)

    def _place(self, loop: FoldedLoop, placed: Placement) -> None:
        ops = [op for op in loop.operations() if op.type not in (*GATES, "Identity", "Const")]
        devices = dict.fromkeys(placed[op] for op in ops)
        waits = any(op.definition.blocks for op in loop.pass_.ops) or any(op.definition.blocks for op in ops)
        beside = loop.pass_.ops[0] if loop.pass_.ops else loop.operands[0].op
        here = next(iter(devices), "") or placed[beside]
        if len(devices) <= 1 and not waits:
            placed.put(loop, here)
            return
        test = next((placed[op] for op in loop.pass_.ops if op.type == "LoopCond"), here)
        placed.put(loop, test)
        loop.definition = op_def("WhileSteps")
        loop.steps = self._steps(loop, placed)

    def _steps(self, loop: FoldedLoop, placed: Placement) -> LoopSteps:
        needed = loop.pass_
        plan = lower(next(self._numbers), needed, segments(needed, placed), placed, self._table)
        parts = {device: replace(part, threads=self._threads) for device, part in plan.parts.items()}
        plan = replace(plan, parts=parts)
        self.plans.append(plan)
        feed_of = {tensor: i for i, tensor in enumerate(needed.feeds)}
        results, place, variables = len(loop.results), len(loop.results), []
        for value, firsts, following in loop.variables:
            variables.append((feed_of[value], firsts, None if following is None else place))
            place += following is not None
        constants = tuple((feed_of[tensor], i) for tensor, i in loop.constants)
        return LoopSteps(plan.call, tuple(variables), constants, results)

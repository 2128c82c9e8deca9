"""The passes in their order, each followed by its checker."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dflow.compile.frames import fold_loops
from dflow.compile.loop_placement import LoopPlans
from dflow.compile.loops.vectorize import with_vectorized_body
from dflow.compile.lower import check_plan, lower
from dflow.compile.place import check_placed, place
from dflow.compile.plan import NO_LIMIT, DeviceTable, Plan, Threads
from dflow.compile.prune import check_pruned, prune
from dflow.compile.segments import check_segments, segments
from dflow.errors import OpInfo
from dflow.graph import DeviceOf, Operation, Tensor


def checking() -> bool:
    """Whether the checkers run: under DFLOW_CHECK=1, which the tests set."""
    return os.environ.get("DFLOW_CHECK", "") == "1"


def compile_plan(
    fetches: Sequence[Tensor | Operation],
    feeds: Sequence[Tensor],
    table: DeviceTable,
    default: str,
    *,
    number: int = 0,
    soft_placement: bool = False,
    log_placement: bool = False,
    earlier: dict[Operation, str] | None = None,
    threads: Threads = NO_LIMIT,
    numbers: Iterator[int] | None = None,
) -> Plan:
    """Turn the operations that `fetches` need into a plan.  Pure: no clock, no randomness, no cluster.

    feeds: the tensors that each run will give values for.  default: the device of operations that are not pinned.
    number: the plan's number in its session.  earlier: where state was placed before; new state is added to it.
    threads: the limits of the session.  numbers: gives the plans of loops their numbers in the session.
    Raises the errors of `place`.
    """
    needed = prune(fetches, feeds)
    placed = place(needed.ops, table, default, soft_placement, log_placement, earlier)
    if checking():
        check_placed(needed.ops, placed, table)
    needed = fold_loops(needed)
    loops = LoopPlans(table, numbers or itertools.count(-1, -1), threads)
    loops.place(needed, placed)
    groups = segments(needed, placed)
    plan = with_vectorized_body(lower(number, needed, groups, placed, table))
    parts = {device: replace(part, threads=threads) for device, part in plan.parts.items()}
    plan = replace(plan, parts=parts, inner=tuple(loops.plans))
    if checking():
        check_pruned(needed)
        check_segments(groups, needed, placed)
        check_plan(plan)
    return plan


def operations_by_device(
    fetches: Sequence[Tensor | Operation],
    feeds: Sequence[Tensor],
    table: DeviceTable,
    default: str,
    *,
    soft_placement: bool = False,
    earlier: Mapping[Operation, str] | None = None,
) -> dict[str, list[OpInfo]]:
    """The devices that a plan of these fetches uses, and its operations there, as if no worker were lost.

    Raises InvalidArgumentError as `place` does; nothing is added to `earlier`.
    """
    complete = replace(table, devices=tuple(replace(device, lost=False) for device in table.devices))
    ops = prune(fetches, feeds).ops
    placed = place(ops, complete, default, soft_placement, earlier=dict(earlier or {}))
    operations: dict[str, list[OpInfo]] = {}
    for op in ops:
        operations.setdefault(placed[op], []).append(OpInfo(op.name, op.type, placed[op], op.made_at))
        for value in op.attrs.values():
            if isinstance(value, DeviceOf):  # of a queue that a reader takes its files from
                operations.setdefault(placed[value.op], [])
    return operations

"""The plan of a loop: without the dequeue and the enqueue that the loop makes itself."""

from __future__ import annotations

from dflow.compile.loops.pipelined_enqueue import pipelinable, with_pipelined_enqueue
from dflow.compile.loops.prefetch import prefetchable, with_prefetch
from dflow.compile.plan import Plan, Segment


def loop_plan(plan: Plan, driver: str, number: int) -> Plan:
    """The plan that a loop on the device `driver` runs in place of `plan`; `plan` itself if it makes all of it.

    number: of the new plan, in its session.
    """
    if len(set(plan.addresses.values())) == 1:  # all of it is in one process
        return plan
    dequeue, enqueue = _own(plan, driver)
    if enqueue is not None:
        plan = with_pipelined_enqueue(plan, enqueue, driver, number)
    if dequeue is not None:
        op = dequeue.instructions[0].op
        dequeue = next(segment for segment in plan.segments if segment.instructions[0].op is op)
        plan = with_prefetch(plan, dequeue, driver, number)
    return plan


def may_prefetch(plan: Plan, driver: str) -> bool:
    """Whether there is a dequeue that a loop on the device `driver` may take ahead of its iterations."""
    return _own(plan, driver)[0] is not None


def _own(plan: Plan, driver: str) -> tuple[Segment | None, Segment | None]:
    """The dequeue and the enqueue that a loop makes itself: both if neither rules out the other, else one of them."""
    for segment in plan.segments:
        enqueue = pipelinable(plan, driver, segment)
        if enqueue is not None and prefetchable(plan, driver, enqueue) is segment:
            return segment, enqueue
    dequeue = prefetchable(plan, driver)
    return dequeue, None if dequeue is not None else pipelinable(plan, driver)

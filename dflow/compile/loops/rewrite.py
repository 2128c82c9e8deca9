"""The plan of a loop: without the dequeue and the enqueue that the loop makes itself."""

from __future__ import annotations

from dflow.compile.loops.pipelined_enqueue import is_enqueue, pipelinable, pipeline_obstacle, with_pipelined_enqueue
from dflow.compile.loops.prefetch import is_dequeue, prefetch_obstacle, prefetchable, with_prefetch
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
        op = dequeue.op
        dequeue = next(segment for segment in plan.segments if segment.op is op)
        plan = with_prefetch(plan, dequeue, driver, number)
    return plan


def loop_notes(plan: Plan, driver: str) -> tuple[str, ...]:
    """Why a loop on the device `driver` makes its dequeues and enqueues within its steps, a sentence for each."""
    if plan.vectorized is not None:
        return ()
    dequeue, enqueue = _own(plan, driver)
    notes = [f"it goes record by record: {plan.one_by_one}"] if plan.one_by_one else []
    for segment in plan.segments:
        name = segment.op.name
        if is_dequeue(segment) and segment is not dequeue:
            notes.append(f"'{name}' is not prefetched: {prefetch_obstacle(segment, plan, driver, enqueue)}")
        if is_enqueue(segment) and segment is not enqueue:
            notes.append(f"'{name}' is not pipelined: {pipeline_obstacle(segment, plan, driver, dequeue)}")
    return tuple(notes)


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

"""Pipelined enqueues: a loop that computes elements for a queue of another process does not wait for each to arrive.

The enqueue leaves the loop's plan, which then is a step of the loop's own process.  The loop sends the elements itself,
into room that the queue reserves for them (`runtime/loop/pipelined_enqueue.py`): an element with reserved room will be
in the queue, so the loop computes the next one.

Why only if nothing else in the body may wait: a body that waits would hold room that other producers could use.  A
dequeue that the loop prefetches is no part of the body: while that waits, the loop holds no room.
Why only if all of the body is in the loop's process: other processes should not see an effect of an iteration before
its element.
"""

from __future__ import annotations

from dataclasses import replace

from dflow.compile.lower import without
from dflow.compile.plan import PipelinedEnqueue, Plan, Segment

ENQUEUE, ENQUEUE_MANY = "QueueEnqueueV2", "QueueEnqueueManyV2"


def pipelinable(plan: Plan, driver: str, prefetched: Segment | None = None) -> Segment | None:
    """The enqueue that a loop on the device `driver` may pipeline.

    prefetched: a dequeue that the loop makes itself.
    """
    blocking = [segment for segment in plan.segments if segment.blocks and segment is not prefetched]
    if len(blocking) != 1 or not _may_be_pipelined(blocking[0], plan, driver, prefetched):
        return None
    return blocking[0]


def with_pipelined_enqueue(plan: Plan, enqueue: Segment, driver: str, number: int) -> Plan:
    """The plan of a loop without the enqueue, whose inputs are fetched.  number: of the new plan, in its session."""
    edges = dict(enqueue.arguments)
    literals = dict(enqueue.literals)
    (instruction,) = enqueue.instructions
    slots = [slot for slot in dict.fromkeys(instruction.inputs) if slot in edges]
    places = {slot: len(plan.fetches) + i for i, slot in enumerate(slots)}
    fetches = (*plan.fetches, *(edges[slot] for slot in slots))
    return replace(
        without(plan, enqueue, driver, number, plan.feeds, fetches),
        pipelined=PipelinedEnqueue(
            op=instruction.op,
            address=plan.addresses[enqueue.device],
            queue=instruction.attrs["queue"],
            many=instruction.op.kind == ENQUEUE_MANY,
            components=tuple((places.get(slot), literals.get(slot)) for slot in instruction.inputs),
            fetches=len(plan.fetches),
        ),
    )


def _may_be_pipelined(enqueue: Segment, plan: Plan, driver: str, prefetched: Segment | None) -> bool:
    """Whether it is an enqueue for another process, of values of the driver's process, that no segment waits for."""
    others = [segment for segment in plan.segments if segment is not enqueue and segment is not prefetched]
    if enqueue.instructions[0].op.kind not in (ENQUEUE, ENQUEUE_MANY) or not any(s.device == driver for s in others):
        return False
    address = plan.addresses[driver]
    return (
        address != plan.addresses[enqueue.device]
        and all(plan.addresses[segment.device] == address for segment in others)
        and not any(set(enqueue.gives) & set(segment.needs) for segment in others)
    )

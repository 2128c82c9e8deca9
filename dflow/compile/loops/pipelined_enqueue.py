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
    enqueues = [segment for segment in plan.segments if is_enqueue(segment)]
    return next((enqueue for enqueue in enqueues if not pipeline_obstacle(enqueue, plan, driver, prefetched)), None)


def is_enqueue(segment: Segment) -> bool:
    """Whether a segment is an enqueue."""
    return segment.op.kind in (ENQUEUE, ENQUEUE_MANY)


def pipeline_obstacle(enqueue: Segment, plan: Plan, driver: str, prefetched: Segment | None = None) -> str:
    """Why a loop on the device `driver` may not pipeline an enqueue; "" if it may.

    prefetched: a dequeue that the loop makes itself.
    """
    address = plan.addresses[driver]
    others = [segment for segment in plan.segments if segment is not enqueue and segment is not prefetched]
    if plan.addresses[enqueue.device] == address:
        return "its queue is in the loop's own process"
    for other in others:
        name = other.op.name
        if other.blocks:
            return f"'{name}' may wait, too"
        if plan.addresses[other.device] != address:
            return f"'{name}' is in another process than the loop"
        if set(enqueue.gives) & set(other.needs):
            return f"'{name}' comes after it"
    return "" if any(other.device == driver for other in others) else "the loop computes nothing on its own device"


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

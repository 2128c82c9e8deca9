"""Pipelined enqueues: a loop that computes elements for a queue of another process does not wait for each to arrive.

The enqueue leaves the loop's plan, which then is a step of the loop's own process.  The loop sends the elements itself,
into room that the queue keeps for them (`runtime/loop/behind.py`): so each is as good as in when the next one is
computed.

Why only if nothing else in the body may wait: while it waits it would keep room from producers that could go on.
Why only if all of it is in the loop's process: what others see of an iteration should not pass its element.
"""

from __future__ import annotations

from dataclasses import replace

from dflow.compile.lower import without
from dflow.compile.plan import PipelinedEnqueue, Plan, Segment

ENQUEUE, ENQUEUE_MANY = "QueueEnqueueV2", "QueueEnqueueManyV2"


def with_behind(plan: Plan, home: str, number: int) -> Plan:
    """The plan of a loop on the device `home`, without the enqueue that it may pipeline; `plan` itself if it has none.

    number: of the new plan, in its session.
    """
    enqueue = next((segment for segment in plan.segments if segment.blocks), None)
    if enqueue is None or not _may_be_behind(enqueue, plan, home):
        return plan
    edges = dict(enqueue.arguments)
    literals = dict(enqueue.literals)
    (instruction,) = enqueue.instructions
    slots = [slot for slot in dict.fromkeys(instruction.inputs) if slot in edges]
    places = {slot: len(plan.fetches) + i for i, slot in enumerate(slots)}
    fetches = (*plan.fetches, *(edges[slot] for slot in slots))
    return replace(
        without(plan, enqueue, home, number, plan.feeds, fetches),
        behind=PipelinedEnqueue(
            op=instruction.op,
            address=plan.addresses[enqueue.device],
            queue=instruction.attrs["queue"],
            many=instruction.op.kind == ENQUEUE_MANY,
            components=tuple((places.get(slot), literals.get(slot)) for slot in instruction.inputs),
            fetches=len(plan.fetches),
        ),
    )


def _may_be_behind(enqueue: Segment, plan: Plan, home: str) -> bool:
    """Is it an enqueue for another process, of what this one computes, after which nothing comes?"""
    others = [segment for segment in plan.segments if segment is not enqueue]
    if enqueue.instructions[0].op.kind not in (ENQUEUE, ENQUEUE_MANY) or not any(s.device == home for s in others):
        return False
    address = plan.addresses[home]
    return (
        address != plan.addresses[enqueue.device]
        and all(plan.addresses[segment.device] == address and not segment.blocks for segment in others)
        and not any(set(enqueue.gives) & set(segment.needs) for segment in others)
    )

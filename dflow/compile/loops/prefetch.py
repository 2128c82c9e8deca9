"""Prefetch: a loop whose body begins with a dequeue takes the next elements while it computes with the present ones.

The dequeue leaves the loop's plan.  The loop asks the queue itself, an iteration ahead, and feeds the elements to each
iteration (`runtime/loop/prefetch.py`).

Why only if nothing else in the body may wait: a body may wait for ever, and another consumer could not use the elements
that the loop has prefetched.  A body that only computes comes to its end, and then they are used.  An enqueue that the
loop pipelines is no part of the body: while that waits for room, the elements go back.
Why only from another process: in the same process a dequeue is a copy, and has no latency to hide.
"""

from __future__ import annotations

from dataclasses import replace

from dflow.compile.lower import without
from dflow.compile.plan import Plan, PrefetchedDequeue, Segment

METHODS = {"QueueDequeueV2": "dequeue", "QueueDequeueManyV2": "dequeue_many", "QueueDequeueUpToV2": "dequeue_up_to"}


def prefetchable(plan: Plan, driver: str, pipelined: Segment | None = None) -> Segment | None:
    """The dequeue that a loop on the device `driver` may take ahead of its iterations.

    pipelined: an enqueue that the loop makes itself.
    """
    dequeues = [segment for segment in plan.segments if is_dequeue(segment)]
    return next((dequeue for dequeue in dequeues if not prefetch_obstacle(dequeue, plan, driver, pipelined)), None)


def is_dequeue(segment: Segment) -> bool:
    """Whether a segment is a dequeue."""
    return segment.op.kind in METHODS


def prefetch_obstacle(dequeue: Segment, plan: Plan, driver: str, pipelined: Segment | None = None) -> str:
    """Why a loop on the device `driver` may not prefetch a dequeue; "" if it may.

    pipelined: an enqueue that the loop makes itself.
    """
    address = plan.addresses[driver]
    others = [segment for segment in plan.segments if segment is not dequeue]
    users = {plan.addresses[other.device] for other in others if not set(dequeue.gives).isdisjoint(other.needs)}
    if plan.addresses[dequeue.device] == address:
        return "its queue is in the loop's own process"
    if dequeue.needs:
        return "it waits for other operations of the step"
    if users != {address}:
        return "its elements are used in another process" if users else "no operation uses its elements"
    for other in others:
        if other.blocks and other is not pipelined:
            return f"'{other.op.name}' may wait, too"
        if user := _user_of_queue(dequeue, other):
            return f"'{user}' uses the same queue, and would see that elements were prefetched"
    return ""


def with_prefetch(plan: Plan, dequeue: Segment, driver: str, number: int) -> Plan:
    """The plan of a loop without the dequeue, whose outputs are fed.  number: of the new plan, in its session."""
    (instruction,) = dequeue.instructions
    return replace(
        without(plan, dequeue, driver, number, feeds=tuple(dequeue.gives), fetches=plan.fetches),
        prefetch=PrefetchedDequeue(
            op=instruction.op,
            address=plan.addresses[dequeue.device],
            queue=instruction.attrs["queue"],
            method=METHODS[instruction.op.kind],
            arguments=_arguments(dequeue),
            outputs=_outputs(dequeue),
        ),
    )


def _user_of_queue(dequeue: Segment, other: Segment) -> str:
    """The operation of another segment that uses the queue of a dequeue; "" if there is none."""
    mine = dequeue.instructions[0].attrs["queue"]
    for instruction in other.instructions if other.device == dequeue.device else ():
        queue = instruction.attrs.get("queue")
        if queue is not None and (queue.container, queue.name) == (mine.container, mine.name):
            return instruction.op.name
    return ""


def _arguments(dequeue: Segment) -> tuple[int, ...]:
    """The number of elements, if it takes several: a constant, as nothing of the step comes before."""
    literals = dict(dequeue.literals)
    return tuple(int(literals[slot]) for slot in dequeue.instructions[0].inputs)


def _outputs(dequeue: Segment) -> tuple[int | None, ...]:
    """The output of the operation that each edge carries; None for the control edge."""
    places = {slot: place for place, slot in enumerate(dequeue.instructions[0].outputs)}
    edges = dict(dequeue.results)
    return tuple(places[edges[edge]] if edge in edges else None for edge in dequeue.gives)

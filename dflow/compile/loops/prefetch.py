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
    return next((segment for segment in plan.segments if _may_be_prefetched(segment, plan, driver, pipelined)), None)


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


def _may_be_prefetched(segment: Segment, plan: Plan, driver: str, pipelined: Segment | None) -> bool:
    """Whether it is a dequeue of another process that waits for no segment, for the process of `driver` alone."""
    if segment.instructions[0].op.kind not in METHODS or segment.needs:
        return False
    others = [other for other in plan.segments if other is not segment]
    users = {other.device for other in others if not set(segment.gives).isdisjoint(other.needs)}
    address = plan.addresses[driver]
    return (
        address != plan.addresses[segment.device]
        and {plan.addresses[user] for user in users} == {address}
        and not any(other.blocks for other in others if other is not pipelined)
        and not any(_uses_queue_of(segment, other) for other in others)
    )


def _uses_queue_of(dequeue: Segment, other: Segment) -> bool:
    """Whether another part of the body uses the same queue: it would see that elements were prefetched."""
    mine = dequeue.instructions[0].attrs["queue"]
    queues = [i.attrs["queue"] for i in other.instructions if "queue" in i.attrs]
    same = any((queue.container, queue.name) == (mine.container, mine.name) for queue in queues)
    return other.device == dequeue.device and same


def _arguments(dequeue: Segment) -> tuple[int, ...]:
    """The number of elements, if it takes several: a constant, as nothing of the step comes before."""
    literals = dict(dequeue.literals)
    return tuple(int(literals[slot]) for slot in dequeue.instructions[0].inputs)


def _outputs(dequeue: Segment) -> tuple[int | None, ...]:
    """The output of the operation that each edge carries; None for the control edge."""
    places = {slot: place for place, slot in enumerate(dequeue.instructions[0].outputs)}
    edges = dict(dequeue.results)
    return tuple(places[edges[edge]] if edge in edges else None for edge in dequeue.gives)

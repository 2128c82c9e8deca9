"""Prefetch: a loop whose body begins with a dequeue takes the next elements while the present ones are computed with.

The dequeue leaves the loop's plan: the loop asks the queue itself, an iteration ahead (`runtime/loop/ahead.py`), and
what comes arrives in the step as tensors of another device do.  All else of the body is as it was, and starts when it
did.

Why only if nothing else in the body may wait: a body that waits keeps its place, perhaps for ever, and elements that
it has taken for later would be missing where another consumer might go on with them.  A body that only computes comes
to its end, and then they are used.
Why only from another process: here a dequeue is a copy; there is nothing to hide.
"""

from __future__ import annotations

from dataclasses import replace

from dflow.compile.lower import without
from dflow.compile.plan import Ahead, Plan, Segment

METHODS = {"QueueDequeueV2": "dequeue", "QueueDequeueManyV2": "dequeue_many", "QueueDequeueUpToV2": "dequeue_up_to"}


def with_ahead(plan: Plan, home: str, number: int) -> Plan:
    """The plan of a loop on the device `home`, with the dequeue that it may take ahead; `plan` itself if there is none.

    number: of the new plan, in its session.
    """
    dequeue = _dequeue(plan, home)
    if dequeue is None:
        return plan
    fed = without(plan, dequeue, home, number, feeds=tuple(dequeue.gives), fetches=plan.fetches)  # as if they were fed
    return replace(
        fed,
        feeds=(),
        parts={name: replace(part, feeds=()) for name, part in fed.parts.items()},
        ahead=Ahead(
            op=dequeue.instructions[0].op,
            address=plan.addresses[dequeue.device],
            queue=dequeue.instructions[0].attrs["queue"],
            method=METHODS[dequeue.instructions[0].op.kind],
            arguments=_arguments(dequeue),
            outputs=_outputs(dequeue),
            arrivals={device: part.feeds for device, part in fed.parts.items() if part.feeds},
            fetched=tuple(edge for edge in dequeue.gives if edge in plan.fetches),
        ),
    )


def may_go_ahead(plan: Plan, home: str) -> bool:
    """Is there a dequeue that a loop on the device `home` may take ahead?"""
    return _dequeue(plan, home) is not None


def _dequeue(plan: Plan, home: str) -> Segment | None:
    return next((segment for segment in plan.segments if _may_be_ahead(segment, plan, home)), None)


def _may_be_ahead(segment: Segment, plan: Plan, home: str) -> bool:
    """Is it a dequeue that nothing of the step comes before, for the process of `home` alone, from another one?"""
    if segment.instructions[0].op.kind not in METHODS or segment.needs:
        return False
    others = [other for other in plan.segments if other is not segment]
    users = {other.device for other in others if not set(segment.gives).isdisjoint(other.needs)}
    address = plan.addresses[home]
    return (
        address != plan.addresses[segment.device]
        and {plan.addresses[user] for user in users} == {address}
        and not any(other.blocks or _uses_queue_of(segment, other) for other in others)
    )


def _uses_queue_of(dequeue: Segment, other: Segment) -> bool:
    """Does another part of the body look at the same queue?  It would see that elements were taken ahead."""
    mine = dequeue.instructions[0].attrs["queue"]
    found = [i.attrs["queue"] for i in other.instructions if "queue" in i.attrs]
    same = any((queue.container, queue.name) == (mine.container, mine.name) for queue in found)
    return other.device == dequeue.device and same


def _arguments(dequeue: Segment) -> tuple[int, ...]:
    """The number of elements, if it takes several: a constant, as nothing of the step comes before."""
    literals = dict(dequeue.literals)
    return tuple(int(literals[slot]) for slot in dequeue.instructions[0].inputs)


def _outputs(dequeue: Segment) -> dict[int, int | None]:
    """Which output of the operation each edge carries; None for the control edge."""
    places = {slot: place for place, slot in enumerate(dequeue.instructions[0].outputs)}
    outputs: dict[int, int | None] = {edge: places[slot] for edge, slot in dequeue.results}
    return outputs if dequeue.done is None else {**outputs, dequeue.done: None}

"""Which dequeue a loop may take ahead, and what is left of its plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import dflow as df
from dflow.compile import Plan, with_ahead
from dflow.compile.lower import check_plan
from tests.compile.helpers import compiled, cpu, names, segment_with

THERE, HERE, ELSEWHERE = cpu(0), cpu(1), cpu(2)  # each at an address of its own


def queue(shapes: Any = ((),), capacity: int = 10) -> df.FIFOQueue:
    with df.device(THERE):
        return df.FIFOQueue(capacity, [df.float32] * len(shapes), shapes=list(shapes))


def used(taken: Any, device: str = HERE) -> Any:
    with df.device(device):
        return df.negative(taken, name="used")


def ahead(fetches: Any, home: str = HERE) -> Plan | None:
    """The plan with a dequeue ahead, checked; None if there is none."""
    plan = compiled(fetches)
    found = with_ahead(plan, home, 7)
    if found is plan:
        return None
    assert found.ahead is not None
    check_plan(_as_if_fed(found))
    return found


def _as_if_fed(plan: Plan) -> Plan:
    """What the loop brings, as feeds: the checker wants a source for each edge."""
    assert plan.ahead is not None
    arrivals = plan.ahead.arrivals
    parts = {name: replace(part, feeds=arrivals.get(name, ())) for name, part in plan.parts.items()}
    return replace(plan, feeds=tuple(plan.ahead.outputs), parts=parts)


def test_a_dequeue_for_a_loop_of_another_process_leaves_its_plan() -> None:
    plan = ahead(used(queue().dequeue(name="taken")))
    assert plan is not None
    assert plan.ahead is not None
    assert plan.number == 7
    assert [names(segment) for segment in plan.segments] == [["used"]]
    assert (plan.ahead.op.name, plan.ahead.method, plan.ahead.arguments) == ("taken", "dequeue", ())
    assert plan.devices == [HERE]
    assert plan.parts[HERE].addresses == {THERE: f"at {THERE}"}, "that process hears of the session"
    assert plan.ahead.arrivals == {HERE: segment_with(plan, "used").needs}
    assert plan.call.feeds == ()
    assert plan.call.reports == 1


@pytest.mark.parametrize(
    ("take", "method"),
    [(lambda q: q.dequeue_many(3), "dequeue_many"), (lambda q: q.dequeue_up_to(3), "dequeue_up_to")],
)
def test_a_batch_of_a_constant_size_goes_ahead(take: Callable[[Any], Any], method: str) -> None:
    plan = ahead(used(take(queue())))
    assert plan is not None
    assert plan.ahead is not None
    assert (plan.ahead.method, plan.ahead.arguments) == (method, (3,))


def test_each_edge_carries_its_component_and_a_control_edge_none() -> None:
    first, second = queue(((), ())).dequeue(name="taken")
    with df.device(HERE), df.control_dependencies([first.op]):
        late = df.identity(df.constant(1.0), name="late")
    plan = ahead([used(second), late])
    assert plan is not None
    assert plan.ahead is not None
    by_output = {output: edge for edge, output in plan.ahead.outputs.items()}
    assert set(by_output) == {1, None}
    assert by_output[1] in segment_with(plan, "used").needs
    assert by_output[None] in segment_with(plan, "late").needs


def test_what_is_fetched_of_it_is_known() -> None:
    taken = queue().dequeue()
    plan = ahead([used(taken), taken])
    assert plan is not None
    assert plan.ahead is not None
    assert plan.ahead.fetched == (plan.fetches[1],)


def test_what_else_the_device_of_the_queue_does_stays() -> None:
    with df.device(THERE):
        weight = df.Variable(1.0, name="weight")
    taken = queue().dequeue(name="taken")
    with df.device(HERE):
        delta = df.multiply(taken, weight, name="delta")
    plan = ahead(weight.assign_add(delta))
    assert plan is not None
    assert sorted(plan.devices) == [THERE, HERE]
    assert not any("taken" in names(segment) for segment in plan.segments)


def two_queues() -> Any:
    with df.device(HERE):
        return df.add(queue().dequeue(), queue().dequeue())


def counted() -> Any:
    """The size of the same queue, on the same device."""
    mine = queue()
    with df.device(HERE):
        return df.add(mine.dequeue(), df.cast(mine.size(), df.float32))


def enqueued() -> Any:
    with df.device(ELSEWHERE):
        other = df.FIFOQueue(10, [df.float32], shapes=[()])
    return other.enqueue(used(queue().dequeue()))


def after_something() -> Any:
    with df.device(HERE):
        first = df.identity(df.constant(1.0))
    with df.control_dependencies([first]):
        return used(queue().dequeue())


def of_a_computed_size() -> Any:
    with df.device(THERE):
        n = df.Variable(3)
    return used(queue().dequeue_many(n))


def used_by_its_own_device() -> Any:
    return used(queue().dequeue(), THERE)


def used_by_two_processes() -> Any:
    taken = queue().dequeue()
    return [used(taken), used(taken, ELSEWHERE)]


def used_by_nobody() -> Any:
    with df.device(HERE):
        return [queue().dequeue(), df.negative(df.Variable(1.0))]


@pytest.mark.parametrize(
    "body",
    [
        two_queues,
        counted,
        enqueued,
        after_something,
        of_a_computed_size,
        used_by_its_own_device,
        used_by_two_processes,
        used_by_nobody,
    ],
)
def test_no_other_dequeue_goes_ahead(body: Callable[[], Any]) -> None:
    assert ahead(body(), THERE if body is used_by_its_own_device else HERE) is None


def test_the_sizes_of_other_queues_do_not_matter() -> None:
    with df.device(HERE):
        both = df.add(queue().dequeue(), df.cast(queue().size(), df.float32))
    assert ahead(both) is not None

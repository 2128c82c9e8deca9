"""Which dequeue a loop may prefetch, and what is left of its plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import dflow as df
from dflow.compile import Plan, loop_notes, loop_plan
from dflow.compile.lower import check_plan
from tests.compile.helpers import compiled, cpu, names, segment_with

THERE, HERE, ELSEWHERE = cpu(0), cpu(1), cpu(2)  # each at an address of its own


def queue(shapes: Any = ((),), capacity: int = 10) -> df.FIFOQueue:
    with df.device(THERE):
        return df.FIFOQueue(capacity, [df.float32] * len(shapes), shapes=list(shapes))


def used(taken: Any, device: str = HERE) -> Any:
    with df.device(device):
        return df.negative(taken, name="used")


def prefetching(fetches: Any, driver: str = HERE) -> Plan | None:
    """The plan of a loop that prefetches, checked; None if it does not."""
    plan = compiled(fetches)
    found = loop_plan(plan, driver, 7)
    check_plan(found)
    return None if found.prefetch is None else found


def test_a_dequeue_for_a_loop_of_another_process_leaves_its_plan() -> None:
    plan = prefetching(used(queue().dequeue(name="taken")))
    assert plan is not None
    assert plan.prefetch is not None
    assert plan.number == 7
    assert [names(segment) for segment in plan.segments] == [["used"]]
    assert (plan.prefetch.op.name, plan.prefetch.method, plan.prefetch.arguments) == ("taken", "dequeue", ())
    assert plan.devices == [HERE]
    assert plan.parts[HERE].addresses == {THERE: f"at {THERE}"}, "that process hears of the session"
    assert plan.call.feeds == segment_with(plan, "used").needs
    assert plan.call.feeds_of == {HERE: plan.call.feeds}
    assert plan.call.reports == 1


@pytest.mark.parametrize(
    ("take", "method"),
    [(lambda q: q.dequeue_many(3), "dequeue_many"), (lambda q: q.dequeue_up_to(3), "dequeue_up_to")],
)
def test_a_batch_of_a_constant_size_is_prefetched(take: Callable[[Any], Any], method: str) -> None:
    plan = prefetching(used(take(queue())))
    assert plan is not None
    assert plan.prefetch is not None
    assert (plan.prefetch.method, plan.prefetch.arguments) == (method, (3,))


def test_each_edge_carries_its_component_and_a_control_edge_none() -> None:
    first, second = queue(((), ())).dequeue(name="taken")
    with df.device(HERE), df.control_dependencies([first.op]):
        late = df.identity(df.constant(1.0), name="late")
    plan = prefetching([used(second), late])
    assert plan is not None
    assert plan.prefetch is not None
    by_output = dict(zip(plan.prefetch.outputs, plan.feeds, strict=True))
    assert set(by_output) == {1, None}
    assert by_output[1] in segment_with(plan, "used").needs
    assert by_output[None] in segment_with(plan, "late").needs


def test_an_output_that_is_fetched_is_fed() -> None:
    taken = queue().dequeue()
    plan = prefetching([used(taken), taken])
    assert plan is not None
    assert plan.fetches[1] in plan.feeds


def test_what_else_the_device_of_the_queue_does_stays() -> None:
    with df.device(THERE):
        weight = df.Variable(1.0, name="weight")
    taken = queue().dequeue(name="taken")
    with df.device(HERE):
        delta = df.multiply(taken, weight, name="delta")
    plan = prefetching(weight.assign_add(delta))
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


def enqueued(device: str = ELSEWHERE) -> Any:
    with df.device(device):
        other = df.FIFOQueue(10, [df.float32], shapes=[()])
    return other.enqueue(used(queue().dequeue()))


def enqueued_here() -> Any:
    return enqueued(HERE)


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
    ("body", "why"),
    [
        (two_queues, "may wait, too"),
        (counted, "Size' uses the same queue, and would see that elements were prefetched"),
        (enqueued_here, "enqueue' may wait, too"),
        (after_something, "it waits for other operations of the step"),
        (of_a_computed_size, "it waits for other operations of the step"),
        (used_by_its_own_device, "its queue is in the loop's own process"),
        (used_by_two_processes, "its elements are used in another process"),
        (used_by_nobody, "no operation uses its elements"),
    ],
)
def test_no_other_dequeue_is_prefetched_and_a_note_says_why(body: Callable[[], Any], why: str) -> None:
    driver = THERE if body is used_by_its_own_device else HERE
    assert prefetching(body(), driver) is None
    notes = [note for note in loop_notes(compiled(body()), driver) if "is not prefetched" in note]
    assert notes
    assert all(why in note for note in notes)


def test_a_loop_that_does_all_itself_has_no_notes() -> None:
    assert loop_notes(compiled(enqueued()), HERE) == ()


def test_the_sizes_of_other_queues_do_not_matter() -> None:
    with df.device(HERE):
        both = df.add(queue().dequeue(), df.cast(queue().size(), df.float32))
    assert prefetching(both) is not None


def test_a_dequeue_and_an_enqueue_of_two_other_processes_both_leave_the_plan() -> None:
    plan = prefetching(enqueued())
    assert plan is not None
    assert plan.prefetch is not None
    assert plan.pipelined is not None
    assert [names(segment) for segment in plan.segments] == [["used"]]
    assert (plan.number, plan.devices) == (7, [HERE])
    assert plan.parts[HERE].addresses == {THERE: f"at {THERE}", ELSEWHERE: f"at {ELSEWHERE}"}
    assert plan.fetches[plan.pipelined.fetches :] == tuple(plan.segments[0].gives)


def moved_round() -> Any:
    """The elements go back to the queue that they come from."""
    mine = queue()
    return mine.enqueue(used(mine.dequeue()))


def passed_on() -> Any:
    """Nothing is computed with the element."""
    with df.device(ELSEWHERE):
        other = df.FIFOQueue(10, [df.float32], shapes=[()])
    return [other.enqueue(queue().dequeue()), used(df.constant(1.0))]


@pytest.mark.parametrize("body", [moved_round, passed_on])
def test_these_do_not_leave_the_plan_together(body: Callable[[], Any]) -> None:
    found = loop_plan(compiled(body()), HERE, 7)
    assert found.prefetch is None

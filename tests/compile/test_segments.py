"""Segments: operations that start together and end together, without making anything wait for more."""

from __future__ import annotations

import dflow as df
from tests.compile.helpers import compiled, cpu, names, segment_with


def queue(device: str = "/cpu:0") -> df.FIFOQueue:
    with df.device(device):
        return df.FIFOQueue(10, [df.float32], shapes=[()])


def test_what_one_device_can_do_without_waiting_is_one_segment() -> None:
    a = df.identity(df.constant(1.0))
    b = df.negative(a)
    plan = compiled([a + b, df.no_op()])
    assert [names(segment) for segment in plan.segments] == [["Identity", "Neg", "add", "NoOp"]]


def test_independent_operations_of_one_device_share_a_segment() -> None:
    plan = compiled([df.negative(df.constant(float(i))) for i in range(4)])
    assert len(plan.segments) == 1


def test_a_blocking_operation_is_a_segment_by_itself() -> None:
    q = queue()
    value = q.dequeue(name="take")
    plan = compiled(df.negative(value, name="after"))
    assert [names(segment) for segment in plan.segments] == [["take"], ["after"]]
    assert [segment.blocks for segment in plan.segments] == [True, False]


def test_what_waits_for_a_dequeue_does_not_hold_up_what_does_not() -> None:
    q = queue()
    after = df.negative(q.dequeue(), name="after")
    put = q.enqueue(df.negative(df.constant(1.0), name="free"))
    plan = compiled([after, put])
    assert names(segment_with(plan, "free")) == ["free"]
    assert names(segment_with(plan, "after")) == ["after"]


def test_what_waits_for_different_dequeues_is_apart() -> None:
    q = queue()
    one, two = df.negative(q.dequeue(), name="one"), df.negative(q.dequeue(), name="two")
    both = df.add(one, two, name="both")
    plan = compiled(both)
    assert names(segment_with(plan, "one")) == ["one"]
    assert names(segment_with(plan, "two")) == ["two"]
    assert names(segment_with(plan, "both")) == ["both"]


def test_what_waits_for_a_dequeue_by_a_control_dependency_is_apart_from_what_does_not() -> None:
    q = queue()
    free = df.negative(df.constant(1.0), name="free")
    with df.control_dependencies([q.dequeue().op]):
        later = df.negative(free, name="later")
    plan = compiled(later)
    assert names(segment_with(plan, "free")) == ["free"]
    assert names(segment_with(plan, "later")) == ["later"]


def test_a_visit_to_another_device_makes_three_segments() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0), name="a")
    with df.device("/cpu:1"):
        b = df.negative(a, name="b")
    with df.device("/cpu:0"):
        c = df.add(a, b, name="c")
    plan = compiled(c)
    assert [(segment.device, names(segment)) for segment in plan.segments] == [
        (cpu(0), ["a"]),
        (cpu(1), ["b"]),
        (cpu(0), ["c"]),
    ]


def test_a_control_dependency_on_another_device_separates_too() -> None:
    with df.device("/cpu:0"):
        a = df.no_op(name="a")
    with df.device("/cpu:1"), df.control_dependencies([a]):
        b = df.no_op(name="b")
    with df.device("/cpu:0"), df.control_dependencies([b]):
        c = df.no_op(name="c")
    plan = compiled(c)
    assert [names(segment) for segment in plan.segments] == [["a"], ["b"], ["c"]]


def test_operations_stay_in_the_order_of_their_creation() -> None:
    steps = [df.identity(df.constant(float(i)), name=f"s{i}") for i in range(12)]
    plan = compiled(list(reversed(steps)))
    assert names(plan.segments[0]) == [f"s{i}" for i in range(12)]


def test_constants_join_no_segment_unless_they_are_fetched() -> None:
    a, b = df.constant(1.0, name="a"), df.constant(2.0, name="b")
    plan = compiled([df.add(a, b, name="sum"), b])
    assert [names(segment) for segment in plan.segments] == [["b", "sum"]]


def test_a_constant_on_another_device_costs_no_segment() -> None:
    with df.device("/cpu:1"):
        a = df.constant(1.0)
    with df.device("/cpu:0"):
        b = df.negative(a, name="b")
    assert [names(segment) for segment in compiled(b).segments] == [["b"]]


def test_a_constant_that_has_to_wait_is_an_operation_like_others() -> None:
    with df.control_dependencies([queue().dequeue().op]):
        a = df.constant(1.0, name="a")
    plan = compiled(df.negative(a, name="b"))
    assert names(plan.segments[-1]) == ["a", "b"]


def test_feeding_a_dequeued_tensor_takes_the_wait_away() -> None:
    value = queue().dequeue()
    plan = compiled(df.negative(value, name="after"), [value])
    assert [names(segment) for segment in plan.segments] == [["after"]]


def test_what_waits_for_many_dequeues_is_grouped_like_what_waits_for_few() -> None:
    """1,024 and more have a digest for a key."""
    q = queue()
    taken = [q.dequeue().op for _ in range(1200)]
    with df.control_dependencies(taken[1:]):
        fewer = df.no_op("fewer")
    with df.control_dependencies(taken):
        one, two = df.no_op("one"), df.no_op("two")
    plan = compiled([one, fewer, two])
    assert names(segment_with(plan, "one")) == ["one", "two"]
    assert names(segment_with(plan, "fewer")) == ["fewer"]

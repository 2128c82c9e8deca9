"""Queues are made: the arguments that their constructors take, and what these say about a queue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from tests.ops.queue_kinds import KINDS, TYPES, components, kinds, strict_kinds


@kinds
def test_a_queue_is_named_after_its_kind_and_its_scope(kind: str) -> None:
    """Q1.8, Q1.10"""
    make = KINDS[kind]
    first, second = make(10, df.int32, [()]), make(10, df.int32, [()])
    with df.name_scope("outer"):
        third = make(10, df.int32, [()], name="mine")
    assert [queue.name for queue in (first, second, third)] == [kind, f"{kind}_1", "outer/mine"]
    assert first.queue_ref.op is first.op
    assert first.op.type == TYPES[kind]


@kinds
def test_operations_are_named_after_the_last_part_of_the_queue(kind: str) -> None:
    """Q1.10"""
    with df.name_scope("outer"):
        queue = KINDS[kind](10, df.int32, [()], name="q")
    element, batch = components(kind, 1), [[value] for value in components(kind, 1)]
    made = [queue.enqueue(element), queue.enqueue_many(batch), queue.close(), queue.enqueue(element)]
    assert [op.name for op in made] == ["q_enqueue", "q_EnqueueMany", "q_Close", "q_enqueue_1"]
    outputs = [queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2), queue.size(), queue.is_closed()]
    names = [(output[0] if isinstance(output, list) else output).op.name for output in outputs]
    assert names == ["q_Dequeue", "q_DequeueMany", "q_DequeueUpTo", "q_Size", "q_Is_Closed"]
    assert made[0].inputs[0].op.name == "q_enqueue/component_0"
    assert queue.enqueue(element, name="my_own").name == "my_own"
    with df.name_scope("there"):
        assert queue.size(name="s").op.name == "there/s"
        assert queue.size().op.name == "there/q_Size"


@kinds
def test_dtypes_may_be_one_or_a_list_and_shapes_a_list(kind: str) -> None:
    """Q1.2, Q9.1"""
    extra = 1 if kind == "priority_queue" else 0
    one = KINDS[kind](10, df.float32, [(2, 3)])
    two = KINDS[kind](10, ("int32", np.float64), ((), df.TensorShape([4])), shared_name="s")
    assert one.dtypes[extra:] == [df.float32]
    assert one.shapes[extra:] == [(2, 3)]
    assert two.dtypes[extra:] == [df.int32, df.float64]
    assert two.shapes[extra:] == [(), (4,)]
    assert (one.names, two.names) == (None, None)
    if extra:
        assert (one.dtypes[0], one.shapes[0]) == (df.int64, ())


@strict_kinds
def test_one_flat_shape_is_that_of_the_only_component(kind: str) -> None:
    """Q1.2"""
    for shape in ((), (2, 3), [2, 3], df.TensorShape([5]), (np.int64(2), np.int64(3))):
        assert KINDS[kind](10, df.int32, shape).shapes[-1] == shape
    with pytest.raises(ValueError, match="Queue shapes must have the same length as dtypes"):
        KINDS[kind](10, [df.int32, df.int32], (2, 3))


@strict_kinds
def test_without_shapes_nothing_is_known_of_them(kind: str) -> None:
    """Q1.2, Q3.2, Q3.8"""
    queue = KINDS[kind](10, [df.int32, df.string])
    assert [shape.ndims for shape in queue.shapes[-2:]] == [None, None]
    for tensors in (queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)):
        assert [tensor.shape.ndims for tensor in tensors[-2:]] == [None, None]
        assert [tensor.dtype for tensor in tensors[-2:]] == [df.int32, df.string]


@strict_kinds
@pytest.mark.parametrize("shapes", [[(None,)], (None, 2), [None], df.TensorShape(None), [df.TensorShape([2, None])]])
def test_shapes_must_be_fully_defined(kind: str, shapes: Any) -> None:
    """Q1.4"""
    with pytest.raises(ValueError, match="fully defined"):
        KINDS[kind](10, df.int32, shapes)


@kinds
def test_as_many_shapes_and_names_as_dtypes_are_needed(kind: str) -> None:
    """Q1.3, Q7.2, Q9.10"""
    with pytest.raises(ValueError, match=r"same length as dtypes|for all components"):
        KINDS[kind](10, [df.int32, df.int32], [()])
    with pytest.raises(ValueError, match="Queue names must have the same length as dtypes"):
        KINDS[kind](10, [df.int32, df.int32], [(), ()], names=["only"])


@strict_kinds
@pytest.mark.parametrize("shapes", ["text", 3, 2.5, {1: 2}])
def test_shapes_that_are_no_list_are_a_type_error(kind: str, shapes: Any) -> None:
    """Q1.5"""
    with pytest.raises(TypeError, match="shapes must be"):
        KINDS[kind](10, df.int32, shapes)


@pytest.mark.parametrize("shapes", [None, (), (2, 3), (None,), [], df.TensorShape([2]), 3])
def test_shapes_of_a_queue_that_pads_are_a_list(shapes: Any) -> None:
    """Q7.1"""
    with pytest.raises(ValueError, match="When providing partial shapes, a list of shapes must be provided"):
        df.PaddingFIFOQueue(10, df.int32, shapes)


def test_shapes_of_a_queue_that_pads_may_leave_sizes_open_but_not_the_rank() -> None:
    """Q7.2"""
    queue = df.PaddingFIFOQueue(10, [df.int32, df.float32], [(None, 2), ()])
    assert [shape.as_list() for shape in queue.shapes] == [[None, 2], []]
    with pytest.raises(ValueError, match="must have a defined rank"):
        df.PaddingFIFOQueue(10, df.int32, [df.TensorShape(None)])
    with pytest.raises(TypeError, match="shapes"):
        df.PaddingFIFOQueue(10, df.int32)  # type: ignore[call-arg]


@kinds
def test_a_capacity_is_an_integer_and_a_queue_has_components(kind: str) -> None:
    """Q1.12"""
    assert KINDS[kind](-1, df.int32, [()]).spec.capacity == -1
    with pytest.raises(TypeError):
        KINDS[kind](1.5, df.int32, [()])
    if kind != "priority_queue":
        with pytest.raises(ValueError, match=r"no dtypes|list of shapes|same length"):
            KINDS[kind](10, [], [])


def test_a_container_and_a_shared_name_are_part_of_the_queue() -> None:
    """Q11.7"""
    with df.container("outer"), df.container("inner"):
        queue = df.FIFOQueue(10, df.int32, shared_name="shared", name="q")
    assert (queue.spec.container, queue.spec.shared_name, queue.spec.name) == ("inner", "shared", "shared")
    assert df.FIFOQueue(10, df.int32, name="mine").spec.name == "mine"


def test_queues_of_one_shared_name_have_one_seed_if_only_the_graph_has_one() -> None:
    """Q8.8, Q8.9"""

    def seeds(**more: Any) -> tuple[int, int]:
        return df.RandomShuffleQueue(10, 0, df.int32, **more).spec.seed

    assert seeds() == seeds(shared_name="a") == (0, 0)
    df.set_random_seed(3)
    assert seeds(shared_name="a") == seeds(shared_name="a") != seeds(shared_name="b")
    assert seeds() != seeds()
    assert seeds(seed=5) == seeds(seed=5, shared_name="a") == (3, 5)

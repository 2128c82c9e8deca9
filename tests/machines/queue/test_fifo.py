"""The FIFO queue, and with it the rules that all queues share."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from dflow import dtypes
from dflow.errors import InvalidArgumentError
from dflow.machines.queue import Queue
from dflow.machines.queue.store import make_store
from tests.machines.queue.helpers import DONE, ended, error, fifo, new_queue, one, text


def test_elements_leave_in_the_order_in_which_they_came() -> None:
    """Q6.1"""
    queue = fifo(10)
    for i in range(3):
        assert ended(queue.enqueue(i, one(i))) == {i: DONE}
    assert queue.size == 3
    assert ended(queue.dequeue(3)) == {3: 0}
    assert ended(queue.dequeue_many(4, 2)) == {4: [1, 2]}


def test_many_rounds_through_a_small_ring_keep_the_order() -> None:
    """Q6.1, Q1.14"""
    queue, sent = fifo(23), 0
    got: list[int] = []
    for i in range(200):
        m, n = 1 + i % 11, 1 + i % 7
        queue.enqueue_many(i, one(range(sent, sent + m)))
        sent += m
        for reply in queue.dequeue_many(1000 + i, n):
            got += [] if reply.value is None else reply.value[0].tolist()
    assert got == list(range(len(got)))
    assert len(got) == sum(1 + i % 7 for i in range(200))


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_every_dtype_comes_back_bit_equal(dtype: dtypes.DType) -> None:
    """Q1.11"""
    values = text(b"", b"a\x00\xff") if dtype == dtypes.string else np.array([0, 1]).astype(dtype.numpy_dtype)
    queue = fifo(10, types=[dtype])
    queue.enqueue_many(0, (values,))
    queue.enqueue(1, (values[1, ...],))
    [many], [single] = queue.dequeue_many(2, 2), queue.dequeue(3)
    assert many.value is not None
    assert single.value is not None
    assert many.value[0].dtype == single.value[0].dtype == dtype.numpy_dtype
    assert many.value[0].tolist() == values.tolist()
    assert single.value[0].shape == ()
    assert single.value[0].tolist() == values[1]


def test_the_components_of_an_element_stay_together() -> None:
    """Q1.1, Q3.14"""
    queue = fifo(10, types=[dtypes.int32, dtypes.float32, dtypes.string], shapes=[(), (2,), ()])
    pairs = np.array([[1, 2], [3, 4]], np.float32)
    queue.enqueue_many(0, (*one([7, 8]), pairs, text(b"a", b"b")))
    queue.enqueue(1, (*one(9), pairs[0], text(b"c")[0, ...]))
    assert ended(queue.dequeue(2)) == {2: (7, [1, 2], b"a")}
    assert ended(queue.dequeue_many(3, 2)) == {3: ([8, 9], [[3, 4], [1, 2]], [b"b", b"c"])}


@pytest.mark.parametrize("shapes", [None, [(2,)]])
def test_producers_and_receivers_own_their_arrays(shapes: Any) -> None:
    """Q1.13"""
    queue, array = fifo(10, shapes=shapes), np.array([1, 2], np.int32)
    queue.enqueue(0, (array,))
    queue.enqueue_many(1, (array.reshape(1, 2),))
    array[:] = 0
    (first,) = queue.dequeue(2)
    assert first.value is not None
    first.value[0][:] = 5
    assert ended(queue.dequeue(3)) == {3: [1, 2]}


def test_elements_of_a_queue_without_shapes_may_differ_in_shape() -> None:
    """Q2.5"""
    queue = fifo(10, shapes=None)
    queue.enqueue(0, one([1, 2]))
    queue.enqueue(1, one(3))
    queue.enqueue_many(2, one([[4], [5]]))
    assert [list(ended(queue.dequeue(i)).values()) for i in range(3, 7)] == [[[1, 2]], [3], [[4]], [[5]]]


@pytest.mark.parametrize("n", [0, 2])
def test_several_elements_can_only_be_taken_from_a_queue_with_shapes(n: int) -> None:
    """Q3.8"""
    queue = fifo(10, shapes=None)
    assert ended(queue.dequeue_many(0, n)) == {0: InvalidArgumentError}
    assert "specified shapes" in error(queue.dequeue_up_to(1, n))


def test_a_full_queue_makes_enqueues_wait_until_an_element_leaves() -> None:
    """Q2.11"""
    queue = fifo(1)
    queue.enqueue(0, one(0))
    assert ended(queue.enqueue(1, one(1))) == {}
    assert ended(queue.enqueue(2, one(2))) == {}
    assert ended(queue.dequeue(3)) == {3: 0, 1: DONE}
    assert ended(queue.dequeue(4)) == {4: 1, 2: DONE}


def test_an_empty_queue_makes_dequeues_wait_until_an_element_comes() -> None:
    """Q3.3"""
    queue = fifo(1)
    assert ended(queue.dequeue(0)) == {}
    assert [reply.ticket for reply in queue.enqueue(1, one(5))] == [1, 0]
    assert queue.size == 0


def test_a_queue_of_capacity_zero_takes_nothing_and_one_without_bound_takes_all() -> None:
    """Q1.12"""
    none = fifo(0)
    assert ended(none.enqueue(0, one(1))) == {}
    assert ended(none.dequeue(1)) == {}
    unbounded = fifo(-1)
    assert ended(unbounded.enqueue_many(0, one(range(10_000)))) == {0: DONE}
    assert unbounded.size == 10_000


def test_a_batch_larger_than_the_capacity_goes_in_as_room_appears() -> None:
    """Q2.12, Q2.13, Q1.6"""
    queue = fifo(2)
    assert ended(queue.enqueue_many(0, one([0, 1, 2, 3]))) == {}
    assert queue.size == 2
    assert ended(queue.enqueue(1, one(9))) == {}
    assert ended(queue.dequeue_many(2, 2)) == {2: [0, 1], 0: DONE}
    assert ended(queue.dequeue(3)) == {3: 2, 1: DONE}
    assert ended(queue.dequeue_many(4, 2)) == {4: [3, 9]}


def test_more_elements_than_the_capacity_can_be_taken_at_once() -> None:
    """Q3.9, Q1.14"""
    queue = fifo(2)
    assert ended(queue.dequeue_many(0, 1000)) == {}
    assert ended(queue.enqueue_many(1, one(range(1002)))) == {1: DONE, 0: list(range(1000))}
    assert queue.size == 2


def test_a_batch_of_no_elements_ends_at_once_and_changes_nothing() -> None:
    """Q2.9"""
    queue = fifo(1)
    queue.enqueue(0, one(1))
    queue.enqueue(1, one(2))
    assert ended(queue.enqueue_many(2, one([]))) == {2: DONE}
    queue.close(3, cancel_pending_enqueues=True)
    assert ended(queue.enqueue_many(4, one([]))) == {4: DONE}
    assert queue.size == 1


def test_taking_no_elements_ends_at_once() -> None:
    """Q3.7"""
    queue = fifo(1, shapes=[(2, 3)])
    queue.dequeue(0)
    for ticket in (1, 2):
        (reply,) = queue.dequeue_many(ticket, 0)
        assert reply.value is not None
        assert reply.value[0].shape == (0, 2, 3)
        queue.close(10 + ticket)
    assert ended(queue.dequeue_up_to(3, 0)) == {3: []}


def test_a_negative_number_of_elements_is_an_error() -> None:
    """Q3.6"""
    assert error(fifo(1).dequeue_many(0, -1)) == "FIFOQueue 'q': requested -1 < 0 elements"


def test_a_wrong_component_is_an_error_that_says_what_was_expected() -> None:
    """Q2.4, Q2.6, Q2.8"""
    queue = fifo(5, types=[dtypes.int32, dtypes.float32], shapes=[(), (2, 3, 3)])
    good = np.zeros((2, 3, 3), np.float32)
    bad = np.zeros((2, 3, 4), np.float32)
    assert error(queue.enqueue(0, (*one(1), bad))) == (
        "Shape mismatch in tuple component 1. Expected [2,3,3], got [2,3,4]"
    )
    assert error(queue.enqueue_many(1, (*one([1]), bad[None]))) == (
        "Shape mismatch in tuple component 1. Expected [1,2,3,3], got [1,2,3,4]"
    )
    assert error(queue.enqueue_many(2, (*one(1), good))) == (
        "Shape mismatch in tuple component 0. Expected [?], got []"
    )
    assert "Component 1 has 1, and should have 2" in error(queue.enqueue_many(3, (*one([1, 2]), good[None])))
    assert error(queue.enqueue(4, one(1))) == "FIFOQueue 'q': expected 2 components, got 1"
    assert error(queue.enqueue_many(5, (*one([1]), good[None], good[None]))).endswith("expected 2 components, got 3")
    assert error(queue.enqueue(6, (np.array(1), good))) == (
        "Type mismatch in tuple component 0. Expected int32, got int64"
    )
    assert error(queue.enqueue_many(7, (*one([1]), text(b"a")))).endswith("component 1. Expected float32, got string")
    assert "got bfloat16" in error(queue.enqueue(8, (np.zeros((), ml_dtypes.bfloat16), good)))
    assert queue.counts().enqueued == 0


def test_a_wrong_enqueue_fails_alone() -> None:
    """Q2.4"""
    queue = fifo(1)
    queue.enqueue(0, one(0))
    queue.enqueue(1, one(1))
    assert ended(queue.enqueue(2, one([1, 2]))) == {2: InvalidArgumentError}
    assert ended(queue.dequeue(3)) == {3: 0, 1: DONE}


def test_only_the_head_of_a_line_makes_progress() -> None:
    """Q5.1, Q5.2, Q5.3"""
    queue = fifo(10)
    assert ended(queue.dequeue_many(0, 3)) == {}
    assert ended(queue.dequeue(1)) == {}
    queue.enqueue_many(2, one([0, 1]))
    assert queue.size == 0
    replies = queue.enqueue_many(3, one([2, 3, 4]))
    assert [reply.ticket for reply in replies] == [3, 0, 1]
    assert ended(replies) == {3: DONE, 0: [0, 1, 2], 1: 3}
    assert queue.size == 1


def test_a_dequeue_up_to_of_an_open_queue_waits_for_all() -> None:
    """Q3.5"""
    queue = fifo(10)
    queue.enqueue(0, one(0))
    assert ended(queue.dequeue_up_to(1, 2)) == {}
    assert ended(queue.enqueue(2, one(1))) == {2: DONE, 1: [0, 1]}


def test_a_queue_that_does_not_gather_takes_nothing_until_all_are_there() -> None:
    """Q9.5"""
    spec = fifo(3).spec
    queue = Queue(spec, make_store(spec), gathers=False)
    queue.dequeue_many(0, 2)
    queue.dequeue_many(1, 4)
    queue.enqueue(2, one(0))
    assert queue.size == 1
    assert ended(queue.enqueue_many(3, one([1, 2, 3, 4, 5]))) == {0: [0, 1]}
    assert queue.size == 3
    assert (queue.counts().waiting_enqueues, queue.counts().waiting_dequeues) == (1, 1)


def test_counts_say_what_is_stored_what_passed_and_who_waits() -> None:
    """Q1.6"""
    queue = fifo(2)
    queue.enqueue_many(0, one([0, 1, 2]))
    queue.dequeue(1, ack=True)
    queue.close(2)
    counts = queue.counts()
    assert (counts.size, counts.capacity, counts.enqueued, counts.dequeued, counts.unacknowledged) == (1, 2, 2, 1, 1)
    assert (counts.waiting_enqueues, counts.waiting_dequeues, counts.closed) == (2, 0, False)


def test_a_large_capacity_needs_no_memory_before_it_is_used() -> None:
    """Q1.12"""
    queue = fifo(10_000_000, types=[dtypes.float64], shapes=[(1000, 1000)])
    queue.enqueue(0, (np.ones((1000, 1000)),))
    (reply,) = queue.dequeue(1)
    assert reply.value is not None
    assert reply.value[0].sum() == 1e6


def test_a_kind_that_does_not_exist_and_a_shape_that_is_not_defined_are_errors() -> None:
    """Q1.4"""
    with pytest.raises(InvalidArgumentError, match="no kind 'LIFOQueue'; the kinds are FIFOQueue, "):
        new_queue("LIFOQueue", 1)
    with pytest.raises(InvalidArgumentError, match=r"fully defined, got \(2, \?\)"):
        fifo(1, shapes=[(2, None)])

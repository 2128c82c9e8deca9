"""The queue that pads: elements of open sizes, alone and in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dflow import dtypes
from dflow.errors import InvalidArgumentError, OutOfRangeError
from dflow.machines.queue import Queue
from tests.machines.queue.helpers import DONE, ended, error, new_queue, one, text


def padding(capacity: int = -1, **more: Any) -> Queue:
    """A queue of int32 vectors if nothing else is said."""
    return new_queue("PaddingFIFOQueue", capacity, **({"shapes": [(None,)]} | more))


def test_an_element_comes_out_with_the_sizes_that_it_had() -> None:
    """Q7.3, Q7.4"""
    queue = padding()
    for i, vector in enumerate([[1, 2], [3], []]):
        assert ended(queue.enqueue(i, one(vector))) == {i: DONE}
    assert [ended(queue.dequeue(i))[i] for i in range(3)] == [[1, 2], [3], []]


def test_a_batch_is_padded_at_the_end_to_the_largest_of_its_own_elements() -> None:
    """Q7.5"""
    queue = padding()
    for i, vector in enumerate([[1, 2], [3], [4, 5, 6, 7]]):
        queue.enqueue(i, one(vector))
    assert ended(queue.dequeue_many(3, 2)) == {3: [[1, 2], [3, 0]]}
    queue.enqueue(4, one([8]))
    assert ended(queue.dequeue_many(5, 2)) == {5: [[4, 5, 6, 7], [8, 0, 0, 0]]}


def test_each_component_and_each_dimension_is_padded_by_itself_and_known_sizes_never() -> None:
    """Q7.5, Q7.6"""
    types = [dtypes.float32, dtypes.string, dtypes.bool_, dtypes.int32]
    queue = padding(types=types, shapes=[(None, 2, None), (None,), (None,), ()])
    queue.enqueue(0, (np.ones((1, 2, 3), np.float32), text(b"a", b"b"), np.array([True]), np.array(7, np.int32)))
    queue.enqueue(1, (np.ones((2, 2, 1), np.float32), text(b"c"), np.array([True, True]), np.array(8, np.int32)))
    [reply] = queue.dequeue_many(2, 2)
    assert reply.value is not None
    numbers, words, flags, scalars = reply.value
    assert numbers.dtype == np.float32
    assert numbers.tolist() == [[[[1, 1, 1]] * 2, [[0, 0, 0]] * 2], [[[1, 0, 0]] * 2, [[1, 0, 0]] * 2]]
    assert words.tolist() == [[b"a", b"b"], [b"c", b""]]
    assert flags.tolist() == [[True, False], [True, True]]
    assert scalars.tolist() == [7, 8]


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_every_dtype_is_padded_with_its_zero(dtype: dtypes.DType) -> None:
    """Q7.6, Q1.11"""
    two = text(b"x", b"y") if dtype == dtypes.string else np.array([1, 1]).astype(dtype.numpy_dtype)
    queue = padding(types=[dtype])
    queue.enqueue(0, (two,))
    queue.enqueue(1, (two[:1],))
    [reply] = queue.dequeue_many(2, 2)
    assert reply.value is not None
    assert reply.value[0].dtype == dtype.numpy_dtype
    assert reply.value[0].tolist() == [two.tolist(), [two[0], dtype.zero]]


def test_batches_go_in_and_come_out_in_pieces_of_any_size() -> None:
    """Q7.8, Q7.9, Q2.12"""
    queue = padding(4)
    assert ended(queue.enqueue_many(0, one([[1, 1], [2, 2], [3, 3]]))) == {0: DONE}
    assert ended(queue.enqueue_many(1, one([[4], [5], [6]]))) == {}
    assert ended(queue.dequeue_many(2, 2)) == {2: [[1, 1], [2, 2]], 1: DONE}
    assert ended(queue.dequeue(3)) == {3: [3, 3]}
    assert ended(queue.dequeue_many(4, 2)) == {4: [[4], [5]]}
    assert queue.size == 1
    assert ended(queue.enqueue(5, one([7, 7]))) == {5: DONE}
    assert ended(queue.dequeue_many(6, 2)) == {6: [[6, 0], [7, 7]]}


def test_taking_no_elements_leaves_the_open_sizes_at_zero() -> None:
    """Q3.7"""
    queue = padding(types=[dtypes.string, dtypes.float32, dtypes.int32], shapes=[(None, 2), (3, None), ()])
    [reply] = queue.dequeue_many(0, 0)
    assert reply.value is not None
    assert [array.shape for array in reply.value] == [(0, 0, 2), (0, 3, 0), (0,)]
    assert [array.dtype for array in reply.value] == [np.dtype(object), np.float32, np.int32]


def test_known_sizes_are_checked_and_open_ones_are_not() -> None:
    """Q7.3, Q2.4"""
    queue = padding(types=[dtypes.int32, dtypes.int32], shapes=[(), (None, 3)])
    zero = np.array(0, np.int32)
    assert "tuple component 1. Expected [?,3], got [3,4]" in error(queue.enqueue(0, (zero, np.zeros((3, 4), np.int32))))
    assert "Expected [?,3], got [3]" in error(queue.enqueue(1, (zero, np.zeros(3, np.int32))))
    batch = np.zeros(2, np.int32), np.zeros((2, 5, 4), np.int32)
    assert "Expected [2,?,3], got [2,5,4]" in error(queue.enqueue_many(2, batch))
    assert ended(queue.enqueue(3, (zero, np.zeros((5, 3), np.int32)))) == {3: DONE}


def test_a_waiting_batch_gives_its_elements_back_at_the_close() -> None:
    """Q7.9, Q4.3, Q4.10"""
    queue = padding()
    queue.dequeue_many(0, 3)
    queue.enqueue(1, one([1]))
    queue.enqueue(2, one([2, 2]))
    assert queue.size == 0
    assert ended(queue.close(3)) == {3: DONE, 0: OutOfRangeError}
    assert ended(queue.dequeue_up_to(4, 3)) == {4: [[1, 0], [2, 2]]}


def test_unacknowledged_elements_come_back_as_they_were() -> None:
    queue = padding()
    queue.enqueue_many(0, one([[1, 1], [2, 2], [3, 3]]))
    queue.enqueue(1, one([4]))
    queue.dequeue(2, ack=True)
    queue.dequeue_many(3, 2, ack=True)
    queue.take_back(3)
    queue.take_back(2)
    assert queue.size == 4
    assert ended(queue.dequeue(4)) == {4: [1, 1]}
    assert ended(queue.dequeue_many(5, 3)) == {5: [[2, 2], [3, 3], [4, 0]]}


@pytest.mark.parametrize("n", [1, 2])
def test_producers_and_receivers_own_their_arrays(n: int) -> None:
    queue = padding()
    (given,) = one([[1], [2], [3]])
    queue.enqueue_many(0, (given,))
    given[:] = 9
    [reply] = queue.dequeue_many(1, n)
    assert reply.value is not None
    reply.value[0][:] = 9
    assert ended(queue.dequeue_many(2, 3 - n)) == {2: [[value] for value in range(n + 1, 4)]}


def test_a_receiver_of_one_element_does_not_keep_the_batch_in_memory_that_it_came_with() -> None:
    queue = padding()
    queue.enqueue_many(0, (np.zeros((1000, 10), np.int32),))
    [reply] = queue.dequeue(1)
    assert reply.value is not None
    base = reply.value[0].base
    assert base is None or base.size == 10


def test_with_all_sizes_known_it_is_a_fifo_queue() -> None:
    """Q7.7"""
    queue = padding(shapes=[(2,)])
    queue.enqueue_many(0, one([[1, 2], [3, 4], [5, 6]]))
    assert ended(queue.dequeue(1)) == {1: [1, 2]}
    assert ended(queue.dequeue_many(2, 2)) == {2: [[3, 4], [5, 6]]}


def test_an_aborted_queue_is_empty() -> None:
    queue = padding()
    queue.enqueue(0, one([1]))
    queue.abort(InvalidArgumentError(None, None, "reset"))
    assert queue.size == 0


@pytest.mark.parametrize("shapes", [None, [None]])
def test_shapes_without_a_rank_are_an_error(shapes: Any) -> None:
    """Q7.1, Q7.2"""
    with pytest.raises(InvalidArgumentError, match="must have a defined rank"):
        padding(shapes=shapes)

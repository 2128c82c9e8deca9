"""The queue that hands out the smallest priority first."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest

from dflow import dtypes
from dflow.errors import InvalidArgumentError, OutOfRangeError
from dflow.machines.queue import Queue
from tests.machines.queue.helpers import DONE, ended, error, new_queue, text

TYPES = [dtypes.int64, dtypes.string]


def priority(capacity: int = -1, **more: Any) -> Queue:
    """A queue of words."""
    return new_queue("PriorityQueue", capacity, **({"types": TYPES, "shapes": [(), ()]} | more))


def word(rank: Any, value: bytes) -> tuple[np.ndarray, np.ndarray]:
    return np.array(rank, np.int64), text(value)[0, ...]


def words(ranks: Any, *values: bytes) -> tuple[np.ndarray, np.ndarray]:
    return np.array(ranks, np.int64), text(*values)


def test_the_smallest_priority_leaves_first_and_comes_along() -> None:
    """Q9.1, Q9.2, Q9.4"""
    queue = priority()
    for ticket, (rank, value) in enumerate([(5, b"e"), (-3, b"a"), (0, b"c"), (2**62, b"z"), (-(2**63), b"!")]):
        assert ended(queue.enqueue(ticket, word(rank, value))) == {ticket: DONE}
    assert ended(queue.dequeue(5)) == {5: (-(2**63), b"!")}
    assert ended(queue.dequeue_many(6, 3)) == {6: ([-3, 0, 5], [b"a", b"c", b"e"])}
    queue.enqueue_many(7, words([1, -1], b"d", b"b"))
    assert ended(queue.dequeue_up_to(8, 2)) == {8: ([-1, 1], [b"b", b"d"])}
    assert ended(queue.dequeue(9)) == {9: (2**62, b"z")}


@pytest.mark.parametrize("seed", range(20))
def test_of_equal_priorities_the_one_that_came_first_leaves_first(seed: int) -> None:
    """Q9.2, Q9.3: however they are put in and taken out"""
    chance = random.Random(seed)
    queue = new_queue("PriorityQueue", -1, types=[dtypes.int64, dtypes.int64], shapes=[(), ()])
    tickets, numbers = itertools.count(), itertools.count()
    inside: list[tuple[int, int]] = []
    for _ in range(60):
        n = chance.choice([1, 2, 5, 40])
        if chance.random() < 0.5:
            batch = [(chance.randrange(3), next(numbers)) for _ in range(n)]
            inside += batch
            columns = np.array(batch, np.int64).T
            queue.enqueue_many(next(tickets), (columns[0], columns[1]))
        elif len(inside) >= n:
            inside.sort()
            [reply] = queue.dequeue_many(next(tickets), n)
            assert reply.value is not None
            assert list(zip(*(column.tolist() for column in reply.value), strict=True)) == inside[:n]
            del inside[:n]
    assert queue.size == len(inside)


def test_a_waiting_batch_holds_nothing_and_is_sorted_when_all_are_there() -> None:
    """Q9.5, Q9.6"""
    queue = priority()
    assert ended(queue.dequeue_many(0, 3)) == {}
    queue.enqueue(1, word(3, b"c"))
    queue.enqueue(2, word(1, b"a"))
    assert queue.size == 2
    assert ended(queue.enqueue(3, word(2, b"b"))) == {3: DONE, 0: ([1, 2, 3], [b"a", b"b", b"c"])}


def test_a_batch_larger_than_the_capacity_waits_for_ever() -> None:
    """Q9.5, Q9.9"""
    queue = priority(2)
    queue.dequeue_many(0, 3)
    assert ended(queue.enqueue_many(1, words([3, 1, 2], b"c", b"a", b"b"))) == {}
    assert queue.size == 2
    assert ended(queue.withdraw(0, InvalidArgumentError(None, None, "enough"))) == {0: InvalidArgumentError}
    assert ended(queue.dequeue(2)) == {2: (1, b"a"), 1: DONE}


def test_a_closed_queue_gives_what_is_there_to_who_is_content_with_it() -> None:
    """Q9.8, Q4.3"""
    queue = priority()
    queue.dequeue_up_to(0, 5)
    queue.enqueue_many(1, words([2, 1], b"b", b"a"))
    assert ended(queue.close(2)) == {2: DONE, 0: ([1, 2], [b"a", b"b"])}
    assert ended(queue.dequeue_up_to(3, 5)) == {3: OutOfRangeError}


def test_a_wrong_priority_is_an_error_that_says_what_was_expected() -> None:
    """Q9.7"""
    for shapes in ([(), ()], None):
        queue = priority(shapes=shapes)
        assert "tuple component 0. Expected [], got [2]" in error(queue.enqueue(0, word([1, 2], b"a")))
        assert "component 0. Expected [2], got [2,2]" in error(queue.enqueue_many(1, words([[1, 2]] * 2, b"a", b"b")))
        assert "Expected int64, got int32" in error(queue.enqueue(2, (np.array(1, np.int32), text(b"a")[0, ...])))
        assert queue.size == 0


def test_elements_of_a_queue_without_shapes_may_differ_in_shape() -> None:
    """Q2.5, Q3.8"""
    queue = priority(types=[dtypes.int64, dtypes.int32], shapes=None)
    three = np.array([1, 2, 3], np.int32)
    queue.enqueue(0, (np.array(2, np.int64), three))
    queue.enqueue_many(1, (np.array([3, 1], np.int64), np.zeros((2, 2, 1), np.int32)))
    three[:] = 9
    assert ended(queue.dequeue(2)) == {2: (1, [[0], [0]])}
    assert ended(queue.dequeue(3)) == {3: (2, [1, 2, 3])}
    assert "specified shapes" in error(queue.dequeue_many(4, 1))
    assert queue.size == 1


def test_elements_that_come_back_take_their_old_places() -> None:
    """Q9.2"""
    queue = priority()
    queue.enqueue_many(0, words([1, 1, 1, 1, 2], b"a", b"b", b"c", b"d", b"e"))
    queue.dequeue(1, ack=True)
    queue.dequeue_many(2, 2, ack=True)
    queue.enqueue_many(3, words([1, 0], b"later", b"now"))
    queue.take_back(2)
    queue.take_back(1)
    expected = [b"now", b"a", b"b", b"c", b"d", b"later", b"e"]
    assert ended(queue.dequeue_many(4, 7)) == {4: ([0, 1, 1, 1, 1, 1, 2], expected)}


def test_rows_are_used_again_and_what_left_is_let_go() -> None:
    queue = priority()
    for i in range(50):
        queue.enqueue_many(3 * i, words([3, 1, 2], b"c", b"a", b"b"))
        assert ended(queue.dequeue_many(3 * i + 1, 3)) == {3 * i + 1: ([1, 2, 3], [b"a", b"b", b"c"])}
    store: Any = queue._store
    assert len(store._rows._columns[0]) < 10
    assert set(store._rows._columns[1].tolist()) == {None}


def test_taking_no_elements_ends_at_once() -> None:
    """Q3.7"""
    [reply] = priority(shapes=[(), (2,)]).dequeue_many(0, 0)
    assert reply.value is not None
    assert [array.shape for array in reply.value] == [(0,), (0, 2)]


def test_an_aborted_queue_is_empty() -> None:
    queue = priority()
    queue.enqueue(0, word(1, b"a"))
    queue.abort(InvalidArgumentError(None, None, "reset"))
    assert queue.size == 0


@pytest.mark.parametrize(
    ("types", "shapes", "reason"),
    [
        ([dtypes.int32, dtypes.string], [(), ()], "an int64 scalar; got int32"),
        (TYPES, [(2,), ()], "an int64 scalar; got int64"),
        (TYPES, [(), (None,)], "fully defined"),
    ],
)
def test_a_queue_whose_priority_is_none_is_an_error(types: Any, shapes: Any, reason: str) -> None:
    """Q9.1, Q1.4"""
    with pytest.raises(InvalidArgumentError, match=reason):
        priority(types=types, shapes=shapes)

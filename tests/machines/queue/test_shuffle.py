"""The shuffle queue: uniform draws, a reserve while it is open, and orders that a seed repeats."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import InvalidArgumentError, OutOfRangeError
from dflow.machines.queue import Queue
from dflow.machines.queue.shuffle import BagStore
from tests.machines.queue.helpers import DONE, ended, one, shuffle

SEED = (87654321, 42)


def filled(n: int, **more: Any) -> Queue:
    queue = shuffle(n, **more)
    queue.enqueue_many(0, one(range(n)))
    return queue


def take(queue: Queue, n: int) -> list[int]:
    """n elements at once; they must be there."""
    (reply,) = queue.dequeue_many(1, n)
    assert reply.value is not None
    values: list[int] = reply.value[0].tolist()
    return values


def chi_squared(counts: np.ndarray) -> float:
    """How far counts are from all being equal; about as large as their number if they come from chance."""
    expected = counts.mean()
    return float(((counts - expected) ** 2 / expected).sum())


def test_every_element_is_equally_likely_at_every_row() -> None:
    """Q8.1"""
    n, rounds = 8, 4000
    queue = shuffle(n, seed=SEED)
    seen = np.zeros((n, n))
    for _ in range(rounds):
        queue.enqueue_many(0, one(range(n)))
        seen[range(n), take(queue, n)] += 1
    assert chi_squared(seen) < 75.0  # 49 degrees of freedom: chance exceeds this 1 time in 100


def test_all_orders_of_few_elements_are_equally_likely_one_by_one_and_at_once() -> None:
    """Q8.1"""
    for at_once in (False, True):
        queue, orders = shuffle(4, seed=SEED), Counter[tuple[int, ...]]()
        for _ in range(4800):
            queue.enqueue_many(0, one(range(4)))
            order = take(queue, 4) if at_once else [ended(queue.dequeue(i))[i] for i in range(4)]
            orders[tuple(order)] += 1
        assert len(orders) == 24
        assert chi_squared(np.array(list(orders.values()))) < 41.6  # 23 degrees of freedom, 1 in 100


def test_draws_are_uniform_over_what_is_stored_when_elements_come_and_go() -> None:
    """Q8.1, Q8.2"""
    age = np.zeros(5)
    queue = shuffle(5, min_after_dequeue=4, seed=SEED)
    stored = list(range(5))
    queue.enqueue_many(0, one(stored))
    for fresh in range(5, 10_005):
        value = ended(queue.dequeue(1))[1]
        age[stored.index(value)] += 1
        stored.remove(value)
        stored.append(fresh)
        queue.enqueue(0, one(fresh))
    assert chi_squared(age) < 13.3  # 4 degrees of freedom, 1 in 100


def test_equal_seeds_give_equal_orders_and_different_seeds_different_ones() -> None:
    """Q8.7"""
    assert take(filled(100, seed=SEED), 100) == take(filled(100, seed=SEED), 100)
    assert take(filled(100, seed=SEED), 100) != take(filled(100, seed=(87654321, 43)), 100)
    assert take(filled(100, seed=(-1, 5)), 100) == take(filled(100, seed=(-1, 5)), 100)


def test_without_a_seed_every_queue_has_an_order_of_its_own() -> None:
    """Q8.8"""
    assert take(filled(100), 100) != take(filled(100), 100)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_an_order_does_not_depend_on_how_dequeues_are_cut(sizes: list[int]) -> None:
    """Q8.7"""
    single, batches = filled(sum(sizes) + 3, seed=SEED), filled(sum(sizes) + 3, seed=SEED)
    one_by_one, at_once = [], []
    for i, size in enumerate(sizes):
        one_by_one += [ended(single.dequeue(1))[1] for _ in range(size)]
        at_once += take(batches, size)
        for queue in (single, batches):
            queue.enqueue(0, one(1000 + i))
    assert one_by_one == at_once


def test_queues_without_shapes_have_the_same_orders_as_queues_with_them() -> None:
    """Q2.5, Q8.7"""
    queues = [filled(50, seed=SEED), filled(50, seed=SEED, shapes=None)]
    first, second = ([ended(queue.dequeue(i))[i] for i in range(50)] for queue in queues)
    assert first == second
    assert sorted(first) == list(range(50))


def test_an_element_is_drawn_by_trying_rows_until_one_is_taken() -> None:
    """Q8.1: what many tries at once find is what one after the other would."""
    bag = BagStore([np.dtype(np.int32)], [()], -1, SEED)
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(SEED))))
    stored = list(range(60))
    bag.put_many(one(stored), 0, 60)
    drawn: list[int] = []
    while len(drawn) < 45:  # while a quarter is left, nothing is moved
        row = int(random.random() * 60)
        if row not in drawn:
            drawn.append(row)
    assert [*bag.take_many(20)[0], bag.take()[0], *bag.take_many(24)[0]] == drawn


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=30))
def test_what_is_put_is_taken_once_however_many_come_and_go(steps: list[tuple[bool, int]]) -> None:
    """Rows are used again, added and closed up on the way."""
    bag = BagStore([np.dtype(np.int32), np.dtype(object), np.dtype(np.float32)], [(), (), (2,)], -1, SEED)
    inside: set[int] = set()
    fresh = 0
    for puts, n in steps:
        if puts:
            new = np.arange(fresh, fresh + n, dtype=np.int32)
            pairs = np.stack([new, -new], axis=1).astype(np.float32)
            bag.put_many((new, new.astype(object), pairs), 0, n)
            inside.update(new.tolist())
            fresh += n
        else:
            numbers, objects, pairs = bag.take_many(min(n, bag.count))
            assert numbers.tolist() == objects.tolist() == pairs[:, 0].tolist() == (-pairs[:, 1]).tolist()
            assert inside.issuperset(numbers.tolist())
            inside.difference_update(numbers.tolist())
        assert bag.count == len(inside)
    assert sorted(bag.take_many(bag.count)[0].tolist()) == sorted(inside)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (500,), (1024,), (1025,), (5, 500)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, object])
def test_rows_of_any_size_come_out_as_they_went_in_and_belong_to_the_receiver(
    shape: tuple[int, ...], dtype: Any
) -> None:
    """Few small rows are copied another way than others; a view would be copied once more by whoever fetches it."""
    numbers = np.arange(40).reshape(40, *[1] * len(shape))
    rows = np.broadcast_to(numbers, (40, *shape)).astype(dtype)
    bag = BagStore([np.dtype(np.int64), np.dtype(dtype)], [(), shape], -1, SEED)
    for start in (0, 20):  # into new rows, then into those that became free, from the last one back
        bag.put_many((np.arange(40), rows), start, start + 20)
        ids, found = bag.take_many(17)
        assert found.dtype == dtype
        assert np.array_equal(found, rows[ids])
        assert found.flags.owndata
        assert found.flags.c_contiguous
        assert found.flags.writeable


def test_an_open_queue_keeps_its_reserve() -> None:
    """Q8.2"""
    queue = shuffle(10, min_after_dequeue=3)
    queue.enqueue_many(0, one(range(3)))
    assert ended(queue.dequeue(1)) == {}
    assert list(ended(queue.enqueue(2, one(3)))) == [2, 1]
    assert queue.size == 3
    assert ended(queue.dequeue_many(3, 2)) == {}
    assert ended(queue.enqueue(4, one(4))) == {4: DONE}
    assert queue.size == 3
    assert list(ended(queue.enqueue(5, one(5)))) == [5, 3]
    assert queue.size == 3


def test_more_elements_than_the_capacity_can_be_taken_at_once() -> None:
    """Q3.9, Q8.3"""
    queue = shuffle(3, min_after_dequeue=2)
    queue.dequeue_many(0, 50)
    replies = ended(queue.enqueue_many(1, one(range(53))))
    assert replies[1] == DONE
    assert queue.size == 3
    assert len(set(replies[0])) == 50


def test_a_closed_queue_gives_its_reserve_too() -> None:
    """Q8.4, Q8.5, Q4.12"""
    queue = shuffle(10, min_after_dequeue=5)
    queue.enqueue_many(0, one(range(4)))
    queue.dequeue_up_to(1, 3)
    queue.dequeue_up_to(2, 3)
    queue.dequeue(3)
    replies = ended(queue.close(4))
    assert replies[3] is OutOfRangeError
    assert sorted(replies[1] + replies[2]) == list(range(4))


def test_a_dequeue_many_that_fails_at_the_close_leaves_all_elements() -> None:
    """Q4.10, Q4.3"""
    queue = shuffle(10, min_after_dequeue=1)
    queue.enqueue_many(0, one(range(4)))
    queue.dequeue_many(1, 5)
    assert queue.size == 1
    assert ended(queue.close(2)) == {2: DONE, 1: OutOfRangeError}
    assert sorted(take(queue, 4)) == list(range(4))


@pytest.mark.parametrize(
    ("capacity", "reserve", "message"),
    [(5, 7, "min_after_dequeue 7 must be < capacity 5"), (5, 5, "must be < capacity 5"), (5, -1, "must be >= 0")],
)
def test_a_reserve_must_fit_into_the_capacity(capacity: int, reserve: int, message: str) -> None:
    """Q8.6"""
    with pytest.raises(InvalidArgumentError, match=message):
        shuffle(capacity, min_after_dequeue=reserve)


def test_a_queue_without_bound_may_have_any_reserve() -> None:
    """Q1.12, Q8.6"""
    assert shuffle(-1, min_after_dequeue=1000).size == 0

"""Dequeues that are answered several at a time: each is one of its own, with a delivery of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import CancelledError, OutOfRangeError
from dflow.runtime.resources.shared_queue import SharedQueue
from dflow.specs import QueueSpec


def make(kind: str = "FIFOQueue", capacity: int = 9, **options: Any) -> SharedQueue:
    shape = df.TensorShape([])
    return SharedQueue(
        QueueSpec(kind=kind, node="q", capacity=capacity, dtypes=(df.float32,), shapes=(shape,), **options)
    )


def put(queue: SharedQueue, *values: float) -> None:
    queue.attempt(lambda *answer: None, "enqueue_many", (np.asarray(values, "float32"),))


class Taker:
    """Whoever asks: keeps the outcomes, and what settles them."""

    def __init__(self, queue: SharedQueue, times: int, method: str = "dequeue", *arguments: int) -> None:
        self.outcomes: list[Any] = []
        self.settles: list[Any] = []
        self.calls = 0
        self.withdraw = queue.attempt(self.answer, method, *arguments, times=times)

    def answer(self, outcome: Any, settle: Any = None, *more: Any) -> None:
        self.calls += 1
        for value, its in [(outcome, settle), *more]:
            self.outcomes.append(value if isinstance(value, Exception) else np.asarray(value[0]).tolist())
            self.settles.append(its)


def rest(queue: SharedQueue) -> list[float]:
    return [Taker(queue, 1).outcomes[0] for _ in range(queue.size)]


def test_as_many_as_asked_for_are_answered_together_in_their_order() -> None:
    queue = make()
    put(queue, 1, 2, 3, 4)
    taker = Taker(queue, 3)
    assert (taker.calls, taker.outcomes) == (1, [1, 2, 3])
    assert rest(queue) == [4]


def test_no_more_than_there_are_and_nobody_waits_for_them() -> None:
    queue = make()
    put(queue, 1, 2)
    taker = Taker(queue, 5)
    assert (taker.calls, taker.outcomes) == (1, [1, 2])
    assert queue.row()["waiting_dequeues"] == 0


def test_the_first_is_waited_for_and_brings_what_came_with_it() -> None:
    queue = make()
    taker = Taker(queue, 3)
    assert (taker.calls, queue.row()["waiting_dequeues"]) == (0, 1)
    put(queue, 1, 2)
    assert (taker.calls, taker.outcomes) == (1, [1, 2])


def test_each_is_acknowledged_by_itself_and_what_goes_back_stands_in_its_old_place() -> None:
    queue = make()
    put(queue, 1, 2, 3, 4)
    first, second, third = Taker(queue, 3).settles
    first(True)
    third(False)
    second(False)
    assert rest(queue) == [2, 3, 4]


def test_unacknowledged_elements_keep_their_room() -> None:
    queue = make(capacity=2)
    put(queue, 1, 2)
    taker, entered = Taker(queue, 2), list[Any]()
    queue.attempt(lambda *answer: entered.append(answer), "enqueue", (np.float32(3),))
    assert entered == []
    taker.settles[0](True)
    assert len(entered) == 1


def test_batches_too() -> None:
    queue = make()
    put(queue, *range(8))
    assert Taker(queue, 5, "dequeue_many", 3).outcomes == [[0, 1, 2], [3, 4, 5]]
    assert rest(queue) == [6, 7]


def test_the_rest_of_a_closed_queue_is_not_taken_beforehand() -> None:
    """It may be that the delivery comes back: whoever asks again waits for that."""
    queue = make()
    put(queue, *range(5))
    queue.attempt(lambda *answer: None, "close")
    taker = Taker(queue, 5, "dequeue_up_to", 3)
    assert taker.outcomes == [[0, 1, 2]]
    taker.settles[0](True)
    assert Taker(queue, 5, "dequeue_up_to", 3).outcomes == [[3, 4]]


def test_others_that_wait_come_first() -> None:
    queue = make()
    first, second = Taker(queue, 5), Taker(queue, 5)
    put(queue, 1, 2, 3)
    assert (first.outcomes, second.outcomes) == ([1, 3], [2])
    assert first.calls == second.calls == 1


def test_an_end_is_one_answer() -> None:
    queue = make()
    queue.attempt(lambda *answer: None, "close")
    taker = Taker(queue, 3)
    assert taker.calls == 1
    assert isinstance(taker.outcomes[0], OutOfRangeError)


def test_a_withdrawn_one_takes_nothing() -> None:
    queue = make()
    taker = Taker(queue, 3)
    taker.withdraw()
    put(queue, 1, 2, 3)
    assert isinstance(taker.outcomes[0], CancelledError)
    assert queue.size == 3


@pytest.mark.parametrize("kind", ["FIFOQueue", "RandomShuffleQueue"])
def test_they_are_those_of_as_many_single_ones(kind: str) -> None:
    options: dict[str, Any] = {"min_after_dequeue": 2, "seed": (1, 2)} if kind == "RandomShuffleQueue" else {}
    alone, together = make(kind, **options), make(kind, **options)
    for queue in (alone, together):
        put(queue, *range(9))
    single = [Taker(alone, 1).outcomes for _ in range(8)]
    expected = [outcomes[0] for outcomes in single if outcomes]
    assert Taker(together, 8).outcomes == expected
    assert len(expected) == (7 if options else 8), "what the queue keeps to mix stays"

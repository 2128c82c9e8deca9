"""Room that is kept for elements that are still being computed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import AbortedError, CancelledError, InvalidArgumentError, OutOfRangeError
from dflow.machines.queue import make_queue
from dflow.machines.queue.queue import Queue, Reply
from dflow.shapes import TensorShape
from dflow.specs import QueueSpec


class Driver:
    """A queue of float32 scalars, and what its attempts gave."""

    def __init__(self, capacity: int = 4, kind: str = "FIFOQueue", min_after_dequeue: int = 0) -> None:
        spec = QueueSpec(
            kind=kind,
            node="q",
            dtypes=(df.float32,),
            shapes=(TensorShape([]),),
            capacity=capacity,
            min_after_dequeue=min_after_dequeue,
        )
        self.queue: Queue = make_queue(spec)
        self.replies: dict[int, Reply] = {}
        self._tickets = itertools.count()

    def do(self, method: str, *args: Any) -> int:
        ticket = next(self._tickets)
        self._note(getattr(self.queue, method)(ticket, *args))
        return ticket

    def settle(self, ticket: int, accepted: bool = True) -> None:
        self._note(self.queue.acknowledge(ticket) if accepted else self.queue.take_back(ticket))

    def withdraw(self, ticket: int) -> None:
        self._note(self.queue.withdraw(ticket, CancelledError(None, None, "withdrawn")))

    def _note(self, replies: list[Reply]) -> None:
        self.replies.update({reply.ticket: reply for reply in replies})

    def number(self, ticket: int) -> int:
        value = self.replies[ticket].value
        assert value is not None
        return int(value[0])

    def both(self, ticket: int) -> list[int]:
        value = self.replies[ticket].value
        assert value is not None
        return [int(number) for number in value]

    def put(self, kept: int, *values: float) -> int:
        return self.number(self.do("enqueue_reserved", kept, 0, 1, rows(*values)))


def rows(*values: float) -> tuple[Any, ...]:
    return (np.array(values, np.float32),)


def one(value: float) -> tuple[Any, ...]:
    return (np.float32(value).reshape(()),)


def test_half_of_what_is_free_is_promised_so_that_others_find_some_too() -> None:
    queue = Driver(capacity=9)
    queue.do("enqueue", one(1))
    assert queue.number(queue.do("reserve_room", 3)) == 3
    assert queue.number(queue.do("reserve_room", 9)) == 3
    assert [queue.number(queue.do("reserve_room", 9)) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("capacity", "n", "kept"), [(20, 100, 9), (20, 3, 3), (20, 7, 6), (5, 100, 3), (3, 3, 3), (2, 3, 0), (-1, 100, 99)]
)
def test_elements_that_come_together_find_room_together(capacity: int, n: int, kept: int) -> None:
    """In threes."""
    queue = Driver(capacity=capacity)
    assert queue.number(queue.do("reserve_room", n, 3)) == kept


def test_kept_room_is_full_for_everybody_else() -> None:
    queue = Driver(capacity=3)
    kept = queue.do("reserve_room", 2)
    queue.do("enqueue", one(8))
    waiting = queue.do("enqueue", one(9))
    assert waiting not in queue.replies
    assert queue.put(kept, 1, 2) == 2
    taken = queue.do("dequeue")
    assert queue.number(taken) == 8
    assert waiting in queue.replies


@pytest.mark.parametrize("accepted", [True, False])
def test_room_that_is_given_back_lets_an_enqueue_in(accepted: bool) -> None:
    queue = Driver(capacity=1)
    kept = queue.do("reserve_room", 1)
    waiting = queue.do("enqueue", one(9))
    queue.settle(kept, accepted)
    assert waiting in queue.replies
    assert queue.queue.size == 1


def test_what_is_put_wakes_a_dequeue() -> None:
    queue = Driver(capacity=8)
    waiting = queue.do("dequeue_many", 3)
    kept = queue.do("reserve_room", 4)
    assert queue.put(kept, 1, 2, 3) == 3
    np.testing.assert_array_equal(queue.replies[waiting].value[0], [1, 2, 3])  # type: ignore[index]


def test_whoever_wants_room_waits_in_the_line_of_enqueues() -> None:
    queue = Driver(capacity=1)
    queue.do("enqueue", one(1))
    enqueue = queue.do("enqueue", one(2))
    keep = queue.do("reserve_room", 5)
    after = queue.do("enqueue", one(3))
    queue.do("dequeue")
    assert enqueue in queue.replies
    assert keep not in queue.replies
    queue.do("dequeue")
    assert queue.put(keep, 7) == 1
    assert after not in queue.replies
    assert queue.number(queue.do("dequeue")) == 7
    assert after in queue.replies


def test_who_waits_for_room_can_be_withdrawn() -> None:
    queue = Driver(capacity=1)
    queue.do("enqueue", one(1))
    keep, after = queue.do("reserve_room", 5), queue.do("enqueue", one(2))
    queue.withdraw(keep)
    queue.do("dequeue")
    assert isinstance(queue.replies[keep].error, CancelledError)
    assert after in queue.replies


def test_the_unused_rest_is_free_again() -> None:
    queue = Driver(capacity=8)
    kept = queue.do("reserve_room", 4)
    assert queue.put(kept, 1) == 1
    queue.settle(kept)
    assert queue.queue.size == 1
    assert queue.number(queue.do("reserve_room", 9)) == 4


def test_a_close_waits_for_what_was_promised_before_it() -> None:
    queue = Driver(capacity=8)
    kept = queue.do("reserve_room", 2)
    close, late = queue.do("close"), queue.do("reserve_room", 1)
    assert close not in queue.replies
    assert queue.put(kept, 1, 2) == 2
    queue.settle(kept)
    assert close in queue.replies
    assert isinstance(queue.replies[late].error, CancelledError)
    assert queue.queue.size == 2


def test_a_close_that_cancels_does_not_wait_but_lets_in_what_was_promised_before_it() -> None:
    queue = Driver(capacity=8)
    kept = queue.do("reserve_room", 3)
    close = queue.do("close", True)
    assert close in queue.replies
    assert isinstance(queue.replies[queue.do("reserve_room", 1)].error, CancelledError)
    assert isinstance(queue.replies[queue.do("reserve_room", 1)].error, CancelledError)
    assert queue.put(kept, 1, 2) == 2
    assert [queue.number(queue.do("dequeue")) for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("accepted", [True, False])
def test_the_end_of_a_closed_queue_comes_when_no_promise_is_open(accepted: bool) -> None:
    queue = Driver(capacity=8)
    kept = queue.do("reserve_room", 3)
    queue.do("close", True)
    first, second = queue.do("dequeue"), queue.do("dequeue_up_to", 2)
    assert first not in queue.replies
    assert queue.put(kept, 1) == 1
    assert queue.number(first) == 1
    assert second not in queue.replies
    queue.settle(kept, accepted)
    assert isinstance(queue.replies[second].error, OutOfRangeError)


def test_who_puts_gets_more_room_if_nobody_waits_for_it() -> None:
    queue = Driver(capacity=9)
    kept = queue.do("reserve_room", 1)
    put = queue.do("enqueue_reserved", kept, 100, 2, rows(1))
    assert queue.both(put) == [1, 4], "half of eight, in twos"
    filled = queue.do("enqueue_many", rows(6, 7, 8, 9, 10))
    assert filled not in queue.replies
    assert queue.both(queue.do("enqueue_reserved", kept, 100, 2, rows(2, 3))) == [2, 0]
    assert queue.both(queue.do("enqueue_reserved", kept, 100, 2, rows(4, 5))) == [2, 0]
    queue.do("close", True)
    assert queue.both(queue.do("enqueue_reserved", kept, 100, 2)) == [0, 0]


def test_several_batches_go_into_kept_room_in_their_order_or_not_at_all() -> None:
    queue = Driver(capacity=8)
    kept = queue.do("reserve_room", 4)
    assert queue.number(queue.do("enqueue_reserved", kept, 0, 1, rows(1, 2), rows(3))) == 3
    assert queue.number(queue.do("enqueue_reserved", kept, 0, 1, rows(4), rows(5))) == 0
    wrong = queue.do("enqueue_reserved", kept, 0, 1, rows(4), (np.zeros(1, np.int32),))
    assert isinstance(queue.replies[wrong].error, InvalidArgumentError)
    assert queue.queue.size == 3
    assert [queue.number(queue.do("dequeue")) for _ in range(3)] == [1, 2, 3]


def test_more_than_was_promised_does_not_come_in() -> None:
    queue = Driver()
    kept = queue.do("reserve_room", 1)
    assert queue.put(kept, 1, 2) == 0
    assert queue.queue.size == 0


def test_elements_that_do_not_fit_are_an_error_and_change_nothing() -> None:
    queue = Driver()
    kept = queue.do("reserve_room", 2)
    wrong = queue.do("enqueue_reserved", kept, 0, 1, (np.zeros(2, np.int32),))
    assert isinstance(queue.replies[wrong].error, InvalidArgumentError)
    assert queue.put(kept, 1, 2) == 2


def test_after_a_reset_every_attempt_is_aborted() -> None:
    queue = Driver()
    kept = queue.do("reserve_room", 2)
    queue.queue.abort(AbortedError(None, None, "was reset"))
    for attempt in (queue.do("reserve_room", 1), queue.do("enqueue_reserved", kept, 0, 1, rows(1))):
        assert isinstance(queue.replies[attempt].error, AbortedError)


def test_a_closing_queue_cancels_no_one_who_keeps_room() -> None:
    queue = Driver(capacity=1)
    kept = queue.do("reserve_room", 1)
    waiting = queue.do("enqueue", one(1))
    queue.do("close", True)
    assert isinstance(queue.replies[waiting].error, CancelledError)
    queue.settle(kept)
    assert queue.queue.size == 0


def test_a_queue_without_bound_promises_what_is_asked() -> None:
    queue = Driver(capacity=-1)
    assert queue.number(queue.do("reserve_room", 1000)) == 1000


def test_a_shuffle_queue_takes_what_is_put() -> None:
    queue = Driver(capacity=8, kind="RandomShuffleQueue", min_after_dequeue=2)
    kept = queue.do("reserve_room", 8)
    assert queue.put(kept, 1, 2, 3, 4) == 4
    taken = [queue.number(queue.do("dequeue")) for _ in range(2)]
    assert set(taken) <= {1, 2, 3, 4}
    assert queue.do("dequeue") not in queue.replies


def test_elements_of_one_attempt_stay_together_beside_reserved_room() -> None:
    driver = Driver(capacity=7)
    reserved = driver.do("reserve_room", 5, 5)
    assert driver.both(reserved)[0] == 5
    many = driver.do("enqueue_many", rows(1.0, 1.0, 1.0, 1.0, 1.0))
    assert driver.queue.size == 0, "two would fit, and the reserved ones would come between them and the others"
    assert driver.put(reserved, 2.0, 2.0, 2.0, 2.0, 2.0) == 5
    batches = [driver.replies[driver.do("dequeue_many", 5)].value for _ in range(2)]
    assert [np.unique(batch[0]).tolist() for batch in batches if batch is not None] == [[2.0], [1.0]]
    assert driver.replies[many].error is None


def test_elements_of_one_attempt_enter_by_and_by_when_reserved_room_is_released() -> None:
    driver = Driver(capacity=7)
    reserved = driver.do("reserve_room", 5, 5)
    many = driver.do("enqueue_many", rows(*range(9)))
    driver.settle(reserved)
    assert (driver.queue.size, many in driver.replies) == (7, False)
    driver.do("dequeue_many", 5)
    assert (driver.queue.size, many in driver.replies) == (4, True)

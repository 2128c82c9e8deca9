"""How attempts end that cannot be served: the queue is closed or reset, or they are withdrawn."""

from __future__ import annotations

from dflow.errors import AbortedError, CancelledError, DeadlineExceededError, OutOfRangeError
from tests.machines.queue.helpers import DONE, ended, error, fifo, one

TIMED_OUT = DeadlineExceededError(None, None, "the step's time is over")


def test_a_closed_queue_gives_its_last_elements_then_out_of_range() -> None:
    """Q4.1, Q4.2, Q2.14"""
    queue = fifo(10)
    queue.enqueue(0, one(0))
    assert ended(queue.close(1)) == {1: DONE}
    assert error(queue.enqueue(2, one(1))) == "FIFOQueue 'q' is closed."
    assert ended(queue.enqueue_many(3, one([1]))) == {3: CancelledError}
    assert ended(queue.dequeue(4)) == {4: 0}
    assert error(queue.dequeue(5)) == (
        "FIFOQueue 'q' is closed and has insufficient elements (requested 1, current size 0)"
    )


def test_a_closed_queue_that_is_short_keeps_its_elements_for_smaller_dequeues() -> None:
    """Q4.3, Q3.5"""
    queue = fifo(10)
    queue.enqueue_many(0, one([0, 1]))
    queue.close(1)
    assert "(requested 3, current size 2)" in error(queue.dequeue_many(2, 3))
    assert ended(queue.dequeue_up_to(3, 3)) == {3: [0, 1]}
    assert ended(queue.dequeue_up_to(4, 3)) == {4: OutOfRangeError}


def test_a_close_waits_for_the_enqueues_before_it() -> None:
    """Q4.4, Q4.5, Q1.7"""
    queue = fifo(1)
    queue.enqueue(0, one(0))
    queue.enqueue(1, one(1))
    assert ended(queue.close(2)) == {}
    assert ended(queue.enqueue(3, one(3))) == {}
    assert not queue.closed
    replies = queue.dequeue(4)
    assert [reply.ticket for reply in replies] == [4, 1, 2, 3]
    assert ended(replies) == {4: 0, 1: DONE, 2: DONE, 3: CancelledError}
    assert queue.closed
    assert ended(queue.dequeue(5)) == {5: 1}


def test_a_second_close_is_an_error_unless_it_is_to_cancel() -> None:
    """Q4.6"""
    queue = fifo(1)
    queue.close(0)
    assert error(queue.close(1)) == "FIFOQueue 'q' is already closed."
    assert ended(queue.close(2, cancel_pending_enqueues=True)) == {2: DONE}


def test_a_close_that_cancels_ends_the_waiting_enqueues_and_keeps_what_is_in() -> None:
    """Q4.7, Q4.8"""
    queue = fifo(2)
    queue.enqueue_many(0, one([0, 1, 2]))
    queue.enqueue(1, one(3))
    queue.close(2)
    replies = queue.close(3, cancel_pending_enqueues=True)
    assert ended(replies) == {0: CancelledError, 1: CancelledError, 2: CancelledError, 3: DONE}
    assert str(replies[0].error) == "Enqueue operation was cancelled"
    assert ended(queue.dequeue_up_to(4, 5)) == {4: [0, 1]}


def test_a_close_wakes_waiting_dequeues_and_returns_what_they_had_taken() -> None:
    """Q4.9, Q4.10, Q4.11"""
    queue = fifo(10)
    queue.enqueue_many(0, one([0, 1]))
    queue.dequeue_many(1, 3)
    queue.dequeue(2)
    queue.dequeue_up_to(3, 3)
    queue.dequeue_up_to(4, 3)
    assert ended(queue.close(5)) == {5: DONE, 1: OutOfRangeError, 2: 0, 3: [1], 4: OutOfRangeError}


def test_a_batch_larger_than_the_capacity_is_drained_after_the_close() -> None:
    """Q6.5"""
    queue = fifo(2)
    queue.enqueue_many(0, one([0, 1, 2, 3]))
    assert ended(queue.close(1)) == {}
    assert ended(queue.dequeue_many(2, 3)) == {2: [0, 1, 2], 0: DONE, 1: DONE}
    assert ended(queue.dequeue_many(3, 3)) == {3: OutOfRangeError}
    assert ended(queue.dequeue(4)) == {4: 3}


def test_a_withdrawn_dequeue_many_gives_its_elements_back() -> None:
    """D1, Q5.9"""
    queue = fifo(10)
    queue.enqueue_many(0, one([0, 1]))
    queue.dequeue_many(1, 3)
    queue.dequeue(2)
    assert queue.size == 0
    replies = queue.withdraw(1, TIMED_OUT)
    assert ended(replies) == {1: DeadlineExceededError, 2: 0}
    assert replies[0].error is TIMED_OUT
    assert queue.size == 1


def test_elements_given_back_may_exceed_the_capacity_until_they_are_taken() -> None:
    """D1, Q3.9"""
    queue = fifo(1)
    queue.dequeue_many(0, 5)
    queue.enqueue_many(1, one([0, 1, 2]))
    queue.withdraw(0, TIMED_OUT)
    assert queue.size == 3
    assert ended(queue.enqueue(2, one(3))) == {}
    assert ended(queue.dequeue_many(3, 3)) == {3: [0, 1, 2], 2: DONE}


def test_a_withdrawn_enqueue_many_leaves_in_what_is_in() -> None:
    """Q5.7"""
    queue = fifo(1)
    queue.enqueue_many(0, one([0, 1]))
    queue.enqueue(1, one(2))
    assert ended(queue.withdraw(0, TIMED_OUT)) == {0: DeadlineExceededError}
    assert ended(queue.dequeue(2)) == {2: 0, 1: DONE}
    assert ended(queue.dequeue(3)) == {3: 2}


def test_withdrawing_removes_one_attempt_wherever_it_waits_and_only_while_it_waits() -> None:
    """Q5.8"""
    queue = fifo(1)
    for ticket in range(3):
        queue.dequeue(ticket)
    assert ended(queue.withdraw(1, TIMED_OUT)) == {1: DeadlineExceededError}
    assert ended(queue.enqueue_many(3, one([0, 1]))) == {3: DONE, 0: 0, 2: 1}
    assert queue.withdraw(0, TIMED_OUT) == queue.withdraw(1, TIMED_OUT) == queue.withdraw(99, TIMED_OUT) == []


def test_a_withdrawn_close_does_not_close() -> None:
    """Q5.5"""
    queue = fifo(1)
    queue.enqueue_many(0, one([0, 1]))
    queue.close(1)
    queue.withdraw(1, TIMED_OUT)
    assert ended(queue.dequeue(2)) == {2: 0, 0: DONE}
    assert not queue.closed


def test_an_aborted_queue_ends_all_attempts_each_with_an_error_of_its_own() -> None:
    """Q11.8"""
    queue = fifo(1)
    queue.enqueue_many(0, one([0, 1]))
    queue.close(1)
    replies = queue.abort(AbortedError(None, None, "the container was reset"))
    assert ended(replies) == {0: AbortedError, 1: AbortedError}
    assert replies[0].error is not replies[1].error
    assert queue.size == 0
    assert ended(queue.dequeue(2)) == {2: AbortedError}
    assert ended(queue.dequeue_many(3, 0)) == {3: AbortedError}
    assert ended(queue.enqueue_many(4, one([]))) == {4: AbortedError}
    assert error(queue.close(5, cancel_pending_enqueues=True)) == "the container was reset"

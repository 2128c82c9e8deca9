"""Elements on their way to another process: kept until the receiver has them, given back if it is gone."""

from __future__ import annotations

from dflow import dtypes
from dflow.errors import AbortedError, OutOfRangeError
from dflow.machines.queue import Queue
from tests.machines.queue.helpers import DONE, ended, error, fifo, one, shuffle, text


def test_unacknowledged_elements_are_not_stored_but_hold_their_room() -> None:
    """D1"""
    queue = fifo(2)
    queue.enqueue_many(0, one([0, 1]))
    assert ended(queue.dequeue_many(1, 2, ack=True)) == {1: [0, 1]}
    assert queue.size == 0
    assert ended(queue.enqueue(2, one(2))) == {}
    assert ended(queue.acknowledge(1)) == {2: DONE}
    assert queue.counts().unacknowledged == 0


def test_what_is_acknowledged_is_gone_and_what_is_settled_stays_settled() -> None:
    """Q3.10"""
    queue = fifo(2)
    queue.enqueue(0, one(0))
    queue.dequeue(1, ack=True)
    assert queue.acknowledge(1) == queue.acknowledge(1) == queue.take_back(1) == []
    assert queue.size == 0


def test_unacknowledged_elements_go_back_to_the_front_in_their_old_order() -> None:
    """Q6.1"""
    queue = fifo(5)
    queue.enqueue_many(0, one(range(5)))
    queue.dequeue_many(1, 3, ack=True)
    assert queue.take_back(1) == queue.take_back(1) == []
    assert queue.counts().dequeued == 0
    assert ended(queue.dequeue_many(2, 5)) == {2: [0, 1, 2, 3, 4]}


def test_deliveries_that_come_back_in_any_order_stand_in_the_order_in_which_they_were_made() -> None:
    """Q6.1"""
    for order in ([1, 2, 3], [3, 2, 1], [2, 1, 3], [2, 3, 1]):
        queue = fifo(6)
        queue.enqueue_many(0, one(range(6)))
        queue.dequeue_many(1, 2, ack=True)
        queue.dequeue(2, ack=True)
        queue.dequeue_up_to(3, 2, ack=True)
        for ticket in order:
            queue.take_back(ticket)
        assert ended(queue.dequeue_many(4, 6)) == {4: [0, 1, 2, 3, 4, 5]}


def three_unacknowledged() -> Queue:
    """A queue of 0 to 5, of which 0, 1 and 2 are delivered to the tickets 1, 2 and 3."""
    queue = fifo(6)
    queue.enqueue_many(0, one(range(6)))
    for ticket in (1, 2, 3):
        queue.dequeue(ticket, ack=True)
    return queue


def test_what_is_delivered_again_keeps_its_old_place() -> None:
    """Q6.1"""
    queue = three_unacknowledged()
    queue.take_back(1)
    queue.dequeue(4, ack=True)  # the 0 again
    for ticket in (2, 3, 4):
        queue.take_back(ticket)
    assert ended(queue.dequeue_many(5, 6)) == {5: [0, 1, 2, 3, 4, 5]}


def test_elements_that_came_apart_and_were_delivered_together_part_again() -> None:
    """Q6.1"""
    queue = three_unacknowledged()
    queue.take_back(1)
    queue.take_back(3)
    queue.dequeue_many(4, 3, ack=True)  # 0, 2, 3
    queue.take_back(2)
    queue.take_back(4)
    assert ended(queue.dequeue_many(5, 6)) == {5: [0, 1, 2, 3, 4, 5]}


def test_elements_of_any_shape_come_back_in_their_old_order() -> None:
    """Q6.1"""
    queue = fifo(4, shapes=None)
    for i in range(4):
        queue.enqueue(i, one([i] * i))
    for ticket in (10, 11, 12):
        queue.dequeue(ticket, ack=True)
    for ticket in (11, 12, 10):
        queue.take_back(ticket)
    assert [ended(queue.dequeue(20 + i)) for i in range(4)] == [{20 + i: [i] * i} for i in range(4)]


def test_a_delivery_comes_back_behind_what_is_left_of_an_older_one() -> None:
    """Q6.1"""
    queue = fifo(6)
    queue.enqueue_many(0, one(range(6)))
    queue.dequeue_many(1, 3, ack=True)
    queue.dequeue_many(2, 2, ack=True)
    queue.take_back(1)
    assert ended(queue.dequeue(3)) == {3: 0}
    queue.take_back(2)
    assert ended(queue.dequeue_many(4, 5)) == {4: [1, 2, 3, 4, 5]}


def test_elements_that_come_back_go_to_those_who_wait() -> None:
    """Q5.9"""
    queue = fifo(5)
    queue.enqueue(0, one(0))
    queue.dequeue(1, ack=True)
    queue.dequeue(2)
    assert ended(queue.take_back(1)) == {2: 0}


def test_elements_come_back_before_those_that_a_waiting_dequeue_has_taken() -> None:
    """Q6.1"""
    queue = fifo(5)
    queue.enqueue_many(0, one([0, 1]))
    queue.dequeue(1, ack=True)
    queue.dequeue_many(2, 3)
    queue.take_back(1)
    assert ended(queue.enqueue(3, one(2))) == {3: DONE, 2: [0, 1, 2]}


def test_a_closed_queue_does_not_end_while_elements_may_come_back() -> None:
    """Q4.2"""
    queue = fifo(5)
    queue.enqueue(0, one(0))
    queue.dequeue(1, ack=True)
    queue.close(2)
    assert ended(queue.dequeue(3)) == {}
    assert ended(queue.acknowledge(1)) == {3: OutOfRangeError}


def test_elements_come_back_to_a_closed_queue() -> None:
    """Q4.1, Q4.3"""
    queue = fifo(5)
    queue.enqueue_many(0, one(range(3)))
    queue.dequeue(1, ack=True)
    queue.dequeue(2, ack=True)
    queue.close(3)
    assert ended(queue.dequeue_many(4, 3)) == {}
    assert ended(queue.dequeue_up_to(5, 3)) == {}
    assert ended(queue.take_back(2)) == {}
    assert ended(queue.acknowledge(1)) == {4: OutOfRangeError, 5: [1, 2]}


def test_the_end_names_the_elements_that_are_left() -> None:
    """Q4.2"""
    queue = fifo(5)
    queue.enqueue_many(0, one([0, 1]))
    queue.dequeue(1, ack=True)
    queue.close(2)
    queue.dequeue_many(3, 2)
    assert "(requested 2, current size 1)" in error(queue.acknowledge(1))


def test_a_dequeue_many_over_the_capacity_may_be_unacknowledged() -> None:
    """Q3.9"""
    queue = fifo(2)
    queue.dequeue_many(0, 5, ack=True)
    assert ended(queue.enqueue_many(1, one(range(6)))) == {0: [0, 1, 2, 3, 4]}
    assert (queue.size, queue.counts().unacknowledged) == (0, 5)
    assert ended(queue.acknowledge(0)) == {1: DONE}


def test_text_and_elements_without_shapes_come_back_whole() -> None:
    """Q2.5"""
    queue = fifo(5, types=[dtypes.string, dtypes.int32], shapes=None)
    queue.enqueue(0, (text(b"a", b"b"), *one(1)))
    queue.enqueue(1, (text(b"c")[0, ...], *one([2])))
    queue.dequeue(2, ack=True)
    queue.take_back(2)
    assert ended(queue.dequeue(3)) == {3: ([b"a", b"b"], 1)}
    assert ended(queue.dequeue(4)) == {4: (b"c", [2])}


def test_a_shuffle_queue_whose_elements_are_unacknowledged_waits_for_the_receiver() -> None:
    """Q8.2"""
    queue = shuffle(3, min_after_dequeue=1)
    queue.enqueue_many(0, one(range(3)))
    queue.dequeue_many(1, 2, ack=True)
    assert ended(queue.dequeue(2)) == {}
    assert ended(queue.enqueue(3, one(3))) == {}
    replies = queue.acknowledge(1)
    assert [reply.ticket for reply in replies] == [3, 2]
    assert queue.size == 1


def test_a_shuffle_queue_takes_unacknowledged_elements_back() -> None:
    """Q4.10"""
    queue = shuffle(10, min_after_dequeue=2)
    queue.enqueue_many(0, one(range(10)))
    queue.dequeue_many(1, 5, ack=True)
    queue.dequeue(2, ack=True)
    queue.close(3)
    queue.take_back(1)
    queue.take_back(2)
    (reply,) = queue.dequeue_many(4, 10)
    assert reply.value is not None
    assert sorted(reply.value[0].tolist()) == list(range(10))


def test_an_aborted_queue_forgets_its_deliveries() -> None:
    """Q11.8"""
    queue = fifo(5)
    queue.enqueue(0, one(0))
    queue.dequeue(1, ack=True)
    queue.abort(AbortedError(None, None, "the container was reset"))
    assert queue.counts().unacknowledged == 0
    assert queue.take_back(1) == queue.acknowledge(1) == []

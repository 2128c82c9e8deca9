"""What happens when a queue is closed.  Statements Q4."""

from __future__ import annotations

import pytest

import dflow as tf
from tests.conformance.programs import Waiting, in_thread
from tests.conformance.queue_kinds import Make

# -- afterwards


def test_a_closed_queue_takes_nothing_more_and_gives_what_it_has(target: str, make: Make) -> None:
    """Q4.1, Q4.2, Q4.3"""
    queue = make(10, tf.int32, ())
    dequeue, two, up_to, closed = queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(5), queue.is_closed()
    end = r"is closed and has insufficient elements \(requested {}, current size {}\)"
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        assert not sess.run(closed)
        sess.run(queue.close())
        assert sess.run(closed)
        for enqueue in (queue.enqueue(5), queue.enqueue_many([[5]])):
            with pytest.raises(tf.errors.CancelledError, match="is closed"):
                sess.run(enqueue)
        found = [int(sess.run(dequeue)), *sess.run(two).tolist()]
        with pytest.raises(tf.errors.OutOfRangeError, match=end.format(2, 1)) as caught:
            sess.run(two)
        assert caught.value.op is two.op
        assert queue.name in str(caught.value)
        found += sess.run(up_to).tolist()
        assert sorted(found) == [1, 2, 3, 4]
        for take, n in ((dequeue, 1), (two, 2), (up_to, 5)):
            with pytest.raises(tf.errors.OutOfRangeError, match=end.format(n, 0)):
                sess.run(take)


def test_a_second_close_is_an_error_unless_it_is_to_cancel(target: str, make: Make) -> None:
    """Q4.6"""
    queue = make(2, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.close())
        with pytest.raises(tf.errors.CancelledError, match="is already closed"):
            sess.run(queue.close())
        assert sess.run(queue.close(cancel_pending_enqueues=True)) is None


def test_nothing_opens_a_closed_queue_again(target: str, make: Make, shared: str) -> None:
    """Q4.13"""
    first, again = (make(2, tf.int32, (), shared_name=shared) for _ in range(2))
    with tf.Session(target) as sess:
        sess.run(first.close())
        sess.run([first.queue_ref.op, again.queue_ref.op])
        assert sess.run([first.is_closed(), again.is_closed()]) == [True, True]
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(again.enqueue(1))


def test_the_end_of_its_container_makes_place_for_a_fresh_queue_of_that_name(address: str, container: str) -> None:
    """Q4.13, Q11.8"""
    with tf.container(f"{container}/closed"):
        queue = tf.FIFOQueue(2, tf.int32, (), shared_name="queue")
    with tf.Session(address) as sess:
        sess.run(queue.enqueue(1))
        sess.run(queue.close())
    with tf.Session(address) as sess:
        assert sess.run(queue.is_closed())
    tf.Session.reset(address, [f"{container}/closed"])
    with tf.Session(address) as sess:
        assert sess.run([queue.is_closed(), queue.size()]) == [False, 0]
        sess.run(queue.enqueue(2))
        assert sess.run(queue.dequeue()) == 2


# -- who waits to put in


def test_a_close_waits_for_the_enqueues_before_it_and_cancels_those_after_it(target: str) -> None:
    """Q4.4"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    dequeue, closed = queue.dequeue(), queue.is_closed()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[1, 2]]))
        before = in_thread(sess.run, queue.enqueue_many([[3, 4]]))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        after = in_thread(sess.run, queue.enqueue(5))
        waiting.enqueues(3)
        assert sess.run(dequeue) == 1
        assert not sess.run(closed)
        assert sess.run(dequeue) == 2
        assert before.result(30) is None
        assert close.result(30) is None
        assert sess.run(closed)
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            after.result(30)
        assert sess.run(queue.dequeue_up_to(10)).tolist() == [3, 4]


def test_without_room_a_close_waits_too_and_one_dequeue_lets_all_go_on(target: str, make: Make) -> None:
    """Q4.5"""
    queue = make(1, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue(1))
        put = in_thread(sess.run, queue.enqueue(2))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        assert not put.done()
        assert not close.done()
        assert sess.run(queue.dequeue()) == 1
        assert (put.result(30), close.result(30)) == (None, None)
        assert sess.run(queue.dequeue()) == 2


def test_a_close_that_cancels_ends_the_waiting_enqueues_at_once(target: str, make: Make) -> None:
    """Q4.7, Q4.8"""
    queue = make(2, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        many = in_thread(sess.run, queue.enqueue_many([[1, 2, 3]]))
        waiting.enqueues(1)
        one = in_thread(sess.run, queue.enqueue(4))
        waiting.enqueues(2)
        sess.run(queue.close(cancel_pending_enqueues=True))
        for future in (many, one):
            with pytest.raises(tf.errors.CancelledError, match="Enqueue operation was cancelled"):
                future.result(30)
        assert sess.run(queue.is_closed())
        assert sorted(sess.run(queue.dequeue_up_to(10)).tolist()) == [1, 2], "what was in stays"


# -- who waits to take out


def test_a_close_wakes_whoever_waits_for_elements_that_never_come(target: str, make: Make) -> None:
    """Q4.9, Q4.12"""
    queue = make(10, tf.int32, ())
    takes = [queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)]
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        blocked = [in_thread(sess.run, take) for take in takes]
        waiting.dequeues(3)
        sess.run(queue.close())
        for future in blocked:
            with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
                future.result(30)


def test_a_close_gives_back_what_a_waiting_batch_has_taken_to_the_front_and_in_its_order(target: str) -> None:
    """Q4.10"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        batch = in_thread(sess.run, queue.dequeue_many(4))
        waiting.dequeues(1)
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        assert sess.run(queue.size()) == 0
        sess.run(queue.close())
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            batch.result(30)
        assert sess.run(queue.size()) == 3
        assert [int(sess.run(queue.dequeue())) for _ in range(3)] == [1, 2, 3]


def test_whoever_waits_behind_a_batch_that_fails_gets_what_it_gave_back(target: str, make: Make) -> None:
    """Q4.10, Q4.11"""
    queue = make(10, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[1, 2]]))
        batch = in_thread(sess.run, queue.dequeue_many(3))
        waiting.dequeues(1)
        behind = in_thread(sess.run, queue.dequeue())
        waiting.dequeues(2)
        sess.run(queue.close())
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            batch.result(30)
        assert sorted([int(behind.result(30)), int(sess.run(queue.dequeue()))]) == [1, 2]


def test_a_waiting_dequeue_up_to_gets_what_is_there_when_the_queue_is_closed(target: str, make: Make) -> None:
    """Q4.12"""
    queue = make(10, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[1, 2]]))
        up_to = in_thread(sess.run, queue.dequeue_up_to(3))
        waiting.dequeues(1)
        sess.run(queue.close())
        assert sorted(up_to.result(30).tolist()) == [1, 2]


def test_a_queue_that_pads_gives_a_partial_batch_back_at_its_close(target: str) -> None:
    """Q4.10, Q4.11, Q7.9"""
    queue = tf.PaddingFIFOQueue(10, tf.int32, [(None,)])
    value = tf.placeholder(tf.int32)
    enqueue, close = queue.enqueue([value]), queue.close()
    many, up_to = queue.dequeue_many(3), queue.dequeue_up_to(3)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        first = in_thread(sess.run, many)
        waiting.dequeues(1)
        second = in_thread(sess.run, up_to)
        waiting.dequeues(2)
        sess.run(enqueue, {value: [1]})
        sess.run(enqueue, {value: [2, 2]})
        assert sess.run(queue.size()) == 0
        sess.run(close)
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            first.result(30)
        assert second.result(30).tolist() == [[1, 0], [2, 2]]
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(enqueue, {value: [1]})

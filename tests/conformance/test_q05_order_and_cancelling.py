"""Who waits, in which order they are served, and how waiting ends.  Statements Q5."""

from __future__ import annotations

import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread
from tests.conformance.queue_kinds import Make

# -- order


def test_only_the_head_of_a_line_makes_progress(target: str) -> None:
    """Q5.1, Q5.2"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    p = tf.placeholder(tf.int32, [])
    enqueue, dequeue, three = queue.enqueue(p), queue.dequeue(), queue.dequeue_many(3)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(enqueue, {p: 1})
        batch = in_thread(sess.run, three)
        waiting.dequeues(1)
        single = in_thread(sess.run, dequeue)
        waiting.dequeues(2)
        sess.run(enqueue, {p: 2})
        assert sess.run(queue.size()) == 0
        assert not single.done()
        sess.run(enqueue, {p: 3})
        assert batch.result(30).tolist() == [1, 2, 3]
        sess.run(enqueue, {p: 4})
        assert single.result(30) == 4


def test_enqueues_are_served_in_the_order_in_which_they_came(target: str) -> None:
    """Q5.1"""
    queue, number = tf.FIFOQueue(1, tf.int32, ()), tf.placeholder(tf.int32, [])
    enqueue, dequeue = queue.enqueue(number), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(enqueue, {number: 0})
        puts = []
        for value in range(1, 5):
            puts.append(in_thread(sess.run, enqueue, {number: value}))
            waiting.enqueues(value)
        assert [int(sess.run(dequeue)) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert [put.result(30) for put in puts] == [None] * 4


def test_one_change_moves_both_lines_until_neither_can_go_on(target: str) -> None:
    """Q5.3"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        puts = []
        for line, values in enumerate(([1, 2, 3], [4, 5], [6, 7, 8])):
            puts.append(in_thread(sess.run, queue.enqueue_many([values])))
            waiting.enqueues(line + 1)
        assert sess.run(queue.dequeue_many(6)).tolist() == [1, 2, 3, 4, 5, 6]
        assert [put.result(30) for put in puts] == [None] * 3
        assert sess.run(queue.dequeue_many(2)).tolist() == [7, 8]


def test_what_one_thread_puts_in_keeps_its_order_among_that_of_others(target: str) -> None:
    """Q5.4"""
    queue, number = tf.FIFOQueue(3, tf.int32, ()), tf.placeholder(tf.int32, [])
    enqueue = queue.enqueue(number)
    with tf.Session(target) as sess:

        def put(start: int) -> None:
            for value in range(start, start + 25):
                sess.run(enqueue, {number: value})

        threads = [in_thread(put, start) for start in (0, 100, 200)]
        found = sess.run(queue.dequeue_many(75)).tolist()
        for thread in threads:
            thread.result(30)
    for start in (0, 100, 200):
        assert [value for value in found if start <= value < start + 25] == list(range(start, start + 25))


# -- the end of waiting


def test_a_run_that_timed_out_takes_nothing_afterwards(target: str, make: Make) -> None:
    """Q5.5, Q5.6, Q5.9, D1"""
    queue = make(10, tf.int32, ())
    dequeue, three, enqueue_many = queue.dequeue(), queue.dequeue_many(3), queue.enqueue_many([[1, 2]])
    with tf.Session(target) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(dequeue, options=SHORT)
        sess.run(enqueue_many)
        for _ in range(2):
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(three, options=SHORT)
        assert sess.run(queue.size()) == 2
        assert sorted([int(sess.run(dequeue)), int(sess.run(dequeue))]) == [1, 2]


def test_a_batch_that_ran_out_of_time_gives_its_elements_back(target: str) -> None:
    """Q5.6, D1"""
    queue = tf.PaddingFIFOQueue(10, tf.int32, [(None,)])
    with tf.Session(target) as sess:
        sess.run(queue.enqueue([[1, 2]]))
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(queue.dequeue_many(2), options=SHORT)
        assert sess.run(queue.dequeue()).tolist() == [1, 2]


def test_a_timed_out_enqueue_of_a_batch_leaves_in_what_is_in(target: str, make: Make) -> None:
    """Q5.7"""
    queue = make(2, tf.int32, ())
    enqueue_many = queue.enqueue_many([[1, 2, 3]])
    with tf.Session(target) as sess:
        for limit in (150, 1500, 15_000):  # the shorter ones are too short to put anything in on a busy machine
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(enqueue_many, options=tf.RunOptions(timeout_in_ms=limit))
            if sess.run(queue.size()):
                break
        assert sorted(sess.run(queue.dequeue_many(2)).tolist()) == [1, 2]
        sess.run(queue.enqueue(9))
        assert sess.run(queue.dequeue()) == 9


def test_closing_the_session_cancels_what_waits(target: str, make: Make) -> None:
    """Q5.5, S24.3"""
    empty, full = make(10, tf.int32, ()), make(1, tf.int32, ())
    calls = [empty.dequeue(), empty.dequeue_many(3), empty.dequeue_up_to(2), full.enqueue(2), full.enqueue_many([[3]])]
    sess = tf.Session(target)
    at_empty, at_full = Waiting(sess, empty), Waiting(sess, full)
    sess.run(full.enqueue(1))
    blocked = [in_thread(sess.run, call) for call in calls]
    at_empty.dequeues(3)
    at_full.enqueues(2)
    sess.close()
    for future in blocked:
        with pytest.raises(tf.errors.CancelledError, match=r"was cancelled|Session::Close"):
            future.result(30)


def test_a_failure_elsewhere_in_its_step_ends_what_waits(target: str, make: Make) -> None:
    """Q5.5"""
    empty, full, positive = make(10, tf.int32, ()), make(1, tf.int32, ()), tf.placeholder(tf.bool, [])
    step = [empty.dequeue(), empty.dequeue_many(2), full.enqueue(2), tf.Assert(positive, ["the failure"])]
    with tf.Session(target) as sess:
        at_empty, at_full = Waiting(sess, empty), Waiting(sess, full)
        sess.run(full.enqueue(1))
        with pytest.raises(tf.errors.InvalidArgumentError, match="the failure"):
            sess.run(step, {positive: False})
        at_empty.dequeues(0)
        at_full.enqueues(0)
        assert sess.run([empty.size(), full.size()]) == [0, 1]


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("which", ["reset", "other"])
def test_what_waits_in_a_reset_target_is_aborted(address: str, container: str, warm: bool, which: str) -> None:
    """S29.13, Q11.8, Q5.5"""
    with tf.container(f"{container}/{which}"), tf.device("/job:ps"):
        queue = tf.FIFOQueue(5, tf.int32, (), shared_name="queue")
    dequeue = queue.dequeue()
    with tf.Session(address) as sess:
        waiting = Waiting(sess, queue)
        if warm:  # the first run of a plan goes another way than the next ones
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(dequeue, options=SHORT)
        blocked = in_thread(sess.run, dequeue)
        waiting.dequeues(1)
        tf.Session.reset(address, [f"{container}/reset"])
        with pytest.raises(tf.errors.AbortedError):
            blocked.result(30)


def test_who_gives_up_inside_a_line_leaves_the_others_in_their_order(target: str) -> None:
    """Q5.8"""
    queue, number = tf.FIFOQueue(1, tf.int32, ()), tf.placeholder(tf.int32, [])
    enqueue, dequeue = queue.enqueue(number), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        first = in_thread(sess.run, dequeue)
        waiting.dequeues(1)
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(queue.dequeue_many(2), options=SHORT)
        waiting.dequeues(1)
        last = in_thread(sess.run, dequeue)
        waiting.dequeues(2)
        for value in (1, 2, 3):
            sess.run(enqueue, {number: value})
        assert (first.result(30), last.result(30)) == (1, 2)
        before = in_thread(sess.run, enqueue, {number: 4})
        waiting.enqueues(1)
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(enqueue, {number: 5}, options=SHORT)
        waiting.enqueues(1)
        assert [int(sess.run(dequeue)) for _ in range(2)] == [3, 4]
        assert before.result(30) is None
        assert sess.run(queue.size()) == 0


# -- threads


def test_waiting_operations_take_no_thread_from_others(target: str, make: Make) -> None:
    """Q5.10"""
    queues = [make(1, tf.int32, ()) for _ in range(6)]
    config = tf.ConfigProto(inter_op_parallelism_threads=1)
    dequeues = [queue.dequeue() for queue in queues]
    enqueues = [queue.enqueue(i) for i, queue in enumerate(queues)]
    with tf.Session(target, config=config) as sess:
        blocked = in_thread(sess.run, dequeues)
        Waiting(sess, queues[-1]).dequeues(1)
        for enqueue in reversed(enqueues):
            sess.run(enqueue)
        assert blocked.result(30) == list(range(6))


def test_one_session_serves_a_thread_that_takes_and_one_that_puts_in(target: str, make: Make) -> None:
    """Q5.11"""
    queue, number = make(1, tf.int32, ()), tf.placeholder(tf.int32, [])
    enqueue, dequeue = queue.enqueue(number), queue.dequeue()
    with tf.Session(target) as sess:
        taken = in_thread(lambda: [int(sess.run(dequeue)) for _ in range(30)])
        Waiting(sess, queue).dequeues(1)
        for value in range(30):
            sess.run(enqueue, {number: value})
        assert taken.result(30) == list(range(30))

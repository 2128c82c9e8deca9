"""Loops that keep a queue filled, in this process and on a cluster.  Statement ids: R12."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread

QueueRunner, Coordinator = tf.train.QueueRunner, tf.train.Coordinator


def counting(limit: int, name: str = "counter") -> tuple[tf.Variable, tf.Tensor]:
    """A variable, and a tensor that counts it up to a limit and then ends the input."""
    variable = tf.Variable(0, name=name)
    return variable, variable.count_up_to(limit)


# -- what is built


def test_a_runner_needs_a_queue_and_operations() -> None:
    """R12.1"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    for arguments in ((), (queue,), (queue, []), (None, [queue.enqueue(1)])):
        with pytest.raises(ValueError, match="Must provide queue and enqueue_ops"):
            QueueRunner(*arguments)
    runner = QueueRunner(queue, [queue.enqueue(1)])
    with pytest.raises(ValueError, match="mutually exclusive"):
        QueueRunner(queue, queue_runner_def=runner.to_proto())


def test_a_runner_knows_what_it_was_made_of_and_adds_the_ways_to_close() -> None:
    """R12.2, R12.3, R12.4"""
    queue = tf.FIFOQueue(10, tf.int32, (), name="q")
    enqueue = queue.enqueue(1)
    runner = QueueRunner(queue, [enqueue, enqueue])
    assert runner.name == "q"
    assert runner.queue is queue
    assert runner.enqueue_ops == [enqueue, enqueue]
    assert (runner.close_op.type, runner.cancel_op.type) == ("QueueCloseV2", "QueueCloseV2")
    assert runner.cancel_op.get_attr("cancel_pending_enqueues")
    assert not runner.close_op.get_attr("cancel_pending_enqueues")
    assert runner.queue_closed_exception_types == (tf.errors.OutOfRangeError,)
    assert runner.exceptions_raised == []
    close, cancel = tf.no_op(), tf.no_op()
    own = QueueRunner(queue, [enqueue], close, cancel, (tf.errors.CancelledError,))
    assert (own.close_op, own.cancel_op) == (close, cancel)
    assert own.queue_closed_exception_types == (tf.errors.CancelledError,)


@pytest.mark.parametrize("types", [[], (), tf.errors.OutOfRangeError, [tf.errors.OutOfRangeError], (ValueError,), (1,)])
def test_the_exceptions_that_mean_the_end_are_a_tuple_of_op_errors(types: Any) -> None:
    """R12.2"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    with pytest.raises(TypeError, match="queue_closed_exception_types"):
        QueueRunner(queue, [queue.enqueue(1)], queue_closed_exception_types=types)


def test_threads_are_named_after_the_queue_and_the_operation_and_are_registered(target: str) -> None:
    """R12.5, R12.6, R12.7"""
    queue = tf.FIFOQueue(10, tf.int32, (), name="q")
    enqueue = queue.enqueue(1, name="put")
    tensor = tf.constant(1, name="t")
    runner = QueueRunner(queue, [enqueue, enqueue, tensor])
    coord = Coordinator()
    with tf.Session(target) as sess, tf.Session(target) as other:
        threads = runner.create_threads(sess, coord, daemon=True)
        assert [thread.name for thread in threads] == [
            "QueueRunnerThread-q-put",
            "QueueRunnerThread-q-put",
            "QueueRunnerThread-q-t:0",
            "QueueRunnerThread-q-close_on_stop",
        ]
        assert all(thread.daemon and not thread.is_alive() for thread in threads)
        assert set(coord._registered_threads) == set(threads)
        assert runner.create_threads(sess, coord) == []
        assert len(runner.create_threads(other, coord)) == 4
        assert len(QueueRunner(queue, [enqueue]).create_threads(sess)) == 1


def test_a_collection_holds_the_runners_and_is_filtered_by_scope() -> None:
    """R12.19"""
    with tf.name_scope("scope"):
        queue = tf.FIFOQueue(10, tf.int32, (), name="q")
    runner = QueueRunner(queue, [queue.enqueue(1)])
    tf.train.add_queue_runner(runner)
    tf.train.add_queue_runner(runner, collection="mine")
    assert tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS) == [runner]
    assert tf.get_collection("mine", scope="scope") == [runner]
    assert tf.get_collection("mine", scope="other") == []


def test_starting_needs_a_session() -> None:
    """R12.20, R12.21"""
    with pytest.raises(ValueError, match="No default session is registered"):
        tf.train.start_queue_runners()
    for wrong in (5, "session", object()):
        with pytest.raises(TypeError, match=r"tf\.Session"):
            tf.train.start_queue_runners(sess=wrong)


# -- what is run


def test_each_thread_runs_its_operation_until_the_input_ends_and_the_last_one_closes_the_queue(target: str) -> None:
    """R12.9, R12.10, R12.11"""
    queue = tf.FIFOQueue(100, tf.int32, ())
    (first, count3), (second, count30) = counting(3, "a"), counting(30, "b")
    runner = QueueRunner(queue, [queue.enqueue(count3), queue.enqueue(count30 + 100)])
    with tf.Session(target) as sess:
        sess.run(tf.global_variables_initializer())
        for thread in runner.create_threads(sess, start=True):
            thread.join(30)
        assert runner.exceptions_raised == []
        assert sess.run([first, second, queue.size(), queue.is_closed()]) == [3, 30, 33, True]
        assert sorted(sess.run(queue.dequeue_many(33)).tolist()) == [0, 1, 2, *range(100, 130)]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(queue.dequeue())


def test_the_end_of_the_input_asks_nobody_to_stop(target: str) -> None:
    """R12.10"""
    queue = tf.FIFOQueue(100, tf.int32, ())
    _, count = counting(3)
    runner = QueueRunner(queue, [queue.enqueue(count)] * 2)
    coord = Coordinator()
    with tf.Session(target) as sess:
        sess.run(tf.global_variables_initializer())
        threads = runner.create_threads(sess, coord, start=True)
        for thread in threads[:-1]:
            thread.join(30)
        assert not coord.should_stop()
        assert sess.run(queue.is_closed())
        coord.request_stop()
        coord.join(threads)
        assert runner.exceptions_raised == []


def test_other_exceptions_may_mean_the_end_of_the_input(target: str) -> None:
    """R12.2, R12.10"""
    queue, full = tf.FIFOQueue(10, tf.int32, ()), tf.FIFOQueue(10, tf.int32, ())
    runner = QueueRunner(
        queue,
        [full.enqueue(1)],
        queue_closed_exception_types=(tf.errors.OutOfRangeError, tf.errors.CancelledError),
    )
    with tf.Session(target) as sess:
        sess.run(full.close())
        for thread in runner.create_threads(sess, start=True):
            thread.join(30)
        assert runner.exceptions_raised == []
        assert sess.run(queue.is_closed())


def test_an_exception_is_raised_by_the_coordinator_and_consumers_see_the_end(target: str) -> None:
    """R12.12, R12.13, R12.14"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    p = tf.placeholder(tf.int32, [], name="nobody_feeds_this")
    runner = QueueRunner(queue, [queue.enqueue(p)])
    coord = Coordinator()
    with tf.Session(target) as sess:
        threads = runner.create_threads(sess, coord, start=True)
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(queue.dequeue())
        with pytest.raises(tf.errors.InvalidArgumentError, match="nobody_feeds_this"):
            coord.join(threads)
        assert runner.exceptions_raised == []


def test_without_a_coordinator_an_exception_is_kept_and_the_queue_stays_open(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12.12, R12.13"""
    raised = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: raised.append(arguments.exc_value))
    queue = tf.FIFOQueue(10, tf.int32, ())
    p = tf.placeholder(tf.int32, [])
    runner = QueueRunner(queue, [queue.enqueue(p)])
    with tf.Session(target) as sess:
        for thread in runner.create_threads(sess, start=True):
            thread.join(30)
        assert [type(error) for error in runner.exceptions_raised] == [tf.errors.InvalidArgumentError]
        assert raised == runner.exceptions_raised
        assert not sess.run(queue.is_closed())
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(queue.dequeue(), options=SHORT)


def test_a_bad_operation_is_the_exception_of_its_own_thread_and_the_others_go_on(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12.18"""
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    queue = tf.FIFOQueue(100, tf.int32, ())
    variable, count = counting(5)
    with tf.Graph().as_default():
        foreign = tf.no_op("elsewhere")
    runner = QueueRunner(queue, [queue.enqueue(count), foreign])
    with tf.Session(target) as sess:
        sess.run(variable.initializer)
        for thread in runner.create_threads(sess, start=True):
            thread.join(30)
        (error,) = runner.exceptions_raised
        assert isinstance(error, ValueError)
        assert "Operation not in the graph" in str(error)
        assert sess.run([variable, queue.size()]) == [5, 5]


def test_a_stop_ends_a_loop_that_waits_and_closes_the_queue(target: str) -> None:
    """R12.14, R12.15, R12.17"""
    queue = tf.FIFOQueue(5, tf.int32, ())
    runner = QueueRunner(queue, [queue.enqueue(7)] * 2)
    coord = Coordinator()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        threads = runner.create_threads(sess, coord, start=True)
        waiting.enqueues(2)
        coord.request_stop()
        coord.join(threads, stop_grace_period_secs=1.0)
        assert not any(thread.is_alive() for thread in threads)
        assert sess.run([queue.size(), queue.is_closed()]) == [5, True]


def test_a_coordinator_that_was_stopped_before_lets_nothing_run(target: str) -> None:
    """R12.16"""
    queue = tf.FIFOQueue(5, tf.int32, ())
    variable, count = counting(100)
    runner = QueueRunner(queue, [queue.enqueue(count)])
    coord = Coordinator()
    coord.request_stop()
    with tf.Session(target) as sess:
        sess.run(variable.initializer)
        coord.join(runner.create_threads(sess, coord, start=True))
        assert sess.run(variable) == 0
        assert sess.run(queue.is_closed())


def test_threads_can_be_made_again_when_all_have_ended(target: str) -> None:
    """R12.7, R12.8"""
    queue = tf.FIFOQueue(100, tf.int32, ())
    variable, count = counting(3)
    runner = QueueRunner(queue, [count])
    with tf.Session(target) as sess:
        for _ in range(2):
            sess.run(variable.initializer)
            threads = runner.create_threads(sess, start=True)
            assert len(threads) == 1
            for thread in threads:
                thread.join(30)
            assert runner.exceptions_raised == []
            assert sess.run(variable) == 3


def test_exceptions_of_earlier_threads_are_forgotten_by_new_ones(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """R12.8"""
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    queue = tf.FIFOQueue(100, tf.int32, ())
    variable, count = counting(3)
    runner = QueueRunner(queue, [queue.enqueue(count)])
    with tf.Session(target) as sess:
        for initialized in (False, True):
            if initialized:
                sess.run(variable.initializer)
            for thread in runner.create_threads(sess, start=True):
                thread.join(30)
            assert len(runner.exceptions_raised) == (0 if initialized else 1)
        assert sess.run(variable) == 3


def test_errors_of_the_operations_that_close_are_ignored(target: str) -> None:
    """R12.10, R12.14"""
    queue = tf.FIFOQueue(100, tf.int32, ())
    variable, count = counting(3)
    fails = tf.Assert(tf.constant(False), ["no"])
    runner = QueueRunner(queue, [queue.enqueue(count)], close_op=fails, cancel_op=fails)
    coord = Coordinator()
    with tf.Session(target) as sess:
        sess.run(variable.initializer)
        threads = runner.create_threads(sess, coord, start=True)
        threads[0].join(30)
        assert not coord.should_stop()
        coord.request_stop()
        coord.join(threads)
        assert runner.exceptions_raised == []
        assert sess.run([queue.size(), queue.is_closed()]) == [3, False]


def test_a_runner_comes_back_from_its_description_and_fills_its_queue(target: str) -> None:
    """R12.22"""
    queue = tf.FIFOQueue(100, tf.int32, (), name="q")
    variable, count = counting(5)
    ends = (tf.errors.OutOfRangeError, tf.errors.CancelledError)
    runner = QueueRunner(queue, [queue.enqueue(count, name="put")] * 2, queue_closed_exception_types=ends)
    told = runner.to_proto()
    back = QueueRunner.from_proto(told)
    assert (back.name, back.enqueue_ops, back.close_op, back.cancel_op) == (
        *("q", runner.enqueue_ops, runner.close_op, runner.cancel_op),
    )
    assert back.queue_closed_exception_types == ends
    assert back.to_proto() == told
    with tf.Session(target) as sess:
        sess.run(variable.initializer)
        for thread in back.create_threads(sess, start=True):
            thread.join(30)
        assert sess.run([back.queue.size(), queue.is_closed()]) == [5, True]
    del told.queue_closed_exception_types[:]
    assert QueueRunner.from_proto(told).queue_closed_exception_types == (tf.errors.OutOfRangeError,)


def test_runners_of_the_sessions_graph_are_started_not_those_of_the_default_graph(target: str) -> None:
    """R12.20"""
    with tf.Graph().as_default() as graph, tf.container(f"runner-{id(object())}"):
        queue = tf.FIFOQueue(100, tf.int32, ())
        variable, count = counting(4)
        tf.train.add_queue_runner(QueueRunner(queue, [queue.enqueue(count)]))
    with tf.Session(target, graph=graph) as sess:
        sess.run(variable.initializer)
        threads = tf.train.start_queue_runners(start=False)
        assert len(threads) == 1
        assert not threads[0].is_alive()
        threads[0].start()
        threads[0].join(30)
        assert sess.run(variable) == 4
    with tf.Graph().as_default():
        tf.no_op()
        with tf.Session(target) as sess:
            assert tf.train.start_queue_runners(sess) == []


def test_several_runners_feed_each_other_and_end_in_order(target: str) -> None:
    """R12.11"""
    first, second = tf.FIFOQueue(4, tf.int32, ()), tf.FIFOQueue(4, tf.int32, ())
    _, count = counting(20)
    tf.train.add_queue_runner(QueueRunner(first, [first.enqueue(count)]))
    tf.train.add_queue_runner(QueueRunner(second, [second.enqueue(first.dequeue() * 2)] * 3))
    take = second.dequeue()
    found = []
    with tf.Session(target) as sess, Coordinator() as coord:
        sess.run(tf.global_variables_initializer())
        tf.train.start_queue_runners(sess, coord)
        while not coord.should_stop():
            found.append(int(sess.run(take)))
    assert sorted(found) == list(range(0, 40, 2))


def test_closing_the_session_ends_its_runners(target: str) -> None:
    """S24.3"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    runner = QueueRunner(queue, [queue.enqueue(7)])
    coord = Coordinator()
    sess = tf.Session(target)
    waiting = Waiting(sess, queue)
    threads = runner.create_threads(sess, coord, start=True)
    waiting.enqueues(1)
    sess.close()
    joined = in_thread(threads[0].join)
    joined.result(30)
    coord.request_stop()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()

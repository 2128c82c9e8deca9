"""Loops that run next to their devices, without the client in between: Session.repeat."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import dflow as tf
from dflow.cluster import EmbeddedCluster
from tests.conformance.programs import Waiting, device_name, in_thread, until, where_am_i

_names = itertools.count()


@pytest.fixture
def shared() -> str:
    """A shared_name that no other test uses."""
    return f"repeat-{next(_names)}"


def counter(name: str = "v") -> tuple[tf.Variable, tf.Tensor]:
    variable = tf.Variable(0, name=name)
    return variable, variable.assign_add(1)


def test_a_loop_runs_so_many_steps_and_tells_how_many(target: str) -> None:
    """S23.5"""
    v, count = counter()
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        loop = sess.repeat(count, steps=57)
        assert loop.join(30) == 57
        assert loop.done()
        assert loop.steps == 57
        assert sess.run(v) == 57


def test_a_loop_without_a_number_of_steps_ends_with_the_input(target: str) -> None:
    """Q4.2, R12.10"""
    queue = tf.FIFOQueue(100, tf.int32, ())
    total = tf.Variable(0, name="total")
    add = total.assign_add(queue.dequeue())
    with tf.Session(target) as sess:
        sess.run(total.initializer)
        sess.run(queue.enqueue_many([list(range(30))]))
        loop = sess.repeat(add)
        sess.run(queue.close())
        assert loop.join(30) == 30
        assert isinstance(loop.end_of_input, tf.errors.OutOfRangeError)
        assert sess.run(total) == sum(range(30))


def test_the_end_of_the_input_before_the_last_step_is_an_error(target: str) -> None:
    """Q4.2"""
    queue = tf.FIFOQueue(100, tf.int32, ())
    take = queue.dequeue()
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        sess.run(queue.close())
        loop = sess.repeat(take, steps=10)
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient") as caught:
            loop.join(30)
        assert caught.value.op is take.op


def test_the_values_of_the_fetches_stream_back_in_their_structure(target: str) -> None:
    """S23.2"""
    v, count = counter()
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        loop = sess.repeat({"count": count, "op": count.op, "pair": (count * 2, [count])}, steps=25, every=10)
        seen = list(loop)
        assert [step for step, _ in seen] == [10, 20, 25]
        assert seen[0][1] == {"count": 10, "op": None, "pair": (20, [10])}
        assert [values["count"] for _, values in seen] == [10, 20, 25]
        assert list(loop) == [], "all was told"


def test_values_come_while_the_loop_runs(target: str) -> None:
    """S23.11"""
    v, count = counter()
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        loop = sess.repeat(count, every=1)
        told = iter(loop)
        seen = [next(told) for _ in range(3)]
        assert [count for _, count in seen] == [iteration for iteration, _ in seen], "each of its own iteration"
        assert seen == sorted(seen), "the newest, if the client is slow"
        assert not loop.done()
        loop.stop()
        assert loop.join(30) >= 3


def test_a_loop_goes_on_while_its_client_does_nothing_and_ends_when_it_is_stopped(target: str) -> None:
    """S23.11"""
    v, count = counter()
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        loop = sess.repeat(count)
        until(lambda: sess.run(v) > 50)
        assert loop.join(0.0) is None
        loop.stop(finish=True)
        steps = loop.join(30)
        assert sess.run(v) == steps
        loop.stop()


def test_stopping_a_loop_ends_what_it_waits_for(target: str) -> None:
    """Q5.5"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    take = queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        loop = sess.repeat(take)
        waiting.dequeues(1)
        loop.stop()
        assert loop.join(30) == 0
        waiting.dequeues(0)
        sess.run(queue.enqueue(5))
        assert sess.run(queue.size()) == 1


def test_an_error_in_the_body_ends_the_loop_and_names_the_operation(target: str) -> None:
    """X26.5, S24.4"""
    v, count = counter()
    check = tf.Assert(tf.less(count, 5), ["too many", count], name="not_too_many")
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        loop = sess.repeat([count, check], every=1)
        with pytest.raises(tf.errors.InvalidArgumentError, match="too many") as caught:
            loop.join(30)
        assert caught.value.op is check
        assert "test_repeat.py" in str(caught.value)
        with pytest.raises(tf.errors.InvalidArgumentError, match="too many"):
            list(loop)
        assert sess.run(v) == 5


def test_repeat_itself_refuses_wrong_fetches(target: str) -> None:
    """S23.4"""
    tf.constant(1)
    with tf.Session(target) as sess:
        with pytest.raises(ValueError, match="cannot be interpreted"):
            sess.repeat("not there")
        with pytest.raises(TypeError, match="has invalid type"):
            sess.repeat(None)
        with pytest.raises(ValueError, match="nothing"):
            sess.repeat([])


def test_many_loops_run_at_once_and_lose_nothing(target: str) -> None:
    """V34.7, Q3.10"""
    queue = tf.FIFOQueue(8, tf.int32, ())
    v, count = counter("produced")
    w = tf.Variable(0, name="consumed")
    put, take = queue.enqueue(count), w.assign_add(queue.dequeue())
    with tf.Session(target) as sess:
        sess.run(tf.global_variables_initializer())
        producers = [sess.repeat(put, steps=40) for _ in range(4)]
        consumers = [sess.repeat(take) for _ in range(3)]
        assert [loop.join(60) for loop in producers] == [40] * 4
        sess.run(queue.close())
        assert sum(loop.join(60) or 0 for loop in consumers) == 160
        assert sess.run([v, w]) == [160, sum(range(1, 161))]


def test_closing_the_session_ends_its_loops(target: str, container: str) -> None:
    """S24.3"""
    v, count = counter()
    sess = tf.Session(target)
    sess.run(v.initializer)
    loop = sess.repeat(count)
    until(lambda: sess.run(v) > 3)
    sess.close()
    assert (loop.join(30) or 0) > 3
    assert loop.steps == loop.join()
    if target:
        with tf.Session(target) as other:
            first = other.run(v)
            until(lambda: _stands_still(other, v))
            assert other.run(v) >= first


def test_a_loop_that_waits_when_its_session_is_closed_tells_how_many_steps_it_made(target: str) -> None:
    """S24.3"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    sess = tf.Session(target)
    sess.run(queue.enqueue_many([[1, 2, 3]]))
    loop = sess.repeat(queue.dequeue(), every=1)
    assert list(itertools.islice(loop, 3)) == [(1, 1), (2, 2), (3, 3)]
    sess.close()
    assert loop.join(30) == 3


def test_a_loop_that_failed_knows_how_many_steps_it_made(target: str) -> None:
    queue = tf.FIFOQueue(10, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 0, 3]]))
        loop = sess.repeat(12 // queue.dequeue())
        with pytest.raises(tf.errors.InvalidArgumentError):
            loop.join(30)
        assert loop.steps == 2


def _stands_still(sess: tf.Session, v: tf.Variable) -> bool:
    before, after = sess.run(v), sess.run(v)
    return bool(before == after)


def test_a_client_may_wait_for_a_loop_in_a_thread_while_another_one_runs_steps(target: str) -> None:
    """S23.11"""
    v, count = counter()
    doubled = v * 2
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        loop = sess.repeat(count, steps=300)
        joined = in_thread(loop.join)
        for _ in range(20):
            assert sess.run(doubled) % 2 == 0
        assert joined.result(60) == 300


# -- on a cluster


def test_a_loop_runs_on_the_device_that_was_asked_for_and_uses_others(cluster: EmbeddedCluster) -> None:
    """S25.4"""
    with tf.device("/job:ps/task:0"):
        v, count = counter()
        here = where_am_i()
    with tf.device("/job:worker/task:1/cpu:0"):
        there, total = where_am_i(), count + 0
    with tf.Session(cluster.scheduler_address) as sess:
        sess.run(v.initializer)
        for device in (None, "/job:ps", "/job:worker/task:1"):
            loop = sess.repeat([total, here, there], steps=10, device=device)
            ((_, (_, ps, worker)),) = list(loop)
            assert "/job:ps/" in device_name(ps)
            assert "/job:worker/replica:0/task:1/" in device_name(worker)
            if device is not None:
                assert device in loop.spec.driver.replace("/replica:0", "")
        assert sess.run(v) == 30
        with pytest.raises(tf.errors.InvalidArgumentError, match="no operation of the loop is on"):
            sess.repeat(total, device="/job:worker/task:0")


def test_a_loop_of_one_session_feeds_a_loop_of_another_one(cluster: EmbeddedCluster, shared: str) -> None:
    """Q11.3"""
    address = cluster.scheduler_address

    def queue() -> tf.FIFOQueue:
        with tf.device("/job:ps"):
            return tf.FIFOQueue(5, tf.int32, (), shared_name=shared)

    mine = queue()
    v, count = counter()
    put = mine.enqueue(count)
    with tf.Graph().as_default(), tf.container(shared):
        total = tf.Variable(0, name="total")
        with tf.container(mine.spec.container):
            take = total.assign_add(queue().dequeue())
        with tf.Session(address) as consumer:
            consumer.run(total.initializer)
            consuming = consumer.repeat(take)
            with tf.Session(address, graph=v.graph) as producer:
                producer.run(v.initializer)
                assert producer.repeat(put, steps=50).join(60) == 50
                producer.run(mine.close())
            assert consuming.join(60) == 50
            assert consumer.run(total) == sum(range(1, 51))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"every": 0}, ValueError),
        ({"every": -5}, ValueError),
        ({"steps": -1}, ValueError),
        ({"every": 2.5}, TypeError),
        ({"steps": 1.5}, TypeError),
        ({"steps": True}, TypeError),
        ({"steps": "x"}, TypeError),
    ],
)
def test_repeat_itself_refuses_wrong_numbers(wrong: dict[str, Any], error: type[Exception], target: str) -> None:
    with tf.Session(target) as sess, pytest.raises(error, match=next(iter(wrong))):
        sess.repeat(tf.no_op(), **wrong)

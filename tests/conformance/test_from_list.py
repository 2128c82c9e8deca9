"""A queue chosen out of a list by each run, in sessions."""

from __future__ import annotations

import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread


def several(n: int = 2, capacity: int = 10) -> list[tf.QueueBase]:
    return [tf.FIFOQueue(capacity, tf.int32, (), name=f"q{i}") for i in range(n)]


def test_operations_act_on_the_queue_that_each_run_chooses(target: str) -> None:
    """Q10.5"""
    queues = several(3)
    index, value = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue, size = chosen.enqueue(value), chosen.dequeue(), chosen.size()
    enqueue_many, many, up_to = chosen.enqueue_many([[7, 8, 9]]), chosen.dequeue_many(2), chosen.dequeue_up_to(1)
    sizes = [queue.size() for queue in queues]
    with tf.Session(target) as sess:
        for i in (0, 1, 1, 2):
            assert sess.run(enqueue, {index: i, value: 10 * i}) is None
        assert sess.run(sizes) == [1, 2, 1]
        assert [sess.run(size, {index: i}) for i in range(3)] == [1, 2, 1]
        assert sess.run(dequeue, {index: 2}) == 20
        assert sess.run(queues[1].dequeue()) == 10
        sess.run(enqueue_many, {index: 2})
        assert sess.run(many, {index: 2}).tolist() == [7, 8]
        assert sess.run(up_to, {index: 2}).tolist() == [9]
        assert sess.run(sizes) == [1, 1, 0]


def test_the_index_may_be_a_number(target: str) -> None:
    """Q10.5"""
    queues = several()
    chosen = tf.QueueBase.from_list(1, queues)
    with tf.Session(target) as sess:
        sess.run(chosen.enqueue(5))
        assert sess.run([queue.size() for queue in queues]) == [0, 1]
        assert sess.run(chosen.queue_ref) == sess.run(queues[1].queue_ref)


def test_an_index_that_is_not_in_the_list_is_an_invalid_argument_and_changes_nothing(target: str) -> None:
    """Q10.6"""
    queues = several()
    index = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    fetches = [chosen.enqueue(1), chosen.dequeue(), chosen.size(), chosen.close(), chosen.queue_ref]
    with tf.Session(target) as sess:
        for fetch in fetches:
            for wrong in (-1, 2):
                with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{wrong} is not in \[0, 2\)"):
                    sess.run(fetch, {index: wrong})
        with pytest.raises(tf.errors.InvalidArgumentError, match="is a scalar"):
            sess.run(fetches[0], {index: [0, 1]})
        assert sess.run([queue.size() for queue in queues]) == [0, 0]


def test_only_the_chosen_queue_makes_the_run_wait(target: str) -> None:
    """Q10.5, Q3.3, Q2.11"""
    queues = several(capacity=1)
    index = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue = chosen.enqueue(3), chosen.dequeue()
    with tf.Session(target) as sess:
        full, empty = Waiting(sess, queues[0]), Waiting(sess, queues[1])
        sess.run(enqueue, {index: 0})
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(enqueue, {index: 0}, options=SHORT)
        blocked = in_thread(sess.run, dequeue, {index: 1})
        empty.dequeues(1)
        assert sess.run(dequeue, {index: 0}) == 3
        sess.run(queues[1].enqueue(4))
        assert blocked.result(30) == 4
        full.enqueues(0)


def test_a_close_closes_the_chosen_queue(target: str) -> None:
    """Q10.5, Q4.1"""
    queues = several()
    index = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    with tf.Session(target) as sess:
        sess.run(chosen.close(), {index: 1})
        assert sess.run([queue.is_closed() for queue in queues]) == [False, True]
        assert sess.run(chosen.is_closed(), {index: 1})
        sess.run(chosen.enqueue(1), {index: 0})
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(chosen.enqueue(1), {index: 1})
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(chosen.dequeue(), {index: 1})


def test_queues_of_different_kinds_and_shapes_and_with_names_may_be_in_one_list() -> None:
    """Q10.3, Q10.5, Q10.8"""
    queues: list[tf.QueueBase] = [
        tf.FIFOQueue(10, [tf.string, tf.int32], [(2,), ()], names=["s", "n"]),
        tf.PaddingFIFOQueue(10, [tf.string, tf.int32], [(None,), ()], names=["s", "n"]),
    ]
    index, words = tf.placeholder(tf.int32), tf.placeholder(tf.string)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue = chosen.enqueue({"s": words, "n": 1}), chosen.dequeue_many(1)
    with tf.Session() as sess:
        sess.run(enqueue, {index: 1, words: ["a"]})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[2\], got \[1\]"):
            sess.run(enqueue, {index: 0, words: ["a"]})
        found = sess.run(dequeue, {index: 1})
        assert found["s"].tolist() == [[b"a"]]
        assert found["n"].tolist() == [1]


def test_the_queues_may_be_on_different_devices(target: str) -> None:
    """Q10.5"""
    places = ["/job:ps", "/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0"] if target else ["/cpu:0", "/cpu:1", ""]
    queues: list[tf.QueueBase] = []
    for place in places:
        with tf.device(place):
            queues.append(tf.FIFOQueue(10, [tf.int32, tf.string], [(), ()]))
    index, value = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue, size = chosen.enqueue([value, "word"]), chosen.dequeue(), chosen.size()
    config = None if target else tf.ConfigProto(device_count={"CPU": 2})
    with tf.Session(target, config=config) as sess:
        for i in range(3):
            sess.run(enqueue, {index: i, value: i})
            sess.run(enqueue, {index: i, value: i + 10})
        for i in (2, 0, 1):
            assert sess.run(dequeue, {index: i}) == [i, b"word"]
            assert sess.run(size, {index: i}) == 1
            assert sess.run(queues[i].dequeue()) == [i + 10, b"word"]


def test_the_index_may_come_out_of_another_queue(target: str) -> None:
    """Q10.5"""
    queues, order = several(), tf.FIFOQueue(10, tf.int32, ())
    chosen = tf.QueueBase.from_list(order.dequeue(), queues)
    dequeue = chosen.dequeue()
    with tf.Session(target) as sess:
        sess.run([queues[0].enqueue_many([[1, 2]]), queues[1].enqueue(3), order.enqueue_many([[0, 1, 0]])])
        assert [sess.run(dequeue) for _ in range(3)] == [1, 3, 2]

"""How elements come out of a queue.  Statements Q3."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import Waiting, in_thread
from tests.conformance.queue_kinds import KINDS, Make, components, kinds, strict_kinds

# -- what is built


def test_one_component_comes_out_as_a_tensor_and_several_as_a_list() -> None:
    """Q3.1"""
    assert isinstance(tf.FIFOQueue(10, tf.int32).dequeue(), tf.Tensor)
    assert isinstance(tf.FIFOQueue(10, [tf.int32, tf.int32]).dequeue(), list)
    assert isinstance(tf.PriorityQueue(10, tf.int32).dequeue(), list)


@kinds
def test_static_shapes_of_what_comes_out(kind: str) -> None:
    """Q3.2"""
    shapes = [(None, 2), ()] if kind == "padding_fifo_queue" else [(3, 2), ()]
    queue = KINDS[kind](10, [tf.float32, tf.string], shapes)
    known = [list(shape) for shape in shapes]
    n = tf.placeholder(tf.int32, [])
    for tensors, leading in (
        (queue.dequeue(), []),
        (queue.dequeue_many(4), [4]),
        (queue.dequeue_many(tf.constant(4)), [4]),
        (queue.dequeue_many(n), [None]),
        (queue.dequeue_up_to(4), [None]),
        (queue.dequeue_up_to(n), [None]),
    ):
        assert [tensor.shape.as_list() for tensor in tensors[-2:]] == [leading + shape for shape in known]
        assert [tensor.dtype for tensor in tensors] == queue.dtypes
        if kind == "priority_queue":
            assert tensors[0].shape.as_list() == leading
    assert (queue.size().shape, queue.size().dtype) == ((), tf.int32)
    assert (queue.is_closed().shape, queue.is_closed().dtype) == ((), tf.bool)


@kinds
def test_the_number_of_elements_is_an_integer_scalar_that_is_not_negative(kind: str) -> None:
    """Q3.6"""
    queue = KINDS[kind](10, tf.int32, [()])
    for take in (queue.dequeue_many, queue.dequeue_up_to):
        for n in (-1, tf.constant(-2)):
            with pytest.raises(ValueError, match="cannot dequeue -"):
                take(n)
        for n in ([1, 2], tf.placeholder(tf.int32, [2])):
            with pytest.raises(ValueError, match="rank 0"):
                take(n)
        for n in (1.5, "2", tf.constant(2.0)):
            with pytest.raises(TypeError):
                take(n)
        for n in (0, np.int64(3), tf.constant(3, tf.int64), tf.Variable(3), tf.placeholder(tf.int32)):
            take(n)


# -- one, many, and none


def test_a_dequeue_of_an_empty_queue_waits_until_an_element_comes(target: str, make: Make) -> None:
    """Q3.3"""
    queue = make(1, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        blocked = in_thread(sess.run, queue.dequeue())
        waiting.dequeues(1)
        sess.run(queue.enqueue(1))
        assert blocked.result(30) == 1


def test_a_dequeue_many_gives_as_many_as_it_was_asked_for_and_waits_until_then(target: str, make: Make) -> None:
    """Q3.4"""
    queue = make(10, [tf.int32, tf.int32], [(), (2,)])
    number = tf.placeholder(tf.int32, [])
    enqueue, three = queue.enqueue([number, [number, -number]]), queue.dequeue_many(3)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        blocked = in_thread(sess.run, three)
        for value in range(4):
            waiting.dequeues(1 if value < 3 else 0)
            sess.run(enqueue, {number: value})
        numbers, rows = blocked.result(30)
        assert sorted(numbers.tolist()) == [0, 1, 2]
        assert rows.tolist() == [[value, -value] for value in numbers.tolist()]
        assert sess.run(queue.size()) == 1


@kinds
def test_a_dequeue_up_to_waits_for_all_of_an_open_queue_and_gives_the_rest_of_a_closed_one(
    target: str, kind: str
) -> None:
    """Q3.5"""
    queue = KINDS[kind](10, tf.int32, [()])
    number = tf.placeholder(tf.int32, [])
    enqueue, up_to = queue.enqueue(components(kind, number)), queue.dequeue_up_to(3)
    values = up_to[-1] if kind == "priority_queue" else up_to
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        blocked = in_thread(sess.run, values)
        for value in (1, 2, 3, 4, 5):
            waiting.dequeues(1 if value < 4 else 0)
            sess.run(enqueue, {number: value})
        assert sorted(blocked.result(30).tolist()) == [1, 2, 3]
        sess.run(queue.close())
        assert sorted(sess.run(values).tolist()) == [4, 5]
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(values)


def test_the_number_of_elements_may_be_a_tensor(target: str) -> None:
    """Q3.6"""
    queue, numbers = tf.FIFOQueue(20, tf.float32, ()), tf.FIFOQueue(20, tf.int32, ())
    n = tf.placeholder(tf.int32, [])
    some, as_told = queue.dequeue_many(n), queue.dequeue_many(numbers.dequeue())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([np.arange(10)]))
        sess.run(numbers.enqueue_many([[2, 0, 3]]))
        assert sess.run(some, {n: 2}).tolist() == [0, 1]
        assert [sess.run(as_told).tolist() for _ in range(3)] == [[2, 3], [], [4, 5, 6]]
        with pytest.raises(tf.errors.InvalidArgumentError, match="< 0 elements"):
            sess.run(some, {n: -1})
        assert sess.run(queue.size()) == 3


def test_a_number_of_elements_that_is_fed_must_be_a_scalar_and_not_negative(target: str) -> None:
    """Q3.6"""
    queue = tf.PaddingFIFOQueue(10, tf.int32, [(None,)])
    n = tf.placeholder(tf.int32)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[[1], [2]]]))
        for take in (queue.dequeue_many(n), queue.dequeue_up_to(n)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="requested -1 < 0 elements"):
                sess.run(take, {n: -1})
            with pytest.raises(tf.errors.InvalidArgumentError, match="is a scalar"):
                sess.run(take, {n: [1, 1]})
            assert sess.run(take, {n: 1}).shape == (1, 1)


@kinds
def test_taking_none_ends_at_once_on_an_empty_an_open_and_a_closed_queue(target: str, kind: str) -> None:
    """Q3.7"""
    queue = KINDS[kind](10, [tf.int32, tf.string], [(2,), ()])
    element = components(kind, [1, 2], "a")
    takes = [queue.dequeue_many(0), queue.dequeue_up_to(0)]
    with tf.Session(target) as sess:
        for change in (queue.size(), queue.enqueue(element), queue.close(), queue.dequeue()):
            sess.run(change)
            for take in takes:
                assert [part.shape for part in sess.run(take)[-2:]] == [(0, 2), (0,)]


def test_taking_none_gives_open_sizes_of_zero_on_an_open_and_on_a_closed_queue(target: str) -> None:
    """Q3.7"""
    queue = tf.PaddingFIFOQueue(10, [tf.float32, tf.int32], [(None, 2), ()])
    many, up_to, close = queue.dequeue_many(0), queue.dequeue_up_to(0), queue.close()
    with tf.Session(target) as sess:
        for _ in range(2):
            for fetch in (many, up_to):
                assert [array.shape for array in sess.run(fetch)] == [(0, 0, 2), (0,)]
            if not sess.run(queue.is_closed()):
                sess.run(close)


@strict_kinds
def test_several_elements_of_a_queue_without_shapes_are_an_invalid_argument(target: str, kind: str) -> None:
    """Q3.8"""
    queue = KINDS[kind](10, [tf.int32, tf.string])
    text = "require the components to have specified shapes"
    with tf.Session(target) as sess:
        sess.run(queue.enqueue(components(kind, [1, 2], "a")))
        for n in (0, 1):
            for take in (queue.dequeue_many(n), queue.dequeue_up_to(n)):
                assert [tensor.shape.ndims for tensor in take[-2:]] == [None, None]
                with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                    sess.run(take)
        assert sess.run(queue.size()) == 1


def test_more_than_fit_can_be_taken_at_once_while_more_come(target: str, make: Make) -> None:
    """Q3.9"""
    queue = make(2, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        taken = in_thread(sess.run, queue.dequeue_many(5))
        waiting.dequeues(1)
        for value in range(5):
            sess.run(queue.enqueue(value))
        assert sorted(taken.result(30).tolist()) == list(range(5))


# -- exactly once


def test_each_element_goes_to_exactly_one_of_many_threads(target: str, make: Make) -> None:
    """Q3.10, Q3.14, Q8.11"""
    queue = make(7, [tf.int32, tf.int32], shapes=[(), ()])
    p = tf.placeholder(tf.int32, [None])
    enqueue, close = queue.enqueue_many([p, p * -1]), queue.close()
    takes = [queue.dequeue(), queue.dequeue_up_to(4), queue.dequeue_many(2)]
    with tf.Session(target) as sess:

        def produce(start: int) -> None:
            for i in range(start, start + 60, 15):
                sess.run(enqueue, {p: np.arange(i, i + 15)})

        def consume(take: Any) -> list[int]:
            found: list[int] = []
            try:
                while True:
                    a, b = sess.run(take)
                    assert (np.asarray(a) == -np.asarray(b)).all()
                    found += np.atleast_1d(a).tolist()
            except tf.errors.OutOfRangeError:
                return found

        consumers = [in_thread(consume, take) for take in takes]
        for producer in [in_thread(produce, start) for start in (0, 100, 200)]:
            producer.result(60)
        sess.run(close)
        found = [item for consumer in consumers for item in consumer.result(60)]
        left = int(sess.run(queue.size()))
        if left:  # a dequeue_many(2) may end before the last element
            found += sess.run(queue.dequeue_many(left))[0].tolist()
    assert Counter(found) == Counter([*range(60), *range(100, 160), *range(200, 260)])


def test_a_dequeue_runs_once_in_a_step_and_two_dequeues_take_two_elements(target: str, make: Make) -> None:
    """Q3.11, Q3.12, Q3.14"""
    queue = make(100, [tf.int32, tf.int32], shapes=[(), ()])
    a, b = queue.dequeue()
    c, d = queue.dequeue()
    total = a * 100 + a
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([list(range(20)), [-i for i in range(20)]]))
        seen = []
        for _ in range(5):
            values = sess.run([a, a, b, total, {"again": a}, c, d])
            assert values[0] == values[1] == -values[2] == values[4]["again"]
            assert values[3] == values[0] * 101
            assert values[5] == -values[6]
            seen += [int(values[0]), int(values[5])]
        assert len(set(seen)) == 10
        assert sess.run(queue.size()) == 10


def test_a_dequeue_and_an_enqueue_of_one_step_on_an_empty_queue_end_together(target: str, make: Make) -> None:
    """Q3.13"""
    first, second = make(1, tf.int32, ()), make(1, tf.int32, ())
    give = tf.placeholder(tf.int32, [])
    through = [first.dequeue(), second.enqueue(first.dequeue() + 1), second.dequeue()]
    enqueue = first.enqueue_many([tf.stack([give, give])])
    with tf.Session(target) as sess:
        for number in (3, 4, 5):
            values = sess.run([*through, enqueue], {give: number})
            assert (values[0], values[2]) == (number, number + 1)

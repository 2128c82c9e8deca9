"""Queues that pad, in sessions."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread

TYPES = [
    tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64,
    tf.uint8, tf.uint16, tf.bool, tf.complex64, tf.complex128, tf.string,
]  # fmt: skip


def test_a_batch_is_padded_to_its_own_largest_element_and_a_single_one_not_at_all(target: str) -> None:
    """Q7.4, Q7.5"""
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.string], [(None,), (None, 2)])
    numbers, words = tf.placeholder(tf.int32), tf.placeholder(tf.string)
    enqueue, dequeue, three = queue.enqueue([numbers, words]), queue.dequeue(), queue.dequeue_many(3)
    with tf.Session(target) as sess:
        for length in (1, 3, 2, 5):
            sess.run(enqueue, {numbers: [length] * length, words: [["a", "b"]] * (6 - length)})
        found, text = sess.run(three)
        assert found.tolist() == [[1, 0, 0], [3, 3, 3], [2, 2, 0]]
        word, no_word = [b"a", b"b"], [b"", b""]
        assert text.tolist() == [[word] * 5, [word] * 3 + [no_word] * 2, [word] * 4 + [no_word]]
        found, text = sess.run(dequeue)
        assert found.tolist() == [5] * 5
        assert text.tolist() == [word]


@pytest.mark.parametrize("dtype", TYPES)
def test_every_dtype_is_padded_with_its_zero_and_comes_back_bit_equal(dtype: tf.DType) -> None:
    """Q1.11, Q7.6"""
    two = np.array([b"x", b"\xff\0y"], object) if dtype == tf.string else np.array([1, 1]).astype(dtype.numpy_dtype)
    queue = tf.PaddingFIFOQueue(10, dtype, [(None,)])
    value = tf.placeholder(dtype)
    enqueue, dequeue = queue.enqueue([value]), queue.dequeue_many(2)
    with tf.Session() as sess:
        sess.run(enqueue, {value: two})
        sess.run(enqueue, {value: two[:1]})
        found = sess.run(dequeue)
    assert found.dtype == two.dtype
    assert found.tolist() == [two.tolist(), [two[0], b"" if dtype == tf.string else 0]]


def test_elements_of_one_batch_have_equal_sizes_and_batches_may_differ(target: str) -> None:
    """Q7.8, Q2.10"""
    queue = tf.PaddingFIFOQueue(10, tf.float32, [(None, None)])
    value = tf.placeholder(tf.float32)
    enqueue, dequeue = queue.enqueue_many([value]), queue.dequeue_many(3)
    nothing = queue.enqueue_many([np.zeros((0, 2, 2), np.float32)])
    with tf.Session(target) as sess:
        sess.run(enqueue, {value: np.ones((2, 1, 2))})
        sess.run(nothing)
        sess.run(enqueue, {value: np.ones((1, 2, 1))})
        assert sess.run(dequeue).tolist() == [[[1, 1], [0, 0]], [[1, 1], [0, 0]], [[1, 0], [1, 0]]]


def test_taking_none_gives_open_sizes_of_zero_on_an_open_and_on_a_closed_queue() -> None:
    """Q3.7"""
    queue = tf.PaddingFIFOQueue(10, [tf.float32, tf.int32], [(None, 2), ()])
    many, up_to, close = queue.dequeue_many(0), queue.dequeue_up_to(0), queue.close()
    with tf.Session() as sess:
        for _ in range(2):
            for fetch in (many, up_to):
                assert [array.shape for array in sess.run(fetch)] == [(0, 0, 2), (0,)]
            if not sess.run(queue.is_closed()):
                sess.run(close)


def test_a_number_of_elements_that_is_fed_must_be_a_scalar_and_not_negative() -> None:
    """Q3.6"""
    queue = tf.PaddingFIFOQueue(10, tf.int32, [(None,)])
    n = tf.placeholder(tf.int32)
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([[[1], [2]]]))
        for take in (queue.dequeue_many(n), queue.dequeue_up_to(n)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="requested -1 < 0 elements"):
                sess.run(take, {n: -1})
            with pytest.raises(tf.errors.InvalidArgumentError, match="is a scalar"):
                sess.run(take, {n: [1, 1]})
            assert sess.run(take, {n: 1}).shape == (1, 1)


def test_a_known_size_that_differs_is_an_invalid_argument_that_names_the_component() -> None:
    """Q2.4, Q7.3"""
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], [(), (None, 3)])
    value = tf.placeholder(tf.int32)
    one, many = queue.enqueue([1, value]), queue.enqueue_many([[1, 2], value])
    with tf.Session() as sess:
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"Shape mismatch in tuple component 1. Expected \[\?,3\], got \[3,4\]"
        ):
            sess.run(one, {value: np.zeros((3, 4))})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"component 1. Expected \[2,\?,3\], got \[2,4\]"):
            sess.run(many, {value: np.zeros((2, 4))})
        assert sess.run(queue.size()) == 0


def test_a_full_queue_blocks_and_a_batch_goes_in_as_room_appears(target: str) -> None:
    """Q2.11, Q2.12, Q7.9"""
    queue = tf.PaddingFIFOQueue(2, tf.int32, [(None,)])
    enqueue, dequeue = queue.enqueue_many([[[1], [2], [3], [4]]]), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        blocked = in_thread(sess.run, enqueue)
        waiting.enqueues(1)
        assert [sess.run(dequeue).tolist() for _ in range(2)] == [[1], [2]]
        assert blocked.result(30) is None
        assert sess.run(queue.dequeue_many(2)).tolist() == [[3], [4]]


def test_a_close_gives_a_partial_batch_back(target: str) -> None:
    """Q7.9, Q4.9, Q4.10, Q4.12"""
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


def test_a_batch_that_ran_out_of_time_gives_its_elements_back() -> None:
    """D1, Q5.9"""
    queue = tf.PaddingFIFOQueue(10, tf.int32, [(None,)])
    with tf.Session() as sess:
        sess.run(queue.enqueue([[1, 2]]))
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(queue.dequeue_many(2), options=SHORT)
        assert sess.run(queue.dequeue()).tolist() == [1, 2]


def test_queues_of_one_name_are_one_if_their_shapes_are_compatible() -> None:
    """Q7.10, Q11.1, Q11.6"""

    def shared(shape: tuple[int | None, ...], make: type = tf.PaddingFIFOQueue) -> tf.QueueBase:
        queue: tf.QueueBase = make(10, tf.int32, [shape], shared_name="shared")
        return queue

    first, second, third = shared((None,)), shared((3,)), shared((None, 2))
    other = shared((3,), tf.FIFOQueue)
    with tf.Session() as sess:
        sess.run(first.enqueue([[1, 2]]))
        assert sess.run(second.size()) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="component shapes"):
            sess.run(third.queue_ref.op)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"has type PaddingFIFOQueue.*expected FIFOQueue"):
            sess.run(other.queue_ref.op)


def test_elements_with_names_are_dicts() -> None:
    """Q10.1, Q10.3"""
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], [(None,), ()], names=["v", "n"])
    with tf.Session() as sess:
        sess.run([queue.enqueue({"n": 2, "v": [1, 1]}), queue.enqueue({"v": [2], "n": 1})])
        found = sess.run(queue.dequeue_many(2))
        assert sorted(zip(found["n"].tolist(), found["v"].tolist(), strict=True)) == [(1, [2, 0]), (2, [1, 1])]

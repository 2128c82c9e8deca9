"""PaddingFIFOQueue.  Statements Q7; the fixture `make` runs those of sections 2 to 5 with it too (Q7.9)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import Waiting, in_thread

TYPES = [
    tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64,
    tf.uint8, tf.uint16, tf.bool, tf.complex64, tf.complex128, tf.string,
]  # fmt: skip


# -- what is built


@pytest.mark.parametrize("shapes", [None, (), (2, 3), (None,), [], tf.TensorShape([2]), 3])
def test_shapes_of_a_queue_that_pads_are_a_list(shapes: Any) -> None:
    """Q7.1"""
    with pytest.raises(ValueError, match="When providing partial shapes, a list of shapes must be provided"):
        tf.PaddingFIFOQueue(10, tf.int32, shapes)


def test_shapes_of_a_queue_that_pads_may_leave_sizes_open_but_not_the_rank() -> None:
    """Q7.2"""
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.float32], [(None, 2), ()])
    assert [shape.as_list() for shape in queue.shapes] == [[None, 2], []]
    with pytest.raises(ValueError, match="must have a defined rank"):
        tf.PaddingFIFOQueue(10, tf.int32, [tf.TensorShape(None)])
    with pytest.raises(TypeError, match="shapes"):
        tf.PaddingFIFOQueue(10, tf.int32)  # type: ignore[call-arg]


def test_a_queue_that_pads_needs_a_shape_for_each_component() -> None:
    """Q7.2"""
    for shapes in ([(None,)], [(None,), (), ()]):
        with pytest.raises(ValueError, match="Shapes must be provided for all components"):
            tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], shapes)


# -- elements and batches


def test_open_sizes_fit_any_size_and_known_ones_their_own(target: str) -> None:
    """Q7.3"""
    queue = tf.PaddingFIFOQueue(10, tf.int32, [(None, 3)])
    value = tf.placeholder(tf.int32)
    enqueue = queue.enqueue([value])
    with pytest.raises(ValueError, match="the value is"):
        queue.enqueue([np.zeros((3, 4), np.int32)])
    with tf.Session(target) as sess:
        for length in (0, 1, 5):
            sess.run(enqueue, {value: np.zeros((length, 3))})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[\?,3\], got \[3,4\]"):
            sess.run(enqueue, {value: np.zeros((3, 4))})
        assert sess.run(queue.size()) == 3


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
def test_every_dtype_is_padded_with_its_zero_and_comes_back_bit_equal(target: str, dtype: tf.DType) -> None:
    """Q1.11, Q7.6"""
    two = np.array([b"x", b"\xff\0y"], object) if dtype == tf.string else np.array([1, 1]).astype(dtype.numpy_dtype)
    queue = tf.PaddingFIFOQueue(10, dtype, [(None,)])
    value = tf.placeholder(dtype)
    enqueue, dequeue = queue.enqueue([value]), queue.dequeue_many(2)
    with tf.Session(target) as sess:
        sess.run(enqueue, {value: two})
        sess.run(enqueue, {value: two[:1]})
        found = sess.run(dequeue)
    assert found.dtype == two.dtype
    assert found.tolist() == [two.tolist(), [two[0], b"" if dtype == tf.string else 0]]


def test_with_full_shapes_it_is_a_fifo_queue(target: str) -> None:
    """Q7.7"""
    queues: list[Any] = [make(10, tf.int32, [(2,)]) for make in (tf.FIFOQueue, tf.PaddingFIFOQueue)]
    found = []
    with tf.Session(target) as sess:
        for queue in queues:
            sess.run(queue.enqueue_many([[[1, 2], [3, 4], [5, 6], [7, 8]]]))
            takes = [queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(1)]
            found.append([sess.run(take).tolist() for take in takes])
    assert found[0] == found[1] == [[1, 2], [[3, 4], [5, 6]], [[7, 8]]]


def test_elements_of_one_batch_have_equal_sizes_and_batches_may_differ(target: str) -> None:
    """Q7.8"""
    queue = tf.PaddingFIFOQueue(10, tf.float32, [(None, None)])
    value = tf.placeholder(tf.float32)
    enqueue, dequeue = queue.enqueue_many([value]), queue.dequeue_many(3)
    nothing = queue.enqueue_many([np.zeros((0, 2, 2), np.float32)])
    with tf.Session(target) as sess:
        sess.run(enqueue, {value: np.ones((2, 1, 2))})
        sess.run(nothing)
        sess.run(enqueue, {value: np.ones((1, 2, 1))})
        assert sess.run(dequeue).tolist() == [[[1, 1], [0, 0]], [[1, 1], [0, 0]], [[1, 0], [1, 0]]]


def test_a_batch_that_waits_is_padded_when_it_is_whole(target: str) -> None:
    """Q7.5, Q7.9"""
    queue, value = tf.PaddingFIFOQueue(1, tf.int32, [(None,)]), tf.placeholder(tf.int32)
    enqueue, three = queue.enqueue([value]), queue.dequeue_many(3)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        batch = in_thread(sess.run, three)
        waiting.dequeues(1)
        for length in (1, 3, 2):
            sess.run(enqueue, {value: [length] * length})
        assert batch.result(30).tolist() == [[1, 0, 0], [3, 3, 3], [2, 2, 0]]


def test_queues_of_one_name_are_one_if_their_shapes_are_compatible(target: str) -> None:
    """Q7.10, Q11.1, Q11.6"""

    def shared(shape: tuple[int | None, ...], make: type = tf.PaddingFIFOQueue) -> tf.QueueBase:
        queue: tf.QueueBase = make(10, tf.int32, [shape], shared_name="shared")
        return queue

    first, second, third = shared((None,)), shared((3,)), shared((None, 2))
    other = shared((3,), tf.FIFOQueue)
    with tf.Session(target) as sess:
        sess.run(first.enqueue([[1, 2]]))
        assert sess.run(second.size()) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="component shapes"):
            sess.run(third.queue_ref.op)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"has type PaddingFIFOQueue.*expected FIFOQueue"):
            sess.run(other.queue_ref.op)

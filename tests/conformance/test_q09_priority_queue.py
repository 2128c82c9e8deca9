"""PriorityQueue.  Statements Q9."""

from __future__ import annotations

import random

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread

# -- priorities


def test_an_element_has_a_priority_more_than_types_and_shapes_say() -> None:
    """Q9.1"""
    queue = tf.PriorityQueue(10, [tf.string, tf.float32], [(), (2,)])
    assert queue.dtypes == [tf.int64, tf.string, tf.float32]
    assert queue.shapes == [(), (), (2,)]
    assert tf.PriorityQueue(10, tf.string).shapes[0] == ()
    assert queue.enqueue([1, "a", [0.0, 1.0]]).inputs[1].shape == ()
    assert queue.enqueue_many([[1], ["a"], [[0.0, 1.0]]]).inputs[1].shape == (1,)


def test_the_smallest_priority_leaves_first_and_is_the_first_component(target: str) -> None:
    """Q9.2, Q9.4"""
    queue = tf.PriorityQueue(10, [tf.string, tf.float32], [(), (2,)])
    rank, word = tf.placeholder(tf.int64), tf.placeholder(tf.string)
    enqueue, dequeue = queue.enqueue([rank, word, [0.5, 1.5]]), queue.dequeue()
    with tf.Session(target) as sess:
        for value in (3, -(2**40), 7):
            sess.run(enqueue, {rank: value, word: str(value)})
        for value in (-(2**40), 3, 7):
            found = sess.run(dequeue)
            assert (found[0], found[1]) == (value, str(value).encode())
            assert found[0].dtype == np.int64
            assert found[2].tolist() == [0.5, 1.5]


def test_a_batch_has_a_vector_of_priorities_and_equal_ones_keep_their_order(target: str) -> None:
    """Q9.2, Q9.3"""
    queue = tf.PriorityQueue(10, tf.int32, ())
    enqueue = queue.enqueue_many([[1, 0, 1, 0, -1], [10, 20, 11, 21, 30]])
    many, up_to = queue.dequeue_many(2), queue.dequeue_up_to(3)
    with tf.Session(target) as sess:
        sess.run(enqueue)
        assert [array.tolist() for array in sess.run(many)] == [[-1, 0], [30, 20]]
        assert [array.tolist() for array in sess.run(up_to)] == [[0, 1, 1], [21, 10, 11]]


def test_a_priority_is_an_int64_scalar() -> None:
    """Q9.7"""
    for queue in (tf.PriorityQueue(10, tf.string, ()), tf.PriorityQueue(10, tf.string)):
        for wrong in ("text", 1.5):
            with pytest.raises(TypeError, match="Expected int64"):
                queue.enqueue((wrong, "value"))
        with pytest.raises(ValueError, match="Tensor conversion requested dtype int64"):
            queue.enqueue((tf.constant(1), "value"))
        with pytest.raises(ValueError, match="component 0 of queue"):
            queue.enqueue(([1, 2], "value"))
        assert queue.enqueue((tf.placeholder(tf.int64), "value")).inputs[1].shape.ndims is None


@pytest.mark.parametrize("shapes", [(), None])
def test_a_priority_that_is_no_scalar_is_an_invalid_argument(target: str, shapes: tuple[()] | None) -> None:
    """Q9.7"""
    queue = tf.PriorityQueue(10, tf.string, shapes)
    rank = tf.placeholder(tf.int64)
    with tf.Session(target) as sess:
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"Shape mismatch in tuple component 0. Expected \[\], got \[2\]"
        ):
            sess.run(queue.enqueue([rank, "a"]), {rank: [1, 2]})
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"Shape mismatch in tuple component 0. Expected \[2\], got \[2,2\]"
        ):
            sess.run(queue.enqueue_many([rank, ["a", "b"]]), {rank: [[1, 2], [3, 4]]})
        assert sess.run(queue.size()) == 0


def test_names_name_the_priority_too(target: str) -> None:
    """Q9.10, Q10.3"""
    queue = tf.PriorityQueue(10, tf.int32, (), names=["rank", "value"])
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many({"value": [1, 2], "rank": [9, 8]}))
        assert sess.run(queue.dequeue()) == {"rank": 8, "value": 2}


# -- batches and waiting


def test_a_waiting_batch_holds_nothing_and_comes_out_sorted(target: str) -> None:
    """Q9.5, Q9.6"""
    queue = tf.PriorityQueue(100, tf.int32, ())
    rank = tf.placeholder(tf.int64, ())
    enqueue, dequeue = queue.enqueue([rank, tf.cast(rank, tf.int32)]), queue.dequeue_many(40)
    ranks = list(range(40))
    random.Random(1).shuffle(ranks)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        batch = in_thread(sess.run, dequeue)
        waiting.dequeues(1)

        def put(mine: list[int]) -> None:
            for value in mine:
                sess.run(enqueue, {rank: value})

        put(ranks[:1])
        assert sess.run(queue.size()) == 1
        for producer in [in_thread(put, ranks[start::3]) for start in (1, 2, 3)]:
            producer.result(30)
        priorities, values = batch.result(30)
        assert priorities.tolist() == values.tolist() == list(range(40))
        assert sess.run(queue.size()) == 0


def test_a_batch_that_ran_out_of_time_lost_nothing(target: str) -> None:
    """Q9.5, Q5.6"""
    queue = tf.PriorityQueue(2, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[2, 1], [20, 10]]))
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(queue.dequeue_many(3), options=SHORT)
        assert sess.run(queue.size()) == 2
        assert sess.run(queue.dequeue()) == [1, 10]


def test_a_batch_that_is_larger_than_the_queue_waits_for_ever(target: str) -> None:
    """Q9.5"""
    queue = tf.PriorityQueue(2, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[2, 1], [20, 10]]))
        put = in_thread(sess.run, queue.enqueue([0, 0]))
        waiting.enqueues(1)
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(queue.dequeue_many(3), options=SHORT)
        assert not put.done()
        assert sess.run(queue.size()) == 2
        assert sess.run(queue.dequeue()) == [1, 10]
        assert put.result(30) is None


def test_after_a_close_up_to_gives_what_is_there_and_then_the_end(target: str) -> None:
    """Q9.8"""
    queue = tf.PriorityQueue(10, tf.int32, ())
    many, up_to = queue.dequeue_many(3), queue.dequeue_up_to(3)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[5, 4], [5, 4]]))
        sess.run(queue.close())
        with pytest.raises(tf.errors.OutOfRangeError, match=r"requested 3, current size 2"):
            sess.run(many)
        assert [array.tolist() for array in sess.run(up_to)] == [[4, 5], [4, 5]]
        for fetch in (up_to, queue.dequeue()):
            with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
                sess.run(fetch)


def test_an_up_to_of_an_open_queue_waits_for_all_of_its_elements(target: str) -> None:
    """Q9.8"""
    queue = tf.PriorityQueue(10, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[5, 4], [50, 40]]))
        batch = in_thread(sess.run, queue.dequeue_up_to(3))
        waiting.dequeues(1)
        sess.run(queue.enqueue([1, 10]))
        assert [array.tolist() for array in batch.result(30)] == [[1, 4, 5], [10, 40, 50]]


def test_a_full_queue_blocks_enqueues(target: str) -> None:
    """Q9.9"""
    queue = tf.PriorityQueue(2, tf.int32, ())
    enqueue, dequeue = queue.enqueue([0, 0]), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[2, 1], [2, 1]]))
        blocked = in_thread(sess.run, enqueue)
        waiting.enqueues(1)
        assert sess.run(dequeue) == [1, 1]
        assert blocked.result(30) is None
        assert sess.run(dequeue) == [0, 0]


def test_queues_of_one_name_are_one_queue(target: str) -> None:
    """Q11.1, Q11.6, Q9.1"""
    first, second = (tf.PriorityQueue(10, tf.int32, (), shared_name="shared") for _ in range(2))
    other = tf.PriorityQueue(11, tf.int32, (), shared_name="shared")
    with tf.Session(target) as sess:
        sess.run(first.enqueue([1, 10]))
        assert sess.run(second.dequeue()) == [1, 10]
        with pytest.raises(tf.errors.InvalidArgumentError, match="capacity"):
            sess.run(other.queue_ref.op)

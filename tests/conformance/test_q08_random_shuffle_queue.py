"""RandomShuffleQueue.  Statements Q8."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread

# -- the order


def test_a_shuffle_queue_gives_each_element_once_in_another_order(target: str) -> None:
    """Q8.1"""
    queue = tf.RandomShuffleQueue(100, 0, tf.int32, (), seed=3)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([list(range(60))]))
        found = [int(sess.run(queue.dequeue())), *sess.run(queue.dequeue_many(59)).tolist()]
    assert sorted(found) == list(range(60))
    assert found != sorted(found)


def test_each_stored_element_leaves_first_equally_often(target: str) -> None:
    """Q8.1"""
    queue = tf.RandomShuffleQueue(10, 0, tf.int32, (), seed=7)
    refill, one, rest = queue.enqueue_many([list(range(4))]), queue.dequeue_many(1), queue.dequeue_many(3)
    firsts, orders = np.zeros(4, int), set()
    with tf.Session(target) as sess:
        for _ in range(200):
            sess.run(refill)
            first = sess.run(one).tolist()
            firsts[first[0]] += 1
            orders.add(tuple(first + sess.run(rest).tolist()))
    assert firsts.min() > 25, "50 each; six standard deviations are 37"
    assert len(orders) == 24, "all orders of four elements"


def test_equal_seeds_and_equal_runs_give_equal_orders(target: str) -> None:
    """Q8.7, Q8.8"""

    def order(op_seed: int | None, graph_seed: int | None) -> list[int]:
        with tf.Graph().as_default():
            if graph_seed is not None:
                tf.set_random_seed(graph_seed)
            queue = tf.RandomShuffleQueue(100, 0, tf.int32, (), seed=op_seed)
            enqueue, dequeue = queue.enqueue_many([list(range(40))]), queue.dequeue_many(40)
            with tf.Session(target) as sess:
                sess.run(enqueue)
                found: list[int] = sess.run(dequeue).tolist()
                return found

    assert order(5, None) == order(5, None)
    assert order(5, 1) == order(5, 1)
    assert order(None, 1) == order(None, 1)
    assert order(5, None) != order(6, None)
    assert order(5, 1) != order(5, 2)
    assert order(None, None) != order(None, None)


def test_queues_of_one_shared_name_have_one_seed_if_only_the_graph_has_one() -> None:
    """Q8.8, Q8.9"""

    def seeds(**more: Any) -> tuple[int, int]:
        return tf.RandomShuffleQueue(10, 0, tf.int32, **more).spec.seed

    assert seeds() == seeds(shared_name="a") == (0, 0)
    tf.set_random_seed(3)
    assert seeds(shared_name="a") == seeds(shared_name="a") != seeds(shared_name="b")
    assert seeds() != seeds()
    assert seeds(seed=5) == seeds(seed=5, shared_name="a") == (3, 5)
    tf.set_random_seed(7)
    assert (seeds(shared_name="a"), seeds(shared_name="")) == ((7, 1605809426), (7, 253027423)), "as in TensorFlow"


def test_shuffle_queues_of_one_name_agree_on_the_graphs_seed(target: str, shared: str) -> None:
    """Q8.9"""
    tf.set_random_seed(87654321)
    first = tf.RandomShuffleQueue(10, 0, tf.int32, (), shared_name=shared)
    second = tf.RandomShuffleQueue(10, 0, tf.int32, (), shared_name=shared)
    with tf.Session(target) as sess:
        sess.run(first.queue_ref.op)
        sess.run(second.queue_ref.op)
        sess.run(first.enqueue(1))
        assert sess.run(second.dequeue()) == 1


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ((87654321, None), (87654321, 887634792)),  # the graph's seed alone: a number that depends on the name, ...
        ((87654321, 887634792), (87654321, None)),  # ... the same as in TensorFlow
        ((None, 5), (87654321, 5)),  # the graph's seed where the graph has none
        ((7, 5), (7, 5)),
        ((7, None), (7, None)),
        ((7, 5), (None, None)),  # who gives no seed takes the queue as it is
    ],
)
def test_two_sessions_that_mean_the_same_seeds_share_a_shuffle_queue(
    target: str, there: tuple[int | None, int | None], asked: tuple[int | None, int | None]
) -> None:
    """Q8.9, Q8.10.  In one process they are two queues, on a cluster one."""

    def shuffle_queue(graph: int | None, op: int | None) -> tf.RandomShuffleQueue:
        tf.set_random_seed(graph)
        return tf.RandomShuffleQueue(10, 0, tf.int32, (), seed=op, shared_name="shared_queue")

    first, second = shuffle_queue(*there), shuffle_queue(*asked)
    with tf.Session(target) as one, tf.Session(target) as two:
        one.run(first.enqueue(1))
        assert one.run(second.size()) == 1
        assert two.run(second.size()) == (1 if target else 0)
        assert one.run(second.dequeue()) == 1


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ((None, None), (None, 5)),
        ((None, None), (7, None)),
        ((7, None), (8, None)),
        ((7, None), (7, 5)),
        ((7, 5), (None, 5)),
    ],
)
def test_a_shuffle_queue_with_other_seeds_is_another_description(
    target: str, shared: str, there: tuple[int | None, int | None], asked: tuple[int | None, int | None]
) -> None:
    """Q8.10"""
    queues = []
    for graph, op in (there, asked):
        tf.set_random_seed(graph)
        queues.append(tf.RandomShuffleQueue(10, 0, tf.int32, (), seed=op, shared_name=shared))
    with tf.Session(target) as sess:
        sess.run(queues[0].queue_ref.op)
        with pytest.raises(tf.errors.InvalidArgumentError, match="random seeds"):
            sess.run(queues[1].queue_ref.op)


# -- the reserve


def test_a_dequeue_leaves_the_reserve_while_the_queue_is_open(target: str) -> None:
    """Q8.2, Q8.4, Q8.5"""
    queue = tf.RandomShuffleQueue(10, 3, tf.int32, ())
    dequeue, size = queue.dequeue(), queue.size()
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        got = [int(sess.run(dequeue))]
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(dequeue, options=SHORT)
        assert sess.run(size) == 3
        sess.run(queue.close())
        got += sess.run(queue.dequeue_up_to(10)).tolist()
        assert sorted(got) == [1, 2, 3, 4]


def test_a_batch_takes_what_is_above_the_reserve_as_it_comes(target: str) -> None:
    """Q8.2, Q8.3"""
    queue, number = tf.RandomShuffleQueue(10, 2, tf.int32, ()), tf.placeholder(tf.int32, [])
    enqueue, size = queue.enqueue(number), queue.size()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        batch = in_thread(sess.run, queue.dequeue_many(3))
        waiting.dequeues(1)
        sizes = []
        for value in range(5):
            sess.run(enqueue, {number: value})
            sizes.append(int(sess.run(size)))
        assert sizes == [1, 2, 2, 2, 2], "what the batch has taken does not count any more"
        assert len(set(batch.result(30).tolist())) == 3


def test_a_closed_queue_gives_its_reserve_too(target: str) -> None:
    """Q8.4, Q8.5"""
    queue = tf.RandomShuffleQueue(10, 5, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        sess.run(queue.close())
        found = [int(sess.run(queue.dequeue())), *sess.run(queue.dequeue_many(1)).tolist()]
        found += sess.run(queue.dequeue_up_to(9)).tolist()
        assert sorted(found) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("capacity", "reserve", "text"),
    [
        (5, 7, "min_after_dequeue 7 must be < capacity 5"),
        (5, 5, "5 must be < capacity 5"),
        (0, 0, "capacity 0"),
        (5, -1, "-1"),
    ],
)
def test_a_reserve_that_does_not_fit_is_an_invalid_argument(
    target: str, capacity: int, reserve: int, text: str
) -> None:
    """Q8.6"""
    queue = tf.RandomShuffleQueue(capacity, reserve, tf.int32, ())
    with tf.Session(target) as sess, pytest.raises(tf.errors.InvalidArgumentError, match=text):
        sess.run(queue.queue_ref.op)


# -- sharing and threads


def test_who_shares_a_queue_says_the_same_of_it(target: str, shared: str) -> None:
    """Q8.10"""

    def differs(text: str, capacity: int, reserve: int, dtype: tf.DType, shape: Any, **seed: int) -> None:
        other = tf.RandomShuffleQueue(capacity, reserve, dtype, shape, shared_name=shared, **seed)
        with pytest.raises(tf.errors.InvalidArgumentError, match=text) as caught:
            sess.run(other.queue_ref.op)
        assert shared in str(caught.value)

    first = tf.RandomShuffleQueue(10, 2, tf.int32, (), seed=12, shared_name=shared)
    unseeded = tf.RandomShuffleQueue(10, 2, tf.int32, (), shared_name=shared)
    with tf.Session(target) as sess:
        sess.run(first.queue_ref.op)
        differs("capacity", 11, 2, tf.int32, (), seed=12)
        differs("min_after_dequeue", 10, 3, tf.int32, (), seed=12)
        differs("component types", 10, 2, tf.float32, (), seed=12)
        differs("component shapes", 10, 2, tf.int32, (2,), seed=12)
        differs("component shapes", 10, 2, tf.int32, None, seed=12)
        differs("random seeds", 10, 2, tf.int32, (), seed=98765)
        sess.run(unseeded.enqueue(1))
        assert sess.run(first.size()) == 1


def test_many_threads_lose_no_element_and_no_batch_of_theirs_is_empty(target: str) -> None:
    """Q8.11"""
    queue = tf.RandomShuffleQueue(20, 5, tf.int32, ())
    numbers = tf.placeholder(tf.int32, [None])
    enqueue, up_to = queue.enqueue_many([numbers]), queue.dequeue_up_to(7)
    with tf.Session(target) as sess:

        def take() -> list[list[int]]:
            found: list[list[int]] = []
            try:
                while True:
                    found.append(sess.run(up_to).tolist())
            except tf.errors.OutOfRangeError:
                return found

        takers = [in_thread(take) for _ in range(3)]
        for put in [in_thread(sess.run, enqueue, {numbers: range(i, i + 40)}) for i in (0, 40, 80)]:
            put.result(30)
        sess.run(queue.close())
        batches = [batch for taker in takers for batch in taker.result(30)]
    assert all(batches)
    assert sorted(itertools.chain(*batches)) == list(range(120))


def test_a_dequeue_releases_an_enqueue_that_waits_and_a_close_lets_it_end(target: str) -> None:
    """Q8.12"""
    queue = tf.RandomShuffleQueue(3, 1, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        put = in_thread(sess.run, queue.enqueue(4))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        found = [int(sess.run(queue.dequeue()))]
        assert (put.result(30), close.result(30)) == (None, None)
        found += sess.run(queue.dequeue_up_to(9)).tolist()
        assert sorted(found) == [1, 2, 3, 4]
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(queue.dequeue())

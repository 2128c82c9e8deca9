"""FIFOQueue.  Statements Q6."""

from __future__ import annotations

import pytest

import dflow as tf
from tests.conformance.programs import Waiting, in_thread


def test_elements_leave_in_the_order_in_which_they_came(target: str) -> None:
    """Q6.1"""
    queue = tf.FIFOQueue(100, [tf.int32, tf.float32], [(), (2,)])
    i, f = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [2])
    enqueue, dequeue, size = queue.enqueue([i, f]), queue.dequeue(), queue.size()
    many = queue.dequeue_many(4)
    with tf.Session(target) as sess:
        for number in range(6):
            assert sess.run(enqueue, {i: number, f: [number, -number]}) is None
        assert [int(sess.run(size)) for _ in range(20)] == [6] * 20
        numbers, pairs = sess.run(many)
        assert numbers.tolist() == [0, 1, 2, 3]
        assert pairs.tolist() == [[0, 0], [1, -1], [2, -2], [3, -3]]
        number, pair = sess.run(dequeue)
        assert (number, pair.tolist()) == (4, [4, -4])
        assert sess.run(size) == 1


def test_the_node_has_the_attributes_of_tensorflow() -> None:
    """Q6.2"""
    with tf.container("box"):
        queue = tf.FIFOQueue(10, [tf.int32, tf.string], [(), (2,)], shared_name="shared")
    op, plain = queue.queue_ref.op, tf.FIFOQueue(5, tf.int32).queue_ref.op
    assert op.type == "FIFOQueueV2"
    assert (op.get_attr("capacity"), plain.get_attr("capacity")) == (10, 5)
    assert op.get_attr("component_types") == [tf.int32, tf.string]
    assert [list(shape) for shape in op.get_attr("shapes")] == [[], [2]]
    assert plain.get_attr("shapes") == []
    assert (op.get_attr("container"), op.get_attr("shared_name")) == (b"box", b"shared")
    assert plain.get_attr("shared_name") == b""


def test_a_queue_has_no_device_of_its_own() -> None:
    """Q6.3"""
    assert tf.FIFOQueue(10, tf.int32).queue_ref.op.device == ""
    with tf.device("/cpu:0"):
        assert tf.FIFOQueue(10, tf.int32).queue_ref.op.device == "/device:CPU:0"


def test_single_elements_and_batches_of_many_threads_come_out_once_each(target: str) -> None:
    """Q6.4"""
    queue, numbers = tf.FIFOQueue(4, tf.int32, ()), tf.placeholder(tf.int32, [None])
    single, many, dequeue = queue.enqueue(numbers[0]), queue.enqueue_many([numbers]), queue.dequeue()
    with tf.Session(target) as sess:

        def put(start: int) -> None:
            for value in range(start, start + 30, 3):
                sess.run(single, {numbers: [value]})
                sess.run(many, {numbers: [value + 1, value + 2]})

        threads = [in_thread(put, start) for start in (0, 30, 60)]
        found = [int(sess.run(dequeue)) for _ in range(90)]
        for thread in threads:
            thread.result(30)
        assert sess.run(queue.size()) == 0
    assert sorted(found) == list(range(90))


def test_a_batch_larger_than_the_queue_is_drained_after_the_close(target: str) -> None:
    """Q6.5"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    three, dequeue = queue.dequeue_many(3), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        given = in_thread(sess.run, queue.enqueue_many([[10, 20, 30, 40]]))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        assert sess.run(three).tolist() == [10, 20, 30]
        assert (given.result(30), close.result(30)) == (None, None)
        with pytest.raises(tf.errors.OutOfRangeError, match="insufficient"):
            sess.run(three)
        assert sess.run(dequeue) == 40

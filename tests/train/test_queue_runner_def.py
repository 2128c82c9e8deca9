"""Queue runners as messages, and back.  Statement ids: R12."""

from __future__ import annotations

import pytest

import dflow as tf
from dflow.train import QueueRunner, QueueRunnerDef


def make_runner(**arguments: object) -> QueueRunner:
    queue = tf.FIFOQueue(10, tf.float32, name="queue")
    enqueue = queue.enqueue(1.0, name="enqueue")
    return QueueRunner(queue, [enqueue, enqueue, tf.constant(1, name="tensor")], **arguments)  # type: ignore[arg-type]


def test_a_description_has_the_names_of_all_and_the_codes_of_errors() -> None:
    """R12.22"""
    runner = make_runner(queue_closed_exception_types=(tf.errors.OutOfRangeError, tf.errors.CancelledError))
    found = runner.to_proto()
    assert found == QueueRunnerDef(
        queue_name="queue",
        enqueue_op_name=["enqueue", "enqueue", "tensor:0"],
        close_op_name="queue_Close",
        cancel_op_name="queue_Close_1",
        queue_closed_exception_types=[tf.errors.OUT_OF_RANGE, tf.errors.CANCELLED],
    )
    assert QueueRunnerDef.FromString(found.SerializeToString()) == found


def test_a_queue_runner_comes_back_from_its_description() -> None:
    """R12.22"""
    runner = make_runner(queue_closed_exception_types=(tf.errors.CancelledError,))
    for back in (QueueRunner.from_proto(runner.to_proto()), QueueRunner(queue_runner_def=runner.to_proto())):
        assert back.name == back.queue.name == "queue"
        assert back.queue.dtypes == [tf.float32]
        assert back.enqueue_ops == runner.enqueue_ops
        assert (back.close_op, back.cancel_op) == (runner.close_op, runner.cancel_op)
        assert back.queue_closed_exception_types == (tf.errors.CancelledError,)
        assert back.exceptions_raised == []
        assert back.to_proto() == runner.to_proto()


def test_a_description_without_errors_means_the_end_of_the_input() -> None:
    """R12.22"""
    found = make_runner().to_proto()
    assert found is not None
    found.ClearField("queue_closed_exception_types")
    back = QueueRunner.from_proto(found)
    assert back.queue_closed_exception_types == (tf.errors.OutOfRangeError,)


def test_names_are_relative_to_the_scope_that_is_exported_and_imported() -> None:
    """R12.22"""
    with tf.name_scope("input"):
        runner = make_runner()
    found = runner.to_proto("input")
    assert found is not None
    assert (found.queue_name, found.enqueue_op_name[0]) == ("queue", "enqueue")
    assert runner.to_proto("other") is None
    assert QueueRunner.from_proto(found, import_scope="input").enqueue_ops == runner.enqueue_ops
    with pytest.raises(KeyError, match="not in the graph"):
        QueueRunner.from_proto(found)


def test_a_queue_and_a_description_exclude_each_other() -> None:
    """R12.1"""
    runner = make_runner()
    with pytest.raises(ValueError, match="mutually exclusive"):
        QueueRunner(runner.queue, queue_runner_def=runner.to_proto())
    with pytest.raises(TypeError, match="QueueRunnerDef"):
        QueueRunner(queue_runner_def="queue")  # type: ignore[arg-type]


def test_a_queue_runner_of_a_description_fills_its_queue() -> None:
    """R12.22"""
    queue = tf.FIFOQueue(10, tf.float32, ())
    runner = QueueRunner(queue, [queue.enqueue(3.0)])
    batch = queue.dequeue_many(20)
    back = QueueRunner.from_proto(runner.to_proto())
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        back.create_threads(sess, coord, daemon=True, start=True)
        assert sess.run(batch, options=tf.RunOptions(timeout_in_ms=30_000)).tolist() == [3.0] * 20
        coord.request_stop()
        coord.join(stop_grace_period_secs=30)

"""A program that ends as planned leaves no stack trace, here or with the workers.  Statement ids: R12."""

from __future__ import annotations

import logging

import pytest

import dflow as tf
from dflow import train
from dflow.cluster import EmbeddedCluster
from tests.conformance.inputs import LIMIT, numbers, rest


def quiet_program(target: str, how: str) -> None:
    """Four sources fill a queue that is too small when the program ends in one of three ways."""
    batch = train.batch([numbers(50, 1 if how == "the end of the input" else None)], 4, 4, capacity=4, name="quiet")
    with tf.Session(target, config=LIMIT) as sess:
        sess.run(tf.local_variables_initializer())
        coord = train.Coordinator()
        threads = train.start_queue_runners(sess, coord)
        sess.run(batch)
        if how == "the end of the input":
            rest(sess, batch)
        if how != "a closed session":
            coord.request_stop()
            coord.join()
    if how == "a closed session":
        with pytest.raises(tf.errors.CancelledError, match="closed"):
            coord.join(threads)


WAYS = pytest.mark.parametrize("how", ["a stop", "the end of the input", "a closed session"])


@WAYS
def test_a_program_ends_without_a_stack_trace(target: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """R12.15: what ends because someone wants it to is no failure."""
    with caplog.at_level(logging.DEBUG, "dflow"):
        quiet_program(target, how)
    assert [record for record in caplog.records if record.exc_info] == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@WAYS
def test_workers_log_no_stack_trace_of_a_loop_that_was_ended(cluster: EmbeddedCluster, how: str) -> None:
    """R12.15: what ends because someone wants it to is no failed task of Dask either."""
    logs = {name: cluster.log_file(name) for name in cluster.processes}
    before = {name: len(log.read_bytes()) for name, log in logs.items()}
    quiet_program(cluster.scheduler_address, how)
    with tf.Session(cluster.scheduler_address, config=LIMIT) as sess:  # a moment later
        sess.run(tf.constant(1))
    for name, log in logs.items():
        told = log.read_bytes()[before[name] :].decode(errors="replace")
        failed = [entry for entry in told.split("\n\n") if "Compute Failed" in entry and "nqueue" in entry]
        assert failed == [], name


def test_threads_of_a_closed_session_end_by_themselves(target: str) -> None:
    """R12.12: without a coordinator, too."""
    batch = train.batch([numbers(3, None)], 2, capacity=2)
    with tf.Session(target, config=LIMIT) as sess:
        threads = train.start_queue_runners(sess)
        sess.run(batch)
    for thread in threads:
        thread.join(60)
    assert [thread for thread in threads if thread.is_alive()] == []
    assert [runner.exceptions_raised for runner in tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)] == [[], []]


def test_workers_log_no_stack_trace_of_a_first_run_that_finds_the_end(cluster: EmbeddedCluster) -> None:
    """R12.15: a closed queue ends a Dask task graph, tasks after the dequeue too, and none of them failed."""
    logs = {name: cluster.log_file(name) for name in cluster.processes}
    before = {name: len(log.read_bytes()) for name, log in logs.items()}
    with tf.device("/job:ps"):
        queue = tf.FIFOQueue(2, [tf.float32], shapes=[[]], name="quietly")
        taken = queue.dequeue()
    with tf.device("/job:worker/task:0"):
        later = taken + 1.0
    with tf.device("/job:worker/task:1"):
        last = later * 2.0
    with tf.Session(cluster.scheduler_address, config=LIMIT) as sess:
        sess.run(queue.close())
        with pytest.raises(tf.errors.OutOfRangeError, match="quietly") as caught:
            sess.run(last)
        assert caught.value.op is taken.op
        with pytest.raises(tf.errors.CancelledError, match="quietly"):
            sess.run(queue.enqueue([1.0]))
        sess.run(tf.random_uniform([]))  # a moment later
    for name, log in logs.items():
        told = log.read_bytes()[before[name] :].decode(errors="replace")
        assert "Compute Failed" not in told, name


def test_the_end_of_one_branch_of_a_first_run_does_not_wait_for_another(target: str) -> None:
    """The end is a result of a task, which Dask would hand on only with those of all other branches."""
    ended, waits = (tf.FIFOQueue(2, [tf.float32], shapes=[[]]) for _ in range(2))
    with tf.Session(target, config=LIMIT) as sess:
        sess.run(ended.close())
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(ended.dequeue() + waits.dequeue())

"""State that outlives steps and sessions, and its end.  Statement ids: S29, V34."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import in_thread, run_script

COUNTER = """
    import sys
    import dflow as tf
    address, container, initialize = sys.argv[1:]
    with tf.container(container), tf.device("/job:ps/task:0"):
        counter = tf.Variable(0, name="counter")
    count = counter.assign_add(1)
    with tf.Session(address) as sess:
        if initialize == "yes":
            sess.run(counter.initializer)
        print(*[int(sess.run(count)) for _ in range(5)])
"""


def test_client_processes_share_a_variable_that_only_the_first_one_initialises(
    address: str, container: str, tmp_path: Path
) -> None:
    """S29.8, V34.2"""
    assert run_script(tmp_path, COUNTER, address, container, "yes") == "1 2 3 4 5\n"
    assert run_script(tmp_path, COUNTER, address, container, "no") == "6 7 8 9 10\n"
    with tf.device("/job:ps/task:0"):
        counter = tf.Variable(-1, name="counter")
    with tf.Session(address) as sess:
        assert sess.run(counter) == 10


def test_client_processes_that_run_at_the_same_time_lose_no_update(
    address: str, container: str, tmp_path: Path
) -> None:
    """S29.8, V34.7"""
    with tf.device("/job:ps/task:0"):
        counter = tf.Variable(0, name="counter")
    with tf.Session(address) as sess:
        sess.run(counter.initializer)
        folders = [tmp_path / "a", tmp_path / "b"]
        for folder in folders:
            folder.mkdir()
        clients = [in_thread(run_script, folder, COUNTER, address, container, "no") for folder in folders]
        seen = [int(word) for client in clients for word in client.result(60).split()]
        assert sorted(seen) == list(range(1, 11))
        assert sess.run(counter) == 10


def test_variables_outlive_their_sessions(address: str) -> None:
    """S29.8"""
    v = tf.Variable([1.0, 2.0], name="v")
    with tf.Session(address) as sess:
        sess.run(v.initializer)
        sess.run(v.assign([3.0, 4.0]))
    with tf.Session(address) as sess:
        np.testing.assert_array_equal(sess.run(v), [3.0, 4.0])


def test_another_graph_sees_a_value_by_its_name_and_may_not_change_its_shape(address: str, container: str) -> None:
    """S29.10"""
    v = tf.Variable([1.0, 2.0], name="v")
    with tf.Session(address) as sess:
        sess.run(v.initializer)
    with tf.Graph().as_default(), tf.container(container):
        same = tf.Variable([0.0, 0.0], name="v")
        with tf.Session(address) as sess:
            np.testing.assert_array_equal(sess.run(same), [1.0, 2.0])
    with tf.Graph().as_default(), tf.container(container):
        longer = tf.Variable([0.0, 0.0, 0.0], name="v")
        with tf.Session(address) as sess, pytest.raises(tf.errors.InvalidArgumentError, match="shapes"):
            sess.run(longer.initializer)
    with tf.Graph().as_default(), tf.container(container):
        free = tf.Variable([0.0, 0.0, 0.0], name="v", validate_shape=False)
        with tf.Session(address) as sess:
            sess.run(free.initializer)
            np.testing.assert_array_equal(sess.run(free), [0.0, 0.0, 0.0])


def test_an_uninitialised_variable_is_a_failed_precondition_that_names_it(target: str) -> None:
    """V34.1, V34.5"""
    v, w = tf.Variable(1.0, name="v"), tf.Variable(2.0, name="w")
    missing = tf.report_uninitialized_variables()
    there = [tf.is_variable_initialized(v), tf.is_variable_initialized(w)]
    with tf.Session(target) as sess:
        for use in (v, v.value() + 1, v.assign_add(1.0)):
            with pytest.raises(tf.errors.FailedPreconditionError, match="Attempting to use uninitialized value v"):
                sess.run(use)
        assert sess.run(missing).tolist() == [b"v", b"w"]
        sess.run(w.initializer)
        assert sess.run(missing).tolist() == [b"v"]
        assert sess.run(there) == [False, True]


# -- reset


def test_a_reset_drops_the_state_of_the_named_containers_and_no_other(address: str, container: str) -> None:
    """S29.13, S29.14, S29.15"""
    with tf.container(f"{container}/gone"):
        gone = tf.Variable(1, name="gone")
        queue = tf.FIFOQueue(5, tf.int32, (), shared_name="queue")
    with tf.container(f"{container}/stays"), tf.device("/job:ps"):
        stays = tf.Variable(2, name="stays")
    enqueue, size = queue.enqueue(7), queue.size()
    with tf.Session(address) as sess:
        sess.run([gone.initializer, stays.initializer, enqueue])
    tf.Session.reset(address, [f"{container}/nobody"])
    with tf.Session(address) as sess:
        assert sess.run([gone, stays, size]) == [1, 2, 1]
    tf.Session.reset(address, [f"{container}/gone"])
    with tf.Session(address) as sess:
        assert sess.run([stays, size]) == [2, 0]
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value gone"):
            sess.run(gone)
        sess.run([gone.initializer, enqueue])
        assert sess.run([gone, size]) == [1, 1]


def test_a_reset_without_names_drops_the_default_containers(address: str, container: str) -> None:
    """S29.13"""
    with tf.container(""):
        unnamed = tf.Variable(1, name=f"{container}-unnamed")
    named = tf.Variable(2, name="named")
    for containers in (None, []):
        with tf.Session(address) as sess:
            sess.run([unnamed.initializer, named.initializer])
        tf.Session.reset(address, containers)
        with tf.Session(address) as sess:
            assert sess.run(named) == 2
            with pytest.raises(tf.errors.FailedPreconditionError):
                sess.run(unnamed)


def test_the_default_container_of_a_task_bears_the_name_of_its_job(address: str, container: str) -> None:
    """S29.17"""
    with tf.container(""):
        with tf.device("/job:ps"):
            on_ps = tf.Variable(1, name=f"{container}-ps")
        with tf.device("/job:worker/task:1"):
            on_worker = tf.Variable(2, name=f"{container}-worker")
    with tf.Session(address) as sess:
        sess.run([on_ps.initializer, on_worker.initializer])
    tf.Session.reset(address, ["ps"])
    with tf.Session(address) as sess:
        assert sess.run(on_worker) == 2
        with pytest.raises(tf.errors.FailedPreconditionError):
            sess.run(on_ps)


def test_sessions_of_a_reset_target_are_aborted_and_new_ones_work(address: str, container: str) -> None:
    """S29.13, S29.14"""
    with tf.container(f"{container}/reset"):
        v = tf.Variable(1, name="v")
    other = tf.Variable(2, name="other")
    with tf.Session(address) as sess:
        sess.run([v.initializer, other.initializer])
        assert sess.run(other) == 2
        tf.Session.reset(address, [f"{container}/reset"])
        for fetch in (other, v, other):
            with pytest.raises(tf.errors.AbortedError):
                sess.run(fetch)
        with pytest.raises(tf.errors.AbortedError):
            sess.run(other + 1)
    with tf.Session(address) as sess:
        assert sess.run(other) == 2
        with pytest.raises(tf.errors.FailedPreconditionError):
            sess.run(v)


def test_a_loop_in_a_reset_target_ends_with_an_aborted_error(address: str, container: str) -> None:
    """S29.13"""
    v = tf.Variable(0, name="v")
    with tf.Session(address) as sess:
        sess.run(v.initializer)
        loop = sess.repeat(v.assign_add(1), every=1)
        next(iter(loop))
        tf.Session.reset(address, [container])
        with pytest.raises(tf.errors.AbortedError):
            loop.join(30)


def test_a_session_in_this_process_has_nothing_to_reset() -> None:
    """S29.16"""
    with pytest.raises(tf.errors.NotFoundError):
        tf.Session.reset("")
    with pytest.raises(tf.errors.NotFoundError):
        tf.Session.reset("no-address")

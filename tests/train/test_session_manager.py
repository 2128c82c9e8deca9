"""Session managers: sessions whose model is restored, initialized, or made by another process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import dflow as df
from dflow import errors, train


@pytest.fixture(autouse=True)
def graph() -> Iterator[df.Graph]:
    with df.Graph().as_default() as made:
        yield made


def manager(**arguments: object) -> train.SessionManager:
    return train.SessionManager(ready_op=df.report_uninitialized_variables(), **arguments)  # type: ignore[arg-type]


def local_variable(value: object) -> df.Variable:
    return df.Variable(value, collections=[df.GraphKeys.LOCAL_VARIABLES], name="local")


def test_a_model_is_initialized_by_an_operation_or_by_a_function() -> None:
    start = df.placeholder(df.float32, [2])
    v = df.Variable(start, name="v")
    feeds = {start: [1.0, 2.0]}
    with manager().prepare_session("", init_op=v.initializer, init_feed_dict=feeds) as sess:
        assert list(sess.run(v)) == [1.0, 2.0]
    with manager().prepare_session("", init_fn=lambda sess: sess.run(v.initializer, feeds)) as sess:
        assert list(sess.run(v)) == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="no init_op or init_fn or local_init_op was given"):
        manager().prepare_session("")
    with pytest.raises(RuntimeError, match=r"did not make model ready\..*Init op: nothing.*not initialized: v"):
        manager().prepare_session("", init_op=df.no_op(name="nothing"))


def test_local_variables_are_initialized_when_what_they_need_is_ready() -> None:
    v = df.Variable(3, name="v")
    w = local_variable(v)
    needs = df.report_uninitialized_variables([v])
    local = manager(ready_for_local_init_op=needs, local_init_op=w.initializer)
    with local.prepare_session("", init_op=v.initializer) as sess:
        assert sess.run(w) == 3
    with pytest.raises(RuntimeError, match="did not make model ready for local_init"):
        local.prepare_session("", init_op=df.no_op())
    with pytest.raises(ValueError, match="If you pass a ready_for_local_init_op you must also pass a local_init_op"):
        manager(ready_for_local_init_op=needs)


def test_a_model_is_restored_if_there_is_a_checkpoint(tmp_path: Path) -> None:
    v = df.Variable(1, name="v")
    w = local_variable(2)
    saver, folder = train.Saver([v]), str(tmp_path)
    plain, local = manager(), manager(local_init_op=w.initializer)
    sess, ready = local.recover_session("", saver, checkpoint_dir=folder)
    assert not ready
    assert sess.run(w) == 2  # local variables are initialized all the same
    sess.run(v.assign(5))
    path = saver.save(sess, f"{folder}/m")
    for place in ({"checkpoint_dir": folder}, {"checkpoint_filename_with_path": path}):
        sess, ready = local.recover_session("", saver, **place)  # type: ignore[arg-type]
        assert ready
        assert sess.run(v) == 5
        sess = local.prepare_session("", saver=saver, **place)  # type: ignore[arg-type]
        assert sess.run(v) == 5
    assert not plain.recover_session("", saver, checkpoint_dir=folder)[1]  # the local variable has no value
    with pytest.raises(ValueError, match="Can not provide both checkpoint_dir and checkpoint_filename_with_path"):
        local.recover_session("", saver, checkpoint_dir=folder, checkpoint_filename_with_path=path)
    needs_all = manager(ready_for_local_init_op=df.report_uninitialized_variables(), local_init_op=w.initializer)
    assert not needs_all.recover_session("", saver, checkpoint_dir=folder)[1]


def test_it_waits_for_a_checkpoint(tmp_path: Path) -> None:
    v = df.Variable(1, name="v")
    saver, folder = train.Saver(), str(tmp_path)
    init = v.initializer

    def another_process_saves(seconds: float) -> None:
        assert seconds == 7
        with df.Session() as sess:
            sess.run(init)
            saver.save(sess, f"{folder}/m")

    with mock.patch("time.sleep", another_process_saves):
        sess = manager(recovery_wait_secs=7).prepare_session(
            "", saver=saver, checkpoint_dir=folder, wait_for_checkpoint=True, max_wait_secs=100
        )
    assert sess.run(v) == 1


def test_it_waits_for_a_model_that_another_process_makes_ready() -> None:
    df.Variable(1, name="v")
    with pytest.raises(errors.DeadlineExceededError, match="Session was not ready after waiting"):
        manager(recovery_wait_secs=0.01).wait_for_session("", max_wait_secs=0.02)
    with train.SessionManager().wait_for_session("") as sess:
        assert not sess.closed


def test_a_check_that_fails_because_of_an_uninitialized_value_is_not_ready_and_other_failures_are_raised() -> None:
    v = df.Variable([b"x"], name="v")
    with pytest.raises(RuntimeError, match="uninitialized value v"):
        train.SessionManager(ready_op=v.read_value()).prepare_session("", init_op=df.no_op())

    def fail() -> None:
        raise errors.FailedPreconditionError(None, None, "something else")

    with df.control_dependencies([df.py_func(fail, [], [])]):
        failing = df.constant([], df.string)
    with pytest.raises(errors.FailedPreconditionError, match="something else"):
        train.SessionManager(ready_op=df.identity(failing)).prepare_session("", init_op=v.initializer)

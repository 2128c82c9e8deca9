"""Supervisors: what they write, how their sessions start and end, and training loops under them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dflow as df
from dflow import errors, train
from dflow.contrib.testing import latest_events


@pytest.fixture(autouse=True)
def graph() -> Iterator[df.Graph]:
    with df.Graph().as_default() as made:
        yield made


def kinds(folder: str) -> list[str]:
    """What the events of a folder are, without the version."""
    found = []
    for event in latest_events(folder)[1:]:
        kind = event.WhichOneof("what")
        status = {1: "start", 2: "stop", 3: "checkpoint"}
        found.append(status[event.session_log.status] if kind == "session_log" else str(kind))
    return found


def test_a_managed_session_ends_with_its_threads_and_writes_what_it_did(tmp_path: Path) -> None:
    step = df.Variable(123, name="global_step")
    folder = str(tmp_path)
    sv = train.Supervisor(logdir=folder)
    assert (sv.is_chief, sv.save_path, sv.save_model_secs, sv.save_summaries_secs) == (
        True,
        f"{folder}/model.ckpt",
        600,
        120,
    )
    with sv.managed_session() as sess:
        assert sess.run(sv.global_step) == 123
        assert not sv.should_stop()
    assert sv.should_stop()
    assert sess.closed
    found = kinds(folder)
    assert found[:3] == ["graph_def", "meta_graph_def", "start"]
    assert sorted(found[3:5]) == ["checkpoint", "summary"]
    assert found[5:] == ["stop"]
    assert train.latest_checkpoint(folder) == f"{folder}/model.ckpt-123"
    assert (tmp_path / "graph.pbtxt").exists()
    with sv.managed_session() as sess:  # from the checkpoint, and not stopped any more
        assert not sv.should_stop()
        assert sess.run(step) == 123


def test_an_error_leaves_a_managed_session_and_the_end_of_the_input_does_not(tmp_path: Path) -> None:
    df.constant(1)
    sv = train.Supervisor(logdir=str(tmp_path))
    with pytest.raises(RuntimeError, match="failing here"), sv.managed_session():
        raise RuntimeError("failing here")
    assert sv.should_stop()
    with sv.managed_session():
        raise errors.OutOfRangeError(None, None, "all done")
    assert sv.should_stop()


def test_queue_runners_run_under_a_supervisor() -> None:
    numbers = train.limit_epochs(df.range(3), num_epochs=2)
    queue = df.FIFOQueue(10, [df.int32], shapes=[[]])
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue_many([numbers])]))
    take, found = queue.dequeue(), []
    sv = train.Supervisor()
    with sv.managed_session() as sess:
        while not sv.should_stop():
            found.append(int(sess.run(take)))
    assert found == [0, 1, 2, 0, 1, 2]


def test_summaries_need_a_writer(tmp_path: Path) -> None:
    df.summary.scalar("c", 1)
    merged = df.summary.merge_all()
    folder = str(tmp_path)
    sv = train.Supervisor(logdir=folder)
    others = train.Supervisor(logdir="", summary_op=None), train.Supervisor(logdir=folder, summary_writer=None)
    with sv.managed_session(start_standard_services=False, close_summary_writer=False) as sess:
        sv.summary_computed(sess, sess.run(merged), 7)
    sv.summary_writer.close()
    assert kinds(folder) == ["graph_def", "meta_graph_def", "summary"]
    assert latest_events(folder)[-1].step == 7
    for other in others:
        assert other.summary_writer is None
        with other.managed_session(start_standard_services=False) as sess, pytest.raises(RuntimeError, match="writer"):
            other.summary_computed(sess, sess.run(merged))


def test_summaries_are_written_in_a_thread(tmp_path: Path) -> None:
    df.summary.scalar("c", 1)
    folder = str(tmp_path)
    sv = train.Supervisor(logdir=folder)
    with sv.managed_session():
        pass
    assert kinds(folder) == ["graph_def", "meta_graph_def", "summary", "stop"]


def test_what_is_given_is_used_and_what_is_not_is_found_or_made(tmp_path: Path) -> None:
    start = df.placeholder(df.float32, [])
    v = df.Variable(start, name="v")
    init = df.global_variables_initializer()
    df.add_to_collection(df.GraphKeys.INIT_OP, init)
    sv = train.Supervisor(init_feed_dict={start: 4.0}, ready_for_local_init_op=None)
    assert sv.init_op is init
    assert sv.ready_op is df.get_collection(df.GraphKeys.READY_OP)[0]
    assert sv.saver is df.get_collection(df.GraphKeys.SAVERS)[0]
    assert sv.ready_for_local_init_op is sv.summary_op is sv.global_step is None
    with sv.managed_session() as sess:
        assert sess.run(v) == 4.0
    other = train.Supervisor(init_op=None, init_fn=lambda sess: sess.run(init, {start: 5.0}))
    with other.managed_session() as sess:
        assert sess.run(v) == 5.0
    nothing = train.Supervisor(init_op=None, init_fn=lambda sess: None)
    with pytest.raises(RuntimeError, match="Variables not initialized: v"):
        nothing.prepare_or_wait_for_session()
    sv = train.Supervisor(session_manager=train.SessionManager(), init_feed_dict={start: 6.0})
    with sv.managed_session() as sess:
        assert sess.run(v) == 6.0


def test_one_that_is_not_the_chief_waits_and_writes_nothing(tmp_path: Path) -> None:
    with df.device("/job:localhost"):
        local = df.Variable(2.0, collections=[df.GraphKeys.LOCAL_VARIABLES])
    sv = train.Supervisor(is_chief=False, logdir=str(tmp_path))
    assert sv.save_path is sv.summary_writer is sv.save_model_secs is sv.save_summaries_secs is None
    with sv.managed_session() as sess:
        assert sess.run(local) == 2.0
        with pytest.raises(RuntimeError, match="Only chief supervisor can start standard services"):
            sv.start_standard_services(sess)
    assert list(tmp_path.iterdir()) == []
    with df.Graph().as_default():
        df.Variable(1.0)
        with pytest.raises(ValueError, match="all Variables must have their device set"):
            train.Supervisor(is_chief=False)


def test_a_supervisor_calls_functions_in_threads_until_the_stop() -> None:
    df.constant(1)
    sv = train.Supervisor()
    calls: list[int] = []

    def call(number: int) -> None:
        calls.append(number)
        sv.request_stop()

    with sv.managed_session() as sess:
        assert sv.start_queue_runners(sess) == []
        thread = sv.loop(None, call, args=(7,))
        assert sv.wait_for_stop()
        thread.join()
    assert calls == [7]
    with sv.stop_on_exception():
        pass
    assert sv.Loop.__func__ is sv.loop.__func__  # type: ignore[attr-defined]
    sv.stop()
    assert isinstance(sv.coord, train.Coordinator)


def test_a_training_loop_starts_again_after_a_loss() -> None:
    v = df.Variable(0)
    add = v.assign_add(1)
    sv = train.Supervisor()
    seen = []

    def step(sess: df.Session, first: int, last: int = 0) -> None:
        seen.append(int(sess.run(add)) + first)
        if len(seen) == 2:
            raise errors.AbortedError(None, None, "lost")
        if len(seen) == last:
            sv.request_stop()

    train.basic_train_loop(sv, step, args=(10,), kwargs={"last": 4})
    assert seen == [11, 12, 11, 12]
    with pytest.raises(ZeroDivisionError):
        train.basic_train_loop(sv, lambda sess: 1 // 0)

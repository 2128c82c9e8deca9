"""Monitored sessions: scaffolds, the arguments of runs, recovery, and how a session ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import dflow as df
from dflow import errors, train
from dflow.train.session_layers import _HookedSession


@pytest.fixture(autouse=True)
def graph() -> Iterator[df.Graph]:
    with df.Graph().as_default() as made:
        yield made
    df.summary.FileWriterCache.clear()


def counting() -> Any:
    return train.get_or_create_global_step().assign_add(1)


# -- scaffolds


def test_a_scaffold_makes_what_is_missing_and_finalizes_the_graph(graph: df.Graph) -> None:
    df.Variable(1, name="mine")
    local = df.Variable(2, name="local", collections=[df.GraphKeys.LOCAL_VARIABLES])
    df.summary.scalar("s", local)
    scaffold = train.Scaffold()
    assert scaffold.init_op is scaffold.saver is scaffold.local_init_feed_dict is None
    assert scaffold.finalize() is scaffold
    assert isinstance(scaffold.saver, train.Saver)
    assert scaffold.summary_op.dtype == df.string
    with pytest.raises(RuntimeError, match="Graph is finalized"):
        df.constant(0)
    again = train.Scaffold().finalize()
    parts = ("init_op", "ready_op", "ready_for_local_init_op", "local_init_op", "summary_op", "saver")
    assert all(getattr(again, part) is getattr(scaffold, part) for part in parts)
    with df.Session() as sess:
        assert set(sess.run(scaffold.ready_op)) == {b"mine", b"local"}
        assert list(sess.run(scaffold.ready_for_local_init_op)) == [b"mine"]
        sess.run(scaffold.init_op)
        sess.run(scaffold.local_init_op)
        assert len(sess.run(scaffold.ready_op)) == 0


def test_a_scaffold_has_what_it_is_given_or_what_another_one_has() -> None:
    saver = train.Saver([df.Variable(1)])
    given: dict[str, Any] = {
        "init_op": 2,
        "init_feed_dict": 3,
        "ready_op": 5,
        "ready_for_local_init_op": 6,
        "local_init_op": 7,
        "local_init_feed_dict": 8,
        "summary_op": 9,
        "saver": saver,
    }
    first = train.Scaffold(**given, init_fn=lambda scaffold, sess: (scaffold, sess))
    copied = train.Scaffold(init_op=4, copy_from_scaffold=first).finalize()
    assert {name: getattr(copied, name) for name in given} == {**given, "init_op": 4}
    assert copied.init_fn is not None
    assert copied.init_fn("sess") == (copied, "sess")
    with pytest.raises(TypeError, match="copy_from_scaffold is not a Scaffold instance"):
        train.Scaffold(copy_from_scaffold=1)  # type: ignore[arg-type]


def test_a_scaffold_does_not_choose_among_several_items() -> None:
    for number in range(2):
        df.add_to_collection(df.GraphKeys.INIT_OP, df.no_op(name=f"init{number}"))
    with pytest.raises(RuntimeError, match=r'More than one item in the collection "init_op".*Scaffold\(init_op='):
        train.Scaffold().finalize()


# -- what a run gets


class Recorder(train.SessionRunHook):
    """Asks for what the test says, and keeps what it gets."""

    def __init__(self, request: train.SessionRunArgs | None = None) -> None:
        self.request = request
        self.calls: list[str] = []
        self.got: Any = None

    def begin(self) -> None:
        self.calls.append("begin")

    def after_create_session(self, session: Any, coord: Any) -> None:
        assert isinstance(coord, train.Coordinator)
        self.calls.append("create")

    def before_run(self, run_context: train.SessionRunContext) -> train.SessionRunArgs | None:
        self.context = run_context
        return self.request

    def after_run(self, run_context: train.SessionRunContext, run_values: train.SessionRunValues) -> None:
        self.got = run_values

    def end(self, session: Any) -> None:
        self.calls.append("end")


def test_hooks_add_fetches_feeds_and_options_to_a_run() -> None:
    a, b, c = (df.placeholder_with_default(0, [], name=name) for name in "abc")
    total = a + b + c
    one = Recorder(train.SessionRunArgs({"a": a}, {a: 5}, df.RunOptions(timeout_in_ms=1000)))
    options = df.RunOptions(timeout_in_ms=2000, trace_level=1)
    options.debug_options.debug_tensor_watch_opts.add(node_name="a")
    other = Recorder(train.SessionRunArgs(None, {b: 10}, options))
    quiet = Recorder()
    feeds = {c: 20}
    with train.MonitoredSession(hooks=[one, other, quiet]) as sess:
        assert sess.run(total, feeds, options=df.RunOptions(timeout_in_ms=500)) == 35
        assert one.context.original_args == train.SessionRunArgs(total, feeds)
        assert isinstance(one.context, train.SessionRunContext)
        assert isinstance(one.got, train.SessionRunValues)
        assert isinstance(one.context.session, df.Session)
        assert (one.got.results, other.got.results, quiet.got.results) == ({"a": 5}, None, None)
        assert (one.got.options.timeout_in_ms, one.got.options.trace_level) == (2000, 1)
        assert one.got.options.debug_options.debug_tensor_watch_opts[0].node_name == "a"
        assert isinstance(one.got.run_metadata, df.RunMetadata)
        assert feeds == {c: 20}
        with pytest.raises(RuntimeError, match=r"Same tensor is fed by a SessionRunHook and user\."):
            sess.run(total, {a: 1})
        other.request = train.SessionRunArgs(None, {a: 1})
        with pytest.raises(RuntimeError, match=r"Same tensor is fed by two hooks\."):
            sess.run(total)
    assert one.calls == ["begin", "create", "end"]


def test_all_arguments_of_a_run_reach_the_session() -> None:
    below = mock.Mock()
    below.run.side_effect = lambda fetches, **arguments: {**fetches, "arguments": arguments}
    _HookedSession(below, []).run("x", "feed", "options", "metadata")
    below.run.assert_called_once_with({"caller": "x"}, feed_dict="feed", options="options", run_metadata="metadata")


# -- steps of several runs


def test_a_step_may_make_several_runs_and_ask_for_the_end() -> None:
    x = df.placeholder(df.float32)
    y = x * 2.0
    hook = Recorder()

    def step(step_context: Any) -> Any:
        assert step_context.session.run(y, {x: 1.0}) == 2.0
        assert hook.got is None
        return step_context.run_with_hooks(fetches=y, feed_dict={x: 3.0})

    def stop(step_context: train.MonitoredSession.StepContext) -> None:
        step_context.request_stop()

    class Model:
        def step(self, step_context: Any) -> Any:
            return "a result"

    with train.MonitoredSession(hooks=[hook]) as sess:
        assert sess.run_step_fn(step) == 6.0
        assert hook.got is not None
        assert sess.run_step_fn(Model().step) == "a result"
        with pytest.raises(ValueError, match="`step_fn` may either have one `step_context` argument"):
            sess.run_step_fn(lambda step_context, more: None)
        sess.run_step_fn(stop)
        raise AssertionError("the block should have ended")
    assert sess.should_stop()
    assert hook.calls[-1] == "end"


# -- recovery


class FailsOnce(train.SessionRunHook):
    """Raises an error at one run."""

    def __init__(self, at: int, error: Any) -> None:
        self._left = at
        self._error = error

    def before_run(self, run_context: train.SessionRunContext) -> None:
        self._left -= 1
        if self._left == 0:
            raise self._error


@pytest.mark.parametrize("kind", [errors.AbortedError, errors.UnavailableError])
def test_a_session_starts_again_after_a_loss(kind: Callable[..., errors.OpError], tmp_path: Path) -> None:
    """From the last checkpoint, or from the initial values without one."""
    step = counting()
    with train.MonitoredSession(hooks=[FailsOnce(3, kind(None, None, "lost"))]) as sess:
        assert [int(sess.run(step)) for _ in range(4)] == [1, 2, 1, 2]
    hooks = [FailsOnce(5, kind(None, None, "lost"))]
    with train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), save_checkpoint_steps=2, hooks=hooks) as sess:
        assert [int(sess.run(step)) for _ in range(6)] == [1, 2, 3, 4, 5, 6]
        assert not sess.should_stop()
    with train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path)) as sess:
        assert sess.run(step) == 7
    hook = FailsOnce(1, kind(None, None, "lost"))
    with pytest.raises(kind), train.SingularMonitoredSession(hooks=[hook]) as single:  # type: ignore[arg-type]
        single.run(step)


def test_a_loss_while_a_session_is_made_is_tried_again() -> None:
    step, tries = counting(), []

    def init(scaffold: train.Scaffold, sess: df.Session) -> None:
        tries.append(sess)
        if len(tries) == 1:
            raise errors.AbortedError(None, None, "lost")

    with train.MonitoredSession(train.ChiefSessionCreator(train.Scaffold(init_fn=init))) as sess:
        assert sess.run(step) == 1
    assert len(tries) == 2
    assert tries[0].closed


def test_a_step_function_is_called_again_with_the_new_session() -> None:
    step, sessions = counting(), []

    def step_fn(step_context: Any) -> int:
        sessions.append(step_context.session)
        value = int(step_context.session.run(step))
        if len(sessions) == 1:
            raise errors.AbortedError(None, None, "lost")
        return value

    with train.MonitoredSession() as sess:
        assert sess.run_step_fn(step_fn) == 1
    assert sessions[0] is not sessions[1]
    sessions.clear()
    with pytest.raises(errors.AbortedError), train.SingularMonitoredSession() as single:
        single.run_step_fn(step_fn)


class ThreadFails(train.SessionRunHook):
    """A thread of the first session stops its coordinator with an error, after the first run."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.sessions = 0

    def after_create_session(self, session: Any, coord: train.Coordinator) -> None:
        self.sessions += 1
        self._coord = coord

    def after_run(self, run_context: train.SessionRunContext, run_values: train.SessionRunValues) -> None:
        if self.sessions == 1:
            thread = threading.Thread(target=self._coord.request_stop, args=(self.error,))
            thread.start()
            thread.join()


def test_a_loss_that_a_thread_met_makes_a_new_session_and_another_error_ends_it() -> None:
    step = counting()
    hook = ThreadFails(errors.UnavailableError(None, None, "lost"))
    with train.MonitoredSession(hooks=[hook]) as sess:
        sess.run(step)
        assert not sess.should_stop()
        assert hook.sessions == 2
        assert sess.run(step) == 1
    hook = ThreadFails(RuntimeError("a thread failed"))
    sess = train.MonitoredSession(hooks=[hook])
    sess.run(step)
    assert sess.should_stop()
    with pytest.raises(RuntimeError, match="a thread failed"):
        sess.close()
    assert hook.sessions == 1


def test_an_error_that_follows_from_a_loss_in_a_thread_counts_as_the_loss() -> None:
    step = counting()
    thread = ThreadFails(errors.AbortedError(None, None, "lost"))
    follows = FailsOnce(2, errors.CancelledError(None, None, "the queue was closed"))
    with train.MonitoredSession(hooks=[thread, follows]) as sess:
        sess.run(step)
        assert sess.run(step) == 1
    assert thread.sessions == 2


# -- the end


@pytest.mark.parametrize("error", [errors.OutOfRangeError(None, None, "the end"), StopIteration()])
def test_the_end_of_the_input_ends_a_block_quietly(error: Exception) -> None:
    step, hook = counting(), Recorder()
    with train.MonitoredSession(hooks=[hook, FailsOnce(2, error)]) as sess:
        while True:
            sess.run(step)
    assert hook.calls[-1] == "end"
    assert sess.should_stop()
    assert sess.graph is None


def test_another_error_leaves_the_block_and_hooks_do_not_end() -> None:
    hook = Recorder()
    with pytest.raises(ZeroDivisionError), train.MonitoredSession(hooks=[hook]) as sess:
        raise ZeroDivisionError
    assert hook.calls == ["begin", "create"]
    with pytest.raises(RuntimeError, match="Session is already closed"):
        sess.close()


def test_a_graph_can_be_changed_again_after_the_session(graph: df.Graph) -> None:
    counting()
    with train.MonitoredSession() as sess:
        assert sess.graph is graph
        assert graph.finalized
    df.constant(1)
    graph.finalize()
    with train.MonitoredSession():
        pass
    assert graph.finalized


def test_queue_runners_fill_the_queues_of_a_session_and_end_it() -> None:
    numbers = train.limit_epochs(df.range(3), num_epochs=1)
    queue = df.FIFOQueue(10, [df.int32], shapes=[[]])
    train.add_queue_runner(train.QueueRunner(queue, [queue.enqueue_many([numbers])]))
    take, found = queue.dequeue(), []
    with train.MonitoredSession() as sess:
        assert train.start_queue_runners(sess) == []
        while True:
            found.append(int(sess.run(take)))
    assert found == [0, 1, 2]


# -- trainings


def test_a_training_saves_summaries_and_checkpoints_and_goes_on(tmp_path: Path) -> None:
    step = counting()
    df.summary.scalar("twice", step * 2)
    folder = str(tmp_path / "model")
    hook = Recorder()
    with train.MonitoredTrainingSession(
        checkpoint_dir=folder, chief_only_hooks=[hook], save_summaries_steps=2, log_step_count_steps=2
    ) as sess:
        for _ in range(5):
            sess.run(step)
    tags = {value.tag for event in df.contrib.testing.latest_summaries(folder) for value in event.summary.value}
    assert tags == {"twice", "global_step/sec"}
    assert hook.calls == ["begin", "create", "end"]
    assert train.latest_checkpoint(folder) == f"{folder}/model.ckpt-5"
    other = str(tmp_path / "never")
    with train.MonitoredTrainingSession(
        checkpoint_dir=other, save_checkpoint_secs=0, summary_dir=folder, save_summaries_secs=None, hooks=[hook]
    ) as sess:
        assert sess.run(step) == 1
    assert train.latest_checkpoint(other) is None


def test_a_worker_waits_for_a_model_that_is_ready() -> None:
    counting()
    hook = Recorder()
    scaffold = train.Scaffold(ready_op=df.constant([], df.string), ready_for_local_init_op=df.constant([], df.string))
    with train.MonitoredTrainingSession(is_chief=False, scaffold=scaffold, chief_only_hooks=[hook]) as sess:
        assert not sess.should_stop()
    assert hook.calls == []


def test_a_worker_gives_up_after_its_limit() -> None:
    counting()
    creator = train.WorkerSessionCreator(max_wait_secs=1)
    assert isinstance(creator, train.SessionCreator)
    with pytest.raises(errors.DeadlineExceededError, match="Session was not ready after waiting 1 secs"):
        creator.create_session()

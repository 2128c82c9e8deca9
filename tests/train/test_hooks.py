"""Hooks of monitored sessions: when they act, what they write, and what they refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import dflow as df
from dflow import train
from dflow.train.global_step import get_or_create_global_step_read, increment_global_step
from dflow.train.hooks.base import graph_element


@pytest.fixture(autouse=True)
def graph() -> Iterator[df.Graph]:
    with df.Graph().as_default() as made:
        yield made
    df.summary.FileWriterCache.clear()


@pytest.fixture
def clock() -> Iterator[mock.Mock]:
    """The time, which stands still unless a test moves it."""
    with mock.patch.object(time, "time") as clock:
        clock.return_value = 1_000_000.0
        yield clock


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines of `df.logging.info`."""
    lines: list[str] = []
    with mock.patch.object(df.logging, "info", lambda message, *args: lines.append(message % args)):
        yield lines


def counting(increment: int = 1) -> Any:
    """A training step: it adds to the global step."""
    train.get_or_create_global_step()
    return increment_global_step(increment)


def session(*hooks: train.SessionRunHook, **arguments: Any) -> train.SingularMonitoredSession:
    return train.SingularMonitoredSession(hooks=hooks, **arguments)


def test_a_timer_triggers_by_seconds_or_by_steps_but_never_twice_at_a_step(clock: mock.Mock) -> None:
    by_steps, by_time = train.SecondOrStepTimer(every_steps=3), train.SecondOrStepTimer(every_secs=2.0)
    assert by_steps.should_trigger_for_step(1)
    assert by_steps.update_last_triggered_step(1) == (None, None)
    assert [by_steps.should_trigger_for_step(step) for step in (1, 3, 4)] == [False, False, True]
    by_time.update_last_triggered_step(1)
    clock.return_value += 2
    assert [by_time.should_trigger_for_step(step) for step in (1, 2)] == [False, True]
    assert by_time.update_last_triggered_step(5) == (2.0, 4)
    assert by_time.last_triggered_step() == 5
    by_time.reset()
    assert by_time.last_triggered_step() is None
    for wrong in ({}, {"every_secs": 1.0, "every_steps": 1}):
        with pytest.raises(ValueError):
            train.SecondOrStepTimer(**wrong)  # type: ignore[arg-type]


def test_a_training_stops_at_a_step_or_after_a_number_of_steps(graph: df.Graph) -> None:
    step = counting()
    for hook, first in ((train.StopAtStepHook(last_step=3), 1), (train.StopAtStepHook(num_steps=2), 1)):
        with session(hook) as sess:
            values = []
            while not sess.should_stop():
                values.append(int(sess.run(step)))
            with pytest.raises(RuntimeError, match="Run called even after should_stop requested"):
                sess.run(step)
        assert values[0] == first
        assert len(values) == (3 if hook._num_steps is None else 2)
    for wrong in ({}, {"num_steps": 1, "last_step": 1}):
        with pytest.raises(ValueError):
            train.StopAtStepHook(**wrong)


@pytest.mark.parametrize(
    "hook",
    [
        train.StopAtStepHook(last_step=1),
        train.StepCounterHook(),
        train.SummarySaverHook(save_steps=1, summary_op="x"),
        train.GlobalStepWaiterHook(0),
    ],
)
def test_a_hook_needs_a_global_step(hook: train.SessionRunHook) -> None:
    with pytest.raises(RuntimeError, match="Global step should be created to use"):
        hook.begin()


def test_a_loss_that_is_no_number_ends_a_training() -> None:
    loss = df.placeholder(df.float32, [])
    with session(train.NanTensorHook(loss, fail_on_nan_loss=False)) as sess:
        sess.run(loss, {loss: 1.0})
        assert not sess.should_stop()
        sess.run(loss, {loss: np.nan})
        assert sess.should_stop()
    with pytest.raises(train.NanLossDuringTrainingError, match="NaN loss"), session(train.NanTensorHook(loss)) as sess:
        sess.run(loss, {loss: np.nan})


def test_tensors_are_logged_every_few_runs_and_at_the_end(logged: list[str], clock: mock.Mock) -> None:
    a = df.placeholder_with_default(42.0, [], name="a")
    with session(train.LoggingTensorHook(["a:0"], every_n_iter=2)) as sess:
        logged.clear()
        for value in range(4):
            sess.run(a, {a: value})
            clock.return_value += 0.5
    assert logged == ["a:0 = 0.0", "a:0 = 2.0 (1.000 sec)"]
    hook = train.LoggingTensorHook({"y": a, "x": "a"}, at_end=True)
    with session(hook) as sess:
        logged.clear()
        sess.run(a)
        assert logged == []
    assert logged == ["x = 42.0, y = 42.0"]
    with session(train.LoggingTensorHook([a], every_n_secs=1.0, formatter=lambda v: f"got {v[a]}")) as sess:
        logged.clear()
        for value in range(4):
            sess.run(a, {a: value})
            clock.return_value += 0.5
    assert logged == ["got 0.0", "got 2.0"]


def test_a_logging_hook_refuses_wrong_arguments(graph: df.Graph) -> None:
    for wrong in ({"every_n_iter": 0}, {"every_n_iter": -1}, {}, {"every_n_iter": 1, "every_n_secs": 1}):
        with pytest.raises(ValueError):
            train.LoggingTensorHook(["t"], **wrong)  # type: ignore[arg-type]
    df.split(df.zeros([2]), 2, name="two")
    with pytest.raises(ValueError, match="ambiguous"):
        graph_element("two")
    with df.Graph().as_default(), pytest.raises(ValueError, match="should have graph attribute"):
        graph_element(graph.get_tensor_by_name("two:0"))


class Listener(train.CheckpointSaverListener):
    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.stop = False

    def begin(self) -> None:
        self.calls.append("begin")

    def before_save(self, session: Any, global_step_value: int) -> None:
        self.calls.append(("before", int(global_step_value)))

    def after_save(self, session: Any, global_step_value: int) -> bool:
        self.calls.append(("after", int(global_step_value)))
        return self.stop

    def end(self, session: Any, global_step_value: int) -> None:
        self.calls.append(("end", int(global_step_value)))


def test_checkpoints_are_saved_at_the_start_every_few_steps_and_at_the_end(tmp_path: Path) -> None:
    step, listener, folder = counting(), Listener(), str(tmp_path)
    assert train.CheckpointSaverListener().after_save(None, 0) is None
    hook = train.CheckpointSaverHook(folder, save_steps=2, listeners=[listener])
    with session(hook) as sess:
        for _ in range(3):
            sess.run(step)
    saves = [call for number in (0, 2, 3) for call in (("before", number), ("after", number))]
    assert listener.calls == ["begin", *saves, ("end", 3)]
    assert train.load_variable(folder, "global_step") == 3
    assert (tmp_path / "graph.pbtxt").exists()
    df.summary.FileWriterCache.get(folder).flush()
    events = df.contrib.testing.latest_events(folder)
    logs = [event.session_log for event in events if event.HasField("session_log")]
    assert [log.checkpoint_path for log in logs] == [f"{folder}/model.ckpt"] * 3
    listener.stop = True
    with session(train.CheckpointSaverHook(folder, save_steps=1, listeners=[listener])) as sess:
        sess.run(step)
        assert sess.should_stop()


def test_checkpoints_are_saved_every_few_seconds(tmp_path: Path, clock: mock.Mock) -> None:
    step, folder = counting(), str(tmp_path)
    scaffold = train.Scaffold()
    found = []
    with session(train.CheckpointSaverHook(folder, save_secs=2, scaffold=scaffold), scaffold=scaffold) as sess:
        for _ in range(4):
            sess.run(step)
            found.append(int(train.load_variable(folder, "global_step")))
            clock.return_value += 1
    assert found == [0, 0, 3, 3]


def test_a_saver_hook_needs_one_saver(tmp_path: Path) -> None:
    counting()
    with pytest.raises(ValueError, match="You cannot provide both saver and scaffold"):
        train.CheckpointSaverHook(str(tmp_path), save_steps=1, saver=object(), scaffold=object())
    hook = train.CheckpointSaverHook(str(tmp_path), save_steps=1)
    with pytest.raises(RuntimeError, match="No items in collection savers"):
        hook._get_saver()
    for _ in range(2):
        df.add_to_collection(df.GraphKeys.SAVERS, train.Saver())
    with pytest.raises(RuntimeError, match="More than one item in collection savers"):
        hook._get_saver()


def test_summaries_are_written_every_few_steps(tmp_path: Path, clock: mock.Mock) -> None:
    step = counting()
    value = df.Variable(0.0)
    summary = df.summary.scalar("value", value.assign_add(1.0))
    writer = df.contrib.testing.FakeSummaryWriter(str(tmp_path))
    with session(train.SummarySaverHook(save_steps=2, summary_writer=writer, summary_op=summary)) as sess:
        for _ in range(5):
            sess.run(step)
    found = {number: [it.value[0].simple_value for it in items] for number, items in writer.summaries.items()}
    assert found == {1: [1.0], 3: [2.0], 5: [3.0]}
    hook = train.SummarySaverHook(save_secs=2, output_dir=str(tmp_path), summary_op=[summary])
    with session(hook) as sess:
        for _ in range(4):
            sess.run(step)
            clock.return_value += 1
    assert [event.step for event in df.contrib.testing.latest_summaries(str(tmp_path))] == [1, 3]
    for wrong in ({}, {"scaffold": object(), "summary_op": summary}):
        with pytest.raises(ValueError, match="Exactly one of scaffold or summary_op must be provided"):
            train.SummarySaverHook(save_steps=1, **wrong)  # type: ignore[arg-type]


def test_steps_per_second_are_written_and_logged(tmp_path: Path, clock: mock.Mock, logged: list[str]) -> None:
    step = counting()
    still = df.constant(0)
    writer = df.contrib.testing.FakeSummaryWriter(str(tmp_path))
    with session(train.StepCounterHook(every_n_steps=2, summary_writer=writer)) as sess:
        for _ in range(5):
            clock.return_value += 0.5
            sess.run(step)
        with mock.patch.object(df.logging, "log_first_n") as warned:
            sess.run(still)
            sess.run(still)
    writer.assert_summaries(_Case(), expected_summaries={3: {"global_step/sec": 2.0}, 5: {"global_step/sec": 2.0}})
    assert logged.count("global_step/sec: 2") == 2
    assert "has not been increased" in str(warned.call_args)
    with pytest.raises(ValueError, match="exactly one of every_n_steps and every_n_secs should be provided"):
        train.StepCounterHook(every_n_secs=1)


class _Case:
    """What `FakeSummaryWriter` needs of a test case."""

    def assertIn(self, item: Any, items: Any) -> None:
        assert item in items

    def assertEqual(self, one: Any, other: Any) -> None:
        assert one == other


def test_a_run_is_profiled_every_few_steps(tmp_path: Path) -> None:
    step = counting()
    with session(train.ProfilerHook(save_steps=2, output_dir=str(tmp_path))) as sess:
        for _ in range(5):
            sess.run(step)
    files = sorted(path.name for path in tmp_path.glob("timeline-*.json"))
    assert files == ["timeline-3.json", "timeline-5.json"] or files == ["timeline-2.json", "timeline-4.json"]
    assert "traceEvents" in json.loads((tmp_path / files[0]).read_text())


def test_feeds_final_values_and_a_delayed_start(clock: mock.Mock) -> None:
    step = counting()
    x = df.placeholder(df.float32, [])
    final = train.FinalOpsHook({"x": x * 2.0}, {x: 4.0})
    with session(train.FeedFnHook(lambda: {x: 3.0}), final, train.GlobalStepWaiterHook(2)) as sess:
        others = iter([1, 1, 1])

        def other_worker(seconds: float) -> None:
            sess.raw_session().run(step)
            next(others)

        with mock.patch.object(time, "sleep", other_worker):
            assert sess.run([x, step])[0] == 3.0
            assert len(list(others)) == 1
    assert final.final_ops_values == {"x": 8.0}


def test_final_operations_must_not_need_input_that_has_ended() -> None:
    queue = df.FIFOQueue(1, [df.int32], shapes=[[]])
    with df.control_dependencies([queue.close()]):
        take = queue.dequeue()
    monitored = session(train.FinalOpsHook(take))
    with mock.patch.object(df.logging, "warning") as warned, pytest.raises(df.errors.OutOfRangeError):
        monitored.close()
    assert "dependency back to some input source" in str(warned.call_args)


def test_the_step_that_hooks_read_is_made_once_and_has_the_initial_value_before_the_initialization() -> None:
    assert get_or_create_global_step_read() is None
    with pytest.raises(ValueError, match="Global step tensor should be created"):
        increment_global_step(1)
    train.create_global_step()
    read = get_or_create_global_step_read()
    assert read is not None
    assert read is get_or_create_global_step_read()
    assert read.name == "global_step/add:0"
    with df.Session() as sess:
        assert sess.run(read) == 0

"""Loops end once, and soon, whoever ends them and whenever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dflow as df
from dflow.compile import CallPlan, LoopSpec
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.dispatch import handle
from dflow.runtime.loop.bodies import Body
from dflow.runtime.loop.run import LoopRun
from dflow.runtime.session.fetches import FetchMap
from dflow.runtime.session.loop_handle import Loop
from dflow.runtime.transport import messages as m
from tests.conformance.programs import until
from tests.runtime.channels import TestChannel


class StoppedBetweenSteps(Body):
    """Makes its second step just when a stop looks for the step that it is to cancel, and has found the first one."""

    waits: Any  # does the second step wait for its queue, or has the loop ended?

    def __init__(self, *arguments: Any) -> None:
        self.steps = 0
        self.at_second, self.progress = threading.Event(), threading.Event()
        super().__init__(*arguments)

    def run(self, feeds: list[Any]) -> list[Any]:
        self.steps += 1
        if self.steps == 2:
            self.at_second.set()
            self.progress.wait(20)
        return super().run(feeds)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name == "_step" and self.at_second.is_set() and not self.progress.is_set():
            self.progress.set()
            until(lambda: self.waits())
        return found


def test_a_loop_that_is_stopped_between_two_steps_does_not_wait_in_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who stops it says so before it looks for a step; who makes a step looks for the stop afterwards."""
    bodies: list[StoppedBetweenSteps] = []

    def body(*arguments: Any) -> Body:
        bodies.append(StoppedBetweenSteps(*arguments))
        return bodies[-1]

    monkeypatch.setattr("dflow.runtime.loop.run.Body", body)
    queue = df.FIFOQueue(9, [df.float32], shapes=[[]])
    with df.Session() as sess:
        sess.run(queue.enqueue(1.0))
        plan = sess.plans.take((queue.dequeue().op,), (), NEVER)
        backend: Any = sess.backend
        spec = LoopSpec(backend.session, "loop", plan.call, next(iter(backend.process.executors)), "loop", None, 9)
        run = LoopRun(backend.process, spec)
        thread = threading.Thread(target=run.run, daemon=True)
        thread.start()
        until(lambda: bodies)
        bodies[0].waits = lambda: sess.queue_rows()[0]["waiting_dequeues"] or run.over
        assert bodies[0].at_second.wait(20)
        run.stop(df.errors.CancelledError(None, None, "stopped"))
        thread.join(5)
        assert not thread.is_alive()
        assert run.state == "stopped"


def test_a_loop_that_ends_in_two_ways_at_once_has_one_end() -> None:
    """Its task ends while the channel of its worker does: what the two say must not be mixed."""

    def located(error: df.errors.OpError) -> df.errors.OpError:
        loop.ended(3, None)  # another thread is faster
        return error

    loop = a_loop(located)
    loop.ended(None, df.errors.UnavailableError(None, None, "its worker was lost"))
    assert (loop.join(), loop.error) == (3, None)


def a_loop(located: Callable[[df.errors.OpError], df.errors.OpError] = lambda error: error) -> Loop:
    spec = LoopSpec("session", "loop-1", CallPlan(1, {}, (), {}, (), 0), "", "loop", 3, 1)
    return Loop(spec, FetchMap(df.Graph(), []), located)


def test_a_loop_that_ended_elsewhere_ends_here_with_the_last_of_its_reports() -> None:
    """Its task's end comes by Dask, and its reports over a channel: which is faster nobody knows."""
    loop = a_loop()
    loop.reported(1, ())
    loop.ended_elsewhere(2, None)
    assert not loop.done()
    loop.reported(2, ())
    loop.all_reported()
    assert [iteration for iteration, _ in loop] == [1, 2]
    assert loop.join(0) == 2


def test_a_loop_whose_last_report_came_first_ends_with_its_task() -> None:
    loop = a_loop()
    loop.all_reported()
    assert not loop.done()
    loop.ended_elsewhere(None, df.errors.InvalidArgumentError(None, None, "wrong"))
    assert isinstance(loop.error, df.errors.InvalidArgumentError)


def test_a_loop_that_waits_for_reports_ends_with_its_session() -> None:
    loop = a_loop()
    loop.ended_elsewhere(2, None)
    loop.ended(None, df.errors.CancelledError(None, None, "closed"))
    loop.all_reported()
    assert isinstance(loop.error, df.errors.CancelledError)


class CrowdedChannel(TestChannel):
    """A channel to a client that stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.room = threading.Event()
        self.room.set()

    def wait_until_writable(self, first: Any = None) -> None:
        self.room.wait()


def test_a_client_that_stands_still_holds_up_its_loop_and_nobody_who_takes_what_the_loop_puts_in(
    tmp_path: Path,
) -> None:
    """Whoever makes room lets the elements of a loop in, counts them and reports them; that must not wait."""
    (tmp_path / "lines").write_text("a\n" * 100)
    names, queue = df.FIFOQueue(1, [df.string], shapes=[[]]), df.FIFOQueue(5, [df.string], shapes=[[]])
    put, out = queue.enqueue(df.TextLineReader().read(names)[1]), queue.dequeue()
    channel = CrowdedChannel()
    with df.Session() as sess:
        sess.run(names.enqueue(str(tmp_path / "lines")))
        backend: Any = sess.backend
        backend.process.accepted(channel, m.Hello(m.PROTOCOL, "client", backend.session))
        plan = sess.plans.take((put,), (), NEVER)
        (home,) = backend.process.executors
        spec = LoopSpec(backend.session, "loop", plan.call, home, "loop", None, every=1, vectorized=True)
        handle(backend.process, channel, m.InstallLoop(spec, 0))
        run = backend.process.loops[backend.session, "loop"]
        loop = threading.Thread(target=run.run, daemon=True)
        loop.start()
        until(lambda: run.iterations == 5 and sess.queue_rows()[1]["waiting_enqueues"])
        channel.room.clear()
        consumer = threading.Thread(target=lambda: [sess.run(out) for _ in range(10)], daemon=True)
        consumer.start()
        consumer.join(5)
        assert not consumer.is_alive()
        channel.room.set()
        run.stop(df.errors.CancelledError(None, None, "stopped"))
        loop.join(20)
        assert not loop.is_alive()

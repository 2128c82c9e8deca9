"""A process serves the sessions that it knows, forgets what ended, and starts nothing after its end."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

import dflow as df
from dflow.compile import CallPlan, DevicePlan, LoopSpec, PrefetchedDequeue
from dflow.errors import AbortedError, CancelledError, OpInfo
from dflow.runtime.dask.worker import DflowWorker
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.dispatch import handle
from dflow.runtime.loop.run import LoopRun, State
from dflow.runtime.step.process import LOOPS_KEPT, Process
from dflow.runtime.transport import messages as m
from dflow.specs import QueueSpec
from tests.runtime.channels import PATIENCE, TestChannel

DEVICE = "/job:ps/replica:0/task:0/device:CPU:0"
GPU = "/job:ps/replica:0/task:0/device:GPU:0"
STOP = CancelledError(None, None, "stop")
NAMES = QueueSpec(
    kind="FIFOQueue", node="q", capacity=9, dtypes=(df.float32,), shapes=(df.TensorShape([]),), shared_name="names"
)


def loop(number: int) -> LoopSpec:
    return LoopSpec("session", f"loop-{number}", CallPlan(1, {}, (), {}, (), 0), DEVICE, "loop", 0, 1)


@pytest.fixture
def process() -> Iterator[Any]:
    """A worker's process; a session's client has a channel to it."""
    process = Process("tcp://worker", handle=handle)
    process.add_executor(DeviceExecutor(DEVICE))
    yield process
    process.close()


@pytest.fixture
def channel(process: Any) -> Any:
    channel = TestChannel()
    process.accepted(channel, m.Hello(m.PROTOCOL, "client", "session"))
    return channel


def holds_nothing(process: Any) -> bool:
    """Whether no session has left anything on the process and its devices."""
    return not any(process.held().counts().values())


def close(process: Any, channel: TestChannel) -> None:
    channel.closed = True
    process.channel_closed(channel)


# -- sessions


def test_a_session_begins_with_its_clients_channel_and_ends_with_it(process: Any, channel: TestChannel) -> None:
    handle(process, channel, m.Ping(7))
    assert channel.next() == m.Return(7)
    handle(process, channel, m.InstallLoop(loop(0), 8))
    assert channel.next() == m.Return(8)
    assert process.sessions() == ["session"]
    close(process, channel)
    assert holds_nothing(process)


def test_a_session_whose_client_opens_another_channel_begins_anew(process: Any, channel: TestChannel) -> None:
    """The client has seen the end of the first channel, this process not yet: its own queues are to be new."""
    own = replace(NAMES, shared_name="")
    (host,) = process.executors.values()
    first, second = host.resource_of(own, "session"), TestChannel()
    handle(process, channel, m.InstallLoop(loop(0), 8))
    process.accepted(second, m.Hello(m.PROTOCOL, "client", "session"))
    assert host.resource_of(own, "session") is not first
    assert not process.loops
    close(process, channel)
    assert process.sessions() == ["session"]
    host.session("session")
    close(process, second)
    assert holds_nothing(process)


def test_a_session_goes_on_that_begins_anew_while_the_end_of_its_channel_is_dealt_with(
    process: Any, channel: TestChannel
) -> None:
    (host,) = process.executors.values()
    second = TestChannel()

    def meanwhile(address: str) -> list[str]:
        process.accepted(second, m.Hello(m.PROTOCOL, "client", "session"))
        return []

    stops = list[Any]()
    process.add_loop(SimpleNamespace(spec=loop(0), over=False, devices_at=meanwhile, stop=stops.append))
    close(process, channel)
    assert len(stops) == 1
    assert (process.sessions(), process.channels()) == (["session"], [second])
    host.session("session")


def test_a_session_begins_anew_after_it_has_ended_everywhere(
    process: Any, channel: TestChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = process.executors.values()
    drop, hello = host.drop_session, m.Hello(m.PROTOCOL, "client", "session")
    client = threading.Thread(target=process.accepted, args=(TestChannel(), hello))

    def meanwhile(*args: Any) -> None:
        client.start()
        drop(*args)

    monkeypatch.setattr(host, "drop_session", meanwhile)
    close(process, channel)
    client.join(PATIENCE)
    assert process.sessions() == ["session"]
    host.session("session")


def test_a_queue_call_for_a_session_that_ended_is_refused(process: Any, channel: TestChannel) -> None:
    other = TestChannel()
    close(process, channel)
    handle(process, other, m.QueueCall(3, "session", DEVICE, NAMES, "dequeue", (), "", ""))
    answer = other.next()
    assert isinstance(answer.outcome, AbortedError)
    assert "session session is not known" in answer.outcome.message
    with pytest.raises(AbortedError, match="is not known"):
        process.call_queue("session", DEVICE, "", NAMES, "dequeue", lambda *answer: None)
    assert holds_nothing(process)
    assert process.queue_rows() == []


def test_a_queue_call_is_answered_once_and_withdrawn_with_its_channel(process: Any, channel: TestChannel) -> None:
    other = TestChannel()
    queue = process.executors[DEVICE].resource_of(NAMES, "session")
    for number in (3, 4, 5):
        handle(process, other, m.QueueCall(number, "session", DEVICE, NAMES, "dequeue", (), "", ""))
    queue.attempt(lambda *answer: None, "enqueue", (np.float32(1),))
    assert (other.next().call, len(process.served)) == (3, 2)
    handle(process, other, m.Withdraw(4))
    withdrawn = other.next()
    assert withdrawn.call == 4
    assert isinstance(withdrawn.outcome, CancelledError)
    close(process, other)
    assert len(process.served) == queue.row()["waiting_dequeues"] == 0


def test_a_queue_call_for_several_is_one_answer_with_a_delivery_for_each(process: Any, channel: TestChannel) -> None:
    queue = process.executors[DEVICE].resource_of(NAMES, "session")
    for value in (1, 2, 3):
        queue.attempt(lambda *answer: None, "enqueue", (np.float32(value),))
    handle(process, channel, m.QueueCall(3, "session", DEVICE, NAMES, "dequeue", (), "session/loop", "take", times=5))
    answer = channel.next()
    assert (answer.outcome, answer.delivery, answer.more) == ((1,), 0, (((2,), 1), ((3,), 2)))
    channel.deliveries[0](True)
    channel.deliveries[2](False)
    assert (queue.size, queue.row()["dequeued"], queue.row()["moved_by"]) == (1, 2, "take of loop loop")


def test_several_that_nobody_wants_any_more_go_back(process: Any, channel: TestChannel) -> None:
    handle(process, channel, m.Return(9, (1,), 4, (((2,), 5), ((3,), 6))))
    assert [channel.next() for _ in range(3)] == [m.Settled(delivery, False) for delivery in (4, 5, 6)]


def test_tensors_that_start_a_part_which_cannot_start_go_back(process: Any, channel: TestChannel) -> None:
    handle(process, channel, m.Start("session", DEVICE, 1, ("session", 1), 0, [(0, 1.0)], delivery=4))
    assert channel.next() == m.Settled(4, False)
    assert isinstance(channel.next().error, AbortedError)


def test_a_loop_of_a_session_that_ended_is_refused_and_leaves_nothing(process: Any, channel: TestChannel) -> None:
    other = TestChannel()
    close(process, channel)
    handle(process, other, m.InstallLoop(loop(0), 1))
    assert isinstance(other.next().outcome, AbortedError)
    assert holds_nothing(process)


def test_a_session_that_was_reset_is_refused_and_leaves_nothing(process: Any, channel: TestChannel) -> None:
    handle(process, channel, m.Reset((), 1))
    assert channel.next() == m.Return(1)
    handle(process, channel, m.Start("session", DEVICE, 1, ("session", 1), 0, []))
    failed = channel.next()
    assert isinstance(failed.error, AbortedError)
    assert "its target was reset" in failed.error.message
    assert holds_nothing(process)
    close(process, channel)
    process.accepted(TestChannel(), m.Hello(m.PROTOCOL, "client", "another"))
    process.check_session("another")


def test_a_reset_ends_the_sessions_before_their_state_goes(
    process: Any, channel: TestChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S29.13: a step in between would miss a variable, and say so instead of being aborted."""
    (host,) = process.executors.values()
    left: list[list[str]] = []
    monkeypatch.setattr(host.state, "reset", lambda containers: left.append(process.sessions()))
    handle(process, channel, m.Reset((), 9))
    assert channel.next() == m.Return(9)
    assert left == [[]]


def test_of_the_loops_that_ended_the_newest_are_kept(process: Any, channel: TestChannel) -> None:
    waiting = loop(-1)
    handle(process, channel, m.InstallLoop(waiting, 0))
    for number in range(LOOPS_KEPT + 5):
        run = LoopRun(process, loop(number))
        process.add_loop(run)
        run.run()
    handle(process, channel, m.InstallLoop(loop(-2), 0))
    names = [name for _, name in process.loops]
    assert names == ["loop--1", *(f"loop-{number}" for number in range(5, LOOPS_KEPT + 5)), "loop--2"]


# -- channels


@pytest.mark.parametrize("theirs", [m.PROTOCOL, m.PROTOCOL + 1])
def test_a_channel_of_another_protocol_is_ended_and_the_log_says_why(
    theirs: int, process: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Comm:
        aborted = False
        peer_address = "inproc://other"

        def abort(self) -> None:
            self.aborted = True

        async def read(self) -> Any:
            assert process.sessions() == ["session"]
            raise EOFError

        async def write(self, message: Any) -> None: ...
        async def close(self) -> None: ...

    class Hello:
        messages = (m.Hello(theirs, "tcp://other", "session"),)

    worker, comm = DflowWorker(), Comm()
    worker.process = process
    with caplog.at_level(logging.INFO):
        assert asyncio.run(worker.take_channel(comm, Hello())) == "dont-reply"  # type: ignore[arg-type]
    assert comm.aborted
    assert process.sessions() == process.channels() == []
    refused = f"no channel for tcp://other: it speaks protocol {theirs}, this worker {m.PROTOCOL}"
    assert (refused in caplog.messages) == (theirs != m.PROTOCOL)


def test_calls_end_with_their_channel() -> None:
    channel, other = TestChannel(), TestChannel()
    with closing(Process("tcp://worker", lambda process, address: channel, handle)) as process:  # type: ignore[arg-type, return-value]
        answers: list[Any] = []
        process.call_queue("session", GPU, "tcp://peer", NAMES, "dequeue", answers.append)
        first, second = process.request(channel, m.Ping), process.request(other, m.Ping)  # type: ignore[arg-type]
        close(process, channel)
        assert isinstance(first.exception(0), df.errors.UnavailableError)
        process.call_queue("session", GPU, "tcp://peer", NAMES, "dequeue", answers.append)
        assert [type(answer) for answer in answers] == [df.errors.UnavailableError] * 2
        handle(process, other, m.Return(2, "value"))  # type: ignore[arg-type]
        assert second.result(0) == "value"
        assert isinstance(process.request(channel, m.Ping).exception(0), df.errors.UnavailableError)  # type: ignore[arg-type]
        assert process.held().calls == 0


def test_a_loop_between_two_steps_ends_with_a_process_whose_devices_it_uses(process: Any, channel: TestChannel) -> None:
    """Also one that is to start, or that makes its dequeue itself; it would find the device empty if that came back.

    A loop that has nothing to do with that process goes on.
    """
    there, other = "tcp://there", "tcp://other"
    queue = PrefetchedDequeue(OpInfo("take", "QueueDequeueV2", GPU), there, NAMES, "dequeue", (), ())
    uses = replace(loop(0), call=CallPlan(1, {GPU: there, DEVICE: "tcp://worker"}, (), {}, (), 0))
    runs = [LoopRun(process, spec) for spec in (uses, replace(loop(1), prefetch=queue), loop(2))]
    for run in runs:
        process.add_loop(run)
    close(process, TestChannel(other))
    assert [run.state for run in runs] == [State.WAITING.value] * 3
    close(process, TestChannel(there))
    for run in runs[:2]:
        with pytest.raises(df.errors.UnavailableError, match=f"{there} with {GPU} was lost, and what the loop 'loop'"):
            run.run()
    assert [run.state for run in runs] == [State.FAILED.value, State.FAILED.value, State.WAITING.value]


# -- the pool


def test_nothing_starts_after_the_end(process: Any, channel: TestChannel) -> None:
    handle(process, channel, m.Reset((), 1))
    channel.next()
    process.close()
    handle(process, channel, m.Reset((), 2))
    handle(process, channel, m.Start("session", DEVICE, 1, ("session", 1), 0, []))
    for thread in threading.enumerate():
        if thread.name.startswith("dflow-tcp://worker"):
            thread.join(PATIENCE)
    assert channel.sent.empty()
    with pytest.raises(CancelledError, match="is closing"):
        process.channel_to("tcp://other")


class Namespace:
    """Stands in for CuPy: says in which thread it copies what."""

    def __init__(self) -> None:
        self.copied: list[tuple[Any, str]] = []

    def asarray(self, value: Any) -> Any:
        self.copied.append((value, threading.current_thread().name))
        return value


class Part:
    """A part that waits for tensors."""

    session = "session"
    step = ("session", 1)

    def __init__(self, wanted: int) -> None:
        self.edges: list[int] = []
        self.errors: list[Any] = []
        self.complete = threading.Event()
        self._wanted = wanted

    def begin(self) -> None: ...

    def wants(self) -> bool:
        return True

    def deliver(self, edges: list[tuple[int, Any]]) -> None:
        self.edges += [edge for edge, _ in edges]
        if len(self.edges) == self._wanted:
            self.complete.set()


def start(part: Part, executor: DeviceExecutor) -> None:
    """Start the part on a device, in the place of one that the device makes itself."""
    executor.install(part.session, DevicePlan(1, executor.name, (), (), {}, frozenset(), {}), {})
    with mock.patch("dflow.runtime.device.executor.Part", return_value=part):
        executor.start(part.session, 1, part.step, 0, [], mock.Mock(), lambda work, quick: work())


def test_tensors_are_copied_to_a_gpu_by_the_pool_in_the_order_in_which_they_came(process: Any) -> None:
    channel, namespace = TestChannel(), Namespace()
    process.add_executor(DeviceExecutor(GPU, namespace))
    process.accepted(channel, m.Hello(m.PROTOCOL, "client", "session"))
    part = Part(wanted=50)
    start(part, process.executors[GPU])
    for edge in range(50):
        handle(process, channel, m.Deliver(part.step, GPU, [(edge, float(edge))], edge))
    assert part.complete.wait(PATIENCE)
    assert part.edges == list(range(50))
    assert [value for value, _ in namespace.copied] == part.edges
    assert all(thread.startswith("dflow-tcp://worker") for _, thread in namespace.copied)
    assert [channel.next() for _ in range(50)] == [m.Settled(edge, True) for edge in range(50)]


def test_tensors_for_a_cpu_take_no_other_thread(process: Any, channel: TestChannel) -> None:
    part = Part(wanted=1)
    start(part, process.executors[DEVICE])
    handle(process, channel, m.Deliver(part.step, DEVICE, [(0, 1.0)], None))
    assert part.edges == [0]

"""A step as its owner sees it: what comes after its end goes back."""

import gc
import threading
from collections.abc import Callable
from unittest import mock

import pytest

import dflow as df
from dflow.compile import CallPlan
from dflow.errors import CancelledError, DeadlineExceededError, UnavailableError
from dflow.runtime.base.deadline import Deadline
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.device.part import Part
from dflow.runtime.dispatch import handle
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers
from dflow.runtime.transport import messages as m
from tests.runtime.channels import PATIENCE, TestChannel
from tests.runtime.deliveries import FakeDelivery

PART = "/job:ps/replica:0/task:0/device:CPU:0"


class Waiting(Step):
    """Its part is in another process, which these tests play."""

    def _start(self, fed: dict[int, object]) -> None:
        self._open = 1
        self.begun()

    def begun(self) -> None: ...


@pytest.fixture
def step() -> Waiting:
    return Waiting(Process("p"), "s", CallPlan(1, {}, (), {}, (0,), 1), StepNumbers("s"))


def test_values_that_come_with_the_end_of_the_part_are_the_result(step: Waiting) -> None:
    delivery = FakeDelivery()
    step.begun = lambda: step.fetched([(0, 7)], delivery, PART)  # type: ignore[method-assign, assignment, return-value]
    assert step.run(()) == [7]
    assert delivery.settled == [True]


def test_values_that_come_after_a_deadline_go_back(step: Waiting) -> None:
    delivery = FakeDelivery()
    with pytest.raises(DeadlineExceededError):
        step.run((), Deadline(0.01))
    step.fetched([(0, 7)], delivery, PART)
    assert delivery.settled == [False]


def test_values_that_come_after_a_cancellation_go_back(step: Waiting) -> None:
    """Also before the owner's thread has seen the cancellation."""
    delivery = FakeDelivery()

    def cancelled() -> None:
        step.cancel(CancelledError(None, None, "stop"))
        step.fetched([(0, 7)], delivery, PART)

    step.begun = cancelled  # type: ignore[method-assign]
    with pytest.raises(CancelledError):
        step.run(())
    assert delivery.settled == [False]


def test_values_that_came_before_a_cancellation_are_the_result(step: Waiting) -> None:
    """They were acknowledged: the element would be lost else."""
    delivery = FakeDelivery()

    def cancelled() -> None:
        step.fetched([(0, 7)], delivery, PART)
        step.cancel(CancelledError(None, None, "stop"))

    step.begun = cancelled  # type: ignore[method-assign]
    assert step.run(()) == [7]
    assert delivery.settled == [True]


def test_the_caller_goes_on_when_the_acknowledgement_has_left_the_process(step: Waiting) -> None:
    """Else an end of the session, or of the process, would bring an element again that was seen."""
    delivery, results = FakeDelivery(slow=True), list[object]()
    begun = threading.Event()

    def fetched() -> None:
        step.fetched([(0, 7)], delivery)
        step.finished(PART)
        begun.set()

    step.begun = fetched  # type: ignore[method-assign]
    caller = threading.Thread(target=lambda: results.append(step.run(())))
    caller.start()
    assert begun.wait(PATIENCE)
    assert delivery.settled == [True]
    step.cancel(CancelledError(None, None, "stop"))
    assert results == []
    delivery.left()
    caller.join(PATIENCE)
    assert results == [[7]]


@pytest.mark.parametrize("finished", ["with the values", "before that was known", "before the channel ended"])
def test_values_whose_acknowledgement_was_lost_are_not_given_to_the_caller(step: Waiting, finished: str) -> None:
    """Their elements are in the queue again.  A channel tells first that it ended, then what it did not send."""
    delivery = FakeDelivery(slow=True)

    def fetched() -> None:
        if finished == "with the values":
            step.fetched([(0, 7)], delivery, PART)
        else:
            step.fetched([(0, 7)], delivery)
            step.finished(PART)
        if finished == "before the channel ended":
            step.cancel(UnavailableError(None, None, "ended before they were acknowledged"))
        delivery.left(False)

    step.begun = fetched  # type: ignore[method-assign]
    with pytest.raises(UnavailableError, match="before they were acknowledged"):
        step.run(())


def test_values_whose_acknowledgement_left_right_after_a_cancellation_are_the_result(step: Waiting) -> None:
    """Also if it left before the owner's thread has seen the cancellation."""
    delivery = FakeDelivery(slow=True)

    def fetched() -> None:
        step.fetched([(0, 7)], delivery, PART)
        step.cancel(CancelledError(None, None, "stop"))
        delivery.left()

    step.begun = fetched  # type: ignore[method-assign]
    assert step.run(()) == [7]


def test_a_deadline_that_passes_while_the_acknowledgement_is_sent_loses_nothing(
    step: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dflow.runtime.base.timeouts.STOP_GRACE", PATIENCE)
    delivery = FakeDelivery(slow=True)
    late = mock.Mock(wraps=step.deadline.left, side_effect=lambda: 0.0)

    def fetched() -> None:
        step.deadline.left = late  # type: ignore[method-assign]
        step.fetched([(0, 7)], delivery, PART)
        threading.Thread(target=delivery.left).start()

    step.begun = fetched  # type: ignore[method-assign]
    assert step.run((), Deadline(100)) == [7]


def test_a_deadline_does_not_wait_for_an_acknowledgement_that_cannot_be_sent(
    step: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of the queue stands still, perhaps for ever, and the connection is full."""
    monkeypatch.setattr("dflow.runtime.base.timeouts.STOP_GRACE", 0.01)
    delivery = FakeDelivery(slow=True)
    step.begun = lambda: step.fetched([(0, 7)], delivery, PART)  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(DeadlineExceededError, match="the step did not end within"):
        step.run((), Deadline(0.01))
    delivery.left()
    assert delivery.settled == [True]


class Elsewhere(Step):
    """A step with a part on `PART`, which this process has a channel to, and one on `MINE`, here."""

    def begun(self) -> None: ...

    def _wait(self) -> None:
        self.begun()
        super()._wait()


MINE = "/job:worker/replica:0/task:0/device:CPU:0"


@pytest.fixture
def channel() -> TestChannel:
    return TestChannel()


@pytest.fixture
def elsewhere(channel: TestChannel) -> Elsewhere:
    """The part on `PART` begins with what `MINE` sends it."""
    process = Process("p", lambda process, address: channel)  # type: ignore[arg-type, return-value]
    process.executors[MINE] = DeviceExecutor(MINE)
    call = CallPlan(7, {PART: "tcp://ps"}, (), {PART: ()}, (), 1, producers={PART: frozenset({MINE})})
    return Elsewhere(process, "s", call, StepNumbers("s"))


def test_a_part_that_begins_with_what_is_sent_to_it_starts_with_that(
    elsewhere: Elsewhere, channel: TestChannel
) -> None:
    """One message instead of two."""

    def begun() -> None:
        elsewhere.send(PART, "tcp://ps", [(0, 1.0)], lambda accepted, then=None: None)
        elsewhere.send(PART, "tcp://ps", [(1, 2.0)], None)
        elsewhere.finished(PART)

    elsewhere.begun = begun  # type: ignore[method-assign]
    elsewhere.run(())
    assert channel.next() == m.Start("s", PART, 7, ("s", 0), 0, [(0, 1.0)], 0)
    assert channel.next() == m.Deliver(("s", 0), PART, [(1, 2.0)], None)
    assert channel.sent.empty()


def test_a_part_that_never_started_is_not_cancelled(elsewhere: Elsewhere, channel: TestChannel) -> None:
    """Nobody there knows of it, or ever will."""
    with pytest.raises(DeadlineExceededError):
        elsewhere.run((), Deadline(0.01))
    assert all(isinstance(message, m.QueueRows) for message in sent(channel))


def test_a_part_that_never_started_is_lost_with_its_process(elsewhere: Elsewhere, channel: TestChannel) -> None:
    elsewhere.begun = lambda: elsewhere.channel_closed(channel)  # type: ignore[method-assign, arg-type]
    with pytest.raises(UnavailableError, match=PART):
        elsewhere.run(())


def test_a_part_whose_process_was_gone_already_is_lost(elsewhere: Elsewhere, channel: TestChannel) -> None:
    channel.closed = True
    with pytest.raises(UnavailableError, match=PART):
        elsewhere.run(())


def sent(channel: TestChannel) -> list[object]:
    return [channel.next() for _ in range(channel.sent.qsize())]


@pytest.fixture
def enqueue(monkeypatch: pytest.MonkeyPatch, channel: TestChannel) -> Elsewhere:
    """A step whose one part is on `PART`.  Its process answers when the test does."""
    monkeypatch.setattr("dflow.runtime.base.timeouts.STALL_ANSWER", 3 * PATIENCE)
    process = Process("p", lambda process, address: channel)  # type: ignore[arg-type, return-value]
    return Elsewhere(process, "s", CallPlan(7, {PART: "tcp://ps"}, (), {PART: ()}, (), 1), StepNumbers("s"))


def at_deadline(step: Step, channel: TestChannel, then: Callable[[], None] = lambda: None) -> threading.Thread:
    """Play the process of `PART` from the deadline on; `then` is called there before it hears that the step is late."""

    def play() -> None:
        assert isinstance(channel.next(), m.Start)
        asked, cancelled, told = channel.next(), channel.next(), channel.next()  # before anything is answered
        assert isinstance(asked, m.QueueRows)
        assert isinstance(cancelled, m.Cancel)
        assert isinstance(told, m.Ping)
        handle(step.process, channel, m.Return(asked.call, []))  # type: ignore[arg-type]
        then()
        handle(step.process, channel, m.Return(told.call))  # type: ignore[arg-type]

    player = threading.Thread(target=play)
    player.start()
    return player


def test_a_late_step_is_withdrawn_before_anybody_answers_what_it_waited_for(
    enqueue: Elsewhere, channel: TestChannel
) -> None:
    """Else its enqueue would be in all the same, if there was room while they were asked."""
    player = at_deadline(enqueue, channel)
    with pytest.raises(DeadlineExceededError, match="the step did not end within"):
        enqueue.run((), Deadline(0.01))
    player.join(PATIENCE)
    assert not player.is_alive()
    assert sent(channel) == []  # it is told once


def test_a_step_that_ended_before_its_process_heard_that_it_is_late_has_ended_well(
    enqueue: Elsewhere, channel: TestChannel
) -> None:
    """Its element is in the queue."""
    player = at_deadline(enqueue, channel, lambda: enqueue.finished(PART))
    assert enqueue.run((), Deadline(0.01)) == []
    player.join(PATIENCE)
    assert not player.is_alive()


def test_a_late_step_with_a_part_that_failed_meanwhile_is_late(enqueue: Elsewhere, channel: TestChannel) -> None:
    def failed() -> None:
        enqueue.failed(PART, CancelledError(None, None, "closed"))
        enqueue.finished(PART)

    player = at_deadline(enqueue, channel, failed)
    with pytest.raises(DeadlineExceededError):
        enqueue.run((), Deadline(0.01))
    player.join(PATIENCE)


def test_the_floor_is_below_every_step_that_has_not_ended() -> None:
    numbers = StepNumbers("s")
    first, second = numbers.begin()[0], numbers.begin()[0]
    numbers.end(second)
    assert numbers.begin() == (("s", 2), 0)
    numbers.end(first)
    assert numbers.begin() == (("s", 3), 2)


def test_a_step_that_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    """Its parts know it, and it knew them."""
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    put, take = queue.enqueue(1.0), queue.dequeue()
    with df.Session() as session:
        gc.collect()
        gc.disable()
        try:
            session.run([put, take])
            assert [found for found in gc.get_objects() if isinstance(found, (Step, Part))] == []
        finally:
            gc.enable()


def test_an_interrupt_while_a_step_waits_has_no_other_exception_behind_it(step: Waiting) -> None:
    class Interrupted(Deadline):
        def left(self) -> float | None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        step.run((), Interrupted(None))
    assert caught.value.__context__ is None

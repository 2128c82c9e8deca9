"""A step as its owner sees it: what comes after its end goes back."""

import gc

import pytest

import dflow as df
from dflow.compile import CallPlan
from dflow.errors import CancelledError, DeadlineExceededError, UnavailableError
from dflow.runtime import messages as m
from dflow.runtime.deadline import Deadline
from dflow.runtime.host import DeviceHost
from dflow.runtime.outlets import PartOutlet
from dflow.runtime.part import Part
from dflow.runtime.process import Process
from dflow.runtime.step import Step, StepNumbers
from tests.runtime.lanes import TestLane

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
    loans: list[bool] = []
    step.begun = lambda: step.fetched([(0, 7)], loans.append, PART)  # type: ignore[method-assign, assignment, return-value]
    assert step.run(()) == [7]
    assert loans == [True]


def test_values_that_come_after_a_deadline_go_back(step: Waiting) -> None:
    loans: list[bool] = []
    with pytest.raises(DeadlineExceededError):
        step.run((), Deadline(0.01))
    step.fetched([(0, 7)], loans.append, PART)
    assert loans == [False]


def test_values_that_come_after_a_cancellation_go_back(step: Waiting) -> None:
    """Also before the owner's thread has seen the cancellation."""
    loans: list[bool] = []

    def cancelled() -> None:
        step.cancel(CancelledError(None, None, "stop"))
        step.fetched([(0, 7)], loans.append, PART)

    step.begun = cancelled  # type: ignore[method-assign]
    with pytest.raises(CancelledError):
        step.run(())
    assert loans == [False]


def test_values_that_came_before_a_cancellation_are_the_result(step: Waiting) -> None:
    """They were acknowledged: the element would be lost else."""
    loans: list[bool] = []

    def cancelled() -> None:
        step.fetched([(0, 7)], loans.append, PART)
        step.cancel(CancelledError(None, None, "stop"))

    step.begun = cancelled  # type: ignore[method-assign]
    assert step.run(()) == [7]
    assert loans == [True]


class Elsewhere(Step):
    """A step with a part on `PART`, which this process has a lane to, and one on `MINE`, here."""

    def begun(self) -> None: ...

    def _wait(self) -> None:
        self.begun()
        super()._wait()


MINE = "/job:worker/replica:0/task:0/device:CPU:0"


@pytest.fixture
def lane() -> TestLane:
    return TestLane()


@pytest.fixture
def elsewhere(lane: TestLane) -> Elsewhere:
    """The part on `PART` begins with what `MINE` sends it."""
    process = Process("p", lambda process, address: lane)  # type: ignore[arg-type, return-value]
    process.hosts[MINE] = DeviceHost(MINE)
    call = CallPlan(7, {PART: "tcp://ps"}, (), {PART: ()}, (), 1, givers={PART: frozenset({MINE})})
    return Elsewhere(process, "s", call, StepNumbers("s"))


def test_a_part_that_begins_with_what_is_sent_to_it_starts_with_that(elsewhere: Elsewhere, lane: TestLane) -> None:
    """One message instead of two."""

    def begun() -> None:
        outlet = PartOutlet(elsewhere.process, elsewhere.id, {PART: "tcp://ps"}, elsewhere)
        outlet.send(PART, [(0, 1.0)], lambda accepted: None)
        outlet.send(PART, [(1, 2.0)], None)
        elsewhere.finished(PART)

    elsewhere.begun = begun  # type: ignore[method-assign]
    elsewhere.run(())
    assert lane.next() == m.Start("s", PART, 7, ("s", 0), 0, [(0, 1.0)], 0)
    assert lane.next() == m.Deliver(("s", 0), PART, [(1, 2.0)], None)
    assert lane.sent.empty()


def test_a_part_that_never_started_is_not_cancelled(elsewhere: Elsewhere, lane: TestLane) -> None:
    """Nobody there knows of it, or ever will."""
    with pytest.raises(DeadlineExceededError):
        elsewhere.run((), Deadline(0.01))
    assert all(isinstance(message, m.QueueRows) for message in sent(lane))


def test_a_part_that_never_started_is_lost_with_its_process(elsewhere: Elsewhere, lane: TestLane) -> None:
    elsewhere.begun = lambda: elsewhere.lane_closed(lane)  # type: ignore[method-assign, arg-type]
    with pytest.raises(UnavailableError, match=PART):
        elsewhere.run(())


def test_a_part_whose_process_was_gone_already_is_lost(elsewhere: Elsewhere, lane: TestLane) -> None:
    elsewhere.process._connect = lambda process, address: closed(lane)  # type: ignore[assignment, return-value]
    with pytest.raises(UnavailableError, match=PART):
        elsewhere.run(())


def closed(lane: TestLane) -> TestLane:
    lane.closed = True
    return lane


def sent(lane: TestLane) -> list[object]:
    return [lane.next() for _ in range(lane.sent.qsize())]


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

"""A step as its owner sees it: what comes after its end goes back."""

import gc

import pytest

import dflow as df
from dflow.compile import CallPlan
from dflow.errors import CancelledError, DeadlineExceededError
from dflow.runtime.deadline import Deadline
from dflow.runtime.part import Part
from dflow.runtime.process import Process
from dflow.runtime.step import Step, StepNumbers

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

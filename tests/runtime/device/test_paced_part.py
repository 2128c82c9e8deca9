"""The part of a first run: its segments wait for the tasks that run them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dflow as df
from dflow.errors import CancelledError, InvalidArgumentError, OpError, UnavailableError
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.device.paced_part import PacedPart
from tests.conformance.programs import in_thread, until

PATIENCE = 20
STOP = CancelledError(None, None, "stop")


class Owner:
    """Keeps what a part says."""

    channel = None

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.deliveries: list[Callable[[bool], None] | None] = []
        self.done: list[str] = []
        self.failures: list[OpError] = []

    def send(self, device: str, address: str, edges: Any, delivery: Any) -> None: ...

    def failed(self, device: str, error: OpError) -> None:
        self.failures.append(error)

    def fetched(self, edges: Any, delivery: Any, finished: str = "") -> None:
        self.values += [value for _, value in edges]
        self.deliveries.append(delivery)
        if finished:
            self.finished(finished)

    def finished(self, device: str) -> None:
        self.done.append(device)


@pytest.fixture
def session() -> Iterator[df.Session]:
    with df.Session() as session:
        yield session


def started(session: df.Session, *fetches: Any) -> tuple[PacedPart, Owner]:
    """The part, on the one device, of a first run that fetches these."""
    plan = session.plans.take(fetches, (), NEVER)
    backend: Any = session.backend
    (host,) = backend.process.executors.values()
    owner = Owner()
    part = host.start(backend.session, plan.number, (backend.session, 1), 0, [], owner, run=None)
    assert isinstance(part, PacedPart)
    return part, owner


def run(part: PacedPart, index: int, waits: Callable[[], None] = lambda: None) -> None:
    part.run_segment(index, waits)


def test_nothing_runs_before_its_task_comes(session: df.Session) -> None:
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    part, owner = started(session, queue.enqueue(1.0))
    assert session.run(queue.size()) == 0
    run(part, 0)
    assert session.run(queue.size()) == 1
    assert len(owner.done) == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_an_element_goes_to_the_owner_and_back_if_it_is_not_wanted(wanted: bool, session: df.Session) -> None:
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    session.run(queue.enqueue(5.0))
    part, owner = started(session, queue.dequeue())
    run(part, 0)
    assert owner.values == [5.0]
    (delivery,) = owner.deliveries
    assert delivery is not None
    delivery(wanted)
    assert session.run(queue.size()) == (0 if wanted else 1)


def test_a_task_that_comes_before_the_tensors_of_its_segment_waits_for_them(session: df.Session) -> None:
    """Here the segment before it has not run; a task of Dask comes after that, and may be faster than the tensors."""
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    session.run(queue.enqueue(5.0))
    part, owner = started(session, df.negative(queue.dequeue()))
    second = in_thread(run, part, 1)
    run(part, 0)
    second.result(PATIENCE)
    assert owner.values == [-5.0]


def test_the_task_of_an_operation_that_waits_says_so_before(session: df.Session) -> None:
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    part, owner = started(session, queue.dequeue())
    waits = threading.Event()
    task = in_thread(run, part, 0, waits.set)
    assert waits.wait(PATIENCE)
    session.run(queue.enqueue(5.0))
    task.result(PATIENCE)
    assert owner.values == [5.0]


def test_the_end_of_the_part_ends_the_tasks_that_wait(session: df.Session) -> None:
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    part, _ = started(session, df.negative(queue.dequeue()))
    tasks = [in_thread(run, part, index) for index in (0, 1)]
    until(lambda: session.queue_rows()[0]["waiting_dequeues"])
    part.cancel(STOP)
    errors = [task.exception(PATIENCE) for task in tasks]
    assert all(isinstance(error, CancelledError) for error in errors)
    assert errors[0] is not errors[1]
    until(lambda: not session.queue_rows()[0]["waiting_dequeues"])


def test_an_error_is_the_tasks_and_the_owners(session: df.Session) -> None:
    part, owner = started(session, df.Assert(df.constant(False), ["no"]))
    with pytest.raises(InvalidArgumentError, match="assertion failed"):
        run(part, 0)
    assert [type(error) for error in owner.failures] == [InvalidArgumentError]


def test_a_segment_runs_once(session: df.Session) -> None:
    part, owner = started(session, df.no_op())
    run(part, 0)
    with pytest.raises(UnavailableError, match="a step runs at most once"):
        run(part, 0)
    assert len(owner.done) == 1


def test_the_device_knows_of_a_step_that_was_cancelled_and_of_none_that_it_never_heard_of(session: df.Session) -> None:
    part, _ = started(session, df.no_op())
    host: Any = part.executor
    host.cancel(part.step, STOP)
    assert host.has_ended(part.step)
    assert not host.has_ended((part.step[0], 99))

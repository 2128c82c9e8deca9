"""What a segment of a cold step gives: to the owner, over its lane; to other segments, as the result of its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dflow as df
from dflow.errors import UnavailableError
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.device.cold_part import ColdPart


class Outlet:
    """Keeps what a part says."""

    def __init__(self) -> None:
        self.lane = None
        self.values: list[Any] = []
        self.loans: list[Callable[[bool], None] | None] = []
        self.done: list[str] = []

    def send(self, device: str, address: str, edges: Any, loan: Any) -> None:
        self.loans.append(loan)

    def failed(self, device: str, error: Any) -> None: ...

    def fetched(self, edges: Any, loan: Any, finished: str = "") -> None:
        self.values += [value for _, value in edges]
        self.loans.append(loan)
        self.finished(finished)

    def finished(self, device: str) -> None:
        self.done.append(device)


@pytest.fixture
def session() -> Iterator[df.Session]:
    with df.Session() as session:
        yield session


def cold_part(session: df.Session, *fetches: Any) -> tuple[ColdPart, Outlet]:
    """The part, on the one device, of a cold step that fetches these."""
    plan = session.plans.take(fetches, (), NEVER)
    backend: Any = session.backend
    (host,) = backend.process.hosts.values()
    outlet = Outlet()
    installed = host.installed(backend.session, plan.number)
    return ColdPart(host, backend.session, installed, (backend.session, 1), [], outlet), outlet


@pytest.mark.parametrize("wanted", [True, False])
def test_an_element_goes_straight_to_the_owner_and_back_if_it_is_not_wanted(wanted: bool, session: df.Session) -> None:
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    session.run(queue.enqueue(5.0))
    part, outlet = cold_part(session, queue.dequeue())
    assert part.run_segment(0, {}).values == {}
    assert outlet.values == [5.0]
    (loan,) = outlet.loans
    assert loan is not None
    loan(wanted)
    assert session.run(queue.size()) == (0 if wanted else 1)


def test_the_owner_hears_of_each_segment_that_it_waits_for_and_of_no_other(session: df.Session) -> None:
    """The dequeue gives its value to the segment after it; that one, and the enqueue, give nothing to others."""
    queue, other = (df.FIFOQueue(9, ["float32"], shapes=[[]]) for _ in range(2))
    session.run(queue.enqueue(5.0))
    part, outlet = cold_part(session, df.negative(queue.dequeue()), other.enqueue(1.0))
    segments = part._installed.plan.segments
    values: dict[int, Any] = {}
    heard = {}
    for segment in segments:
        before = len(outlet.done)
        values |= part.run_segment(segment.index, {edge: values[edge] for edge in segment.needs}).values
        heard[segment.instructions[-1].op.kind] = len(outlet.done) - before
    assert heard == {"QueueDequeueV2": 0, "Neg": 1, "QueueEnqueueV2": 1}
    assert list(values.values()) == [5.0]
    assert outlet.values == [-5.0]


def test_a_segment_runs_once(session: df.Session) -> None:
    part, _ = cold_part(session, df.no_op())
    part.run_segment(0, {})
    with pytest.raises(UnavailableError, match="a step runs at most once"):
        part.run_segment(0, {})


def two_devices() -> df.Session:
    return df.Session(config=df.ConfigProto(device_count={"CPU": 2}))


@pytest.mark.parametrize("well", [True, False])
def test_what_is_lent_for_another_device_is_the_steps_own_when_it_ended_well(well: bool) -> None:
    """Whatever that device says then: its part has ended, too."""
    with df.device("/cpu:0"):
        queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
        put, element = queue.enqueue(5.0), queue.dequeue()
    with df.device("/cpu:1"):
        there = df.negative(element)
    with two_devices() as session:
        session.run(put)
        plan = session.plans.take((there,), (), NEVER)
        backend: Any = session.backend
        host = backend.process.hosts[plan.segments[0].device]
        outlet = Outlet()
        step = (backend.session, 1)
        part = ColdPart(host, backend.session, host.installed(backend.session, plan.number), step, [], outlet)
        host.add_part(part, 0)
        part.run_segment(plan.segments[0].index, {})
        (loan,) = outlet.loans
        assert loan is not None
        if well:
            host.end_cold(step)
        else:
            host.cancel(step, df.errors.CancelledError(None, None, "stopped"))
        loan(False)
        assert session.run(queue.size()) == (0 if well else 1)


@pytest.mark.parametrize("session_ended", [False, True])
@pytest.mark.parametrize("well", [True, False])
def test_a_device_that_is_asked_late_says_how_the_step_ended(well: bool, session_ended: bool) -> None:
    with df.Session() as session:
        backend: Any = session.backend
        (host,) = backend.process.hosts.values()
        part, _ = cold_part(session, df.no_op())
        host.add_part(part, 0)
        if well:
            host.end_cold(part.step)
        else:
            host.cancel(part.step, df.errors.CancelledError(None, None, "stopped"))
        answers: list[bool] = []
        if session_ended:
            host.drop_session(backend.session, df.errors.CancelledError(None, None, "closed"))
        host.deliver(part.step, [], answers.append)
        assert answers == [well]


def test_only_the_latest_steps_that_ended_well_are_known(session: df.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dflow.runtime.device.executor.WELL_KEPT", 2)
    (host,) = session.backend.process.hosts.values()  # type: ignore[attr-defined]
    for number in range(4):
        host.end_cold(("owner", number))
    assert [host.ended_well(("owner", number)) for number in range(4)] == [False, False, True, True]

"""What a segment of a cold step gives: to the owner, over its lane; to other segments, as the result of its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dflow as df
from dflow.errors import UnavailableError
from dflow.runtime.cold_part import ColdPart
from dflow.runtime.deadline import NEVER


class Outlet:
    """Keeps what a part says."""

    def __init__(self) -> None:
        self.owner = None
        self.values: list[Any] = []
        self.loans: list[Callable[[bool], None] | None] = []
        self.done: list[str] = []

    def send(self, device: str, edges: Any, loan: Any) -> None: ...
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

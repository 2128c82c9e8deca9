"""A device host forgets what ended, and drops what comes too late."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import AbortedError, CancelledError
from dflow.runtime.host import DeviceHost
from dflow.runtime.part import Part, end_parts
from dflow.specs import QueueSpec

STOP = CancelledError(None, None, "stop")
QUEUE = QueueSpec(kind="FIFOQueue", node="q", capacity=9, dtypes=(df.float32,), shapes=(df.TensorShape([]),))


class Outlet:
    """Keeps what a part says."""

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self.owner = None

    def send(self, *args: Any) -> None: ...
    def fetched(self, *args: Any) -> None: ...
    def finished(self, *args: Any) -> None: ...

    def failed(self, device: str, error: Any) -> None:
        self.errors.append(error)


class Loan:
    """What came back, and what did not."""

    def __init__(self) -> None:
        self.accepted: list[bool] = []

    def __call__(self, accepted: bool) -> None:
        self.accepted.append(accepted)


@pytest.fixture
def session() -> Iterator[df.Session]:
    with df.Session() as session:
        yield session


@pytest.fixture
def waiting(session: df.Session) -> Any:
    """A host, and what starts a part of a step that waits in a dequeue."""
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    plan = session._plan((queue.dequeue().op,), ())
    (host,) = session.backend.process.hosts.values()  # type: ignore[attr-defined]
    name = session.backend.session  # type: ignore[attr-defined]

    def start(number: int, floor: int = 0) -> tuple[Part, Outlet]:
        outlet = Outlet()
        part = host.start(name, plan.number, (name, number), floor, [], outlet, lambda work: work())  # type: ignore[arg-type]
        return part, outlet

    return host, name, start


def left(host: DeviceHost) -> list[Any]:
    return [host._sessions, host._parts, host._early, host._ended]


def test_tensors_for_an_ended_step_are_dropped_and_go_back(waiting: Any) -> None:
    """Guards `DeviceHost._has_ended`: `_early` would grow for ever."""
    host, name, start = waiting
    part, _ = start(1)
    part.cancel(STOP)
    loan = Loan()
    host.deliver((name, 1), [(0, 1.0)], loan)
    assert loan.accepted == [False]
    assert host._early == {}


def test_tensors_for_a_step_that_was_cancelled_before_it_began_are_dropped(waiting: Any) -> None:
    host, name, start = waiting
    early, late = Loan(), Loan()
    host.deliver((name, 1), [(0, 1.0)], early)
    host.cancel((name, 1), STOP)
    host.deliver((name, 1), [(0, 1.0)], late)
    start(1)
    assert early.accepted == late.accepted == [False]
    assert host._parts == host._early == {}


def test_ended_steps_are_forgotten_below_the_floor(waiting: Any) -> None:
    host, name, start = waiting
    for number in range(5):
        host.cancel((name, number), STOP)
    part, _ = start(7, floor=7)
    assert host._ended == {name: (7, set())}
    loan = Loan()
    host.deliver((name, 3), [(0, 1.0)], loan)
    assert loan.accepted == [False]
    part.cancel(STOP)


def test_an_owner_that_was_lost_starts_nothing_and_gets_nothing(waiting: Any) -> None:
    """Guards `DeviceHost.end_owner`, which the client calls for a loop whose worker died."""
    host, name, start = waiting
    early, late = Loan(), Loan()
    host.deliver((f"{name}/loop", 1), [(0, 1.0)], early)
    host.end_owner(f"{name}/loop", STOP)
    host.deliver((f"{name}/loop", 2), [(0, 1.0)], late)
    assert early.accepted == late.accepted == [False]
    assert host._early == {}
    start(1)[0].cancel(STOP)


def test_the_end_of_a_session_fails_its_steps_and_leaves_nothing(waiting: Any) -> None:
    host, name, start = waiting
    _, outlet = start(1)
    early = Loan()
    host.deliver((name, 2), [(0, 1.0)], early)
    host.drop_session(name, STOP)
    assert outlet.errors == [STOP]
    assert early.accepted == [False]
    assert left(host) == [{}, {}, {}, {}]


def test_nothing_begins_or_stays_for_a_session_that_ended(waiting: Any) -> None:
    """What was under way in another thread: a start, a tensor, a cancellation, a look at a private queue."""
    host, name, start = waiting
    host.drop_session(name, STOP)
    with pytest.raises(AbortedError):
        start(1)
    loan = Loan()
    host.deliver((name, 1), [(0, 1.0)], loan)
    assert loan.accepted == [False]
    host.cancel((name, 1), STOP)
    with pytest.raises(AbortedError):
        host.machine(QUEUE, name)
    assert left(host) == [{}, {}, {}, {}]
    assert host.rows()["queues"] == []


def test_a_session_that_ends_while_its_step_begins_leaves_no_part(
    waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the second look at the session in `DeviceHost.start`: the part would wait for ever."""
    host, name, start = waiting

    def late(*args: Any) -> Part:
        host.drop_session(name, STOP)
        return Part(*args)

    monkeypatch.setattr("dflow.runtime.host.Part", late)
    with pytest.raises(AbortedError):
        start(1)
    assert left(host) == [{}, {}, {}, {}]


def test_parts_that_end_together_do_not_get_what_one_of_them_gives_back(waiting: Any) -> None:
    """Two dequeues of one dead client, the first one answered but not used: the element stays in the queue.

    Guards the two phases of `end_parts`.
    """
    host, name, _ = waiting
    queue = host.machine(QUEUE, name)
    held: list[Any] = []

    class Dead:
        def __init__(self) -> None:
            self.settle: Any = None
            self.ended = False
            self.withdraw = queue.attempt(self.answer, "dequeue")

        def answer(self, outcome: Any, settle: Any = None) -> None:
            self.settle = settle
            if settle is not None and not self.ended:
                held.append(self)

        def end(self, error: Any, tell: bool) -> list[Any]:
            self.ended = True
            self.withdraw()
            return [] if self.settle is None else [lambda: self.settle(False)]

    dead = [Dead(), Dead()]
    queue.attempt(lambda outcome, settle=None: None, "enqueue", (np.float32(1),))
    assert len(held) == 1
    end_parts(dead, STOP)
    assert len(held) == 1
    assert queue.size == 1

"""A device host forgets what ended, and drops what comes too late."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pytest

import dflow as df
from dflow.errors import AbortedError, CancelledError, ResourceExhaustedError, UnavailableError
from dflow.registry import OPS, READERS
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.device.part import Part, end_parts
from dflow.specs import QueueSpec, ReaderSpec
from tests.runtime.deliveries import FakeDelivery

STOP = CancelledError(None, None, "stop")
QUEUE = QueueSpec(kind="FIFOQueue", node="q", capacity=9, dtypes=(df.float32,), shapes=(df.TensorShape([]),))


class ResultRouter:
    """Keeps what a part says."""

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self.channel = None

    def send(self, *args: Any) -> None: ...
    def fetched(self, *args: Any) -> None: ...
    def finished(self, *args: Any) -> None: ...

    def failed(self, device: str, error: Any) -> None:
        self.errors.append(error)


@pytest.fixture
def session() -> Iterator[df.Session]:
    with df.Session() as session:
        yield session


@pytest.fixture
def waiting(session: df.Session) -> Any:
    """A host, and what starts a part of a step that waits in a dequeue."""
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    plan = session.plans.take((queue.dequeue().op,), (), NEVER)
    (host,) = session.backend.process.executors.values()  # type: ignore[attr-defined]
    name = session.backend.session  # type: ignore[attr-defined]

    def start(number: int, low_water: int = 0, feeds: Any = (), delivery: Any = None) -> tuple[Part, ResultRouter]:
        router, step = ResultRouter(), (name, number)
        part = host.start(name, plan.number, step, low_water, list(feeds), router, lambda work, quick: work(), delivery)  # type: ignore[arg-type]
        return part, router

    return host, name, start


def left(host: DeviceExecutor) -> int:
    held = host.held()
    return sum(map(len, (held.sessions, held.plans, held.parts, held.early))) + held.ended


def test_an_attempt_that_is_answered_at_once_goes_on_in_its_thread(session: df.Session) -> None:
    """One piece of work, although an attempt and its answer are two: on a worker the second would wake a thread."""
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    plan = session.plans.take((queue.enqueue(1.0),), (), NEVER)
    (host,) = session.backend.process.executors.values()  # type: ignore[attr-defined]
    name, ready = session.backend.session, list[Any]()  # type: ignore[attr-defined]
    host.start(name, plan.number, (name, 1), 0, [], ResultRouter(), lambda work, quick: ready.append(work))
    for work in ready:  # which grows meanwhile, if there is more to do
        work()
    assert len(ready) == 1
    assert host.held().parts == ()
    assert session.run(queue.size()) == 1


def test_tensors_for_an_ended_step_are_dropped_and_go_back(waiting: Any) -> None:
    """Guards `EndedSteps`: the tensors would be kept for ever."""
    host, name, start = waiting
    part, _ = start(1)
    part.cancel(STOP)
    delivery = FakeDelivery()
    host.deliver((name, 1), [(0, 1.0)], delivery)
    assert delivery.settled == [False]
    assert host.held().early == ()


def test_tensors_that_start_a_part_of_an_ended_step_go_back(waiting: Any) -> None:
    host, name, start = waiting
    host.cancel((name, 1), STOP)
    delivery = FakeDelivery()
    start(1, feeds=[(0, 1.0)], delivery=delivery)
    assert delivery.settled == [False]
    assert host.held().parts == ()


def test_tensors_that_start_a_part_are_the_parts(waiting: Any) -> None:
    _, _, start = waiting
    delivery = FakeDelivery()
    part, _ = start(1, feeds=[(0, 1.0)], delivery=delivery)
    assert delivery.settled == [True]
    part.cancel(STOP)


def test_a_part_uses_a_delivery_when_the_acknowledgement_has_left_the_process(waiting: Any) -> None:
    host, name, start = waiting
    delivery = FakeDelivery(slow=True)
    part, _ = start(1)
    part.deliver = mock.Mock()
    host.deliver((name, 1), [(0, 1.0)], delivery)
    assert delivery.settled == [True]
    part.deliver.assert_not_called()
    delivery.left()
    part.deliver.assert_called_once_with([(0, 1.0)])
    part.cancel(STOP)


def test_a_part_fails_whose_acknowledgement_was_lost(waiting: Any) -> None:
    host, name, start = waiting
    delivery = FakeDelivery(slow=True)
    part, router = start(1)
    host.deliver((name, 1), [(0, 1.0)], delivery)
    delivery.left(False)
    (error,) = router.errors
    assert isinstance(error, UnavailableError)
    assert part.ended is not None


def test_tensors_for_a_step_that_was_cancelled_before_it_began_are_dropped(waiting: Any) -> None:
    host, name, start = waiting
    early, late = FakeDelivery(), FakeDelivery()
    host.deliver((name, 1), [(0, 1.0)], early)
    host.cancel((name, 1), STOP)
    host.deliver((name, 1), [(0, 1.0)], late)
    start(1)
    assert early.settled == late.settled == [False]
    assert host.held().parts == host.held().early == ()


def test_ended_steps_are_forgotten_below_the_floor(waiting: Any) -> None:
    host, name, start = waiting
    for number in range(5):
        host.cancel((name, number), STOP)
    part, _ = start(7, low_water=7)
    assert host.held().ended == 1  # the owner with its low_water
    delivery = FakeDelivery()
    host.deliver((name, 3), [(0, 1.0)], delivery)
    assert delivery.settled == [False]
    part.cancel(STOP)


def test_an_owner_that_was_lost_starts_nothing_and_gets_nothing(waiting: Any) -> None:
    """Guards `DeviceExecutor.end_owner`, which the client calls for a loop whose worker died."""
    host, name, start = waiting
    early, late = FakeDelivery(), FakeDelivery()
    host.deliver((f"{name}/loop", 1), [(0, 1.0)], early)
    host.end_owner(f"{name}/loop", STOP)
    host.deliver((f"{name}/loop", 2), [(0, 1.0)], late)
    assert early.settled == late.settled == [False]
    assert host.held().early == ()
    start(1)[0].cancel(STOP)


def test_a_part_whose_feeds_find_no_room_on_the_device_fails_and_what_came_early_goes_back(
    waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the elements of a queue that came for it would stay delivery."""
    host, name, _ = waiting
    fed, early, router = FakeDelivery(), FakeDelivery(), ResultRouter()
    host.deliver((name, 1), [(0, 1.0)], early)

    def full(value: Any) -> Any:
        raise MemoryError("the device is full")

    monkeypatch.setattr(host, "asarray", full)
    ((_, number),) = host.held().plans
    host.start(name, number, (name, 1), 0, [(5, 1.0)], router, lambda work, quick: work(), fed)
    assert [type(error) for error in router.errors] == [ResourceExhaustedError]
    assert host.held().parts == host.held().early == ()
    assert fed.settled == early.settled == [False]


@pytest.mark.parametrize("delivery", [None, FakeDelivery()])
def test_a_part_fails_whose_tensors_from_another_device_find_no_room(
    waiting: Any, monkeypatch: pytest.MonkeyPatch, delivery: FakeDelivery | None
) -> None:
    """Whoever sent them goes on; what was delivery with them goes back."""
    host, name, start = waiting
    _, router = start(1)

    def full(value: Any) -> Any:
        raise MemoryError("the device is full")

    monkeypatch.setattr(host, "asarray", full)
    host.deliver((name, 1), [(0, 1.0)], delivery)
    assert [type(error) for error in router.errors] == [ResourceExhaustedError]
    assert delivery is None or delivery.settled == [False]


def test_the_end_of_a_session_fails_its_steps_and_leaves_nothing(waiting: Any) -> None:
    host, name, start = waiting
    routers = [start(number)[1] for number in (1, 3)]
    early = FakeDelivery()
    host.deliver((name, 2), [(0, 1.0)], early)
    host.drop_session(name, STOP)
    (one,), (two,) = [router.errors for router in routers]
    assert str(one) == str(two) == "stop"
    assert one is not two  # each owner adds its traceback
    assert early.settled == [False]
    assert left(host) == 0


def test_nothing_begins_or_stays_for_a_session_that_ended(waiting: Any) -> None:
    """What was under way in another thread: a start, a tensor, a cancellation, a look at a private queue."""
    host, name, start = waiting
    host.drop_session(name, STOP)
    with pytest.raises(AbortedError):
        start(1)
    delivery = FakeDelivery()
    host.deliver((name, 1), [(0, 1.0)], delivery)
    assert delivery.settled == [False]
    host.cancel((name, 1), STOP)
    with pytest.raises(AbortedError):
        host.resource_of(QUEUE, name)
    assert left(host) == 0
    assert host.rows()["queues"] == []


def test_a_session_that_ends_while_its_step_begins_leaves_no_part(
    waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the lock in `DeviceExecutor.start`: the part would wait for ever."""
    host, name, start = waiting
    ending = threading.Thread(target=host.drop_session, args=(name, STOP))

    def late(*args: Any) -> Part:
        ending.start()
        return Part(*args)

    monkeypatch.setattr("dflow.runtime.device.executor.Part", late)
    part, router = start(1)
    ending.join()
    assert part.ended is not None
    assert [type(error) for error in router.errors] == [CancelledError]
    assert left(host) == 0


def test_parts_that_end_together_do_not_get_what_one_of_them_gives_back(waiting: Any) -> None:
    """Two dequeues of one dead client, the first one answered but not used: the element stays in the queue.

    Guards the two phases of `end_parts`.
    """
    host, name, _ = waiting
    queue = host.resource_of(QUEUE, name)
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
            return [] if self.settle is None else [self.settle]

    dead: list[Any] = [Dead(), Dead()]
    queue.attempt(lambda outcome, settle=None: None, "enqueue", (np.float32(1),))
    assert len(held) == 1
    end_parts(dead, STOP)
    assert len(held) == 1
    assert queue.size == 1


class Scope:
    """Stands in for CuPy's device: it can be entered once, and belongs to the thread that did."""

    entered: ClassVar[list["Scope"]] = []
    here = threading.local()

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None

    def __enter__(self) -> None:
        assert self.thread is None
        self.thread = threading.current_thread()
        self.here.depth = getattr(self.here, "depth", 0) + 1
        self.entered.append(self)

    def __exit__(self, *exc_info: object) -> None:
        assert self.thread is threading.current_thread()
        self.here.depth -= 1


class Scoped:
    """An array namespace that is of use only inside of a scope."""

    def asarray(self, value: Any) -> Any:
        assert Scope.here.depth > 0
        return np.asarray(value)


def test_each_use_of_a_device_has_a_scope_of_its_own(session: df.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs and copies, in two threads at once: CuPy's device cannot be entered by both."""
    (host,) = session.backend.process.executors.values()  # type: ignore[attr-defined]
    host.scope, host.xp = Scope, Scoped()
    together = threading.Barrier(2)

    def meet(value: Any) -> Any:
        together.wait(20)
        assert Scope.here.depth == 1
        return value

    monkeypatch.setitem(OPS, "Identity", replace(OPS["Identity"], kernel=meet))
    x = df.placeholder("float32", [])
    y = df.identity(x)
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]])
    put, take = queue.enqueue([x]), queue.dequeue()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda value: session.run(y, {x: value}), [1, 2])) == [1, 2]
    session.run(put, {x: 3})
    assert session.run(take) == 3
    assert getattr(Scope.here, "depth", 0) == 0
    assert len({id(scope) for scope in Scope.entered}) == len(Scope.entered) >= 7


def test_a_variable_a_queue_and_a_reader_may_have_one_name(session: df.Session) -> None:
    """TensorFlow 1 knows state by its type and its name.  Two queues, or two readers, of one name are one."""
    variable = df.Variable(1.0, name="both")
    queue = df.FIFOQueue(9, ["float32"], shapes=[[]], shared_name="both")
    reader = df.ReaderBase("TextLineReader", {"skip_header_lines": 0}, "both", "both")
    again = df.FIFOQueue(9, ["float32"], shapes=[[]], shared_name="both")
    session.run(variable.initializer)
    session.run(queue.enqueue([2.0]))
    assert session.run([variable, again.size(), reader.num_records_produced()]) == [1, 1, 0]
    with pytest.raises(df.errors.InvalidArgumentError, match="capacity 9, expected 8"):
        session.run(df.FIFOQueue(8, ["float32"], shapes=[[]], shared_name="both").size())


def test_two_kinds_of_readers_of_one_name_are_an_error(session: df.Session) -> None:
    specs = [ReaderSpec(kind=kind, node="r", shared_name="r") for kind in ("TextLineReader", "WholeFileReader")]
    (host,) = session.backend.process.executors.values()  # type: ignore[attr-defined]
    name = session.backend.session  # type: ignore[attr-defined]
    host.session(name).formats.update(READERS)
    host.resource_of(specs[0], name)
    with pytest.raises(df.errors.InvalidArgumentError, match="has type TextLineReader, expected WholeFileReader"):
        host.resource_of(specs[1], name)


def test_state_of_an_operation_is_not_made_for_a_session_that_ended(waiting: Any) -> None:
    host, name, _ = waiting
    assert host.session(name).op_state("op", list) == []
    host.drop_session(name, STOP)
    with pytest.raises(AbortedError, match="is not known"):
        host.session(name)
    with pytest.raises(AbortedError):
        host.install(name, None, {})
    with pytest.raises(AbortedError):
        host.resource_of(replace(QUEUE, shared_name="shared"), name)
    assert left(host) == 0
    assert host.rows()["queues"] == []


def test_operations_find_a_new_queue_and_a_new_reader_after_a_reset(session: df.Session) -> None:
    """Guards the second condition of `Context.machine`, which remembers what it found."""
    queue, reader = df.FIFOQueue(9, ["string"], shapes=[[]]), df.IdentityReader()
    enqueue, size, read = queue.enqueue("a"), queue.size(), reader.read(queue)
    produced = reader.num_records_produced()
    for _ in range(2):
        session.run(enqueue)
        session.run(enqueue)
        session.run(read)
        assert session.run([size, produced]) == [1, 1]
        (host,) = session.backend.process.executors.values()  # type: ignore[attr-defined]
        host.state.reset([""])


def test_the_row_of_a_queue_or_a_reader_says_which_sessions_use_it(waiting: Any) -> None:
    host, name, _ = waiting
    shared = replace(QUEUE, shared_name="shared")
    host.begin_session("other")
    host.resource_of(QUEUE, name)
    for session in (name, "other"):
        host.resource_of(shared, session)

    def users() -> dict[str, list[str]]:
        return {row["name"]: row["sessions"] for row in host.rows()["queues"]}

    assert users() == {"q": [name], "shared": [name, "other"]}
    host.drop_session(name, STOP)
    assert users() == {"shared": ["other"]}
    host.drop_session("other", STOP)
    assert users() == {"shared": []}

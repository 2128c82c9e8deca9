"""A loop that pipelines its enqueues: when it waits, what goes with which message, who has the room in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import dtypes
from dflow.compile import LoopSpec, PipelinedEnqueue
from dflow.errors import AbortedError, CancelledError, InvalidArgumentError, OpError, OpInfo, UnavailableError
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.loop.pipelined_enqueue import SLOW_S, PipelinedSink, Sink
from dflow.runtime.loop.prefetch import MOST, Source
from dflow.runtime.loop.reserved_room import TABLE, State
from dflow.runtime.loop.run import LoopRun
from dflow.shapes import TensorShape
from dflow.specs import QueueSpec
from tests.conformance.programs import in_thread, until

QUEUE = QueueSpec(kind="FIFOQueue", node="q", capacity=9, dtypes=(dtypes.float32,), shapes=(TensorShape([]),))
PATIENCE = 20
KEPT = 77  # what the queue calls the room


class AProcess:
    """The attempts of a loop on its queue, in their order, and their answers."""

    def __init__(self) -> None:
        self.asks: list[tuple[str, tuple[Any, ...]]] = []
        self.answers: list[Callable[..., None]] = []
        self.withdrawn: list[int] = []
        self.unreachable: OpError | None = None
        self._asked = threading.Condition()

    def call_queue(
        self, session: str, device: str, address: str, queue: Any, method: str, answer: Any, *arguments: Any
    ) -> Any:
        if self.unreachable is not None:
            raise self.unreachable
        assert (session, device, address, queue) == ("s", "there", "tcp", QUEUE)
        assert (answer.owner, answer.op, answer.quick) == ("s/loop", "put", True)
        with self._asked:
            self.asks.append((method, arguments))
            self.answers.append(answer)
            number = len(self.asks) - 1
            self._asked.notify_all()
        return lambda: self.withdrawn.append(number)

    def wait_for(self, count: int) -> None:
        with self._asked:
            assert self._asked.wait_for(lambda: len(self.asks) >= count, PATIENCE), self.asks

    def put(self, number: int) -> list[Any]:
        """The elements that the ask of this number put into reserved room."""
        method, (kept, _, _, *batches) = self.asks[number]
        assert (method, kept) == ("enqueue_reserved", KEPT)
        return [value for batch in batches for value in batch[0].tolist()]


class ASource(Source):
    """The source of the same loop.  released: how often it was told to hold nothing."""

    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1


class ALoop:
    """The sink, and the reservations that were given back.  many: several elements an iteration."""

    def __init__(self, process: AProcess, many: bool = False) -> None:
        info = OpInfo("put", "QueueEnqueueManyV2" if many else "QueueEnqueueV2", "there", "")
        what = PipelinedEnqueue(info, "tcp", QUEUE, many, ((1, None),), 1)
        self.process = process
        self.source = ASource()
        self.sink = PipelinedSink(process, "s", "s/loop", what)  # type: ignore[arg-type]
        self.sink.before_wait = self.source.release
        self.settled: list[bool] = []

    def put(self, value: Any) -> None:
        self.sink.put([None, np.asarray(value, np.float32)])

    @contextmanager
    def run(self) -> Iterator[None]:
        """The iterations of the loop, to its end."""
        failed = True
        try:
            yield
            failed = False
        finally:
            self.sink.close(failed)

    def later(self, value: Any) -> Future[None]:
        """The put, in a thread of its own."""
        return in_thread(self.put, value)

    def found_room(self, number: int, count: int) -> None:
        """The queue keeps room for so many (more)."""
        first = self.process.asks[number][0] == "reserve_room"
        self.process.answers[number]((np.asarray(count), np.asarray(KEPT)), *([self.settled.append] if first else []))


class Clock:
    """What the loop takes for its clock; each iteration lasts 1 us, if nobody says otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dflow.runtime.loop.pipelined_enqueue.monotonic", clock)
    return clock


@pytest.fixture
def process() -> AProcess:
    return AProcess()


@pytest.fixture
def loop(process: AProcess) -> ALoop:
    return ALoop(process)


def started(loop: ALoop, room: int) -> None:
    """The first element is sent, and not answered; there is room for so many more."""
    first = loop.later(0)
    loop.process.wait_for(1)
    assert loop.process.asks == [("reserve_room", (MOST, 1))]
    assert not first.done(), "there is no room yet: it waits, as an enqueue does"
    loop.found_room(0, room + 1)
    first.result(PATIENCE)
    assert loop.process.put(1) == [0]


def answered(process: AProcess, number: int, count: int, more: int = 0) -> None:
    process.answers[number]((np.asarray(count), np.asarray(more)))


def test_an_element_waits_for_room_and_the_next_ones_for_nothing(loop: ALoop, process: AProcess) -> None:
    started(loop, room=MOST)
    for value in (1, 2, 3):
        loop.put(value)
    assert len(process.asks) == 2


def test_what_is_computed_while_a_message_is_on_its_way_goes_with_the_next_one(loop: ALoop, process: AProcess) -> None:
    started(loop, room=MOST)
    for value in (1, 2, 3):
        loop.put(value)
    answered(process, 1, 1)
    loop.put(4)
    assert process.put(2) == [1, 2, 3]
    answered(process, 2, 3)
    loop.put(5)
    assert process.put(3) == [4]


def test_each_message_asks_for_what_is_missing_of_the_room_that_the_loop_uses(loop: ALoop, process: AProcess) -> None:
    started(loop, room=5)
    assert process.asks[1][1][1:3] == (MOST - 5, 1)
    for value in (1, 2, 3):
        loop.put(value)
    answered(process, 1, 1, more=4)
    loop.put(4)
    assert process.asks[2][1][1:3] == (MOST - 6, 1)
    for value in (5, 6, 7, 8, 9):
        loop.put(value)
    assert len(process.asks) == 3


def test_a_loop_without_room_waits_until_it_has_some(loop: ALoop, process: AProcess) -> None:
    started(loop, room=0)
    second = loop.later(1)
    assert wait_for([second], 0.05).not_done
    assert len(process.asks) == 2, "the answer to the first one may bring some"
    answered(process, 1, 1)
    process.wait_for(3)
    assert process.asks[2] == ("reserve_room", (MOST, 1))
    assert loop.settled == [True], "it has used what was reserved before"
    assert not second.done()
    loop.found_room(2, 1)
    second.result(PATIENCE)
    assert process.put(3) == [1]


def test_the_end_waits_until_all_is_in_and_lets_the_room_go(loop: ALoop, process: AProcess) -> None:
    def two() -> None:
        with loop.run():
            loop.put(1)

    started(loop, room=MOST)
    end = in_thread(two)
    assert wait_for([end], 0.05).not_done
    answered(process, 1, 1)
    process.wait_for(3)
    assert wait_for([end], 0.05).not_done
    assert loop.settled == []
    answered(process, 2, 1)
    end.result(PATIENCE)
    assert loop.settled == [True]


def test_room_that_comes_after_the_end_goes_back(loop: ALoop, process: AProcess) -> None:
    first = loop.later(0)
    process.wait_for(1)
    loop.sink.stop(CancelledError(None, None, "stop"))
    assert isinstance(first.exception(PATIENCE), CancelledError)
    with pytest.raises(CancelledError), loop.run():
        pass
    assert process.withdrawn == [0]
    loop.found_room(0, 5)
    assert loop.settled == [False]


def test_a_stopped_loop_sends_what_has_room_and_waits_until_it_is_in(
    loop: ALoop, process: AProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So whoever joins the loop finds there what it says that it made."""

    def end() -> None:
        with loop.run():
            pass

    monkeypatch.setattr("dflow.runtime.base.timeouts.STOP_GRACE", PATIENCE)
    started(loop, room=MOST)
    loop.put(1)
    loop.sink.stop(CancelledError(None, None, "stop"))
    ended = in_thread(end)
    process.wait_for(3)
    assert process.put(2) == [1]
    answered(process, 1, 1)
    assert wait_for([ended], 0.05).not_done
    answered(process, 2, 1)
    assert isinstance(ended.exception(PATIENCE), CancelledError)
    assert loop.settled == [True]


def test_a_stopped_loop_does_not_wait_long_for_a_queue_that_stands_still(
    loop: ALoop, process: AProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dflow.runtime.base.timeouts.STOP_GRACE", 0.01)
    started(loop, room=MOST)
    loop.put(1)
    loop.sink.stop(CancelledError(None, None, "stop"))
    with pytest.raises(CancelledError, match="stop"), loop.run():
        pass
    assert process.put(2) == [1]
    assert loop.settled == [True]


def test_the_error_of_a_stop_names_the_enqueue_of_each_loop_and_stays_as_it_was(process: AProcess) -> None:
    """A session that ends stops all its loops with one error."""
    stop = AbortedError(None, None, "reset")
    loop = ALoop(process)
    loop.sink.stop(stop)
    with pytest.raises(AbortedError) as caught:
        loop.put(0)
    assert caught.value.node_def is not None
    assert caught.value.node_def.name == "put"
    assert stop.node_def is None


def test_a_loop_that_waits_for_something_else_keeps_no_room(loop: ALoop, process: AProcess) -> None:
    started(loop, room=MOST)
    loop.put(1)
    loop.sink.release()
    assert process.put(2) == [1], "before it"
    assert loop.settled == [True]
    answered(process, 1, 1, more=3)
    answered(process, 2, 1)
    second = loop.later(2)
    process.wait_for(4)
    assert process.asks[3][0] == "reserve_room"
    loop.found_room(3, 1)
    second.result(PATIENCE)


class AReservingSink(Sink):
    """The sink of a loop that has a reservation from its first element on."""

    def __init__(self) -> None:
        self.reserves = False

    def put(self, values: list[Any]) -> list[Any]:
        self.reserves = True
        return values

    def release(self) -> None:
        self.reserves = False


def test_a_loop_that_waits_for_its_client_lets_its_room_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a client that stands still would keep others from the queue, and a close waiting."""
    sink = AReservingSink()
    kept: list[bool] = []

    def wait_until_writable(first: Callable[[], None]) -> None:
        kept.append(sink.reserves)
        first()
        kept.append(sink.reserves)

    monkeypatch.setattr("dflow.runtime.loop.run.PipelinedSink", lambda *arguments: sink)
    what = PipelinedEnqueue(OpInfo("put", "QueueEnqueueV2", "there", ""), "tcp", QUEUE, False, ((0, None),), 1)
    with df.Session() as sess:
        backend: Any = sess.backend
        plan = sess.plans.take((df.constant(1.0),), (), NEVER)
        (home,) = backend.process.executors
        spec = LoopSpec(backend.session, "loop", plan.call, home, "loop", 2, every=1, pipelined=what)
        assert LoopRun(backend.process, spec, wait_until_writable=wait_until_writable).run() == (2, None)
    assert kept == [True, False, True, False]


def test_an_element_that_does_not_fit_is_met_at_its_iteration_and_not_sent(loop: ALoop, process: AProcess) -> None:
    started(loop, room=MOST)
    with pytest.raises(InvalidArgumentError, match="Shape mismatch in tuple component 0") as caught:
        loop.put([1, 2])
    assert caught.value.node_def is not None
    assert caught.value.node_def.name == "put"
    loop.put(3)
    answered(process, 1, 1)
    loop.put(4)
    assert process.put(2) == [3]


@pytest.mark.parametrize(
    "end",
    [
        AbortedError(None, None, "reset"),
        UnavailableError(None, None, "lost"),
        (np.asarray(0), np.asarray(0)),  # the room is gone
    ],
)
def test_what_is_wrong_with_an_element_on_its_way_ends_the_loop_at_the_next_one(
    loop: ALoop, process: AProcess, end: Any
) -> None:
    started(loop, room=MOST)
    process.answers[1](end)
    with pytest.raises(type(end) if isinstance(end, OpError) else AbortedError) as caught:
        loop.put(1)
    assert caught.value.node_def is not None
    assert caught.value.node_def.name == "put"


def test_after_that_a_slow_iteration_enqueues_nothing(loop: ALoop, process: AProcess, clock: Clock) -> None:
    started(loop, room=MOST)
    process.answers[1](AbortedError(None, None, "reset"))
    clock.now += 2 * SLOW_S
    with pytest.raises(AbortedError):
        loop.put(1)
    assert len(process.asks) == 2


def test_the_end_says_what_was_wrong_with_the_last_element(loop: ALoop, process: AProcess) -> None:
    started(loop, room=MOST)
    process.answers[1](AbortedError(None, None, "reset"))
    with pytest.raises(AbortedError), loop.run():
        pass


def test_an_error_of_the_body_is_not_hidden_by_it(loop: ALoop, process: AProcess) -> None:
    started(loop, room=MOST)
    process.answers[1](AbortedError(None, None, "reset"))
    with pytest.raises(ZeroDivisionError), loop.run():
        raise ZeroDivisionError


def test_a_process_that_cannot_be_reached_is_an_error(loop: ALoop, process: AProcess) -> None:
    process.unreachable = UnavailableError(None, None, "gone")
    with pytest.raises(UnavailableError, match="gone"):
        loop.put(0)


def test_a_slow_loop_enqueues_and_waits_and_keeps_no_room(loop: ALoop, process: AProcess, clock: Clock) -> None:
    started(loop, room=MOST)
    loop.put(1)
    clock.now += 2 * SLOW_S
    slow = loop.later(2)
    process.wait_for(4)
    assert process.put(2) == [1], "before it"
    assert loop.settled == [True], "others may have the room"
    method, ((value,),) = process.asks[3]
    assert (method, value.tolist()) == ("enqueue", 2)
    assert not slow.done()
    process.answers[3](None)
    slow.result(PATIENCE)


def test_a_slow_enqueue_can_be_stopped(loop: ALoop, process: AProcess, clock: Clock) -> None:
    clock.now += 2 * SLOW_S
    slow = loop.later(2)
    process.wait_for(1)
    loop.sink.stop(CancelledError(None, None, "stop"))
    assert isinstance(slow.exception(PATIENCE), CancelledError)
    assert process.withdrawn == [0]


def test_a_slow_enqueue_that_was_in_when_it_was_stopped_counts(loop: ALoop, process: AProcess, clock: Clock) -> None:
    clock.now += 2 * SLOW_S
    slow = loop.later(2)
    process.wait_for(1)
    stop = CancelledError(None, None, "stop")
    process.answers[0](None)
    loop.sink.stop(stop)
    slow.result(PATIENCE)
    with pytest.raises(CancelledError):
        loop.put(3)


def test_an_error_of_a_slow_enqueue_names_it(loop: ALoop, process: AProcess, clock: Clock) -> None:
    clock.now += 2 * SLOW_S
    slow = loop.later(2)
    process.wait_for(1)
    process.answers[0](CancelledError(None, None, "closed"))
    error = slow.exception(PATIENCE)
    assert isinstance(error, CancelledError)
    assert error.node_def is not None
    assert error.node_def.name == "put"


def test_elements_that_come_together_go_together(process: AProcess) -> None:
    loop = ALoop(process, many=True)
    first = loop.later([1, 2, 3])
    process.wait_for(1)
    assert process.asks == [("reserve_room", (3 * MOST, 3))]
    loop.found_room(0, 6)
    first.result(PATIENCE)
    assert process.put(1) == [1, 2, 3]
    answered(process, 1, 3)
    loop.put([4, 5, 6])
    assert process.put(2) == [4, 5, 6]


def test_where_there_is_no_room_for_all_of_them_they_wait_as_one_enqueue(process: AProcess) -> None:
    """Its elements enter as room appears, which reserved room does not."""
    loop = ALoop(process, many=True)
    first = loop.later([1, 2, 3])
    process.wait_for(1)
    loop.found_room(0, 0)
    process.wait_for(2)
    method, ((rows,),) = process.asks[1]
    assert (method, rows.tolist()) == ("enqueue_many", [1, 2, 3])
    assert loop.settled == [True]
    process.answers[1](None)
    first.result(PATIENCE)
    second = loop.later([4, 5, 6])
    process.wait_for(3)
    assert process.asks[2][0] == "enqueue_many", "and so do the next ones"
    process.answers[2](None)
    second.result(PATIENCE)


def test_no_elements_are_enqueued_all_the_same(process: AProcess) -> None:
    """A queue that was reset, or is gone, says so."""
    loop = ALoop(process, many=True)
    first = loop.later([])
    process.wait_for(1)
    assert process.asks[0][0] == "enqueue_many"
    process.answers[0](None)
    first.result(PATIENCE)


def test_while_it_waits_for_room_the_loop_holds_no_elements_that_it_prefetched(loop: ALoop, process: AProcess) -> None:
    started(loop, room=1)
    assert loop.source.released == 1, "it waited for the first room"
    loop.put(1)
    assert loop.source.released == 1
    waits = loop.later(2)
    until(lambda: loop.source.released == 2)
    answered(process, 1, 1, more=1)
    waits.result(PATIENCE)


def test_every_state_can_fail_but_the_last_one_and_can_be_closed() -> None:
    open_states = set(State) - {State.CLOSED}
    assert all(TABLE[state]["fail"] is State.FAILED for state in open_states)
    assert all(TABLE[state]["close"] is State.CLOSED for state in State)

"""What a loop prefetches: when it is requested, whose it is, and where it goes in the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

import pytest

from dflow.compile import PrefetchedDequeue
from dflow.errors import CancelledError, InternalError, OpError, OpInfo, OutOfRangeError, UnavailableError
from dflow.runtime.loop.prefetch import MOST, TABLE, WINDOW_S, PrefetchSource, State
from dflow.specs import QueueSpec
from tests.conformance.programs import in_thread, until
from tests.runtime.deliveries import FakeDelivery

QUEUE = QueueSpec(kind="FIFOQueue", node="q", capacity=9, dtypes=("float32",))
PATIENCE = 20


class AProcess:
    """The requests of a loop, in their order."""

    def __init__(self) -> None:
        self.answers: list[Callable[..., None]] = []
        self.times: list[int] = []  # for how many iterations each request is
        self.withdrawn: list[int] = []
        self.unreachable: OpError | None = None
        self.at_once: list[tuple[Any, ...]] = []  # answers that come before a request has returned

    def call_queue(
        self, session: str, device: str, address: str, queue: Any, method: str, answer: Any, *arguments: Any
    ) -> Any:
        if self.unreachable is not None:
            raise self.unreachable
        assert (session, device, address, queue) == ("s", "there", "tcp", QUEUE)
        assert (method, arguments, answer.owner, answer.op) == ("dequeue_many", (2,), "s/loop", "take")
        number = len(self.answers)
        self.answers.append(answer)
        self.times.append(answer.times)
        if self.at_once:
            answer(*self.at_once.pop(0))
        return lambda: self.withdrawn.append(number)


class Batches:
    """What the queue delivers, by name."""

    def __init__(self) -> None:
        self.unacknowledged: dict[str, FakeDelivery] = {}

    def __call__(self, name: str, slow: bool = False) -> tuple[tuple[str], FakeDelivery]:
        self.unacknowledged[name] = FakeDelivery(slow)
        return (name,), self.unacknowledged[name]

    @property
    def settled(self) -> dict[str, list[bool]]:
        return {name: delivery.settled for name, delivery in self.unacknowledged.items() if delivery.settled}


class Clock:
    """What the loop takes for its clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dflow.runtime.loop.prefetch.monotonic", clock)
    return clock


@pytest.fixture
def process() -> AProcess:
    return AProcess()


@pytest.fixture
def batches() -> Batches:
    return Batches()


@pytest.fixture
def source(process: AProcess) -> PrefetchSource:
    info = OpInfo("take", "QueueDequeueManyV2", "there", "")
    what = PrefetchedDequeue(info, "tcp", QUEUE, "dequeue_many", (2,), (0, None))
    return PrefetchSource(process, "s", "s/loop", what)  # type: ignore[arg-type]


def answered_at_once(process: AProcess, batches: Batches, *names: str) -> None:
    process.at_once += [batches(name) for name in names]


def test_an_iteration_waits_for_its_elements(source: PrefetchSource, process: AProcess, batches: Batches) -> None:
    taking = in_thread(source.take, 1)
    until(lambda: process.answers)
    assert wait([taking], 0.05).not_done
    process.answers[0](*batches("a"))
    assert taking.result(PATIENCE) == ["a", None], "the control edge has no value"
    assert batches.settled == {"a": [True]}


def test_elements_are_used_when_their_acknowledgement_has_left(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    taking = in_thread(source.take, 1)
    until(lambda: process.answers)
    process.answers[0](*batches("a", slow=True))
    until(lambda: batches.settled)
    assert wait([taking], 0.05).not_done
    batches.unacknowledged["a"].left()
    assert taking.result(PATIENCE) == ["a", None]


def test_an_acknowledgement_that_is_lost_ends_the_iteration(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    taking = in_thread(source.take, 1)
    until(lambda: process.answers)
    process.answers[0](*batches("a", slow=True))
    until(lambda: batches.settled)
    batches.unacknowledged["a"].left(False)
    error = taking.exception(PATIENCE)
    assert isinstance(error, UnavailableError)
    assert error.node_def is not None
    assert error.node_def.name == "take"


def test_the_next_elements_are_requested_when_an_iteration_has_its_own(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    """A loop that waits stands in the queue's line once."""
    answered_at_once(process, batches, "a")
    source.take(9)
    assert len(process.answers) == 2
    process.answers[1](*batches("b"))
    assert batches.settled == {"a": [True]}, "b stays delivery"
    assert len(process.answers) == 2
    assert source.take(8) == ["b", None]
    assert len(process.answers) == 3


def test_the_last_iteration_requests_no_more(source: PrefetchSource, process: AProcess, batches: Batches) -> None:
    answered_at_once(process, batches, "a")
    source.take(1)
    assert len(process.answers) == 1


@pytest.mark.parametrize("end", [lambda source: source.release(), lambda source: source.close(False)])
def test_what_was_not_used_goes_back(
    end: Callable[[PrefetchSource], None], source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    answered_at_once(process, batches, "a", "b")
    source.take(9)
    end(source)
    assert batches.settled == {"a": [True], "b": [False]}
    assert process.withdrawn == []


@pytest.mark.parametrize("end", [lambda source: source.release(), lambda source: source.close(False)])
def test_a_request_without_an_answer_is_withdrawn_and_a_late_answer_goes_back(
    end: Callable[[PrefetchSource], None], source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    answered_at_once(process, batches, "a")
    source.take(9)
    end(source)
    assert process.withdrawn == [1]
    process.answers[1](*batches("b"), batches("c"))
    assert batches.settled == {"a": [True], "b": [False], "c": [False]}


def test_after_a_release_the_next_iteration_requests_its_own(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    answered_at_once(process, batches, "a", "b")
    source.take(9)
    source.release()
    answered_at_once(process, batches, "c")
    assert source.take(8) == ["c", None]


def test_a_request_waits_until_what_is_on_its_way_has_gone_back(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    """It would else be answered with the elements after these."""
    answered_at_once(process, batches, "a")
    source.take(9)
    source.release()
    taking = in_thread(source.take, 8)
    assert wait([taking], 0.05).not_done
    assert len(process.answers) == 2
    process.answers[1](*batches("b"))
    assert batches.settled == {"a": [True], "b": [False]}
    until(lambda: len(process.answers) == 3)
    process.answers[2](*batches("b again"))
    assert taking.result(PATIENCE) == ["b again", None]


def test_an_answer_that_came_just_before_a_release_is_not_mistaken_for_the_next_one(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    answered_at_once(process, batches, "a")
    source.take(9)
    process.answers[1](*batches("b"))
    source.release()
    taking = in_thread(source.take, 8)
    until(lambda: len(process.answers) == 3)
    assert wait([taking], 0.05).not_done
    process.answers[2](*batches("c"))
    assert taking.result(PATIENCE) == ["c", None]


def test_an_error_of_the_queue_ends_the_iteration_that_would_have_had_the_elements(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    answered_at_once(process, batches, "a")
    process.at_once.append((OutOfRangeError(None, None, "closed"),))
    assert source.take(9) == ["a", None]
    with pytest.raises(OutOfRangeError) as caught:
        source.take(8)
    assert caught.value.node_def is not None
    assert caught.value.node_def.name == "take"


def test_so_does_a_process_that_cannot_be_reached(source: PrefetchSource, process: AProcess, batches: Batches) -> None:
    taking = in_thread(source.take, 9)
    until(lambda: process.answers)
    process.unreachable = InternalError(None, None, "gone")
    process.answers[0](*batches("a"))
    assert taking.result(PATIENCE) == ["a", None]
    with pytest.raises(InternalError, match="gone"):
        source.take(8)


def test_a_stop_ends_the_wait_and_a_late_answer_goes_back(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    taking = in_thread(source.take, 9)
    until(lambda: process.answers)
    source.stop(CancelledError(None, None, "stop"))
    assert isinstance(taking.exception(PATIENCE), CancelledError)
    source.close(True)
    assert process.withdrawn == [0]
    process.answers[0](*batches("a"))
    assert batches.settled == {"a": [False]}


def test_a_stop_ends_the_wait_for_an_acknowledgement(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    taking = in_thread(source.take, 9)
    until(lambda: process.answers)
    process.answers[0](*batches("a", slow=True))
    until(lambda: batches.settled)
    source.stop(CancelledError(None, None, "stop"))
    assert isinstance(taking.exception(PATIENCE), CancelledError)


def test_nothing_is_taken_after_a_stop(source: PrefetchSource, process: AProcess, batches: Batches) -> None:
    answered_at_once(process, batches, "a", "b")
    source.take(9)
    source.stop(CancelledError(None, None, "stop"))
    with pytest.raises(CancelledError):
        source.take(8)
    source.close(True)
    assert batches.settled == {"a": [True], "b": [False]}


def test_a_loop_that_finishes_lets_its_iteration_have_its_elements_and_requests_no_more(
    source: PrefetchSource, process: AProcess, batches: Batches
) -> None:
    taking = in_thread(source.take, 9)
    until(lambda: process.answers)
    source.finish()
    process.answers[0](*batches("a"))
    assert taking.result(PATIENCE) == ["a", None]
    assert len(process.answers) == 1


# -- how many it requests at once


def fast(source: PrefetchSource, process: AProcess, batches: Batches, clock: Clock, left: int = 100) -> None:
    """The loop has made two iterations within an eighth of its window; the answer to its last request is due."""
    answered_at_once(process, batches, "a", "b")
    source.take(left)
    clock.now += WINDOW_S / 7.5
    source.take(left - 1)


def test_a_fast_loop_requests_what_several_iterations_need_and_again_when_that_is_gone(
    source: PrefetchSource, process: AProcess, batches: Batches, clock: Clock
) -> None:
    fast(source, process, batches, clock)
    assert process.times == [1, 1, 7]
    process.answers[2](*batches("c"), batches("d"))
    assert source.take(98) == ["c", None]
    assert batches.settled == {"a": [True], "b": [True], "c": [True]}, "one after the other"
    assert len(process.answers) == 3
    assert source.take(97) == ["d", None]
    assert len(process.answers) == 4


def test_a_slow_loop_requests_the_elements_of_one_iteration(
    source: PrefetchSource, process: AProcess, batches: Batches, clock: Clock
) -> None:
    answered_at_once(process, batches, "a", "b")
    source.take(9)
    clock.now += 10 * WINDOW_S
    source.take(8)
    assert process.times == [1, 1, 1]


def test_no_loop_requests_more_than_so_many(source: PrefetchSource, process: AProcess, batches: Batches) -> None:
    answered_at_once(process, batches, "a", "b")
    source.take(99)
    source.take(98)
    assert process.times[2] == MOST


def test_a_fast_loop_requests_nothing_beyond_its_last_iteration(
    source: PrefetchSource, process: AProcess, batches: Batches, clock: Clock
) -> None:
    fast(source, process, batches, clock, left=4)
    assert process.times == [1, 1, 2]
    process.answers[2](*batches("c"), batches("d"))
    source.take(2)
    source.take(1)
    assert len(process.answers) == 3


def test_all_that_a_fast_loop_did_not_use_goes_back(
    source: PrefetchSource, process: AProcess, batches: Batches, clock: Clock
) -> None:
    fast(source, process, batches, clock)
    process.answers[2](*batches("c"), batches("d"), batches("e"))
    source.take(98)
    source.close(False)
    assert batches.settled == {"a": [True], "b": [True], "c": [True], "d": [False], "e": [False]}


def test_every_state_can_be_closed() -> None:
    assert all(TABLE[state]["close"] is State.CLOSED for state in State)

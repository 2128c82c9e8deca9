"""What a loop takes ahead: when it is asked for, whose it is, and where it goes in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dflow.compile import Ahead
from dflow.errors import CancelledError, InternalError, OpError, OpInfo, OutOfRangeError
from dflow.runtime.device.lone_attempt import LoneAttempt
from dflow.runtime.loop.ahead import AHEAD_S, MOST, TakenAhead
from dflow.specs import QueueSpec

QUEUE = QueueSpec(kind="FIFOQueue", node="q", capacity=9, dtypes=("float32",))
HERE, GPU = "here", "here/gpu"


class AStep:
    """A step that keeps what it is told."""

    def __init__(self, number: int = 0) -> None:
        self.id = ("s/loop", number)
        self.values: dict[int, Any] = {}
        self.error: BaseException | None = None

    def cancel(self, error: BaseException) -> None:
        self.error = error


class AProcess:
    """Asks and deliveries, in their order.  refuses: the steps that have ended."""

    def __init__(self) -> None:
        self.asks: list[Callable[..., None]] = []
        self.times: list[int] = []  # for how many steps each of them is
        self.withdrawn: list[int] = []
        self.delivered: list[tuple[Any, str, Any]] = []
        self.refuses: list[Any] = []
        self.unreachable: OpError | None = None

    def ask(
        self, session: str, device: str, address: str, queue: Any, method: str, answer: Any, *arguments: Any
    ) -> Any:
        if self.unreachable is not None:
            raise self.unreachable
        assert (session, device, address, queue) == ("s", "there", "tcp", QUEUE)
        assert (method, arguments, answer.owner, answer.op) == ("dequeue_many", (2,), "s/loop", "take")
        number = len(self.asks)
        self.asks.append(answer)
        self.times.append(answer.times)
        return lambda: self.withdrawn.append(number)

    def deliver(self, step: Any, device: str, edges: Any, loan: Any) -> None:
        if step in self.refuses:
            loan(False)
        else:
            loan(True, lambda sent: self.delivered.append((step, device, edges)))


class Loans:
    """What became of the loans, by the name of what was lent."""

    def __init__(self) -> None:
        self.settled: dict[Any, bool] = {}

    def of(self, what: Any) -> Callable[..., None]:
        def settle(accepted: bool, then: Callable[[bool], None] | None = None) -> None:
            assert what not in self.settled, "once"
            self.settled[what] = accepted
            if then is not None:
                then(True)

        return settle


@pytest.fixture
def process() -> AProcess:
    return AProcess()


class Clock:
    """What the loop takes for its clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dflow.runtime.loop.ahead.monotonic", clock)
    return clock


@pytest.fixture
def loans() -> Loans:
    return Loans()


@pytest.fixture
def ahead(process: AProcess) -> TakenAhead:
    info = OpInfo("take", "QueueDequeueManyV2", "there", "")
    what = Ahead(info, "tcp", QUEUE, "dequeue_many", (2,), {5: 0, 6: None}, {HERE: (5,), GPU: (5, 6)}, (5,))
    return TakenAhead(process, "s", "s/loop", what)  # type: ignore[arg-type]


def test_a_step_gets_its_elements_when_they_come(ahead: TakenAhead, process: AProcess, loans: Loans) -> None:
    step = AStep()
    ahead.give(step)  # type: ignore[arg-type]
    assert process.delivered == []
    process.asks[0](("batch",), loans.of("batch"))
    assert process.delivered == [(step.id, HERE, [(5, "batch")]), (step.id, GPU, [(5, "batch"), (6, None)])]
    assert loans.settled == {"batch": True}
    assert step.values == {5: "batch"}, "what the caller wants of them"


def test_an_attempt_in_place_of_a_step_has_the_elements_themselves(
    ahead: TakenAhead, process: AProcess, loans: Loans
) -> None:
    attempt = LoneAttempt("s/loop", "take")

    def begin() -> None:
        ahead.give(attempt, left=1)
        process.asks[0](("batch",), loans.of("batch"))
        assert loans.settled == {}, "they are the loop's when it goes on with them"

    assert attempt.run(begin, ahead.what.op) == ("batch",)
    assert loans.settled == {"batch": True}
    assert process.delivered == []
    assert ahead.what.values(("batch",)) == {5: "batch", 6: None}


def test_what_comes_for_an_attempt_that_was_cancelled_goes_back(
    ahead: TakenAhead, process: AProcess, loans: Loans
) -> None:
    attempt = LoneAttempt("s/loop", "take")

    def begin() -> None:
        ahead.give(attempt, left=1)
        attempt.cancel(CancelledError(None, None, "stop"))
        process.asks[0](("batch",), loans.of("batch"))

    with pytest.raises(CancelledError):
        attempt.run(begin, ahead.what.op)
    assert loans.settled == {"batch": False}


def test_an_error_ends_an_attempt_and_names_the_operation(ahead: TakenAhead, process: AProcess) -> None:
    attempt = LoneAttempt("s/loop", "take")

    def begin() -> None:
        ahead.give(attempt, left=1)
        process.asks[0](OutOfRangeError(None, None, "closed"))

    with pytest.raises(OutOfRangeError) as caught:
        attempt.run(begin, ahead.what.op)
    assert caught.value.node_def is not None
    assert caught.value.node_def.name == "take"


def test_the_next_elements_are_asked_for_when_the_step_has_its_own(
    ahead: TakenAhead, process: AProcess, loans: Loans
) -> None:
    """A loop that waits stands in the queue's line once."""
    first, second = AStep(0), AStep(1)
    ahead.give(first)  # type: ignore[arg-type]
    assert len(process.asks) == 1
    process.asks[0](("a",), loans.of("a"))
    assert len(process.asks) == 2
    process.asks[1](("b",), loans.of("b"))
    assert loans.settled == {"a": True}, "b stays lent"
    assert len(process.asks) == 2
    ahead.give(second)  # type: ignore[arg-type]
    assert loans.settled == {"a": True, "b": True}
    assert process.delivered[-2][0] == second.id
    assert len(process.asks) == 3


def test_a_step_that_comes_before_the_next_elements_are_asked_for_does_not_ask_again(
    ahead: TakenAhead, process: AProcess, loans: Loans
) -> None:
    """The elements of a step let it run to its end in its own thread, and the next one come, before the ask is out."""
    second, deliver = AStep(1), process.deliver

    def delivered_and_done(step: Any, *arguments: Any) -> None:
        deliver(step, *arguments)
        if step != second.id and arguments[0] == GPU:
            ahead.give(second)  # type: ignore[arg-type]

    process.deliver = delivered_and_done  # type: ignore[method-assign]
    ahead.give(AStep(0))  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    assert len(process.asks) == 2
    process.asks[1](("b",), loans.of("b"))
    assert loans.settled == {"a": True, "b": True}
    assert process.delivered[-1][0] == second.id


def test_the_last_step_asks_for_no_more(ahead: TakenAhead, process: AProcess, loans: Loans) -> None:
    ahead.give(AStep(), left=1)  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    assert len(process.asks) == 1


def test_what_was_not_used_goes_back(ahead: TakenAhead, process: AProcess, loans: Loans) -> None:
    ahead.give(AStep())  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    process.asks[1](("b",), loans.of("b"))
    ahead.give_back()
    assert loans.settled == {"a": True, "b": False}
    assert process.withdrawn == []


def test_an_ask_without_an_answer_is_withdrawn_and_a_late_answer_goes_back(
    ahead: TakenAhead, process: AProcess, loans: Loans
) -> None:
    ahead.give(AStep())  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    ahead.give_back()
    assert process.withdrawn == [1]
    process.asks[1](("b",), loans.of("b"))
    assert loans.settled == {"a": True, "b": False}
    assert len(process.asks) == 2


def test_what_an_ended_step_refuses_goes_back(ahead: TakenAhead, process: AProcess, loans: Loans) -> None:
    step = AStep()
    ahead.give(step, left=1)  # type: ignore[arg-type]
    process.refuses.append(step.id)
    process.asks[0](("a",), loans.of("a"))
    assert loans.settled == {"a": False}


def test_an_error_ends_the_step_that_would_have_had_the_elements(ahead: TakenAhead, process: AProcess) -> None:
    first, second = AStep(0), AStep(1)
    ahead.give(first)  # type: ignore[arg-type]
    process.asks[0](("a",), Loans().of("a"))
    process.asks[1](OutOfRangeError(None, None, "closed"))
    assert first.error is None
    ahead.give(second)  # type: ignore[arg-type]
    assert isinstance(second.error, OutOfRangeError)
    assert second.error.node_def is not None
    assert second.error.node_def.name == "take"


def test_a_process_that_cannot_be_asked_ends_the_step(ahead: TakenAhead, process: AProcess) -> None:
    process.unreachable = InternalError(None, None, "gone")
    step = AStep()
    ahead.give(step)  # type: ignore[arg-type]
    assert step.error is process.unreachable


def test_a_loop_that_finishes_keeps_nothing_for_later(ahead: TakenAhead, process: AProcess, loans: Loans) -> None:
    ahead.give(AStep())  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    process.asks[1](("b",), loans.of("b"))
    ahead.finish()
    assert loans.settled == {"a": True, "b": False}


def test_a_loop_that_finishes_lets_its_step_have_its_elements(
    ahead: TakenAhead, process: AProcess, loans: Loans
) -> None:
    step = AStep()
    ahead.give(step)  # type: ignore[arg-type]
    ahead.finish()
    process.asks[0](("a",), loans.of("a"))
    assert loans.settled == {"a": True}
    assert len(process.asks) == 1
    assert step.error is None


def test_an_end_that_comes_while_the_queue_is_asked_withdraws_that(process: AProcess, ahead: TakenAhead) -> None:
    ask = process.ask

    def asked_then_over(*arguments: Any) -> Any:
        withdraw = ask(*arguments)
        ahead.give_back()
        return withdraw

    process.ask = asked_then_over  # type: ignore[method-assign]
    ahead.give(AStep())  # type: ignore[arg-type]
    assert process.withdrawn == [0]
    process.asks[0](CancelledError(None, None, "withdrawn"))


def fast(ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock, left: int = 100) -> None:
    """The loop has made two steps within an eighth of what it takes ahead; the answer to its last ask is due."""
    ahead.give(AStep(0), left)  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    process.asks[1](("b",), loans.of("b"))
    clock.now += AHEAD_S / 7.5
    ahead.give(AStep(1), left - 1)  # type: ignore[arg-type]


def test_a_fast_loop_takes_what_several_steps_need_and_asks_again_when_that_is_gone(
    ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock
) -> None:
    fast(ahead, process, loans, clock)
    assert process.times == [1, 1, 7]
    process.asks[2](("c",), loans.of("c"), (("d",), loans.of("d")))
    assert loans.settled == {"a": True, "b": True}
    steps = [AStep(2), AStep(3)]
    ahead.give(steps[0])  # type: ignore[arg-type]
    assert loans.settled == {"a": True, "b": True, "c": True}, "one after the other"
    assert len(process.asks) == 3
    ahead.give(steps[1])  # type: ignore[arg-type]
    assert [step.values for step in steps] == [{5: "c"}, {5: "d"}]
    assert len(process.asks) == 4


def test_a_step_that_waits_gets_the_first_of_several(
    ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock
) -> None:
    fast(ahead, process, loans, clock)
    steps = [AStep(2), AStep(3)]
    ahead.give(steps[0])  # type: ignore[arg-type]
    process.asks[2](("c",), loans.of("c"), (("d",), loans.of("d")))
    ahead.give(steps[1])  # type: ignore[arg-type]
    assert [step.values for step in steps] == [{5: "c"}, {5: "d"}]


def test_a_slow_loop_takes_one_ahead(ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock) -> None:
    ahead.give(AStep(0))  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    process.asks[1](("b",), loans.of("b"))
    clock.now += 10 * AHEAD_S
    ahead.give(AStep(1))  # type: ignore[arg-type]
    assert process.times == [1, 1, 1]


def test_no_loop_takes_more_than_so_many(ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock) -> None:
    ahead.give(AStep(0))  # type: ignore[arg-type]
    process.asks[0](("a",), loans.of("a"))
    process.asks[1](("b",), loans.of("b"))
    ahead.give(AStep(1))  # type: ignore[arg-type]
    assert process.times[2] == MOST


def test_a_fast_loop_takes_nothing_beyond_its_last_step(
    ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock
) -> None:
    fast(ahead, process, loans, clock, left=4)
    assert process.times == [1, 1, 2]
    process.asks[2](("c",), loans.of("c"), (("d",), loans.of("d")))
    ahead.give(AStep(2), left=2)  # type: ignore[arg-type]
    ahead.give(AStep(3), left=1)  # type: ignore[arg-type]
    assert len(process.asks) == 3


@pytest.mark.parametrize("end", ["finish", "give_back"])
def test_all_that_a_fast_loop_did_not_use_goes_back(
    end: str, ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock
) -> None:
    fast(ahead, process, loans, clock)
    process.asks[2](("c",), loans.of("c"), (("d",), loans.of("d")), (("e",), loans.of("e")))
    ahead.give(AStep(2))  # type: ignore[arg-type]
    getattr(ahead, end)()
    assert loans.settled == {"a": True, "b": True, "c": True, "d": False, "e": False}


def test_a_late_answer_goes_back_as_a_whole(ahead: TakenAhead, process: AProcess, loans: Loans, clock: Clock) -> None:
    fast(ahead, process, loans, clock)
    ahead.give_back()
    process.asks[2](("c",), loans.of("c"), (("d",), loans.of("d")))
    assert loans.settled == {"a": True, "b": True, "c": False, "d": False}

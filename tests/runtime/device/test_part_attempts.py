"""The attempts of a part: each is answered once, and what an answer lends is settled once, in whatever order."""

from collections.abc import Callable
from typing import Any

import pytest

from dflow.errors import CancelledError, OpError, OpInfo
from dflow.runtime.base.answers import WAITING
from dflow.runtime.device.part import Attempts

STOP = CancelledError(None, None, "stop")


class Kernel:
    """Stands for a program with one blocking operation, and is all that its part knows."""

    info = OpInfo("take", "QueueDequeueV2")
    reads = False
    name = "/cpu:0"

    def __init__(self) -> None:
        self.pending: Any = None
        self.withdrawn = 0
        self.meanwhile: Callable[[], None] = lambda: None  # what happens before the attempt has begun

    def attempt(self, values: Any, pending: Any) -> Callable[[], None]:
        self.pending = pending
        self.meanwhile()
        return self.withdraw

    def withdraw(self) -> None:
        self.withdrawn += 1
        self.pending(CancelledError(None, None, "Dequeue operation was cancelled"))

    def answered(self, outcome: Any) -> Any:
        return outcome

    def ended(self, *args: Any, **kwargs: Any) -> None: ...


class SomePart(Attempts):
    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "s", None, ("s", 1), None)  # type: ignore[arg-type]
        self.kernel = kernel
        self.answers: list[Any] = []

    def _answered(self, index: int, outcome: Any) -> None:
        self.answers.append((index, outcome))

    def start(self, index: int = 0) -> Any:
        return self.attempt(index, self.kernel, {})  # type: ignore[arg-type]


@pytest.fixture
def part() -> SomePart:
    return SomePart(Kernel())


def test_an_answer_that_comes_before_the_attempt_has_begun_is_its_outcome(part: SomePart) -> None:
    part.kernel.meanwhile = lambda: part.kernel.pending(7)
    assert part.start() == 7
    assert part.answers == []


def test_a_later_answer_is_told_once(part: SomePart) -> None:
    assert part.start() is WAITING
    settled: list[bool] = []
    part.kernel.pending(7, settled.append)
    part.kernel.pending(8, settled.append)
    assert part.answers == [(0, 7)]
    assert settled == [False]


def test_an_attempt_that_begins_while_the_part_ends_is_withdrawn(part: SomePart) -> None:
    part.kernel.meanwhile = lambda: part.cancel(STOP)
    with pytest.raises(CancelledError, match="stop"):
        part.start()
    assert part.kernel.withdrawn == 1
    assert part.answers == []


def test_what_waits_at_the_end_is_told_and_withdrawn_with_errors_of_its_own(part: SomePart) -> None:
    """Whoever raises one of them adds the operation and a traceback."""
    part.start(0)
    part.start(1)
    part.cancel(STOP)
    (first, one), (second, two) = part.answers
    assert [first, second, part.kernel.withdrawn] == [0, 1, 2]
    assert len({id(error) for error in (STOP, one, two)}) == 3
    errors: list[OpError] = []
    for _ in range(2):
        with pytest.raises(CancelledError, match="stop") as raised:
            part.start(2)
        errors.append(raised.value)
    assert errors[0] is not errors[1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_an_answer_lent_goes_back_once_at_the_end(part: SomePart, when: str) -> None:
    settled: list[bool] = []
    part.start()
    if when == "before":
        part.kernel.pending(7, settled.append)
    part.cancel(STOP)
    if when == "after":
        part.kernel.pending(7, settled.append)
    part.cancel(STOP)
    assert settled == [False]


def test_what_was_taken_does_not_go_back(part: SomePart) -> None:
    settled: list[bool] = []
    part.start()
    part.kernel.pending(7, settled.append)
    assert part.take(0) is not None
    assert part.take(0) is None
    part.cancel(STOP)
    assert settled == []

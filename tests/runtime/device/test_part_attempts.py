"""The attempts of a part: each is answered once, and the delivery of its answer is settled once, in whatever order."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from dflow.errors import CancelledError, OpError, OpInfo, OutOfRangeError
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.device.part import Part

STOP = CancelledError(None, None, "stop")


class Kernel:
    """Stands for a program with one blocking operation, and is all that its part knows."""

    info = OpInfo("take", "QueueDequeueV2")
    reads, blocks, quick = False, True, True
    name = "/cpu:0"

    def __init__(self) -> None:
        self.pending: Any = None
        self.withdrawn = 0
        self.says_so = True  # when it is withdrawn
        self.meanwhile: Callable[[], None] = lambda: None  # what happens before the attempt has begun

    def start(self, values: Any, attempt: Attempt) -> bool:
        return attempt.start(self.begin)

    def begin(self, pending: Any) -> Callable[[], None]:
        self.pending = pending
        self.meanwhile()
        return partial(self.withdraw, pending)

    def withdraw(self, pending: Any) -> None:
        self.withdrawn += 1
        if self.says_so:
            pending(CancelledError(None, None, "Dequeue operation was cancelled"))

    def answered(self, outcome: Any) -> Any:
        return outcome

    def ended(self, *args: Any, **kwargs: Any) -> None: ...


class SomePart(Part):
    """The part of a step with so many segments, each of which is one attempt.  done: what they gave."""

    def __init__(
        self, kernel: Kernel, segments: int = 1, run: Callable[[Any, bool], Any] = lambda work, quick: work()
    ) -> None:
        installed = SimpleNamespace(
            programs=[kernel] * segments, missing=[], uses={}, ready=range(segments), consumers={}
        )
        super().__init__(kernel, "s", installed, ("s", 1), self, run)  # type: ignore[arg-type]
        self.kernel = kernel
        self.done: list[Any] = []
        self.failures: list[OpError] = []

    def _completed(self, i: int, results: Any, settle: Any) -> None:
        self.done.append(results)
        if settle is not None:
            settle(True)

    def failed(self, device: str, error: OpError) -> None:
        """As the router of the part."""
        self.failures.append(error)


@pytest.fixture
def part() -> SomePart:
    return SomePart(Kernel())


def test_an_answer_that_comes_before_the_attempt_has_begun_is_its_outcome(part: SomePart) -> None:
    part.kernel.meanwhile = lambda: part.kernel.pending((7,))
    part.begin()
    assert part.done == [(7,)]


def test_a_later_answer_is_its_outcome_too(part: SomePart) -> None:
    part.begin()
    assert part.done == []
    part.kernel.pending((7,))
    assert part.done == [(7,)]


def test_an_attempt_that_begins_while_the_part_ends_is_withdrawn(part: SomePart) -> None:
    part.kernel.meanwhile = lambda: part.cancel(STOP)
    part.begin()
    assert (part.kernel.withdrawn, part.done, part.failures) == (1, [], [])


def test_what_waits_at_the_end_is_withdrawn_and_told_to_nobody() -> None:
    part = SomePart(Kernel(), segments=2)
    part.begin()
    part.cancel(STOP)
    assert (part.kernel.withdrawn, part.done, part.failures) == (2, [], [])


def test_an_error_ends_the_part_and_names_the_operation(part: SomePart) -> None:
    part.begin()
    part.kernel.pending(OutOfRangeError(None, None, "closed"))
    (error,) = part.failures
    assert isinstance(error, OutOfRangeError)
    assert error.node_def is not None
    assert error.node_def.name == "take"


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_delivery_of_an_answer_goes_back_once_at_the_end(when: str) -> None:
    settled: list[bool] = []
    work: list[Any] = []
    part = SomePart(Kernel(), run=lambda what, quick: work.append(what))
    part.begin()
    work.pop()()
    part.kernel.says_so = False
    if when == "before":
        part.kernel.pending((7,), settled.append)
    part.cancel(STOP)
    if when == "after":
        part.kernel.pending((7,), settled.append)
    part.cancel(STOP)
    for waits in work:
        waits()
    assert settled == [False]
    assert part.done == []


def test_what_was_taken_does_not_go_back(part: SomePart) -> None:
    settled: list[bool] = []
    part.begin()
    part.kernel.pending((7,), settled.append)
    part.cancel(STOP)
    assert settled == [True]

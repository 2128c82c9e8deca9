"""An attempt ends once, and the delivery of its answer is settled once, in whatever order its events come."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from dflow.errors import CancelledError, InternalError
from dflow.runtime.base.attempt import Attempt, State
from tests.runtime.deliveries import FakeDelivery

STOP = CancelledError(None, None, "stop")


class Story:
    """An attempt, and what happened to it."""

    def __init__(self) -> None:
        self.attempt = Attempt("s", "take", self._then, returned=lambda attempt: self.told.append("returned"))
        self.unacknowledged = FakeDelivery()
        self.told: list[str] = []
        self.taken: list[Any] = []
        self.withdrawn = 0

    def play(self, events: tuple[str, ...]) -> None:
        """What comes before "started" comes while the attempt begins."""
        at = events.index("started")
        if self.attempt.start(lambda attempt: self._begin(events[:at])):
            self._take()
        for event in events[at + 1 :]:
            self._do(event)

    def _begin(self, events: tuple[str, ...]) -> Any:
        for event in events:
            self._do(event)
        return self._withdraw

    def _do(self, event: str) -> None:
        if event == "answer":
            self.attempt((7,), self.unacknowledged)
        elif event == "withdraw":
            self.attempt.withdraw()
        else:
            self.attempt.fail(STOP)

    def _withdraw(self) -> None:
        self.withdrawn += 1

    def _then(self, attempt: Attempt) -> None:
        self.told.append("then")
        self._take()

    def _take(self) -> None:
        self.taken += [outcome for outcome, _ in self.attempt.take()]


@pytest.mark.parametrize("events", list(permutations(["started", "answer", "withdraw"])), ids="-".join)
def test_it_is_answered_or_withdrawn(events: tuple[str, ...]) -> None:
    story = Story()
    story.play(events)
    answered = events.index("answer") < events.index("withdraw")
    begun = events.index("started") < 2
    if answered and events[2] == "withdraw":  # it was taken before
        assert (story.taken, story.unacknowledged.settled, story.withdrawn) == ([(7,)], [], 0)
        assert story.attempt.state is State.TAKEN
    elif answered:
        assert (story.taken, story.unacknowledged.settled, story.withdrawn) == ([], [False], 0)
        assert story.attempt.state is State.RETURNED
    else:
        assert (story.taken, story.unacknowledged.settled, story.withdrawn) == ([], [False], 1 if begun else 0)
        assert story.told == ["returned"]
        assert story.attempt.over


@pytest.mark.parametrize("events", list(permutations(["started", "answer", "fail"])), ids="-".join)
def test_it_is_answered_or_fails(events: tuple[str, ...]) -> None:
    story = Story()
    story.play(events)
    if events.index("answer") < events.index("fail"):
        assert (story.taken, story.unacknowledged.settled, story.withdrawn) == ([(7,)], [], 0)
    else:
        assert (story.taken, story.unacknowledged.settled, story.withdrawn) == ([STOP], [False], 1)


def test_then_is_called_for_an_answer_that_comes_after_the_start_only() -> None:
    for events, told in {("started", "answer"): ["then"], ("answer", "started"): []}.items():
        story = Story()
        story.play(events)
        assert (story.told, story.taken) == (told, [(7,)])


def test_a_request_that_is_cancelled_is_still_answered() -> None:
    story = Story()
    story.attempt.start(lambda attempt: story._withdraw)
    story.attempt.cancel()
    assert (story.withdrawn, story.attempt.pending) == (1, True)
    story.attempt(STOP)
    assert (story.taken, story.told) == ([STOP], ["then"])


def test_a_second_answer_is_an_error_that_says_whose_it_is() -> None:
    story = Story()
    story.play(("started", "answer"))
    with pytest.raises(InternalError, match="a second answer to 'take' of s: it is taken"):
        story.attempt((8,))


def test_nothing_can_be_taken_before_the_answer() -> None:
    story = Story()
    story.attempt.start(lambda attempt: None)
    with pytest.raises(InternalError, match="'take' of s has no answer: it is open"):
        story.attempt.take()


def test_what_is_abandoned_is_given_back_by_who_abandons_it() -> None:
    story = Story()
    assert story.attempt.start(lambda attempt: attempt((7,), story.unacknowledged))
    ((outcome, settle),) = story.attempt.abandon()
    assert (outcome, story.unacknowledged.settled) == ((7,), [])
    assert settle is story.unacknowledged
    assert story.attempt.abandon() == ()


def test_an_error_of_the_beginning_of_an_attempt_that_was_withdrawn_ends_it() -> None:
    """No other answer comes, and its owner may wait for one."""
    told: list[Attempt] = []
    attempt = Attempt("owner", "op", returned=told.append)

    def begin(attempt: Attempt) -> None:
        attempt.withdraw()
        raise ValueError("the queue cannot be used")

    assert attempt.start(begin)
    assert attempt.over
    assert told == [attempt]

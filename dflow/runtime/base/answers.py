"""Answers: how an attempt on a queue or a reader ends, and how its delivery is settled.

An attempt is answered once, in any thread: perhaps before it has begun to wait, perhaps after it was withdrawn.

A *delivery* is elements of a queue, or records of a reader, on their way to a receiver.  It is settled once: accepted,
which acknowledges it, or released, and then the elements go back.

A receiver acknowledges a delivery before it uses the elements.  No value, and no result computed from it, is visible
before the acknowledgement has left this process.  So an element that was seen never comes again, even if a process or
a connection ends at the next moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dflow.errors import OpError, UnavailableError

Answer = Callable[..., None]  # answer(outcome, settle=None); an outcome is a tuple of arrays, None or an OpError
Then = Callable[[bool], None]
Withdraw = Callable[[], None]


class Settle(Protocol):
    """Settles a delivery: True accepts it, False releases it."""

    def __call__(self, accepted: bool, then: Then | None = None) -> None:
        """then: called once, in any thread.  With True when the acknowledgement has left this process: the elements
        may be used from then on.  With False if the connection ended before: the elements are back in their queue."""


class NamedAnswer:
    """An answer with its owner and its operation, for errors and reports.

    owner: the session, or "session/loop", whose step made the attempt.  op: the operation's name.
    """

    __slots__ = ()

    owner: str
    op: str


@dataclass(frozen=True, slots=True)
class Answering(NamedAnswer):
    """A `NamedAnswer` that calls a function."""

    answer: Callable[..., None]
    owner: str
    op: str

    def __call__(self, outcome: Any, settle: Settle | None = None) -> None:
        self.answer(outcome, settle)


def who(owner: str, op: str) -> str:
    """An operation and its owner as text, such as "enqueue of loop train"."""
    session, _, loop = owner.partition("/")
    return f"{op} of loop {loop}" if loop else f"{op} of {session}"


def no_withdraw() -> None:
    """Does nothing: the attempt cannot be withdrawn."""


def no_delivery(accepted: bool, then: Then | None = None) -> None:
    """Settles nothing: there is no delivery."""
    if then is not None:
        then(True)


def unacknowledged() -> OpError:
    """The error of a step that may not use its delivery, as it could not acknowledge it."""
    return UnavailableError(
        None, None, "the connection to the process that delivered the elements ended before they were acknowledged"
    )

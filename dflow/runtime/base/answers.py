"""Answers: how an attempt on a queue or a reader ends, and how its delivery is settled.

An answer comes once, in any thread, perhaps before its attempt has begun to wait, perhaps when nobody wants it any
more.  Its delivery is settled once: accepted by the receiver, or given back.

Lent elements are acknowledged before they are used: nobody sees a value, or what was computed with it, before the
acknowledgement has left this process.  So an element that was seen never comes again, whatever ends next.
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
    """Settles the delivery: True to take it, False to give it back."""

    def __call__(self, accepted: bool, then: Then | None = None) -> None:
        """then: called once, in any thread, when the acknowledgement has left this process; the elements may be used
        from then on.  With False if it could not, because the connection ended: they are back in their queue."""


class NamedAnswer:
    """An answer that says whose it is.

    owner: the session, or "session/loop", whose step made the attempt.  op: the operation's name.
    """

    __slots__ = ()

    owner: str
    op: str


@dataclass(frozen=True, slots=True)
class Answering(NamedAnswer):
    """An answer with a name."""

    answer: Callable[..., None]
    owner: str
    op: str

    def __call__(self, outcome: Any, settle: Settle | None = None) -> None:
        self.answer(outcome, settle)


def who(owner: str, op: str) -> str:
    """An operation and its owner, in words."""
    session, _, loop = owner.partition("/")
    return f"{op} of loop {loop}" if loop else f"{op} of {session}"


def no_withdraw() -> None:
    """Does nothing: the attempt cannot be withdrawn."""


def no_delivery(accepted: bool, then: Then | None = None) -> None:
    """Settles nothing: there is no delivery."""
    if then is not None:
        then(True)


def unacknowledged() -> OpError:
    """The error of a step that may not use its delivery."""
    return UnavailableError(
        None, None, "the connection to the process that delivered the elements ended before they were acknowledged"
    )

"""An attempt that waits for its answer: whom to call, and who that is, for reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pending:
    """Called once with the outcome of an attempt (arrays, None or an OpError) and, for a loan, what settles it."""

    answer: Callable[..., None]
    owner: str  # the session, or "session/loop", whose step it is
    op: str  # the operation's name

    def __call__(self, outcome: Any, settle: Callable[[bool], None] | None = None) -> None:
        self.answer(outcome, settle)


def who(owner: str, op: str) -> str:
    """An operation and whose it is, in words."""
    session, _, loop = owner.partition("/")
    return f"{op} of loop {loop}" if loop else f"{op} of {session}"

"""An attempt that waits for its answer: whom to call, and who that is, for reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dflow.runtime.attempts import Attempts

Settle = Callable[[bool], None]
Withdraw = Callable[[], None]


class Pending:
    """Called once with the outcome of an attempt (arrays, None or an OpError) and, for a loan, what settles it.

    index: of its segment.  owner: the session, or "session/loop", whose step it is.  op: the operation's name.
    """

    __slots__ = ("_attempts", "index", "op", "outcome", "owner", "withdraw")

    def __init__(self, attempts: Attempts, index: int, owner: str, op: str) -> None:
        self._attempts = attempts
        self.index = index
        self.owner = owner
        self.op = op
        self.withdraw: Withdraw | None = None  # None until the attempt has begun
        self.outcome: Any = None  # an answer that came before that

    def __call__(self, outcome: Any, settle: Settle | None = None) -> None:
        self._attempts.answer(self, outcome, settle)


def who(owner: str, op: str) -> str:
    """An operation and whose it is, in words."""
    session, _, loop = owner.partition("/")
    return f"{op} of loop {loop}" if loop else f"{op} of {session}"

"""An attempt: one operation on a queue or a reader, from its start to the one event that ends it.

The caller of a queue or a reader makes it.  Not to be confused with the entries of a queue's lines, which are called
attempts too: they have tickets, and are in `dflow/machines/queue/attempts.py`.

Three things happen to an attempt, in any order and in any thread: its start returns, its answer comes, its owner
withdraws it.

    state       event      next state
    STARTING    started    OPEN
                answer     ANSWERED    `start` returns True, and `then` is not called
                withdraw   WITHDRAWN   `start` withdraws the request as soon as it can
    OPEN        answer     ANSWERED    `then` is called
                withdraw   WITHDRAWN   the request is withdrawn
    ANSWERED    take       TAKEN       the owner settles the delivery from now on
                withdraw   RETURNED    the delivery is released
    STARTING, OPEN  fail   ANSWERED    as by an answer; the request is withdrawn, and a later answer's delivery released
    WITHDRAWN   answer     RETURNED    the delivery is released, and `returned` is called

A second answer, or a `take` without an answer, is an error of the caller.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from dflow.errors import USER_ERRORS, InternalError
from dflow.runtime.base.answers import NamedAnswer, Settle, Withdraw, no_withdraw
from dflow.runtime.base.failures import as_op_error

Given = tuple[Any, Settle | None]  # an outcome, and the function that settles its delivery


class State(Enum):
    """The state of an attempt."""

    STARTING = "starting"
    OPEN = "open"
    ANSWERED = "answered"
    TAKEN = "taken"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"


STARTING, OPEN, ANSWERED, TAKEN, WITHDRAWN, RETURNED = State


class Attempt(NamedAnswer):
    """One attempt.  Call it with its answer: the outcome, and the function that settles its delivery.

    owner, op: see `NamedAnswer`.
    then: called with the attempt when its answer comes after `start` has returned, in the thread of the answer.
    quick: `then` takes next to no time.
    returned: called with the attempt, in any thread, when its answer comes after it was withdrawn: the delivery was
    released.
    times: the number of attempts like it, itself included, that may be answered together, if the others need not wait.
    Their outcomes are the further arguments of the call.
    """

    __slots__ = (
        "_failed",
        "_lock",
        "_outcomes",
        "_returned",
        "_then",
        "_withdraw",
        "op",
        "owner",
        "quick",
        "state",
        "times",
    )

    def __init__(
        self,
        owner: str,
        op: str,
        then: Callable[[Attempt], None] | None = None,
        *,
        returned: Callable[[Attempt], None] | None = None,
        quick: bool = True,
        times: int = 1,
    ) -> None:
        self.owner = owner
        self.op = op
        self.quick = quick
        self.times = times
        self.state = STARTING
        self._then = then
        self._returned = returned
        self._withdraw: Withdraw = no_withdraw
        self._outcomes: tuple[Given, ...] = ()
        self._failed = False  # `fail` has ended it: its answer may still come
        self._lock = threading.Lock()

    @property
    def pending(self) -> bool:
        """Whether its answer is still to come."""
        return self.state is STARTING or self.state is OPEN

    @property
    def over(self) -> bool:
        """Whether its answer has come, and was taken or its delivery released."""
        return self.state is TAKEN or self.state is RETURNED

    def start(self, begin: Callable[..., Withdraw | None], *arguments: Any) -> bool:
        """Start it with `begin(attempt, *arguments)`, which returns the function that withdraws the request.

        True if the attempt has ended already; `then` is not called in this case.  An error that `begin` raises is the
        answer.
        """
        try:
            withdraw = begin(self, *arguments) or no_withdraw
        except USER_ERRORS as error:
            if not self.fail(as_op_error(error)) and self.state is WITHDRAWN:
                self(as_op_error(error))  # no other answer comes
            return True
        with self._lock:
            if self.state is STARTING:
                self.state, self._withdraw = OPEN, withdraw
                return False
            withdrawn = self._failed or self.state is WITHDRAWN
        if withdrawn:
            withdraw()
        return True

    def __call__(self, outcome: Any, settle: Settle | None = None, *further: Given) -> None:
        outcomes = ((outcome, settle), *further)
        with self._lock:
            before = self.state
            if before is STARTING or before is OPEN:
                self.state, self._outcomes = ANSWERED, outcomes
            elif before is WITHDRAWN:
                self.state = RETURNED
        if before is WITHDRAWN:
            give_back(outcomes)
            if self._returned is not None:
                self._returned(self)
        elif before is OPEN:
            if self._then is not None:
                self._then(self)
        elif self._failed:
            give_back(outcomes)
        elif before is not STARTING:
            raise InternalError(None, None, f"a second answer to {self.op!r} of {self.owner}: it is {before.value}")

    def fail(self, error: BaseException) -> bool:
        """End it with `error` in place of its answer.  False if it was answered or withdrawn before."""
        with self._lock:
            before = self.state
            if not self.pending:
                return False
            self.state, self._outcomes, self._failed = ANSWERED, ((error, None),), True
        if before is OPEN:
            self._withdraw()
            if self._then is not None:
                self._then(self)
        return True

    def take(self) -> tuple[Given, ...]:
        """The outcome with the function that settles its delivery, then those of further attempts.

        The caller settles the deliveries from now on.  Empty if the attempt was withdrawn.
        """
        with self._lock:
            if self.state is WITHDRAWN or self.state is RETURNED:
                return ()
            if self.state is not ANSWERED:
                raise InternalError(None, None, f"{self.op!r} of {self.owner} has no answer: it is {self.state.value}")
            self.state = TAKEN
            outcomes, self._outcomes = self._outcomes, ()  # nothing here keeps the arrays
        return outcomes

    def cancel(self) -> None:
        """Withdraw the request; the answer still comes, and may be that it was cancelled.  After `start`."""
        if self.state is OPEN:
            withdraw, self._withdraw = self._withdraw, no_withdraw
            withdraw()

    def withdraw(self) -> None:
        """End it, unless its answer was taken: withdraw the request, release its delivery."""
        give_back(self.abandon())

    def abandon(self) -> tuple[Given, ...]:
        """As `withdraw`, but the caller releases the delivery, after it has abandoned other attempts too."""
        with self._lock:
            before = self.state
            if before in (TAKEN, WITHDRAWN, RETURNED):
                return ()
            self.state = RETURNED if before is ANSWERED else WITHDRAWN
            outcomes, self._outcomes = self._outcomes, ()
        if before is OPEN:
            self._withdraw()
        return outcomes


def give_back(outcomes: Iterable[Given]) -> None:
    """Release the deliveries of outcomes: the elements go back to their queues."""
    for _, settle in outcomes:
        if settle is not None:
            settle(False)

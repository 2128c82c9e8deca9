"""What the parts of hot and of cold steps have in common: attempts, what their answers lend, and one end.

An answer comes once, in any thread, perhaps before its attempt has begun to wait, perhaps when nobody wants it any
more.  What it lends is settled once: by the part, or, when the part ends, by giving it back.

Lent elements are acknowledged before they are used: nobody sees a value, or what was computed with it, before the
acknowledgement has left this process.  So an element that was seen never comes again, whatever ends next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from dflow.errors import OpError, OpInfo, UnavailableError
from dflow.runtime.failures import as_op_error
from dflow.runtime.program import Program

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost
    from dflow.runtime.part import InstalledPlan, Outlet, StepId

Answer = Callable[..., None]  # answer(outcome, settle=None); an outcome is a tuple of arrays, None or an OpError
Then = Callable[[bool], None]
Withdraw = Callable[[], None]

STOPPED_S = 0.5  # seconds that a stopped loop waits until what it sent is in, and a cancelled step until it has
# acknowledged what it took: the process of the queue may stand still

WAITING: Any = object()  # instead of an outcome: there is none yet
GOES_ON: Any = object()  # what an answer is called with before the end: elements of an offer are in


class Settle(Protocol):
    """Settles what was lent: True to take it, False to give it back."""

    def __call__(self, accepted: bool, then: Then | None = None) -> None:
        """then: called once, in any thread, when the acknowledgement has left this process; the elements may be used
        from then on.  With False if it could not, because the connection ended: they are back in their queue."""


class Pending:
    """An attempt that waits, as kernels and queues see it.

    Called once with the outcome of an attempt (arrays, None or an OpError) and, for a loan, what settles it.

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


@dataclass(frozen=True, slots=True)
class Answering:
    """Called like a `Pending`, for whoever has to do with the answer first.

    quick: it does next to nothing.  times: how often the attempt may be made, if that does not wait; the answer is
    called once all the same, with the outcomes of further attempts, and what settles them, as `more`.
    """

    answer: Callable[..., None]
    owner: str
    op: str
    quick: bool = False
    times: int = 1

    def __call__(self, outcome: Any, settle: Settle | None = None, *more: tuple[Any, Settle | None]) -> None:
        self.answer(outcome, settle, *more)


class LoneAttempt:
    """The attempt of a step that is nothing else: its thread makes it and waits for the answer.

    What comes first is its end: an answer, `cancel`, or the deadline.  An answer that comes later goes back.
    """

    __slots__ = (
        "_cancelled",
        "_ended",
        "_error",
        "_lock",
        "_outcome",
        "_sent",
        "_settle",
        "_woken",
        "op",
        "owner",
        "waited",
    )

    def __init__(self, owner: str, op: str) -> None:
        self.owner = owner
        self.op = op
        self.waited = False  # did its thread wait, while others could go on?
        self._ended = False
        self._error: OpError | None = None  # why nobody waits for the answer
        self._outcome: Any = None
        self._settle: Settle | None = None
        self._sent: SimpleQueue[bool] | None = None  # has the acknowledgement left this process?
        self._cancelled: OpError | None = None
        self._lock = threading.Lock()
        self._woken = threading.Lock()  # held until the end
        self._woken.acquire()

    def __call__(self, outcome: Any, settle: Settle | None = None) -> None:
        if not self._end(None, outcome, settle) and settle is not None:
            settle(False)

    def cancel(self, error: OpError) -> None:
        """End it with `error`, unless it has its answer."""
        self._cancelled = error
        if not self._end(error) and self._sent is not None:
            self._sent.put(False)  # it waits for the connection to take its acknowledgement

    def _end(self, error: OpError | None, outcome: Any = None, settle: Settle | None = None) -> bool:
        with self._lock:
            if self._ended:
                return False
            self._error, self._outcome, self._settle = error, outcome, settle
            self._ended = True  # last: its thread looks without the lock, and goes on with what is there
        self._woken.release()
        return True

    def run(
        self,
        begin: Callable[[], Withdraw | None],
        op: OpInfo,
        left: float | None = None,
        late: Callable[[], OpError] | None = None,
    ) -> Any:
        """Make the attempt and wait for its end; gives its outcome.

        begin: makes it, and gives what withdraws it.  left: seconds that it has, None: no end; then it ends with the
        error that `late` makes.  Raises the answer if it is an error, or what the attempt was cancelled with.
        """
        withdraw: Withdraw | None = None
        try:
            withdraw = begin()
            if not self._ended:
                self.waited = True
                if not self._woken.acquire(timeout=-1 if left is None else left) and late is not None:
                    self._end(late())
            if self._error is not None:
                raise self._error
        except BaseException as error:
            if not self._end(as_op_error(error)) and self._settle is not None:
                self._settle(False)
            if withdraw is not None:
                withdraw()
            raise
        if isinstance(self._outcome, BaseException):
            raise as_op_error(self._outcome, op)
        if self._settle is not None:
            self._acknowledge(self._settle, op)
        return self._outcome

    def _acknowledge(self, settle: Settle, op: OpInfo) -> None:
        """Take what was lent; returns when the acknowledgement has left this process."""
        sent = self._sent = SimpleQueue()
        settle(True, sent.put)
        if self._cancelled is not None:  # before `cancel` could see that it waits here
            sent.put(False)
        if not sent.get():
            raise self._cancelled or unacknowledged().placed(op)


NAMED = (Pending, LoneAttempt, Answering)  # answers that say whose they are


class Attempts:
    """The attempts of a part, each known by the index of its segment, and the end of the part.

    `_lock` guards them, `ended`, and whatever else a part keeps.
    """

    def __init__(self, host: DeviceHost, session: str, installed: InstalledPlan, step: StepId, outlet: Outlet) -> None:
        self.host = host
        self.session = session
        self.step = step
        self.outlet = outlet
        self.ended: OpError | None = None  # why nothing goes on here
        self._installed = installed
        self._lock = threading.Lock()
        self._waiting: dict[int, Pending] = {}
        self._lent: dict[int, Settle] = {}  # what answers brought and the part has not taken
        self._records: list[Any] = []  # keys of the records that this step read, for errors

    def _answered(self, index: int, outcome: Any) -> None:
        """An attempt that waited has its answer; called in whichever thread gave it."""
        raise NotImplementedError

    def check(self) -> None:
        """Raises what ended the part: an error of the caller's own, since each of them adds to it."""
        if self.ended is not None:
            raise self.ended.portable()

    def attempt(self, index: int, program: Program, values: dict[int, Any]) -> Any:
        """Start an attempt; gives its outcome, or WAITING: then `_answered` is called, once, also if the part ends."""
        pending = Pending(self, index, self.step[0], program.info.name)
        with self._lock:
            self.check()
            self._waiting[index] = pending
        withdraw = program.attempt(values, pending) or no_withdraw
        with self._lock:
            if index in self._waiting:
                pending.withdraw = withdraw
                return WAITING
        if self.ended is not None:
            withdraw()
            self.check()
        return pending.outcome

    def answer(self, pending: Pending, outcome: Any, settle: Settle | None) -> None:
        """What a `Pending` was called with, in whichever thread."""
        with self._lock:
            taken = self._waiting.pop(pending.index, None) is not None
            begun = pending.withdraw is not None
            if taken:
                pending.outcome = outcome
                if settle is not None:
                    self._lent[pending.index] = settle
        if not taken:
            if settle is not None:
                settle(False)
        elif begun:
            self._answered(pending.index, outcome)

    def results(self, program: Program, outcome: Any) -> dict[int, Any]:
        """The values of an attempt's edges; raises the outcome if it is an error."""
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, program.info)
        if program.reads:
            self._records.append(outcome[0])
        return program.answered(outcome)

    def take(self, index: int) -> Settle | None:
        """What an answer lent: the caller's to settle from now on.  Raises what ended the part: it went back then."""
        with self._lock:
            self.check()
            return self._lent.pop(index, None)

    # -- the end

    def fail(self, error: OpError) -> None:
        """A segment failed, or another process is gone: end the part and tell the owner, once."""
        for give_back in self.end(error, tell=True):
            give_back()

    def cancel(self, error: OpError) -> None:
        """End the part from outside; nothing happens if it has ended."""
        for give_back in self.end(error, tell=False):
            give_back()

    def end(self, error: OpError, tell: bool) -> list[Callable[[], None]]:
        """End the part: withdraw what waits.  Gives what gives back what is lent; see `end_parts`."""
        with self._lock:
            if self.ended is not None:
                return []
            self.ended = error
            waiting, self._waiting = self._waiting, {}
            lent, self._lent = self._lent, {}
        self.host.ended(self, finished=False)
        for pending in waiting.values():
            if pending.withdraw is not None:  # else `attempt` is about to see that the part has ended
                self._answered(pending.index, error.portable())
                pending.withdraw()
        if tell:
            self.outlet.failed(self.host.name, error)
        return [partial(settle, False) for settle in lent.values()]

    def sends_to(self, address: str) -> list[str]:
        """The devices of the process at `address` that tensors of this part go to."""
        return self._installed.devices_at(address)


def who(owner: str, op: str) -> str:
    """An operation and whose it is, in words."""
    session, _, loop = owner.partition("/")
    return f"{op} of loop {loop}" if loop else f"{op} of {session}"


def call_all(calls: list[Callable[[], None]]) -> None:
    """Call them, without a lock, in their order."""
    for call in calls:
        call()


def no_withdraw() -> None:
    """Withdraws an attempt that cannot be withdrawn."""


def no_loan(accepted: bool, then: Then | None = None) -> None:
    """Settles what lends nothing."""
    settled(then)


def settled(then: Then | None, sent: bool = True) -> None:
    """Say that an acknowledgement has left this process, or that there is none; or that it was lost."""
    if then is not None:
        then(sent)


def unacknowledged() -> OpError:
    """What ends a step that may not use what was lent to it."""
    return UnavailableError(
        None, None, "the connection to the process that lent the elements ended before they were acknowledged"
    )

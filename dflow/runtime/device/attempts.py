"""What the parts of hot and of cold steps have in common: attempts, what their answers lend, and one end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from dflow.errors import OpError
from dflow.runtime.base.answers import WAITING, NamedAnswer, Settle, Withdraw, no_withdraw
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.device.installed import InstalledPlan
from dflow.runtime.device.program import Program


class Outlet(Protocol):
    """Where a part's results go.  A loan, if there is one, must be called once with True or False."""

    def send(self, device: str, edges: Edges, loan: Settle | None) -> None:
        """Tensors for the step's part on another device."""

    def fetched(self, edges: Edges, loan: Settle | None, finished: str = "") -> object:
        """Tensors for the owner of the step.  finished: the device, if all segments of the part ran."""

    def finished(self, device: str) -> None:
        """All segments of the part ran; not called if the plan says that this part does not report."""

    def failed(self, device: str, error: OpError) -> None:
        """A segment failed; the owner cancels the other parts."""


class Host(Protocol):
    """The device that the parts of steps run on, as they see it; see `executor.py`."""

    name: str

    def asarray(self, value: Any) -> Any: ...

    def ended(self, part: Attempts, finished: bool) -> None:
        """A part ended.  One that finished had all its tensors: nothing late can come for it."""

    def ended_well(self, step: StepId) -> bool:
        """Is it a cold step that has ended well a short time ago?"""


class Pending(NamedAnswer):
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


class Attempts:
    """The attempts of a part, each known by the index of its segment, and the end of the part.

    `_lock` guards them, `ended`, and whatever else a part keeps.
    """

    def __init__(self, host: Host, session: str, installed: InstalledPlan, step: StepId, outlet: Outlet) -> None:
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

"""The attempt of a step that is nothing else, made and waited for by the step's own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from dflow.errors import OpError, OpInfo
from dflow.runtime.base.answers import NamedAnswer, Settle, Withdraw, unacknowledged
from dflow.runtime.base.failures import as_op_error


class LoneAttempt(NamedAnswer):
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
        self.waited = False  # its thread waited, so that others could go on
        self._ended = False
        self._error: OpError | None = None  # why nobody waits for the answer
        self._outcome: Any = None
        self._settle: Settle | None = None
        self._sent: SimpleQueue[bool] | None = None  # gets whether the acknowledgement has left
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

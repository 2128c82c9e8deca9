"""Blocking attempts: for a step that consists of one blocking operation.  The step's own thread makes it and waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from dflow.errors import OpError, OpInfo
from dflow.runtime.base.answers import Settle, unacknowledged
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.failures import as_op_error


class BlockingAttempt(Attempt):
    """An attempt whose thread waits for the answer.

    It ends with the first of three events: its answer, `stop`, or the deadline.  The delivery of a later answer is
    released.
    waited: whether its thread has waited, so that other threads could run.
    """

    __slots__ = ("_sent", "_stopped", "_woken", "waited")

    def __init__(self, owner: str, op: str) -> None:
        super().__init__(owner, op, _wake)
        self.waited = False
        self._sent: SimpleQueue[bool] | None = None  # gets whether the acknowledgement has left this process
        self._stopped: OpError | None = None
        self._woken = threading.Lock()  # held until the answer comes
        self._woken.acquire()

    def wake(self) -> None:
        """Wake its thread: the answer has come."""
        self._woken.release()

    def stop(self, error: OpError) -> None:
        """End it with `error`, unless it was answered or stopped before."""
        if self._stopped is not None:
            return
        self._stopped = error
        if not self.fail(error) and self._sent is not None:
            self._sent.put(False)  # its thread waits until the acknowledgement is sent

    def run(
        self,
        start: Callable[[Attempt], bool],
        op: OpInfo,
        left: float | None = None,
        late: Callable[[], OpError] | None = None,
    ) -> Any:
        """Make the attempt and wait for its end; returns its outcome.

        start: starts it, see `Attempt.start`; returns whether it has ended already.  left: the seconds until the
        deadline, None: there is none.  late: makes the error of the deadline.
        Raises the answer if it is an error, or the error of `stop`.
        """
        try:
            if not start(self):
                self.waited = True
                if not self._woken.acquire(timeout=-1 if left is None else left) and late is not None:
                    self.fail(late())
        except BaseException:
            self.withdraw()
            raise
        ((outcome, settle),) = self.take()
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, None if outcome is self._stopped else op)
        if settle is not None:
            self._acknowledge(settle, op)
        return outcome

    def _acknowledge(self, settle: Settle, op: OpInfo) -> None:
        """Accept the delivery; returns when the acknowledgement has left this process."""
        sent = self._sent = SimpleQueue()
        settle(True, sent.put)
        if self._stopped is not None:  # before `stop` could see that it waits here
            sent.put(False)
        if not sent.get():
            raise self._stopped or unacknowledged().placed(op)


def _wake(attempt: Attempt) -> None:
    """A function: with a bound method, an attempt would refer to itself and stay until the next garbage collection."""
    assert isinstance(attempt, BlockingAttempt)
    attempt.wake()

"""The attempt of a step that is nothing else, made and waited for by the step's own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from dflow.errors import OpError, OpInfo
from dflow.runtime.base.answers import Settle, Withdraw, unacknowledged
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.failures import as_op_error


class BlockingAttempt(Attempt):
    """An attempt whose thread waits for the answer.

    What comes first is its end: an answer, `stop`, or the deadline.  An answer that comes later goes back.
    waited: whether its thread has waited, so that others could go on.
    """

    __slots__ = ("_sent", "_stopped", "_woken", "waited")

    def __init__(self, owner: str, op: str) -> None:
        super().__init__(owner, op, _wake)
        self.waited = False
        self._sent: SimpleQueue[bool] | None = None  # has the acknowledgement left this process?
        self._stopped: OpError | None = None
        self._woken = threading.Lock()  # held until the answer comes
        self._woken.acquire()

    def wake(self) -> None:
        """Its answer is there."""
        self._woken.release()

    def stop(self, error: OpError) -> None:
        """End it with `error`, unless it has its answer, or was stopped before."""
        if self._stopped is not None:
            return
        self._stopped = error
        if not self.fail(error) and self._sent is not None:
            self._sent.put(False)  # it waits for the connection to take its acknowledgement

    def run(
        self,
        begin: Callable[[Attempt], Withdraw | None],
        op: OpInfo,
        left: float | None = None,
        late: Callable[[], OpError] | None = None,
    ) -> Any:
        """Make the attempt and wait for its end; gives its outcome.

        begin: makes it, and gives what withdraws it.  left: seconds that it has, None: no end; then it ends with the
        error that `late` makes.  Raises the answer if it is an error, or what the attempt was stopped with.
        """
        try:
            if not self.start(begin):
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
        """Take the delivery; returns when the acknowledgement has left this process."""
        sent = self._sent = SimpleQueue()
        settle(True, sent.put)
        if self._stopped is not None:  # before `stop` could see that it waits here
            sent.put(False)
        if not sent.get():
            raise self._stopped or unacknowledged().placed(op)


def _wake(attempt: Attempt) -> None:
    """A function, as a method would make each attempt refer to itself and stay until the next garbage collection."""
    assert isinstance(attempt, BlockingAttempt)
    attempt.wake()

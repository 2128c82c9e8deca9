"""The deadline of a run: one moment, set when the run begins, that bounds all its waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dflow.errors import DeadlineExceededError
from dflow.runtime.base import timeouts

logger = logging.getLogger("dflow.cluster")


class Deadline:
    """The moment that is `seconds` from now; None: never."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """The seconds until the deadline, 0.0 when it has passed; None if it never comes."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def error(self, fact: str, details: Iterable[str] = ()) -> DeadlineExceededError:
        """The error of a deadline that has passed: `fact`, as "worker a did not answer", then lines of details."""
        return DeadlineExceededError(None, None, "\n".join([f"{fact} within {self._seconds:g} s", *details]))


NEVER = Deadline(None)


class Patience:
    """The patience of a run that waits for another process: it ends at the deadline.

    After `timeouts.LOG_SLOW_AFTER` seconds a log line names the process.  Why: without a deadline the run waits until
    the process answers or ends.  If the process stands still, this may be never.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._log_at: float | None = time.monotonic() + timeouts.LOG_SLOW_AFTER  # None: it was logged

    def pause(self) -> float | None:
        """The seconds until the next `check` is due; None: there is nothing more to check."""
        pauses = [] if self._log_at is None else [max(0.0, self._log_at - time.monotonic())]
        until_end = self._deadline.left()
        return min(pauses if until_end is None else [*pauses, until_end], default=None)

    def check(self, who: str, task: str) -> None:
        """Raise DeadlineExceededError at the deadline.  Before it, log once that `who` did not do the task.

        who: such as "worker tcp://...".  task: such as "install its part of plan 1".
        """
        if self._deadline.left() == 0.0:
            raise self._deadline.error(f"{who} did not {task}")
        if self._log_at is not None and time.monotonic() >= self._log_at:
            self._log_at = None
            logger.warning(
                "%s did not %s within %g s; a run waits until it does or ends", who, task, timeouts.LOG_SLOW_AFTER
            )


_deadlines = threading.local()


@contextmanager
def deadline_scope() -> Iterator[None]:
    """A block in which this thread has a deadline: it leaves waits that may never end, such as the system's read of a
    pipe, to other threads."""
    before = has_deadline()
    _deadlines.active = True
    try:
        yield
    finally:
        _deadlines.active = before


def has_deadline() -> bool:
    """Whether this thread is in a `deadline_scope` block."""
    return getattr(_deadlines, "active", False)

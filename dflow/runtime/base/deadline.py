"""A run's deadline: one moment, set when the run begins, that bounds everything the run waits for."""

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
    """`seconds` from now; None is never."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """How many seconds are left, 0.0 if none are; None: there is no end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def error(self, fact: str, details: Iterable[str] = ()) -> DeadlineExceededError:
        """Says what did not happen in time, and lines about it; only for a deadline that has passed."""
        return DeadlineExceededError(None, None, "\n".join([f"{fact} within {self._seconds:g} s", *details]))


NEVER = Deadline(None)


class Patience:
    """Of whoever waits for another process, which may stand still: it ends at the deadline, and a log line tells of it.

    Why a line: without a deadline it waits until the other one answers or ends, and that may be never.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._tell_at: float | None = time.monotonic() + timeouts.LOG_SLOW_AFTER  # None: it was told

    def pause(self) -> float | None:
        """So many seconds to wait until the next `check`; None: there is nothing more to check."""
        left = [] if self._tell_at is None else [max(0.0, self._tell_at - time.monotonic())]
        until_end = self._deadline.left()
        return min(left if until_end is None else [*left, until_end], default=None)

    def check(self, who: str, task: str) -> None:
        """DeadlineExceededError at the deadline; says in the log, once, who did not do what."""
        if self._deadline.left() == 0.0:
            raise self._deadline.error(f"{who} did not {task}")
        if self._tell_at is not None and time.monotonic() >= self._tell_at:
            self._tell_at = None
            logger.warning(
                "%s did not %s within %g s; a run waits until it does or ends", who, task, timeouts.LOG_SLOW_AFTER
            )


_deadlines = threading.local()


@contextmanager
def deadline_scope() -> Iterator[None]:
    """For a thread with a deadline: others do what may wait without an end, such as the system's read of a pipe."""
    before = has_deadline()
    _deadlines.yes = True
    try:
        yield
    finally:
        _deadlines.yes = before


def has_deadline() -> bool:
    """Whether this thread is in a `deadline_scope` block."""
    return getattr(_deadlines, "yes", False)

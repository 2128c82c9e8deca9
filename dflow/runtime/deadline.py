"""A run's deadline: one moment, set when the run begins, that bounds everything the run waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dflow.errors import DeadlineExceededError, UnavailableError

if TYPE_CHECKING:
    from dflow.runtime.lane import Lane


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

_in_a_hurry = threading.local()


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """For a thread with a deadline: others do what may wait without an end, such as the system's read of a pipe."""
    before = is_in_a_hurry()
    _in_a_hurry.yes = True
    try:
        yield
    finally:
        _in_a_hurry.yes = before


def is_in_a_hurry() -> bool:
    """Is this thread in an `in_a_hurry` block?"""
    return getattr(_in_a_hurry, "yes", False)


def answered(lane: Lane, reply: Future[Any], task: str, deadline: Deadline) -> Any:
    """Wait for the reply to a request; `task` is what was asked for, as in "worker tcp://... did not <task>".

    Raises the error of the reply, DeadlineExceededError, and UnavailableError if the worker was lost before.
    """
    try:
        return reply.result(deadline.left())
    except TimeoutError:
        raise deadline.error(f"worker {lane.peer} did not {task}") from None
    except UnavailableError as error:
        if not lane.closed:
            raise
        raise UnavailableError(None, None, f"worker {lane.peer} was lost and did not {task}") from error

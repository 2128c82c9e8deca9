"""Interrupts: how a program that runs for long hears that its step has ended.

The thread that runs a program sets what to ask; a loop in the program asks now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from dflow.errors import OpError

_thread = threading.local()
NO_INTERRUPTS = nullcontext()


@contextmanager
def interruptible(ended: Callable[[], OpError | None]) -> Iterator[None]:
    """A block in which `check` raises the error that `ended` gives; None: the step has not ended."""
    outer = getattr(_thread, "ended", None)
    _thread.ended = ended
    try:
        yield
    finally:
        _thread.ended = outer


def check() -> None:
    """Raise the error with which the step of this thread has ended, if it has."""
    ended = getattr(_thread, "ended", None)
    error = None if ended is None else ended()
    if error is not None:
        raise error

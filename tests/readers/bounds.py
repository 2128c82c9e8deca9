"""The bounds of a fuzz test: the processor time of each broken input, and the memory of all of them."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MUTATIONS = int(os.environ.get("DFLOW_FUZZ", "500"))  # broken inputs that a fuzz test tries
SECONDS = 2.0  # of processor time for one input, which takes microseconds: a busy machine makes no difference
MEMORY = 64 << 20  # bytes that a fuzz test may take from the system; an input has some hundred


@contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[Iterator[int]]:
    """The numbers of the broken inputs of a fuzz test.

    An input that takes longer fails the test.  An allocation beyond `memory`, at once or by what earlier inputs
    left behind, is a MemoryError, which is no answer of a decoder; that holds for code in C too, and on Linux only.
    """
    handler = signal.signal(signal.SIGPROF, _too_long)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_mapped() + memory, limits[1]))
    try:
        yield _numbers(seconds)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGPROF, handler)


def _numbers(seconds: float) -> Iterator[int]:
    for number in range(MUTATIONS):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGALRM is that of pytest-timeout
        yield number


def _too_long(*_: object) -> None:
    pytest.fail("an input took too long")  # not an Exception, which a decoder may catch


def _mapped() -> int:
    """The bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

"""The bounds of the fuzz tests hold."""

import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from tests.readers.bounds import MUTATIONS, bounded

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound a process's memory")


def run(decoder: Callable[[int], object], **bounds: Any) -> None:
    """A fuzz test of a decoder."""
    with bounded(**bounds) as inputs:
        for number in inputs:
            decoder(number)


def test_there_is_a_number_for_each_input() -> None:
    with bounded() as inputs:
        assert list(inputs) == list(range(MUTATIONS))


def test_an_input_that_does_not_end_fails() -> None:
    """Also where the decoder catches what it can."""

    def endless(_: int) -> None:
        while True:
            with suppress(Exception):
                sum(range(1000))

    with pytest.raises(pytest.fail.Exception, match="too long"):
        run(endless, seconds=0.05)


def test_the_time_of_an_input_does_not_count_for_the_next() -> None:
    with bounded(seconds=0.5) as inputs:
        for _, _ in zip(inputs, range(16), strict=False):
            began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
            while resource.getrusage(resource.RUSAGE_SELF).ru_utime - began < 0.05:
                pass


@linux
def test_an_input_that_takes_too_much_memory_fails() -> None:
    with pytest.raises(MemoryError):
        run(lambda _: np.zeros(128 << 20, np.uint8), memory=64 << 20)


@linux
def test_memory_that_each_input_leaves_behind_fails() -> None:
    """No single input takes too much."""
    kept: list[Any] = []
    with pytest.raises(MemoryError):
        run(lambda _: kept.append(np.zeros(40 << 20, np.uint8)), memory=256 << 20)
    assert len(kept) > 1


@linux
def test_the_bounds_end_with_the_test() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGPROF)
    with bounded():
        assert resource.getrlimit(resource.RLIMIT_AS) != before[0]
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGPROF)) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)

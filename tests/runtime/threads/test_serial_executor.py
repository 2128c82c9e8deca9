"""A serial executor works in order, in one thread at a time."""

from collections.abc import Callable

import pytest

from dflow.runtime.threads.serial_executor import SerialExecutor


def test_one_thread_does_all_in_order_and_ends_with_the_last() -> None:
    started: list[Callable[[], None]] = []
    done: list[int] = []
    executor = SerialExecutor(started.append)
    for number in range(3):
        executor.add(lambda number=number: done.append(number))  # type: ignore[misc]
    assert len(started) == 1
    started[0]()
    assert done == [0, 1, 2]
    executor.add(lambda: done.append(3))
    assert len(started) == 2
    started[1]()
    assert done == [0, 1, 2, 3]


def test_what_fails_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    started: list[Callable[[], None]] = []
    done: list[int] = []
    executor = SerialExecutor(started.append)
    executor.add(lambda: done.append(1 // 0))
    executor.add(lambda: done.append(1))
    started[0]()
    assert done == [1]
    assert "a piece of work failed" in caplog.messages

"""Calls in a process that `os.fork` made of this one."""

from __future__ import annotations

import os
import select
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 30.0  # seconds; a child that takes longer hangs


def in_child(call: Callable[[], Any]) -> str:
    """What the call gives in a forked child, or the class and the text of what it raises there.

    Fails if that takes long: the child has a copy of all locks of this process, and none of its other threads.
    """
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        try:
            found = str(call())
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"
        os.write(writing, found.encode())
        os._exit(0)
    os.close(writing)
    try:
        if not select.select([reading], [], [], PATIENCE)[0]:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the child hangs: {call}")
        return os.read(reading, 1 << 16).decode()
    finally:
        os.close(reading)
        os.waitpid(pid, 0)


def fork() -> int:
    """`os.fork`, which warns from Python 3.12 on if this process has several threads, as it has here on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*multi-threaded.*fork", DeprecationWarning)
        return os.fork()


@contextmanager
def held(lock: Any) -> Iterator[None]:
    """Another thread holds the lock in this block."""
    has, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            has.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has.wait(PATIENCE)
    try:
        yield
    finally:
        done.set()
        thread.join()

"""How many threads the BLAS library of this process uses: fewer when sessions ask for it, or loops share the cores.

A BLAS library has one number of threads for its whole process.  dflow only ever lowers it, and puts it back.  To look
for libraries takes a millisecond: that happens when the limit changes, never in a step.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from threadpoolctl import ThreadpoolController

from dflow import forks


class Library(Protocol):
    """A loaded library with threads of its own."""

    filepath: str
    num_threads: int

    def set_num_threads(self, num_threads: int) -> Any: ...


def _blas() -> Sequence[Library]:
    found: Sequence[Library] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BlasThreads:
    """The limit of a process.  libraries: gives those that are loaded; cores: that loops share."""

    def __init__(self, libraries: Callable[[], Sequence[Library]] = _blas, cores: int | None = None) -> None:
        self._libraries = libraries
        self._cores = cores or _cores()
        self._lock = threading.Lock()
        self._sessions: dict[str, int] = {}
        self._loops = 0
        self._limit: int | None = None  # that is in force; None: the libraries' own numbers
        self._own: dict[str, tuple[Library, int]] = {}  # by file: a library and its number of threads before the limit

    def forked(self) -> None:
        """In a forked child: the sessions are there, with their limits; the loops, and the limit for them, are not.

        Only libraries that are known are set: to look for others takes a lock of the loader, which another thread may
        have held at the fork.
        """
        self._lock = threading.Lock()
        self._loops = 0
        self._set(self._wanted(), [library for library, _ in self._own.values()])

    def limit(self, session: str, threads: int) -> None:
        """A session allows so many threads, until `release`."""
        with self._lock:
            self._sessions[session] = threads
            self._apply()

    def release(self, session: str) -> None:
        """The session ended."""
        with self._lock:
            if self._sessions.pop(session, None) is not None:
                self._apply()

    @contextmanager
    def loop(self) -> Iterator[None]:
        """A loop that multiplies matrices runs; with others, each has its share of the cores."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, loops: int) -> None:
        with self._lock:
            self._loops += loops
            self._apply()

    def _apply(self) -> None:
        """Under the lock: put the limit in force, if it is another one."""
        limit = self._wanted()
        if limit != self._limit:
            self._set(limit, self._libraries())

    def _wanted(self) -> int | None:
        limits = list(self._sessions.values())
        if self._loops > 1:
            limits.append(max(1, self._cores // self._loops))
        return min(limits, default=None)

    def _set(self, limit: int | None, libraries: Sequence[Library]) -> None:
        for library in libraries:
            _, own = self._own.setdefault(library.filepath, (library, library.num_threads))
            library.set_num_threads(own if limit is None else min(own, limit))
        if limit is None:
            self._own.clear()  # whoever sets another number from now on is heard
        self._limit = limit


BLAS = BlasThreads()
forks.in_child(BLAS, BlasThreads.forked)

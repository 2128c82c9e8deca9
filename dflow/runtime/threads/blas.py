"""The limit of threads for the BLAS libraries of this process: sessions set it, and loops share the cores.

A BLAS library has one number of threads for its whole process.  dflow only lowers it, and puts it back.  A search for
loaded libraries takes a millisecond: it happens when the limit changes, never in a step.
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
    libraries: Sequence[Library] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BlasThreads:
    """The limit of a process.  libraries: returns the loaded libraries.  cores: the number that loops share."""

    def __init__(self, libraries: Callable[[], Sequence[Library]] = _blas, cores: int | None = None) -> None:
        self._libraries = libraries
        self._cores = cores or _cores()
        self._lock = threading.Lock()
        self._sessions: dict[str, int] = {}
        self._loops = 0
        self._limit: int | None = None  # the limit in force; None: the libraries' own numbers
        self._own: dict[str, tuple[Library, int]] = {}  # by file: a library and its number of threads before the limit

    def forked(self) -> None:
        """In a forked child: keep the sessions and their limits; drop the loops and the limit for them.

        Only libraries in `_own` are set.  A search for others takes a lock of the loader, which another thread may have
        held at the fork.
        """
        self._lock = threading.Lock()
        self._loops = 0
        self._set(self._lowest(), [library for library, _ in self._own.values()])

    def limit(self, session: str, threads: int) -> None:
        """Limit the threads to this number for a session, until `release`."""
        with self._lock:
            self._sessions[session] = threads
            self._apply()

    def release(self, session: str) -> None:
        """Drop the limit of a session, which has ended."""
        with self._lock:
            if self._sessions.pop(session, None) is not None:
                self._apply()

    @contextmanager
    def loop(self) -> Iterator[None]:
        """A block in which a loop that multiplies matrices runs; several such loops share the cores evenly."""
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
        """Under the lock: put the limit in force if it has changed."""
        limit = self._lowest()
        if limit != self._limit:
            self._set(limit, self._libraries())

    def _lowest(self) -> int | None:
        limits = list(self._sessions.values())
        if self._loops > 1:
            limits.append(max(1, self._cores // self._loops))
        return min(limits, default=None)

    def _set(self, limit: int | None, libraries: Sequence[Library]) -> None:
        for library in libraries:
            _, own = self._own.setdefault(library.filepath, (library, library.num_threads))
            library.set_num_threads(own if limit is None else min(own, limit))
        if limit is None:
            self._own.clear()  # the next limit starts from the numbers that the libraries have then
        self._limit = limit


BLAS = BlasThreads()
forks.in_child(BLAS, BlasThreads.forked)

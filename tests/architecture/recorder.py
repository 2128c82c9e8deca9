"""Records the calls of dflow's functions in all threads of this process, while a program does one thing.

What a recording tells: how many calls there were, in how many files and threads, how often they went from one file to
another (a *move*), and how often such a move went up, by a callback or a reference that was handed down.  A file lies
above another one if it imports that one, itself or through others.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any

from tests.architecture.imports import import_graph, module_of, sources

QUIET = 0.03  # seconds without a call, after which other threads have done what belongs to the recorded operation
NOT_CALLED = ("<listcomp>", "<setcomp>", "<dictcomp>")  # have a frame in Python 3.11 only


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function of dflow; a generator that goes on counts as one, too."""

    thread: int
    file: str  # as in `dflow/ops/math.py`
    function: str
    caller: str | None  # the file of the nearest caller that is in dflow


@dataclass(frozen=True, slots=True)
class Figures:
    """What a recording tells in numbers."""

    calls: int
    files: int
    moves: int
    up: int
    threads: int


FIGURES = tuple(field.name for field in fields(Figures))


class Recorder:
    """Records calls of the dflow in a folder.  Threads are seen that start while it is `installed`."""

    def __init__(self, root: Path) -> None:
        self._folder = f"{root}/dflow/"
        self._root = len(f"{root}/")
        self._calls: list[Call] | None = None  # None: not now

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watches this thread, all that start from now on and, with Python 3.12, all that there are."""
        everywhere = getattr(threading, "setprofile_all_threads", threading.setprofile)
        everywhere(self._seen)
        sys.setprofile(self._seen)
        try:
            yield
        finally:
            sys.setprofile(None)
            everywhere(None)

    def record(self, operation: Callable[[], object]) -> list[Call]:
        """The calls of an operation, and of what it has other threads do, until none comes any more."""
        calls: list[Call] = []
        self._calls = calls
        try:
            operation()
            seen = -1
            while seen != len(calls):
                seen = len(calls)
                time.sleep(QUIET)
        finally:
            self._calls = None
        return calls

    def _seen(self, frame: FrameType, event: str, _: Any) -> None:
        calls = self._calls
        if calls is None or event != "call":
            return
        code = frame.f_code
        if not code.co_filename.startswith(self._folder) or code.co_name in NOT_CALLED:
            return
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(self._folder):
            caller = caller.f_back
        from_file = None if caller is None else caller.f_code.co_filename[self._root :]
        calls.append(Call(threading.get_ident(), code.co_filename[self._root :], code.co_qualname, from_file))


class Heights:
    """Which files lie above which, by the imports in a checkout."""

    def __init__(self, root: Path) -> None:
        self._graph = import_graph(sources(root))
        self._below: dict[str, set[str]] = {}

    def goes_up(self, call: Call) -> bool:
        """Does this call move to a file that lies above the caller's?  In a circle of imports, each lies above all."""
        return call.caller is not None and module_of(call.caller) in self.below(module_of(call.file))

    def below(self, module: str) -> set[str]:
        """All modules that a module imports, itself or through others."""
        if module not in self._below:
            found: set[str] = set()
            left = [module]
            while left:
                new = self._graph.get(left.pop(), set()) - found
                found |= new
                left += new
            self._below[module] = found - {module}
        return self._below[module]


def moves(call: Call) -> bool:
    """Does this call move to another file?  A call from outside of dflow, or the first one of a thread, does not."""
    return call.caller not in (None, call.file)


def figures(calls: list[Call], heights: Heights) -> Figures:
    return Figures(
        calls=len(calls),
        files=len({call.file for call in calls}),
        moves=sum(map(moves, calls)),
        up=sum(map(heights.goes_up, calls)),
        threads=len({call.thread for call in calls}),
    )


def listing(calls: list[Call], heights: Heights) -> Iterator[str]:
    """A line for each call: the number of its thread, `->` for a move and `^^` for one up, the function."""
    numbers: dict[int, int] = {}
    for call in calls:
        number = numbers.setdefault(call.thread, len(numbers) + 1)
        mark = "^^" if heights.goes_up(call) else "->" if moves(call) else "  "
        yield f"{number:>3} {mark} {call.file}:{call.function}"

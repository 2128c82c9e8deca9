"""The pool of threads of a process (leader/followers): they read the channels and do the work that messages start.

For each channel one thread leads: it waits for the next message.  If a message starts work, such as a program or the
installation of a plan, this thread hands the lead to another thread and does the work itself.  Work that is submitted
as quick is done without handing the lead on.

Why: no work goes from one thread to another, and no long work delays the next message.  Measured on one machine, a
round trip of 200 bytes: 17 us if the reading thread does the work, 27 us if it hands the lead on, 45 to 65 us with a
pool.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("dflow.threads")

Work = Callable[[], object]


class LeaderFollowers:
    """The pool.  name: of its threads.  at_once: how many pieces of work run at the same time; leading is none."""

    def __init__(self, name: str, at_once: int) -> None:
        self._name = name
        self._at_once = at_once
        self._lock = threading.Lock()
        self._line: deque[Work] = deque()  # work that no thread has begun
        self._busy = 0  # threads that do work of the line
        self._idle: list[_Follower] = []
        self._closed = False
        self._here = threading.local()  # .handling: of the message that this thread handles

    def submit(self, work: Work, quick: bool = False) -> None:
        """Do work in some thread; does nothing on a closed pool.  In a handler, the work begins when it has returned.

        quick: the work takes less time than to hand the lead on.
        """
        handling: _Handling | None = getattr(self._here, "handling", None)
        if handling is not None:
            (handling.quick if quick else handling.kept).append(work)
        elif self._stand_in_line([work]):
            self.start(self._work_off)

    def handle(self, handler: Work) -> list[Work]:
        """Call a message's handler, then do the quick work that it submitted.  Returns the other work."""
        self._here.handling = handling = _Handling()
        try:
            handler()
            while handling.quick and not self._closed:
                _try(handling.quick.popleft())
        finally:
            self._here.handling = None
        return handling.kept

    def do(self, kept: list[Work], lead: Work) -> bool:
        """Do the work that a message started in this thread, which hands the lead to another one.

        False if the caller keeps the lead, and other threads do the work.
        """
        needed = self._stand_in_line(kept)
        kept.clear()  # so that the caller's list keeps no finished work alive
        if not needed or not self.start(lead):
            return False
        for _ in range(needed - 1):
            self.start(self._work_off)
        self._work_off()
        return True

    def start(self, work: Work) -> bool:
        """Begin work now, however busy the pool is: the work may wait.  False if no more threads start."""
        with self._lock:
            member = self._idle.pop() if self._idle else None
        if member is not None:
            member.wake(work)
            return True
        try:
            threading.Thread(target=self._serve, args=(work,), name=self._name, daemon=True).start()
        except RuntimeError:
            logger.debug("nothing starts any more: the interpreter is shutting down")
            return False
        return True

    def close(self) -> None:
        """Begin only work of `start` from now on.  Idle threads end at once, busy ones after their work."""
        with self._lock:
            self._closed = True
            self._line.clear()
            idle, self._idle = self._idle, []
        for member in idle:
            member.wake(None)

    # -- the work of each thread

    def _stand_in_line(self, work: list[Work]) -> int:
        """Append work to the line; returns how many more threads have to begin, which count as busy already."""
        with self._lock:
            if self._closed:
                return 0
            self._line += work
            needed = min(len(work), self._at_once - self._busy)
            self._busy += needed
            return needed

    def _work_off(self) -> None:
        while (work := self._next()) is not None:
            _try(work)

    def _next(self) -> Work | None:
        with self._lock:
            if self._line:
                return self._line.popleft()
            self._busy -= 1
            return None

    def _serve(self, work: Work | None) -> None:
        """The loop of a thread: work, wait as an idle follower, work again."""
        member = _Follower()
        while work is not None:
            _try(work)
            work = None  # an idle thread keeps nothing alive
            with self._lock:
                if self._closed or len(self._idle) >= self._at_once:
                    return
                self._idle.append(member)
            work = member.wait()


class _Handling:
    """The work that the handler of a message submitted."""

    def __init__(self) -> None:
        self.quick: deque[Work] = deque()
        self.kept: list[Work] = []


class _Follower:
    """An idle thread, woken through one lock."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def wake(self, work: Work | None) -> None:
        self._work = work
        self._asleep.release()

    def wait(self) -> Work | None:
        self._asleep.acquire()
        work, self._work = self._work, None
        return work


def _try(work: Work) -> None:
    try:
        work()
    except Exception:
        logger.exception("work that a message started failed")

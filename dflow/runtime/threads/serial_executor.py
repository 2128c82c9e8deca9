"""A serial executor: it does pieces of work one after the other, in the order of `add`, in threads of a pool."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("dflow.threads")

Work = Callable[[], None]


class SerialExecutor:
    """Does one piece of work after the other.  Not to be confused with the executor of a device.

    run: starts a function in another thread.  At most one thread works at a time, and none while there is no work.
    """

    def __init__(self, run: Callable[[Work], None]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._work: deque[Work] = deque()
        self._working = False

    def add(self, work: Work) -> None:
        """Do this work after all work that was added before; returns at once."""
        with self._lock:
            self._work.append(work)
            if self._working:
                return
            self._working = True
        self._run(self._do_all)

    def _do_all(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:
                logger.exception("a piece of work failed")

    def _next(self) -> Work | None:
        with self._lock:
            if self._work:
                return self._work.popleft()
            self._working = False
            return None

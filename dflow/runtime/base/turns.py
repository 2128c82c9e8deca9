"""Turns of a program's threads that run steps of one local session.

Not to be confused with the turns of loops that read with one reader: `LoopTurns` in `resources/loop_turns.py`.

Why: if a step waits for another thread, as each does in TensorFlow 1 and on a cluster, threads take turns by
themselves.  A step of a local session runs in the thread of its caller.  Python lets a thread go on for 5 ms while
others wait, which is time for a hundred short steps.  Ten threads that enqueue until one of them stops the others would
fill a queue of 100 before that one had begun.  `sys.setswitchinterval` could change this, but the setting belongs to
the program.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import get_ident

ALONE = 32  # steps in a row of one thread, after which it is the only one that runs any
MOMENT = 1e-6  # seconds; after sleep(0) a thread has Python's lock again before another one has woken up


def _give_way() -> None:
    time.sleep(MOMENT)


class Turns:
    """Lets other threads go first when a thread has run a step: after each step, as long as there are other threads.

    The thread that makes a session is at first the only one.
    give_way: lets other threads go, and comes back soon.
    """

    def __init__(self, give_way: Callable[[], None] = _give_way) -> None:
        self._give_way = give_way
        self._last = get_ident()  # the thread that ran the latest step
        self._in_a_row = ALONE  # steps that it ran without one of another thread in between

    def ended(self, waited: bool) -> None:
        """A step of this thread ended.  waited: the step waited, so others have had their turn.

        It needs no lock: threads that call it at the same time only change how often each gives way.
        """
        thread = get_ident()
        if thread != self._last:
            self._last, self._in_a_row = thread, 0
        elif self._in_a_row >= ALONE:
            return
        self._in_a_row += 1
        if not waited:
            self._give_way()

"""A patch of `sys._current_frames` that prevents a deadlock with Dask's profiler, before Python 3.11.12.

    make_current_frames_safe()

Why: a Dask worker calls `sys._current_frames` every 10 ms.  The call holds a lock that each thread takes when it starts
and when it ends.  A garbage collection inside the call can let other threads run.  The first one that starts or ends
then holds Python's lock and waits for the lock of the call, whose holder waits for Python's lock.  dflow starts and
ends threads with each loop.  Python 3.11.12 makes no collection inside the call, Python 3.12 none outside of the
bytecode.  The patch does the same as Python 3.11.12.
Source: https://github.com/python/cpython/issues/106883.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from functools import wraps
from types import FrameType

from dflow import forks

MENDED = (3, 11, 12)  # the first Python without the fault

_lock = threading.RLock()  # guards `gc.disable` and `gc.enable`, which do not nest
forks.new_lock_in_child(sys.modules[__name__], "_lock", threading.RLock)

Frames = Callable[[], dict[int, FrameType]]


def make_current_frames_safe(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Patch `sys._current_frames` so that it makes no garbage collection, if this Python needs the patch."""
    with _lock:
        if version < MENDED and not hasattr(sys._current_frames, "__wrapped__"):
            sys._current_frames = without_collection(sys._current_frames)


def without_collection(frames: Frames) -> Frames:
    @wraps(frames)
    def safe() -> dict[int, FrameType]:
        with _lock:
            enabled = gc.isenabled()
            gc.disable()
            try:
                return frames()
            finally:
                if enabled:
                    gc.enable()

    return safe

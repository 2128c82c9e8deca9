"""Keeps processes with Dask's profiler from standing still for ever, before Python 3.11.12.

    make_current_frames_safe()

Why: a Dask worker calls `sys._current_frames` every 10 ms.  A garbage collection inside that call can let other threads
run while a lock is held that each thread takes when it starts and when it ends: the first one to do so has Python's
lock and waits for that lock, whose holder waits for Python's lock.  dflow starts and ends threads with each loop.
Python 3.11.12 makes no collection inside the call, Python 3.12 none outside of the bytecode; here is the former.
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

_lock = threading.RLock()  # of `gc.disable` and `gc.enable`, which do not nest
forks.new_lock_in_child(sys.modules[__name__], "_lock", threading.RLock)

Frames = Callable[[], dict[int, FrameType]]


def make_current_frames_safe(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Let `sys._current_frames` of this process make no garbage collection, if this Python needs that."""
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

"""A thread that calls a function again and again until a coordinator stops it.

Source: tf.train.LooperThread of TensorFlow 1.15.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dflow.train.coordinator import Coordinator


class LooperThread(threading.Thread):
    """A daemon thread that runs `run_loop` until its coordinator stops; any exception in it requests the stop.

    timer_interval_secs: seconds from the start of one call to that of the next; None: without any pause.
    target, args, kwargs: the function that `run_loop` calls and its arguments, unless a subclass overrides it.
    The coordinator's `join` waits for it from its construction on.  ValueError for arguments without a target, and
    for a `coord` that is no Coordinator.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord!r}")
        if target is None and (args or kwargs):
            raise ValueError("'args' and 'kwargs' argument require that you also pass 'target'")
        super().__init__(daemon=True)
        self._coord = coord
        self._interval = timer_interval_secs
        self._call = target
        self._call_args = tuple(args or ())
        self._call_kwargs = dict(kwargs or {})
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> LooperThread:
        """One that runs already."""
        looper = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        """The body of the thread; use `start()`."""
        with self._coord.stop_on_exception():
            self.start_loop()
            due = time.monotonic()
            while not self._stopped_before(due):
                due += self._interval or 0.0
                self.run_loop()
            self.stop_loop()

    def _stopped_before(self, due: float) -> bool:
        """Wait until the next call is due; True if the stop came first."""
        pause = due - time.monotonic()
        return self._coord.wait_for_stop(pause) if self._interval and pause > 0 else self._coord.should_stop()

    def start_loop(self) -> None:
        """Called once, before the first call of `run_loop`; for subclasses."""

    def run_loop(self) -> None:
        """Called again and again: call the target, if there is one."""
        if self._call is not None:
            self._call(*self._call_args, **self._call_kwargs)

    def stop_loop(self) -> None:
        """Called once, after the stop; not after an exception; for subclasses."""

"""A coordinator ends threads and loops together: the first failure, or a request from any of them, stops all.

    with Coordinator() as coord:             # leaving the block stops and joins everything
        threads = train.start_queue_runners(sess, coord)
        while not coord.should_stop():
            sess.run(train_op)

Source: tf.train.Coordinator of TensorFlow 1.15.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from dflow import forks
from dflow.errors import OutOfRangeError
from dflow.runtime.base import timeouts
from dflow.runtime.base.stall import StallWatch

logger = logging.getLogger("dflow.train")

_LOOK = 0.05  # seconds between looks at threads that are waited for


class Coordinator:
    """Lets threads stop together.

    clean_stop_exception_types: exceptions that stop but are no failure; by default OutOfRangeError.
    stall_timeout_secs: when an attempt has waited for a queue and nothing has moved in the queue for so long, a warning
    lists the attempts, their queues and the time; None: never.
    """

    def __init__(
        self,
        clean_stop_exception_types: tuple[type[BaseException], ...] | None = None,
        stall_timeout_secs: float | None = timeouts.STALL,
    ) -> None:
        if stall_timeout_secs is not None and stall_timeout_secs <= 0:
            raise ValueError(f"stall_timeout_secs must be positive, or None for no reports, got {stall_timeout_secs}")
        self._stall_after = stall_timeout_secs
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._clean = (OutOfRangeError,) if clean_stop_exception_types is None else tuple(clean_stop_exception_types)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._registered_threads: dict[threading.Thread, None] = {}
        self._at_stop: list[Callable[[], None]] = []
        self._joined = False
        self._home = forks.Home("this coordinator", "make a new coordinator here")
        forks.in_child(self, Coordinator._forked)

    def _forked(self) -> None:
        """Leave a coordinator of threads, loops or sessions to the parent, in a forked child."""
        was_set, self._lock, self._stop = self._stop.is_set(), threading.Lock(), threading.Event()
        if was_set:
            self._stop.set()
        if not self._joined and (self._registered_threads or self._at_stop or len(self._watched)):
            self._home.leave()

    def request_stop(self, ex: Any = None) -> None:
        """Ask all to stop.

        ex: the exception that is the reason, or a `sys.exc_info()` triple.  The first one that comes with the stop is
        kept, and raised by `join`; a clean one is not.  After `join`, a failure is raised at once.
        FailedPreconditionError, as from all other methods, in a forked child for a coordinator that its parent uses;
        the end of a `with` block does nothing there.
        """
        self._home.check()
        error = _exception_of(ex)
        failure = error is not None and not isinstance(error, self._clean)
        with self._lock:
            if self._joined:
                if failure:
                    assert error is not None
                    raise error
                return
            if self._stop.is_set():
                return
            if failure:
                self._error = error
            self._stop.set()
            callbacks, self._at_stop = self._at_stop, []
        if failure:
            logger.info("a stop was requested: %s: %s", type(error).__name__, error)
        for callback in callbacks:
            try:
                callback()
            except Exception:  # the others are called all the same
                logger.exception("a function that is called at the stop failed")

    def clear_stop(self) -> None:
        """Start again: not stopped, not joined, no exception."""
        self._home.check()
        with self._lock:
            self._joined = False
            self._error = None
            self._watched.clear()
            self._stop.clear()

    def should_stop(self) -> bool:
        """Whether a stop was requested."""
        self._home.check()
        return self._stop.is_set()

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait, for `timeout` seconds at most, until a stop is requested; true if it was."""
        self._home.check()
        return self._stop.wait(timeout)

    def watch(self, sess: Any) -> None:
        """Warn, until the stop, when the queues of a session stand still.  Queue runners call it."""
        self._home.check()
        with self._lock:
            if self._stall_after is None or sess in self._watched:
                return
            self._watched.add(sess)
        watch = StallWatch(self._stall_after)
        target = weakref.ref(sess)
        threading.Thread(target=self._watch, args=(target, watch), name="dflow-stall-watch", daemon=True).start()

    def _watch(self, target: Callable[[], Any], watch: StallWatch) -> None:
        while not self.wait_for_stop(watch.after / 3):
            sess = target()
            if sess is None or sess.closed:
                return
            report = ""
            try:
                report = watch.look(sess.queue_rows())
            except Exception as error:  # the session, or its cluster, may be going away
                logger.debug("queues cannot be inspected: %s", error)
            del sess  # or this thread would keep it alive while it waits
            if report:
                logger.warning("nothing moves:\n%s", report)

    def call_at_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback`, in the thread that requests the stop; at once if it was requested already."""
        self._home.check()
        with self._lock:
            if not self._stop.is_set():
                self._at_stop.append(callback)
                return
        callback()

    @contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """Turn any exception of the block into a request to stop; code after the block goes on."""
        try:
            yield
        except BaseException:
            if self._home.elsewhere:
                raise
            self.request_stop(sys.exc_info())

    def register_thread(self, thread: threading.Thread) -> None:
        """Let `join` wait for it."""
        self._home.check()
        with self._lock:
            self._registered_threads[thread] = None

    @property
    def joined(self) -> bool:
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raise the exception that came with the stop, if any."""
        self._home.check()
        if self._error is not None:
            raise self._error

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Wait for registered threads and for `threads`.

        Waits until all ended or a stop was requested, without a limit; after a stop, for the grace period (seconds).
        Then raises the exception that came with the stop; without one, RuntimeError for threads that still live,
        unless ignore_live_threads.
        """
        self._home.check()
        with self._lock:
            waited = list(self._registered_threads | dict.fromkeys(threads or ()))
        while any(thread.is_alive() for thread in waited) and not self.wait_for_stop(_LOOK):
            pass
        deadline = time.monotonic() + stop_grace_period_secs
        for thread in waited:
            if thread.is_alive():  # one that never started has ended, too
                thread.join(max(0.0, deadline - time.monotonic()))
        live = [thread.name for thread in waited if thread.is_alive()]
        with self._lock:
            self._joined = True
            self._registered_threads.clear()
            error = self._error
        if error is not None:
            raise error
        if live and not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {' '.join(live)}")
        if live:
            logger.info("coordinator stopped with threads still running: %s", " ".join(live))

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stop, and join; an exception of the block is the reason.  A clean one ends the block quietly."""
        if self._home.elsewhere:
            return False
        self.request_stop(error)
        if error is None or isinstance(error, self._clean):
            self.join()
            return True
        try:
            self.join()
        except BaseException as joined:
            if joined is not error:
                raise joined from error
        return False


def _exception_of(ex: Any) -> BaseException | None:
    """The exception of a request: itself, or out of a `sys.exc_info()` triple."""
    if isinstance(ex, tuple):
        _, error, trace = ex
        return error.with_traceback(trace) if error is not None else None
    if ex is None or isinstance(ex, BaseException):
        return ex
    raise TypeError(f"expected an exception or sys.exc_info(), got {ex!r}")

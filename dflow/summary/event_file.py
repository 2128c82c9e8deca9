"""EventFileWriter: writes events to a file, in a thread of its own.

`add_event` puts an event into a buffer, which the thread writes out when it holds `max_queue` events, and every
`flush_secs`.  `flush` waits until all events so far are in the file.  A program that trains is not held up by a slow
disk: while the thread writes, events gather in memory.  Only beyond 64 MiB does `add_event` wait, for 10 seconds at
most; then it drops the event with a warning.
An error of the disk is raised by the next call, and at the latest by `close`.
Source: EventFileWriter of TensorFlow 1.15.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dflow import forks
from dflow.errors import AlreadyExistsError, FailedPreconditionError, OpError
from dflow.gfile import file_io
from dflow.gfile.places import is_local, tensorflow_errors, text_of_path
from dflow.python_io import TFRecordWriter
from dflow.summary_proto import Event

MOST_BYTES = 1 << 26  # of events that wait in memory
PATIENCE = 10.0  # seconds that `add_event` waits for room
FILE_VERSION = "brain.Event:2"

_log = logging.getLogger("tensorflow")


class EventFileWriter:
    """Writes events to a new file `events.out.tfevents.<time>.<host><suffix>` of a folder.

    logdir: the folder, which is made; a path, or a URL of any file system that fsspec knows.
    max_queue, flush_secs: how many events, and how many seconds, are gathered before they are written at the latest.
    """

    def __init__(
        self, logdir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str | None = None
    ) -> None:
        self._logdir = text_of_path(logdir)
        self._max_queue, self._flush_secs, self._suffix = max_queue, flush_secs, filename_suffix or ""
        self._loop = self._open()

    def _open(self) -> _Loop:
        file_io.recursive_create_dir(self._logdir)
        return _Loop(_new_file(self._logdir, self._suffix), self._max_queue, self._flush_secs)

    def get_logdir(self) -> str:
        """The folder."""
        return self._logdir

    @property
    def closed(self) -> bool:
        return self._loop.closed

    def add_event(self, event: Any) -> None:
        """Add an Event; nothing happens if the writer is closed."""
        self._loop.add(event)

    def flush(self) -> None:
        """Wait until all events so far are in the file."""
        self._loop.flush()

    def close(self) -> None:
        """Write what is left and close the file; nothing happens if it is closed."""
        self._loop.close()

    def reopen(self) -> None:
        """Go on with a new file after `close`; nothing happens if the writer is open."""
        if self._loop.closed:
            self._loop = self._open()

    def __del__(self) -> None:
        loop = getattr(self, "_loop", None)
        if loop is not None:
            loop.close(wait=False)


def _new_file(logdir: str, suffix: str) -> TFRecordWriter:
    """A new event file with its first event; never one that is there already."""
    stem = file_io.join(logdir, f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}")
    for number in itertools.count():
        path = f"{stem}{f'.{number}' if number else ''}{suffix}"
        try:
            _claim(path)
        except AlreadyExistsError:
            continue
        writer = TFRecordWriter(path)
        writer.write(Event(wall_time=time.time(), file_version=FILE_VERSION).SerializeToString())
        writer.flush()
        return writer
    raise AssertionError("count() does not end")


def _claim(path: str) -> None:
    """Make an empty local file, which no other writer has made; AlreadyExistsError if there is one."""
    with tensorflow_errors(path):
        if is_local(path):
            open(path, "xb").close()
        elif file_io.file_exists(path):
            raise FileExistsError(path)


class _Loop:
    """The thread of a writer, and the events that it has not written yet."""

    def __init__(self, file: TFRecordWriter, max_queue: int, flush_secs: float) -> None:
        self._file = file
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._added = self._written = 0  # numbers of events
        self._wanted = 0  # events that someone waits for
        self._dropped = 0
        self._error: BaseException | None = None
        self.closed = False
        self._home = forks.Home("this writer", "make a new one here")
        forks.in_child(self, _Loop._forked)
        self._thread = threading.Thread(target=self._run, name="dflow-events", daemon=True)
        self._thread.start()
        _loops.add(self)

    def _forked(self) -> None:
        """In a forked child: there is no thread, and the file is the parent's."""
        self._home.leave()
        self._changed = threading.Condition()
        self.closed = True

    # -- calls of the program

    def add(self, event: Any) -> None:
        self._home.check()
        data = event.SerializeToString()
        with self._changed:
            if self.closed:
                return
            self._raise()
            if not self._changed.wait_for(lambda: self._has_room(len(data)), PATIENCE):
                self._drop()
                return
            self._waiting.append(data)
            self._bytes += len(data)
            self._added += 1
            if len(self._waiting) >= self._max_queue:
                self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return not self._waiting or self._bytes + size <= MOST_BYTES or self._error is not None

    def _drop(self) -> None:
        self._dropped += 1
        if self._dropped == 1:
            _log.warning("The disk is too slow for the event file: events are dropped.")

    def flush(self) -> None:
        self._home.check()
        with self._changed:
            if self.closed:
                return
            target = self._wanted = self._added
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._written >= target or self._error is not None)
            self._raise()

    def close(self, wait: bool = True) -> None:
        with self._changed:
            if self.closed:
                return
            self.closed = True
            self._changed.notify_all()
        if wait:
            self._thread.join()
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise FailedPreconditionError(
                None, None, f"the event file cannot be written any more: {self._error}"
            ) from self._error

    # -- the thread

    def _run(self) -> None:
        try:
            while self._write_once():
                pass
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()
        finally:
            self._end(self._file.close)

    def _write_once(self) -> bool:
        """Write the events that wait; False if the writer is closed and nothing was left."""
        with self._changed:
            self._changed.wait_for(self._is_due, self._flush_secs)
            events, self._waiting, self._bytes = self._waiting, [], 0
            closed = self.closed
            self._changed.notify_all()
        for data in events:
            self._file.write(data)
        self._file.flush()
        with self._changed:
            self._written += len(events)
            self._changed.notify_all()
        return bool(events) or not closed

    def _is_due(self) -> bool:
        return self.closed or len(self._waiting) >= self._max_queue or self._wanted > self._written

    def _end(self, close: Callable[[], None]) -> None:
        """Close the file; its error is that of the writer, unless there was one before."""
        try:
            close()
        except BaseException as error:
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()


_loops: weakref.WeakSet[_Loop] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """At the end of the process, write what is left of writers that the program did not close."""
    for loop in list(_loops):
        with suppress(OpError):
            loop.close()

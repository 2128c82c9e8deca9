"""Shows a program's progress while it runs: a live line on a terminal, plain lines elsewhere.

A watcher never disturbs the program: an error here becomes a word on the line.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from dflow.cli.progress import NO_SESSION, Snapshot, only_of, progress_line
from dflow.cluster.process import GuardedProcess
from dflow.cluster.scheduler import call

PLAIN_SECONDS = 2.0  # between two plain lines; also between two questions before a session has begun
LIVE_SECONDS = 1.0
ANSWER_SECONDS = 2.0  # for the scheduler to answer
DRAIN_SECONDS = 2.0  # for the script's last output, if a process that it started still holds its end of the pipe


class Display:
    """Shows nothing and leaves the script's output alone; the displays below do more.

    output: arguments for opening the script's streams; a stream that is not in it is this process's own.
    """

    def __init__(self) -> None:
        self.output: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def attach(self, script: GuardedProcess) -> None:
        """Called once, when the script was started."""

    def drain(self) -> None:
        """Called when the script has ended: block until all that it wrote is shown."""

    def say(self, text: str) -> None:
        """A line of dflow's own.  May be called by a signal handler, hence no buffer."""
        os.write(2, f"dflow: {text}\n".encode())


class Watcher:
    """A thread that asks the scheduler for snapshots and shows a line for each, with the rows of the submission."""

    def __init__(self, address: str, submission: str, seconds: float, show: Callable[[str], None]) -> None:
        self._address, self._submission, self._seconds, self._show = address, submission, seconds, show
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="dflow-progress", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks until the thread has ended, at most `ANSWER_SECONDS`."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        previous: Snapshot | None = None
        wait = self._seconds
        while not self._stop.wait(wait):
            try:
                answer: Snapshot | None = call(self._address, "dflow_snapshot", ANSWER_SECONDS)
                current = None if answer is None else only_of(self._submission, answer)
                line = progress_line(previous, current)
            except Exception as error:  # the program goes on without its progress
                reason = str(error) or f"no answer within {ANSWER_SECONDS:g} s"  # a TimeoutError has no text
                current, line = None, f"no progress from the scheduler: {reason}"
            if self._stop.is_set():  # the script has ended meanwhile, and the answer is out of date
                return
            self._show(line)
            previous = current
            # Each unanswered request is a warning in the scheduler's log: ask seldom.
            wait = self._seconds if current is not None else PLAIN_SECONDS


class PlainDisplay(Display):
    """A line to stderr every two seconds if it changed."""

    def __init__(self, address: str, submission: str) -> None:
        super().__init__()
        self._last = ""
        self._watcher = Watcher(address, submission, PLAIN_SECONDS, self._show)

    def _show(self, line: str) -> None:
        if line != self._last:
            self.say(line)
            self._last = line

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.stop()


class LiveDisplay(Display):
    """A line at the bottom of the terminal; the output of the script comes through pipes and appears above it."""

    def __init__(self, address: str, submission: str) -> None:
        super().__init__()
        self.output["stdout"] = subprocess.PIPE
        if sys.stderr.isatty():
            self.output["stderr"] = subprocess.PIPE
        self._console = Console()
        self._spinner = Spinner("dots", text=NO_SESSION)
        # Transient: the line is out of date when the script has ended.
        self._live = Live(self._spinner, console=self._console, refresh_per_second=4, transient=True)
        self._watcher = Watcher(address, submission, LIVE_SECONDS, self._show)
        self._pumps: list[threading.Thread] = []

    def _show(self, line: str) -> None:
        self._spinner.update(text=Text(line))

    def __enter__(self) -> Self:
        self._live.start()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.stop()
        self._live.stop()

    def attach(self, script: GuardedProcess) -> None:
        for pipe in filter(None, (script.stdout, script.stderr)):
            pump = threading.Thread(target=self._pump, args=[pipe], name="dflow-output", daemon=True)
            pump.start()
            self._pumps.append(pump)

    def _pump(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                text = line.decode(errors="replace").rstrip("\r\n")
                self._console.print(Text.from_ansi(text), soft_wrap=True)

    def drain(self) -> None:
        for pump in self._pumps:
            pump.join(DRAIN_SECONDS)

    def say(self, text: str) -> None:
        self._console.print(Text(f"dflow: {text}"), soft_wrap=True)


def display_for(address: str, submission: str, shown: bool) -> Display:
    """A live line if stdout is a terminal, plain lines if not; nothing unless `shown`."""
    if not shown:
        return Display()
    return LiveDisplay(address, submission) if sys.stdout.isatty() else PlainDisplay(address, submission)

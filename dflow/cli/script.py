"""Runs the user's script as a child process, and passes signals on to it in an orderly way."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from dflow.cli.watch import Display
from dflow.cluster.process import GuardedProcess, child_environment

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal that came while no script ran.  Not an Exception: only `dflow submit` itself may catch it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Stopper:
    """Stops a script: the first signal asks it to end, with one SIGINT; the second, or `grace` seconds, kills it.

    For each kind of signal the script gets SIGINT, which makes a Python program leave its `with` blocks, so that its
    session closes and its loops stop.
    """

    def __init__(self, grace: float, say: Callable[[str], None]) -> None:
        self.first: int | None = None  # the signal that came first
        self._say = say
        self._script: GuardedProcess | None = None
        self._timer = threading.Timer(grace, self._kill)
        self._timer.daemon = True

    def attach(self, script: GuardedProcess) -> None:
        self._script = script
        if self.first is not None:
            self._ask()

    def __call__(self, number: int) -> None:
        """Handle a signal.  Does not block."""
        if self.first is not None:
            self._kill()
            return
        self.first = number
        self._ask()

    def _ask(self) -> None:
        if self._script is not None:
            self._say("stopping the script; Ctrl-C again kills it")
            self._script.signal(signal.SIGINT)
            self._timer.start()

    def _kill(self) -> None:
        if self._script is not None:
            self._script.kill()

    def close(self) -> None:
        self._timer.cancel()


class Signals:
    """Handles SIGINT, SIGTERM and SIGHUP for the time of a `with` block.

    Each raises `Interrupted`, or goes to the receiver of `given_to`.  A signal that this process was told to ignore
    (`nohup`) stays ignored.
    """

    def __init__(self) -> None:
        self._receiver: Callable[[int], None] | None = None

    def __enter__(self) -> Signals:
        ignored = {number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN}
        self._before = {number: signal.signal(number, self._take) for number in SIGNALS if number not in ignored}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._receiver is None:
            raise Interrupted(number)
        self._receiver(number)

    @contextmanager
    def given_to(self, receiver: Callable[[int], None]) -> Iterator[None]:
        """Call `receiver` for each signal inside this block."""
        self._receiver = receiver
        try:
            yield
        finally:
            self._receiver = None


def run_script(
    script: str,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    display: Display,
    signals: Signals,
    grace: float,
) -> int:
    """Run the script with these environment variables and return the exit code of `dflow submit`.

    Blocks until the script has ended and its output is shown.  The code is the script's, 128 + n if signal n ended
    it, or 128 + n if signal n came to this process.
    """
    env = child_environment(**variables)
    if display.output:
        env["PYTHONUNBUFFERED"] = "1"  # else Python would write to a pipe in whole blocks
    stopper = Stopper(grace, display.say)
    with signals.given_to(stopper), display:
        child = GuardedProcess([sys.executable, script, *arguments], folder=None, env=env, **display.output)
        try:
            display.attach(child)
            stopper.attach(child)
            code = child.wait()
            display.drain()
        finally:
            stopper.close()
            child.close()
    return code if stopper.first is None else 128 + stopper.first

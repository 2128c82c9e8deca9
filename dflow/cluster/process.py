"""A process that never outlives this one, and neither do the processes that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dflow.cluster.guard import end_session

GUARD = Path(__file__).with_name("guard.py")
ROOT = Path(__file__).parents[2]  # the folder that holds the package `dflow`
GUARD_SECONDS = 10.0  # the time that a guard has to end; it needs milliseconds, if trackers need no more
LOOK_SECONDS = 0.01  # between two looks whether a guard has ended


class GuardedProcess:
    """A command in a session of its own, under a guard (`guard.py` says how that works).

    The terminal's Ctrl-C does not reach it.  It ends, with all that it started, when this process ends in any way
    (SIGKILL too), when `kill` is called, and when this object is lost.  The arguments are those of `Popen`.

    folder: goes, too, if this process ends without having killed the command, as by SIGKILL.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        life, self._held = os.pipe()
        self._end = weakref.finalize(self, _kill, self._held)
        # Blocked, so that no signal hits the guard before it listens.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(life), str(folder or ""), *command],
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[life],
                start_new_session=True,
            )
        except BaseException:
            self._end()
            raise
        finally:
            os.close(life)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _ALIVE.add(self)

    @property
    def pid(self) -> int:
        """The guard's process id; it leads the session, and the command is its one child."""
        return self._guard.pid

    @property
    def stdout(self) -> IO[bytes] | None:
        return self._guard.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        return self._guard.stderr

    def poll(self) -> int | None:
        """The command's exit code, 128 + n if signal n ended it; None while it runs."""
        self._end_session_of_killed_guard(os.WNOHANG)
        return _as_exit_code(self._guard.poll())

    def wait(self, timeout: float | None = None) -> int:
        """Block until the command has ended, and return its exit code.

        `timeout` is in seconds, None waits for ever.  Raises `subprocess.TimeoutExpired`.
        """
        if timeout is None:
            self._end_session_of_killed_guard(0)
            self._guard.wait()
        deadline = time.monotonic() + (timeout or 0.0)
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self._guard.args, timeout)
            time.sleep(LOOK_SECONDS)
        return code

    def _end_session_of_killed_guard(self, options: int) -> None:
        """End the session if the guard was killed, while the guard's number cannot be another process's yet."""
        with suppress(ChildProcessError):  # another thread saw its end
            if self._guard.returncode is None:
                end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | options)
                if end is not None and end.si_code != os.CLD_EXITED:
                    end_session(self.pid)

    def signal(self, number: int) -> None:
        """Send SIGINT or SIGTERM to the command; nothing if it has ended.  Does not block."""
        self._guard.send_signal(number)

    def terminate(self) -> None:
        """Ask the command to end (SIGTERM).  Does not block."""
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the command and all that it started, with SIGKILL.  Does not block: `wait` does."""
        self._end()

    def close(self, grace: float = 0.0) -> None:
        """Give the command `grace` seconds to end, then kill its processes.  Blocks until it ended."""
        try:
            if grace > 0:
                self.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()
            self._reap()

    def _reap(self) -> None:
        try:
            self.wait(GUARD_SECONDS)
        except subprocess.TimeoutExpired:  # somebody stopped the guard
            self._guard.kill()
            self.wait()

    def forget(self) -> None:
        """Give up this process's end of the pipe, which is a copy of its parent's."""
        if self._end.detach():
            os.close(self._held)


def _kill(pipe: int) -> None:
    with suppress(OSError):  # the guard has ended
        os.write(pipe, b"k")
    os.close(pipe)


_ALIVE: weakref.WeakSet[GuardedProcess] = weakref.WeakSet()


def _forget_all() -> None:
    """Give up the pipes in a process that `os.fork` made: else it would keep the commands alive."""
    for process in list(_ALIVE):
        process.forget()


os.register_at_fork(after_in_child=_forget_all)


def _as_exit_code(code: int | None) -> int | None:
    return 128 - code if code is not None and code < 0 else code


def child_environment(**variables: str) -> dict[str, str]:
    """This process's environment for a child, in which `import dflow` finds this dflow, with `variables` set."""
    env = {**os.environ, **variables}
    if str(ROOT) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [env.get("PYTHONPATH"), str(ROOT)]))
    return env

"""A guard runs one command, and sees to it that nothing of the command outlives its starter.

    python -I -S guard.py FD COMMAND...

FD is the reading end of a pipe whose writing end only the starter holds.  The kernel closes it when the starter ends,
however that happens; the guard then kills the command and everything that it started (its process group).  It does
the same when the command ends, so that a Nanny that dies takes its worker along.  SIGINT and SIGTERM go on to the
command.  The exit code is the command's, or 128 + n if signal n ended it.

Why a process of its own: a thread beside the command's code hangs with it, be it stopped or inside C code that never
gives up the interpreter's lock.  PR_SET_PDEATHSIG alone would not do: it fires when the *thread* that started the
process ends, and reaches a Nanny, but not the Nanny's worker.  Here it only covers the guard, which has one thread.

This file uses the standard library only and is run by its path, so that a guard starts in 20 ms.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

FORWARDED = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run(life: int, command: list[str]) -> int:
    """Run `command` until it ends or `life` is closed; return its exit code."""
    signals = open_signals()
    child = subprocess.Popen(command, process_group=0, preexec_fn=death_signal())
    while not has_ended(child.pid):
        ready, _, _ = select.select([life, signals], [], [])
        if life in ready:
            break
        for number in os.read(signals, 64):
            if number != signal.SIGCHLD:
                child.send_signal(number)
    kill_group(child.pid)
    code = child.wait()
    return code if code >= 0 else 128 - code


def open_signals() -> int:
    """A descriptor from which the numbers of arriving signals are read.

    The starter blocks the signals until here, so that none arrives before someone listens.  A handler that does
    nothing, unlike an ignored signal, is not passed on to the command: it starts with the default actions.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGCHLD, *FORWARDED):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    return reader


def death_signal() -> Callable[[], None] | None:
    """What the command's process does first: ask the kernel to kill it when the guard ends (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    libc, guard = ctypes.CDLL(None), os.getpid()

    def die_with_the_guard() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # it ended before the call above
            os._exit(1)

    return die_with_the_guard


def has_ended(pid: int) -> bool:
    """Whether the child `pid` has ended.  It is not reaped yet, so its process group cannot be another one's."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill_group(group: int) -> None:
    """End every process of the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says "all ended" with the second
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2:]))

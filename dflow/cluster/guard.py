"""A guard runs one command, and ensures that no process of the command outlives its starter.

    python -I -S guard.py FD FOLDER COMMAND...

FD is the reading end of a pipe whose writing end only the starter holds.  The starter writes a byte to have the command
killed.  The kernel closes the pipe when the starter ends, however that happens; the command is killed then, and FOLDER,
which the starter would have removed, goes too ("" if there is none).

All processes that the command started are killed with it: those in the session that the guard leads.  They are killed
when the command ends by itself, too, so that a worker does not outlive its Nanny.  SIGINT and SIGTERM are forwarded to
the command.  The exit code is the command's, or 128 + n if signal n ended it.

The trackers of resources of Python's `multiprocessing` are not killed: when all processes that use one are gone, it
removes the semaphores and the shared memory that they left in /dev/shm, and ends by itself.

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
import time
from collections.abc import Callable

FORWARDED = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
TRACKER = b"resource_tracker import main"  # in the command line of a tracker of resources, also of loky's
TRACKER_SECONDS = 8.0  # that trackers have to end; it takes them some 10 ms, and seconds on a machine with much to do
LOOK_SECONDS = 0.005  # between two looks at the living processes


def run(life: int, folder: str, command: list[str]) -> int:
    """Run `command` until it ends or `life` is closed; return its exit code."""
    signals = open_signals()
    child = subprocess.Popen(command, process_group=0, preexec_fn=death_signal())
    try:
        watch(child.pid, life, signals)
    finally:
        end_session(os.getpid())
        kill_group(child.pid)  # for systems without /proc
    code = child.wait()
    if folder and has_lost_its_starter(life):
        remove(folder)
    return code if code >= 0 else 128 - code


def watch(child: int, life: int, signals: int) -> None:
    """Send signals on to the child, until it has ended or `life` is closed.

    Nothing here reaps it, as `Popen.send_signal` would: its number is its own until `run` has ended the others.
    """
    while not has_ended(child):
        ready, _, _ = select.select([life, signals], [], [])
        if life in ready:
            break
        for number in os.read(signals, 64):
            if number != signal.SIGCHLD:
                kill(child, number)


def has_lost_its_starter(life: int) -> bool:
    """Whether the starter has ended without asking for the end of the command."""
    ready, _, _ = select.select([life], [], [], 0)
    return bool(ready) and os.read(life, 1) == b""


def remove(folder: str) -> None:
    """Remove a folder.  Several guards may do so; when the last one does, no process writes there any more."""
    import shutil  # takes some milliseconds, which no start is to wait for

    shutil.rmtree(folder, ignore_errors=True)


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
    """A function for the command's process to call first: the kernel is to kill it when the guard ends (Linux only)."""
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


def end_session(leader: int) -> None:
    """End every process of a session but its leader; trackers of resources end by themselves, after the others.

    A tracker that is stopped is continued before any other process ends: with the end of the last one that has a parent
    outside its process group, the kernel sends SIGHUP to stopped processes there, and a tracker does not survive that.
    A process without a command line is about to execute another program, maybe a tracker: it is left for the next look.
    """
    deadline = time.monotonic() + TRACKER_SECONDS
    while (living := session_of(leader)) and time.monotonic() < deadline:
        commands = [(read_proc(pid, "cmdline"), pid) for pid in living]
        for pid in [pid for command, pid in commands if TRACKER in command]:
            kill(pid, signal.SIGCONT)
        for pid in [pid for command, pid in commands if command and TRACKER not in command]:
            kill(pid, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)
    for pid in living:
        kill(pid, signal.SIGKILL)


def kill_group(group: int) -> None:
    """End every process of the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says "all ended" with the second
        os.killpg(group, signal.SIGKILL)


def kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def session_of(leader: int) -> list[int]:
    """The living processes of a session but its leader; none where the system has no /proc."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdecimal() and name != str(leader)]
    except OSError:
        return []
    return [pid for pid in pids if lives_in(pid, leader)]


def lives_in(pid: int, session: int) -> bool:
    """Whether `pid` is a process of that session which has not ended.  An unreaped process has ended."""
    text = read_proc(pid, "stat")
    state, *numbers = text.rpartition(b")")[2].split()[:4] or [b""]  # state, parent, group, session
    return len(numbers) == 3 and int(numbers[2]) == session and state not in (b"Z", b"X")


def read_proc(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:  # it is gone
        return b""


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))

"""A guarded process leaves nothing behind, however it or its starter ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dflow.cluster.process import GuardedProcess, child_environment
from tests.cluster.helpers import all_end, eventually

pytestmark = pytest.mark.timeout(30)

# Starts a child of its own, says both process ids, and waits.
FAMILY = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(os.getpid(), child.pid, flush=True)
signal.pause()
"""
# Runs FAMILY, or other code, under a guard that removes a folder, then the code of the test.
STARTER = """
import os, pathlib, signal, sys
from dflow.cluster.process import GuardedProcess
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
family = GuardedProcess([sys.executable, "-c", sys.argv[1]], folder=folder)
"""
# Has a semaphore and shared memory, says their files, and waits, as the process that it starts does.
SHARES = """
import multiprocessing, signal
from multiprocessing.shared_memory import SharedMemory
semaphore = multiprocessing.get_context("spawn").Semaphore()
memory = SharedMemory(create=True, size=1)
print("/dev/shm/sem." + semaphore._semlock.name[1:], "/dev/shm/" + memory._name.lstrip("/"), flush=True)
signal.pause()
"""


needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says who is who in /proc")


def python(code: str, **streams: int) -> GuardedProcess:
    return GuardedProcess([sys.executable, "-c", code], stdin=subprocess.DEVNULL, **streams)


def pids(line: bytes) -> list[psutil.Process]:
    found = [psutil.Process(int(word)) for word in line.split()]
    assert found
    return found


@pytest.fixture
def family() -> Iterator[tuple[GuardedProcess, list[psutil.Process]]]:
    guarded = python(FAMILY, stdout=subprocess.PIPE)
    assert guarded.stdout is not None
    with guarded.stdout:
        yield guarded, pids(guarded.stdout.readline())
    guarded.close()


def test_the_exit_code_is_the_commands() -> None:
    assert python("raise SystemExit(7)").wait(10) == 7


def test_a_command_that_a_signal_ends_has_128_and_its_number_as_exit_code() -> None:
    assert python("import os; os.kill(os.getpid(), 9)").wait(10) == 128 + 9


def test_a_signal_right_after_the_start_still_reaches_the_command() -> None:
    guarded = python("import signal; signal.pause()")
    guarded.terminate()
    assert guarded.wait(10) == 128 + signal.SIGTERM


def test_the_command_runs_in_another_session(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    assert {os.getsid(process.pid) for process in family[1]} == {family[0].pid}


def test_killing_ends_what_the_command_started(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    guarded, processes = family
    guarded.kill()
    all_end(processes)
    assert guarded.wait(10) == 128 + signal.SIGKILL


def test_what_the_command_started_ends_with_it(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    processes = family[1]
    processes[0].kill()
    all_end(processes)


@needs_proc
def test_a_signal_that_comes_as_the_command_ends_leaves_nothing_of_it(
    family: tuple[GuardedProcess, list[psutil.Process]],
) -> None:
    """A guard that does not run meanwhile finds both the signal and the end of its command."""
    guarded, processes = family
    guard = psutil.Process(guarded.pid)
    guard.suspend()
    processes[0].kill()
    eventually(lambda: processes[0].status() == psutil.STATUS_ZOMBIE)
    guarded.terminate()
    guard.resume()
    assert guarded.wait(10) == 128 + signal.SIGKILL
    all_end(processes)


def test_a_stopped_command_can_be_closed(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    guarded, processes = family
    processes[0].suspend()
    guarded.terminate()
    guarded.close(grace=0.1)
    all_end(processes)


@needs_proc
@pytest.mark.parametrize(
    "noticed", [GuardedProcess.wait, GuardedProcess.close, lambda guarded: eventually(guarded.poll)]
)
def test_all_ends_with_a_killed_guard(
    family: tuple[GuardedProcess, list[psutil.Process]], noticed: Callable[[GuardedProcess], object]
) -> None:
    """The kernel ends the command, and the starter what that had started, as soon as it looks."""
    guarded, processes = family
    psutil.Process(guarded.pid).kill()
    noticed(guarded)
    all_end(processes)
    assert guarded.wait() == 128 + signal.SIGKILL


def command_of(guarded: GuardedProcess) -> psutil.Process:
    (command,) = psutil.Process(guarded.pid).children()
    return command


def stop_all(guarded: GuardedProcess) -> None:
    for process in psutil.Process(guarded.pid).children(recursive=True):
        process.suspend()


def shared_files(line: bytes) -> list[Path]:
    files = [Path(word) for word in line.decode().split()]
    assert [file.exists() for file in files] == [True, True]
    return files


def all_go(files: list[Path]) -> None:
    eventually(lambda: not any(file.exists() for file in files), lambda: files, timeout=10)


@needs_proc
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda guarded: command_of(guarded).kill(), id="the command is killed"),
        pytest.param(lambda guarded: psutil.Process(guarded.pid).kill(), id="the guard is killed"),
        pytest.param(GuardedProcess.kill, id="kill"),
        pytest.param(GuardedProcess.terminate, id="terminate"),
        pytest.param(stop_all, id="stopped"),
    ],
)
def test_what_processes_of_python_share_does_not_stay_in_memory(end: Callable[[GuardedProcess], object]) -> None:
    guarded = python(SHARES, stdout=subprocess.PIPE)
    assert guarded.stdout is not None
    with guarded.stdout:
        files = shared_files(guarded.stdout.readline())
        end(guarded)
        guarded.close()
        all_go(files)


@needs_proc
def test_what_processes_of_python_share_goes_when_the_starter_is_killed() -> None:
    command = [sys.executable, "-c", STARTER + "signal.pause()", SHARES]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment())
    assert starter.stdout is not None
    with starter, starter.stdout:
        files = shared_files(starter.stdout.readline())
        starter.kill()
        all_go(files)


@pytest.mark.parametrize(
    ("ending", "stays"),
    [
        pytest.param("signal.pause()", False, id="SIGKILL"),
        pytest.param("sys.stdin.readline(); os._exit(0)", False, id="an exit that calls nothing"),
        pytest.param("sys.stdin.readline(); family.close()", True, id="a close"),
        pytest.param("sys.stdin.readline()", True, id="an end that finds it open"),
    ],
)
def test_the_folder_of_a_starter_that_is_lost_goes(tmp_path: Path, ending: str, stays: bool) -> None:
    """A starter that ends in order removes it by itself, when nothing uses it any more."""
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("x")
    command = [sys.executable, "-c", STARTER + ending, FAMILY, str(folder)]
    starter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment())
    assert starter.stdin is not None
    assert starter.stdout is not None
    with starter, starter.stdout:
        family = pids(starter.stdout.readline())
        guard = family[0].parent()
        if "stdin" in ending:
            starter.stdin.write(b"\n")
            starter.stdin.flush()
        else:
            starter.kill()
        all_end([*family, guard])
    assert folder.exists() == stays


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("signal.pause()", id="killed"),
        pytest.param("if os.fork() == 0: print(os.getpid(), flush=True)\nsignal.pause()", id="killed beside a fork"),
        pytest.param("sys.stdin.readline()", id="by itself"),
    ],
)
def test_all_ends_with_the_starter(ending: str) -> None:
    command = [sys.executable, "-c", STARTER + ending, FAMILY]
    starter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment())
    assert starter.stdin is not None
    assert starter.stdout is not None
    forks: list[psutil.Process] = []
    with starter, starter.stdout:
        lines = [starter.stdout.readline() for _ in range(2 if "fork" in ending else 1)]
        families = pids(max(lines, key=lambda line: len(line.split())))
        forks = pids(min(lines, key=lambda line: len(line.split()))) if len(lines) > 1 else []
        if "pause" in ending:
            starter.kill()
        else:
            starter.stdin.write(b"\n")
            starter.stdin.flush()
        try:
            all_end(families)
        finally:
            for fork in forks:
                fork.kill()

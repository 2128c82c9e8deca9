"""A guarded process leaves nothing behind, however it or its starter ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from dflow.cluster.process import GuardedProcess, child_environment

pytestmark = pytest.mark.timeout(30)

# Starts a child of its own, says both process ids, and waits.
FAMILY = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(os.getpid(), child.pid, flush=True)
signal.pause()
"""
# Runs FAMILY under a guard, then the code of the test.
STARTER = """
import os, signal, sys
from dflow.cluster.process import GuardedProcess
family = GuardedProcess([sys.executable, "-c", sys.argv[1]])
"""


def python(code: str, **streams: int) -> GuardedProcess:
    return GuardedProcess([sys.executable, "-c", code], stdin=subprocess.DEVNULL, **streams)


def pids(line: bytes) -> list[psutil.Process]:
    found = [psutil.Process(int(word)) for word in line.split()]
    assert found
    return found


def all_end(processes: list[psutil.Process]) -> bool:
    return psutil.wait_procs(processes, timeout=10)[1] == []


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
    assert all_end(processes)
    assert guarded.wait(10) == 128 + signal.SIGKILL


def test_what_the_command_started_ends_with_it(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    processes = family[1]
    processes[0].kill()
    assert all_end(processes)


def test_a_stopped_command_can_be_closed(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    guarded, processes = family
    processes[0].suspend()
    guarded.terminate()
    guarded.close(grace=0.1)
    assert all_end(processes)


def test_the_command_ends_with_a_killed_guard(family: tuple[GuardedProcess, list[psutil.Process]]) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs PR_SET_PDEATHSIG")
    guarded, processes = family
    psutil.Process(guarded.pid).kill()
    assert all_end(processes[:1])
    processes[1].kill()  # the guard is what would have ended it


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
            assert all_end(families)
        finally:
            for fork in forks:
                fork.kill()

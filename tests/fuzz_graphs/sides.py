"""The sides of the comparison, each of which gives the outcomes of a program: dflow here, on a cluster, TensorFlow.

TensorFlow is in a process of another Python, which lives as long as its side does: `python -m tests.fuzz_graphs.sides`.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from tests.fuzz_graphs.interpret import DIED, HANGS, Outcomes, Program, outcomes
from tests.oracle.run import the_library

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0  # a program that takes longer hangs
LOCAL_PLACES = ("/cpu:0",)
CLUSTER_PLACES = ("/job:ps/task:0/cpu:0", "/job:worker/task:0/cpu:0")

_containers = itertools.count()


class Side(Protocol):
    name: str

    def outcomes(self, program: Program, patience_ms: int) -> Outcomes: ...


class Dflow:
    """dflow, in a session of this process or on a cluster."""

    def __init__(self, name: str, target: str = "", places: Sequence[str] = LOCAL_PLACES) -> None:
        self.name = name
        self._target, self._places = target, places

    def outcomes(self, program: Program, patience_ms: int) -> Outcomes:
        import dflow

        container = f"fuzz-{os.getpid()}-{next(_containers)}"
        return in_time(lambda: outcomes(dflow, program, self._places, patience_ms, self._target, container))


class TensorFlow:
    """TensorFlow, in a process of the Python at `python`; another one after a program that hangs or ends it."""

    name = "tensorflow"

    def __init__(self, python: str) -> None:
        self._python = python
        self._process: subprocess.Popen[str] | None = None

    def outcomes(self, program: Program, patience_ms: int) -> Outcomes:
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps([program, patience_ms]), file=process.stdin, flush=True)
            found: Outcomes = json.loads(process.stdout.readline() or json.dumps(DIED))
        except BrokenPipeError:
            found = DIED
        if found in (HANGS, DIED):
            self.close()
        return found

    def _start(self) -> subprocess.Popen[str]:
        command = [self._python, "-m", "tests.fuzz_graphs.sides"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            with suppress(BrokenPipeError), self._process:
                pass  # it ends, and its pipes are closed
            self._process = None


def in_time(work: Callable[[], Outcomes]) -> Outcomes:
    """What `work` gives in a thread of its own, which is left alone when it hangs."""
    found: list[Outcomes] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found[0] if found else HANGS if thread.is_alive() else DIED


def all_outcomes(sides: Sequence[Side], program: Program, patience_ms: int) -> list[Outcomes]:
    """What each side gives, all of them at the same time: programs mostly wait."""
    found: dict[int, Outcomes] = {}

    def work(i: int) -> None:
        found[i] = sides[i].outcomes(program, patience_ms)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(sides))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found.get(i, DIED) for i in range(len(sides))]


def serve() -> None:
    """Answer each program on standard input with its outcomes on standard output; a line of JSON each."""
    tf: Any = the_library("tensorflow")
    from tensorflow.python.framework import error_interpolation

    error_interpolation.interpolate_graph = lambda message, graph: message  # it crashes when threads meet in it
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else writes there
    for line in sys.stdin:
        program, patience_ms = json.loads(line)
        found = in_time(lambda: outcomes(tf, program, LOCAL_PLACES, patience_ms))  # noqa: B023
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    serve()

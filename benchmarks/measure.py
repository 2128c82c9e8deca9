"""Shared helpers of the benchmarks: units, timing functions, the description of the machine, and the command line.

This module uses only the standard library, because the peers import it too, in their own environments.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("dask", "distributed", "numpy", "pyarrow")
ROUNDS = 5
SMALL = bool(os.environ.get("DFLOW_BENCH_SMALL"))  # tiny sizes and short samples, to check that a benchmark runs
Sample = Callable[[], float]


def size(full: int, small: int) -> int:
    """Return `full`, or `small` if DFLOW_BENCH_SMALL is set."""
    return small if SMALL else full


@dataclass(frozen=True)
class Unit:
    """The unit of a sample.

    rate: True for rates, of which more is better; False for costs, of which less is better.
    scale: the factor by which a sample is multiplied for the table.
    """

    name: str
    rate: bool
    scale: float = 1.0

    def speed(self, ours: float, base: float) -> float:
        """Return the ratio of `ours` to `base`, in which more is better: for costs, it is inverted."""
        return ours / base if self.rate else base / ours


RECORDS = Unit("records/s", rate=True)
ITEMS = Unit("items/s", rate=True)
IMAGES = Unit("images/s", rate=True)
MILLISECONDS = Unit("ms", rate=False, scale=1e3)
MICROSECONDS = Unit("us", rate=False, scale=1e6)
MEGABYTES = Unit("MB", rate=False, scale=1e-6)


# -- taking samples


def seconds_a_call(call: Callable[[], Any], seconds: float = 0.3) -> float:
    """Call for at least `seconds` and return the mean time of a call."""
    seconds = 0.01 if SMALL else seconds
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds or not calls:
        call()
        calls += 1
    return passed / calls


def seconds_once(call: Callable[[], Any]) -> float:
    """Return the time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def seconds_rested(call: Callable[[], Any]) -> float:
    """Return the time of one call, after a pause that lets background work of earlier calls finish."""
    time.sleep(0.05)
    return seconds_once(call)


# -- the machine and the versions


def machine() -> str:
    """Describe the processor, the number of cores that this process may use, the memory and the operating system."""
    model = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {cores} cores, {memory:.0f} GiB of memory, {platform.system()}"


def versions() -> str:
    """Return the versions of Python and of the main dependencies, and the commit of dflow."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    return ", ".join([*found, f"dflow {described.stdout.strip() or 'of no commit'}"])


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def command_line(question: str) -> argparse.ArgumentParser:
    """Make a parser with the options of every script."""
    parser = argparse.ArgumentParser(description=question.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"samples of each case, {ROUNDS} by default")
    return parser


def rounds_asked(question: str) -> int:
    """Parse the command line of a script that has no options of its own, and return the number of rounds."""
    rounds: int = command_line(question).parse_args().rounds
    return rounds

"""What the benchmarks share: samples taken in turns, medians and spreads, tables, and what they were measured on.

Only the standard library: the peers import it too, in an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("dask", "distributed", "numpy", "pyarrow")
ROUNDS = 5
Sample = Callable[[], float]


@dataclass(frozen=True)
class Unit:
    """What a sample counts: a rate (more is better), or a time in seconds that is shown `scale` times as large."""

    name: str
    rate: bool
    scale: float = 1.0

    def speed(self, ours: float, base: float) -> float:
        """How fast `ours` is if `base` is 1: more is better, for times too."""
        return ours / base if self.rate else base / ours


RECORDS = Unit("records/s", rate=True)
MILLISECONDS = Unit("ms", rate=False, scale=1e3)
MICROSECONDS = Unit("us", rate=False, scale=1e6)


@dataclass(frozen=True)
class Row:
    """The samples of one case: of dflow, of the peer, and of the same done by hand; empty if not measured."""

    name: str
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)


# -- taking samples


def seconds_a_call(call: Callable[[], Any], seconds: float = 0.3) -> float:
    """Call for at least so many seconds; the mean time of a call."""
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        call()
        calls += 1
    return passed / calls


def seconds_once(call: Callable[[], Any]) -> float:
    """The time of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def take_turns(
    ours: Mapping[str, Sample], by_hand: Mapping[str, Sample], peer: Peer | None, rounds: int = ROUNDS
) -> list[Row]:
    """One sample of each case in each round: ours, the peer's, by hand.  A first round warms up and is dropped."""
    rows = [Row(name) for name in ours]
    for _ in range(rounds + 1):
        for row in rows:
            row.ours.append(ours[row.name]())
            if peer is not None:
                row.peer.append(peer.sample(row.name))
            if row.name in by_hand:
                row.by_hand.append(by_hand[row.name]())
    return [Row(row.name, row.ours[1:], row.peer[1:], row.by_hand[1:]) for row in rows]


class Peer:
    """A script of peers/ that runs in the peers' environment and takes a sample whenever it is asked for one."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # until close()
        self._process = subprocess.Popen(
            [peers_python(), str(FOLDER / "peers" / script), *arguments],
            env=os.environ | {"PYTHONPATH": str(FOLDER), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.name: str = self._answer()

    @classmethod
    def start(cls, script: str, *arguments: str) -> Peer | None:
        """None if the peers' environment does not exist; RuntimeError if it exists and the script fails there."""
        return cls(script, *arguments) if peers_python().exists() else None

    def sample(self, case: str) -> float:
        assert self._process.stdin is not None
        print(case, file=self._process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"the peer ended:\n{self._log.read().decode(errors='replace')[-4000:]}")
        return json.loads(line)

    def close(self) -> None:
        """The end of its input ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()


def peers_python() -> Path:
    """The Python that `make bench-peers` makes, or the one in the variable DFLOW_BENCH_PEERS."""
    return Path(os.environ.get("DFLOW_BENCH_PEERS") or FOLDER.parent / ".venv-peers/bin/python")


def serve(name: str, cases: Mapping[str, Sample]) -> None:
    """The peer's side: say the name, then take a sample of each case that is asked for.  Ends the process."""
    print(json.dumps(name), flush=True)
    for line in sys.stdin:
        print(json.dumps(cases[line.strip()]()), flush=True)
    os._exit(0)  # threads that wait for a queue do not matter any more


# -- showing them


def report(
    question: str,
    unit: Unit,
    ours: Mapping[str, Sample],
    by_hand: Mapping[str, Sample],
    peer: Peer | None,
    rounds: int = ROUNDS,
) -> str:
    """Take all samples; the answer to a question, its script's docstring, as Markdown."""
    title, _, text = question.partition("\n")
    rows = take_turns(ours, by_hand, peer, rounds)
    name = peer.name if peer is not None else None
    if peer is not None:
        peer.close()
    return "\n\n".join([f"## {title}", text.strip(), table(rows, unit, name), verdict(rows, unit, name)])


def table(rows: Sequence[Row], unit: Unit, peer: str | None) -> str:
    """One line a case; medians, with the smallest and the largest sample."""
    theirs = peer or "TensorFlow 1"
    head = [unit.name, "dflow", theirs, "by hand", f"dflow's speed, {theirs} = 1", "dflow's speed, by hand = 1"]
    lines = [head, ["---", *["---:"] * 5]]
    for row in rows:
        cells = [_spread(row.ours, unit), _spread(row.peer, unit), _spread(row.by_hand, unit)]
        speeds = [
            _figure(unit.speed(median(row.ours), median(base))) if base else "" for base in (row.peer, row.by_hand)
        ]
        lines.append([row.name, *cells, *speeds])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(rows: Sequence[Row], unit: Unit, peer: str | None) -> str:
    """In words: where dflow was slower than the peer.  Samples of one round were taken one after the other."""
    if peer is None:
        return "TensorFlow 1 was not measured: its environment is not there (`make bench-peers` makes it)."
    found: dict[str, list[str]] = {
        f"**slower** than {peer} in every round": [],
        f"**faster** than {peer} in every round": [],
    }
    slower, faster = found.values()
    for row in rows:
        speeds = [unit.speed(ours, theirs) for ours, theirs in zip(row.ours, row.peer, strict=True)]
        wins = sum(speed > 1 for speed in speeds)
        if 0 < wins < len(speeds):
            found.setdefault(f"faster than {peer} in {wins} of {len(speeds)} rounds", []).append(row.name)
        else:
            (faster if wins else slower).append(row.name)
    return "\n".join(f"* dflow was {how}: {'; '.join(names)}." for how, names in found.items() if names)


def _spread(samples: Sequence[float], unit: Unit) -> str:
    if not samples:
        return "not measured"
    low, middle, high = (_figure(unit.scale * value) for value in (min(samples), median(samples), max(samples)))
    return f"**{middle}** ({low} to {high})"


def _figure(value: float) -> str:
    """Three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


# -- what they were measured on


def machine() -> str:
    """The processor, its cores that this process may use, and the memory."""
    model = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {cores} cores, {memory:.0f} GiB of memory, {platform.system()}"


def versions() -> str:
    """Of Python, of what dflow stands on, and of dflow: its commit."""
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


def rounds_asked(question: str) -> int:
    """The script's command line."""
    parser = argparse.ArgumentParser(description=question.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"samples of each case, {ROUNDS} by default")
    rounds: int = parser.parse_args().rounds
    return rounds

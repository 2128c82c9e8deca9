"""The competitors: dflow and the work by hand in this process, and the peers in processes of their own.

A competitor has a name and takes samples of some cases.  A case may also have a *fact*: numbers that check the result,
such as the count and the sum of all records.  The facts of all competitors must be equal.

This module uses only the standard library, because the peers import it too, in their own environments.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import FOLDER, Sample

PEERS = FOLDER / "peers"
Fact = Callable[[], Sequence[float]]


@dataclass
class Here:
    """A competitor in this process.

    name: its name in the table.  version: the versions of its packages, or "".
    """

    name: str
    cases: Mapping[str, Sample]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    version: str = ""

    def sample(self, case: str) -> float:
        return self.cases[case]()

    def fact(self, case: str) -> Sequence[float]:
        return self.facts[case]()

    def close(self) -> None:
        """Do nothing: this competitor ends with the script."""


class Peer:
    """A competitor in a process of its own: a script of peers/, in its own environment, which takes samples on request.

    If the environment does not exist, `version` is "" and there are no cases.
    """

    def __init__(self, name: str, environment: str, script: str, *arguments: str) -> None:
        """Start the script.  Raises RuntimeError if the environment exists and the script fails."""
        self.name, self.version = name, ""
        self.cases: Collection[str] = ()
        self.facts: Collection[str] = ()
        self._process: subprocess.Popen[str] | None = None
        python = environments() / environment / "bin/python"
        if python.exists():
            self._log = tempfile.TemporaryFile()  # noqa: SIM115  # until close()
            self._process = subprocess.Popen(
                [str(python), str(PEERS / script), *arguments],
                env=os.environ | {"PYTHONPATH": str(FOLDER)} | QUIET,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
            self.version, self.cases, self.facts = self._answer()

    def sample(self, case: str) -> float:
        return float(self._ask("sample", case))

    def fact(self, case: str) -> Sequence[float]:
        found: list[float] = self._ask("fact", case)
        return found

    def _ask(self, what: str, case: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        print(json.dumps([what, case]), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"{self.name} ended:\n{self._log.read().decode(errors='replace')[-4000:]}")
        return json.loads(line)

    def close(self) -> None:
        """Close the input of the process, which ends it."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.stdout.close()
        self._log.close()


Competitor = Here | Peer
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "RAY_USAGE_STATS_ENABLED": "0"}


def environments() -> Path:
    """Return the folder of the peers' environments: DFLOW_BENCH_PEERS, or the one that `make bench-peers` makes."""
    return Path(os.environ.get("DFLOW_BENCH_PEERS") or FOLDER.parent / ".venv-peers")


def serve(version: str, cases: Mapping[str, Sample], facts: Mapping[str, Fact] | None = None) -> None:
    """Run the peer's side: report the version and the cases, then answer requests until the input ends.

    Ends the process.
    """
    answers: dict[str, Mapping[str, Callable[[], Any]]] = {"sample": cases, "fact": facts or {}}
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print to stderr, so that their output does not mix with the answers
    print(json.dumps([version, list(cases), list(answers["fact"])]), file=out, flush=True)
    for line in sys.stdin:
        what, case = json.loads(line)
        print(json.dumps(answers[what][case]()), file=out, flush=True)
    os._exit(0)  # ends without waiting for threads that wait at a queue


def compare(case: str, competitors: Sequence[Competitor]) -> None:
    """Compare the facts of the competitors that have one.  Raises ValueError if they differ by more than rounding."""
    found = {competitor.name: competitor.fact(case) for competitor in competitors if case in competitor.facts}
    for name, numbers in found.items():
        first, expected = next(iter(found.items()))
        if len(numbers) != len(expected) or not all(map(_close, numbers, expected)):
            raise ValueError(f"{case}: {first} computed {expected}, but {name} computed {numbers}")


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3)

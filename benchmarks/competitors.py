"""Who is measured: dflow and work done by hand in this process, and the peers in processes of their own.

A competitor has a name and some of the cases.  A case may have a *fact* beside its sample: numbers that say what was
computed, such as the count and the sum of all records; those of all competitors must be equal.

Only the standard library: the peers import it too, in environments of their own.
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

    name: what the table calls it.  version: of its packages, "" if it has none to name.
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
        """Nothing: it ends with the script."""


class Peer:
    """A script of peers/, in an environment of its own, that takes a sample whenever it is asked for one.

    version: "" if the environment does not exist, and then there are no cases.
    """

    def __init__(self, name: str, environment: str, script: str, *arguments: str) -> None:
        """RuntimeError if the environment exists and the script fails there."""
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
        """The end of its input ends it."""
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
    """The folder of the peers' environments: what `make bench-peers` makes, or the variable DFLOW_BENCH_PEERS."""
    return Path(os.environ.get("DFLOW_BENCH_PEERS") or FOLDER.parent / ".venv-peers")


def serve(version: str, cases: Mapping[str, Sample], facts: Mapping[str, Fact] | None = None) -> None:
    """The peer's side: say what there is, then answer what is asked for.  Ends the process."""
    answers: dict[str, Mapping[str, Callable[[], Any]]] = {"sample": cases, "fact": facts or {}}
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    print(json.dumps([version, list(cases), list(answers["fact"])]), file=out, flush=True)
    for line in sys.stdin:
        what, case = json.loads(line)
        print(json.dumps(answers[what][case]()), file=out, flush=True)
    os._exit(0)  # threads that wait for a queue do not matter any more


def compare(case: str, competitors: Sequence[Competitor]) -> None:
    """ValueError unless all that say what they computed computed the same, but for rounding."""
    found = {competitor.name: competitor.fact(case) for competitor in competitors if case in competitor.facts}
    for name, numbers in found.items():
        first, expected = next(iter(found.items()))
        if len(numbers) != len(expected) or not all(map(_close, numbers, expected)):
            raise ValueError(f"{case}: {first} computed {expected}, but {name} computed {numbers}")


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3)

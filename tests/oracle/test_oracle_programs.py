"""Each program gives on dflow what it gives on TensorFlow.

`DFLOW_ORACLE` is the Python of an environment with TensorFlow and NumPy; `make oracle` makes one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.compare import differences
from tests.oracle.intended import ABSENT, INTENDED
from tests.oracle.programs import all_programs

ORACLE = os.environ.get("DFLOW_ORACLE")
RUN = Path(__file__).with_name("run.py")
SECONDS = 600  # all programs

pytestmark = [
    pytest.mark.skipif(not ORACLE, reason="DFLOW_ORACLE names no Python with TensorFlow"),
    pytest.mark.timeout(2 * SECONDS),
]

Results = dict[str, dict[str, Any]]
DIED = {"raised": "the process ended before it"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """What the programs give, by library and name.  Both libraries run at the same time, in processes of their own."""
    folder = tmp_path_factory.mktemp("oracle")
    running = {}
    for library, python in (("tensorflow", str(ORACLE)), ("dflow", sys.executable)):
        command = [python, str(RUN), library, str(folder / library)]
        with (folder / f"{library}.txt").open("w") as output:
            running[library] = subprocess.Popen(command, cwd=RUN.parents[2], stdout=output, stderr=output)
    for library, process in running.items():
        try:
            assert process.wait(SECONDS) == 0, (folder / f"{library}.txt").read_text()[-5000:]
        finally:
            process.kill()
    return {library: _read(folder / library) for library in running}


def _read(path: Path) -> Results:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {it["program"]: it for it in found}


@pytest.mark.parametrize("name", sorted(all_programs().keys() - ABSENT.keys()))
def test_dflow_gives_what_tensorflow_gives(name: str, results: dict[str, Results]) -> None:
    expected, got = results["tensorflow"].get(name, DIED), results["dflow"].get(name, DIED)
    assert "result" in expected, f"{name} fails on TensorFlow: {_why(expected)}"
    assert "result" in got, f"{name} fails on dflow: {_why(got)}"
    found = list(differences(expected["result"], got["result"]))
    intended = INTENDED.get(name, {})
    wrong = [f"{name}: {place}: {text}" for place, text in found if not any(_within(place, it) for it in intended)]
    stale = [it for it in intended if not any(_within(place, it) for place, _ in found)]
    assert wrong == [], "\n".join(wrong)
    assert stale == [], f"{name}: no longer different, though tests/oracle/intended.py says so"


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_what_dflow_does_not_have_runs_on_tensorflow(name: str, results: dict[str, Results]) -> None:
    """Delete its line of the table when dflow has it."""
    assert "result" in results["tensorflow"][name]
    assert f"has no attribute {ABSENT[name]!r}" in results["dflow"][name].get("raised", "")


def test_the_tables_name_programs() -> None:
    assert sorted((INTENDED.keys() | ABSENT.keys()) - all_programs().keys()) == []


def _within(place: str, outer: str) -> bool:
    return place == outer or place.startswith((f"{outer}.", f"{outer}["))


def _why(found: dict[str, Any]) -> str:
    return str(found.get("raised") or f"it was not done after {found['late']} seconds")

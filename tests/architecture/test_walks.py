"""What is recorded of calls and moves between files, and one walk as the command records it."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.imports import ROOT
from tests.architecture.recorder import Call, Figures, Heights, Recorder, figures, listing
from tests.architecture.walks import main

HIGH = """from dflow import low

def go(): call(back)

def back(): pass
"""
LOW = """def call(function): also(); outside(function)

def also(): pass
"""


@pytest.fixture
def go(tmp_path: Path) -> Callable[[], Any]:
    """A function of `dflow/high.py` that calls one of `dflow/low.py`, which calls back, through a file elsewhere."""
    names: dict[str, Any] = {"outside": lambda function: function()}
    (tmp_path / "dflow").mkdir()
    for name, source in (("__init__", ""), ("high", HIGH), ("low", LOW)):
        path = tmp_path / "dflow" / f"{name}.py"
        path.write_text(source)
        exec(compile(source.removeprefix("from dflow import low"), path, "exec"), names)
    found: Callable[[], Any] = names["go"]
    return found


def recorded(root: Path, operation: Callable[[], object]) -> list[Call]:
    recorder = Recorder(root)
    with recorder.installed():
        return recorder.record(operation)


def test_a_call_of_another_file_is_a_move_and_a_call_back_to_the_importer_a_move_up(
    go: Callable[[], Any], tmp_path: Path
) -> None:
    calls, heights = recorded(tmp_path, go), Heights(tmp_path)
    assert figures(calls, heights) == Figures(calls=4, files=2, moves=2, up=1, threads=1)
    assert list(listing(calls, heights)) == [
        "  1    dflow/high.py:go",
        "  1 -> dflow/low.py:call",
        "  1    dflow/low.py:also",
        "  1 ^^ dflow/high.py:back",
    ]


def test_calls_in_other_threads_are_recorded(go: Callable[[], Any], tmp_path: Path) -> None:
    def operation() -> None:
        thread = threading.Thread(target=go)
        thread.start()
        go()
        thread.join()

    calls = recorded(tmp_path, operation)
    assert figures(calls, Heights(tmp_path)) == Figures(calls=8, files=2, moves=4, up=2, threads=2)


def test_nothing_is_recorded_before_and_after_the_operation(go: Callable[[], Any], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    with recorder.installed():
        go()
        calls = recorder.record(lambda: None)
        go()
    assert calls == []


def test_a_walk_prints_its_figures_and_its_calls() -> None:
    command = [sys.executable, "-m", "tests.architecture.walks", "fetch", "--list", "--times", "2"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names, line, first, *_, last = ended.stdout.splitlines()
    assert names.split() == ["walk", "calls", "files", "moves", "up", "threads"]
    calls, _, moves, up, threads = map(int, line.removeprefix("local: fetch of one segment").split())
    assert calls > moves > up
    assert threads == 1
    assert first.endswith("BaseSession.run")
    assert all(one.startswith("  1 ") for one in (first, last))


def test_a_walk_that_does_not_exist_is_an_error_that_names_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["hot-fetch", "cold-fetch"])
    assert "there is no walk 'cold-fetch'; there are fetch, " in capsys.readouterr().err

"""The programs of `examples/tf1`: their losses fall, and are those of TensorFlow."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "tf1"
ORACLE = os.environ.get("DFLOW_ORACLE")
STEPS = 12


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that compares; the examples can be imported, too."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("compare")


def examples() -> list[str]:
    """The names of the programs: files with the line that imports dflow and with a function `train`."""
    texts = {path.stem: path.read_text() for path in FOLDER.glob("*.py")}
    return sorted(name for name, text in texts.items() if "\nimport dflow as tf\n" in text and "\ndef train(" in text)


def test_all_examples_are_compared(compare: Any) -> None:
    assert sorted(compare.EXAMPLES) == examples()


@pytest.mark.parametrize("name", examples())
def test_the_loss_of_an_example_falls(name: str, compare: Any) -> None:
    losses, seconds = compare.losses_and_time(name, STEPS)
    assert len(losses) == STEPS
    assert sum(losses[-4:]) < sum(losses[:4])
    assert seconds > 0


def test_an_example_is_a_program_with_a_number_of_steps(
    compare: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare  # so that the examples can be imported
    monkeypatch.setattr(sys, "argv", ["softmax.py", "--steps", "3"])
    importlib.import_module("synthetic").main(importlib.import_module("softmax").train, "text", steps=200)
    found = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert found == ["step 0", "step 1", "step 2", "accuracy on other images"]


@pytest.mark.skipif(not ORACLE, reason="DFLOW_ORACLE names no Python with TensorFlow")
@pytest.mark.timeout(600)
def test_the_losses_of_the_examples_are_those_of_tensorflow() -> None:
    command = [sys.executable, str(FOLDER / "compare.py"), "--tensorflow", str(ORACLE), "--steps", str(STEPS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=590)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count(".py` |") == len(examples())

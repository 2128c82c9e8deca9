"""The code of dflow.readers and dflow.pipelines lies in two top-level folders, which dflow/ reaches by symlinks."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINKED = ("pipelines", "readers")


@pytest.mark.parametrize("name", LINKED)
def test_a_linked_package_is_a_folder_in_this_checkout(name: str) -> None:
    link = ROOT / "dflow" / name
    assert link.is_dir(), (
        f"{link} is no folder: git wrote its symlinks as text files. Allow symlinks and check the files out again: "
        "git config core.symlinks true && git checkout -- dflow"
    )


@pytest.mark.parametrize("name", LINKED)
def test_a_linked_package_has_its_name_under_dflow(name: str) -> None:
    assert importlib.import_module(f"dflow.{name}").__name__ == f"dflow.{name}"


@pytest.mark.parametrize("name", LINKED)
def test_importing_a_linked_package_by_its_folder_name_says_its_real_name(name: str) -> None:
    if not (ROOT / name).exists():
        pytest.skip("a source distribution holds this folder under dflow/ only")
    ended = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode != 0
    assert f"ImportError: this package is 'dflow.{name}'; you imported it as '{name}'" in ended.stderr

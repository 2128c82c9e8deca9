"""The programs of the pages run and print what the pages say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "script"),
    [
        ("README.md", "points.py"),
        ("docs/data.md", "rows.py"),
        ("docs/files.md", "files.py"),
        ("docs/operations.md", "own.py"),
    ],
)
def test_the_program_of_a_page_prints_what_the_page_says(page: str, script: str, tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert found is not None
    program, output = found.groups()
    (tmp_path / script).write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DFLOW_TARGET", None)
    ran = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == output

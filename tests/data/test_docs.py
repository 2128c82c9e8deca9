"""The program of docs/data.md runs and prints what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_program_of_the_page_prints_what_the_page_says(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
    assert found is not None
    program, output = found.groups()
    (tmp_path / "rows.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DFLOW_TARGET", None)
    ran = subprocess.run(
        [sys.executable, "rows.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == output

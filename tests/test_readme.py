"""The README's program runs and prints what the README says."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_program_of_the_readme_prints_what_the_readme_says(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    program, output = found.groups()
    (tmp_path / "points.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DFLOW_TARGET", None)
    ran = subprocess.run(
        [sys.executable, "points.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == output

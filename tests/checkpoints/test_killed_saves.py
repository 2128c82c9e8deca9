"""A program that is killed while it saves keeps its whole checkpoints.  `make test-kill-saves` kills it 100 times."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = int(os.environ.get("DFLOW_KILLS", "5"))


@pytest.mark.timeout(60 + 10 * KILLS)
def test_after_each_kill_during_a_save_the_newest_whole_checkpoint_is_restored(tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("kill_saves.py"))
    command = [sys.executable, "-W", "ignore", script, str(tmp_path), str(KILLS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    steps = [tuple(map(int, line.split())) for line in found.stdout.splitlines()]
    assert len(steps) == KILLS
    assert all(restored in (ended, begun) for ended, begun, restored in steps)

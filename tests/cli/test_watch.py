"""What is shown of a program is shown while it is so."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from dflow.cli import watch


def test_an_answer_that_comes_after_the_end_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    watcher = watch.Watcher("tcp://nobody", "session-1", 0.0, shown.append)

    def ends_meanwhile(*_: Any) -> None:
        watcher._stop.set()

    monkeypatch.setattr(watch, "call", ends_meanwhile)
    watcher.start()
    watcher.stop()
    assert shown == []


def test_the_live_line_goes_with_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rates would be those of a program that has ended."""
    screen = io.StringIO()
    monkeypatch.setattr(watch, "Console", lambda: Console(file=screen, force_terminal=True, width=100))
    monkeypatch.setattr(watch, "LIVE_SECONDS", 1000.0)
    with watch.LiveDisplay("tcp://nobody", "session-1") as display:
        display._show("77 records, 9/s")
        display._live.refresh()
    assert "77 records, 9/s" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[1A\x1b[2K")  # one line up, and erase it

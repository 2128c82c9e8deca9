"""What is shown of a program is shown while it is so."""

from __future__ import annotations

import io
import socket
from queue import SimpleQueue
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


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 0.1)
    shown: SimpleQueue[str] = SimpleQueue()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        watcher = watch.Watcher(address, "session-1", 0.0, shown.put)
        watcher.start()
        line = shown.get(timeout=30)
        watcher.stop()
    assert line == "no progress from the scheduler: no answer within 0.1 s"


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

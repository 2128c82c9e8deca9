"""Whom a step waits for, as the log says it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from dflow.runtime.base.timeouts import LOG_SLOW_AFTER, SILENT_ANSWER
from dflow.runtime.transport.silence import Silence

DEVICES = {"a": ["/job:a/cpu"], "b": ["/job:b/cpu", "/job:b/gpu"]}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def silence(clock: list[float]) -> tuple[Silence, dict[str, Future[Any]]]:
    """That of a step which waits for two workers, and the answers of these."""
    asked: dict[str, Future[Any]] = {}

    def ask(channel: Any) -> Future[Any]:
        asked[channel.peer] = answer = Future[Any]()
        return answer

    channels: dict[Any, list[str]] = {Channel(peer): devices for peer, devices in DEVICES.items()}
    return Silence(ask, channels, 0.0), asked


class Channel(SimpleNamespace):
    def __init__(self, peer: str) -> None:
        super().__init__(peer=peer)

    __hash__: Callable[[Any], int] = object.__hash__


def test_who_does_not_answer_after_a_while_is_named_once_with_its_devices(
    silence: tuple[Silence, dict[str, Future[Any]]], clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    waiting, asked = silence
    assert waiting.pause() == LOG_SLOW_AFTER
    clock[0] += LOG_SLOW_AFTER
    assert waiting.pause() == 0
    waiting.look()
    assert (list(asked), waiting.pause()) == (["a", "b"], SILENT_ANSWER)
    asked["a"].set_result([])
    clock[0] += SILENT_ANSWER
    waiting.look()
    assert waiting.pause() is None
    (told,) = caplog.messages
    assert told.startswith("worker b with /job:b/cpu, /job:b/gpu does not answer; a run waits")
    assert told.endswith("so far for 5.5 s")


def test_nothing_is_said_of_workers_that_answer_nor_without_any(
    silence: tuple[Silence, dict[str, Future[Any]]], clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    waiting, asked = silence
    clock[0] += LOG_SLOW_AFTER
    waiting.look()
    for answer in asked.values():
        answer.set_result([])
    waiting.look()
    alone = Silence(lambda channel: Future(), {}, LOG_SLOW_AFTER)
    alone.look()
    assert alone.pause() is None
    assert caplog.messages == []


def test_who_stops_later_is_named_when_all_are_asked_again_which_is_ever_less_often(
    silence: tuple[Silence, dict[str, Future[Any]]], clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    waiting, asked = silence
    pauses: list[float] = []
    for stopped in [False] * 6 + [True]:
        pauses.append(pause := waiting.pause() or 0.0)
        clock[0] += pause
        waiting.look()
        asked["a"].set_result([])
        if not stopped:
            asked["b"].set_result([])
        clock[0] += SILENT_ANSWER
        waiting.look()
    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    assert waiting.pause() is None
    (told,) = caplog.messages
    assert told.startswith("worker b with ")

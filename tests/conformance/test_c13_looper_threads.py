"""Threads that call a function until a coordinator stops them.  Statement ids: C13.19 to C13.21."""

from __future__ import annotations

from typing import Any

import pytest

from dflow.train import Coordinator, LooperThread

GRACE = 30.0  # seconds


class Recorder(LooperThread):
    """A subclass that writes down what is called, and stops after `calls` calls."""

    def __init__(self, coord: Coordinator, interval: float | None, calls: int = 3) -> None:
        super().__init__(coord, interval)
        self.coord = coord
        self.called: list[str] = []
        self.calls = calls

    def start_loop(self) -> None:
        self.called.append("start")

    def run_loop(self) -> None:
        self.called.append("run")
        if self.called.count("run") == self.calls:
            self.coord.request_stop()

    def stop_loop(self) -> None:
        self.called.append("stop")


INTERVALS = pytest.mark.parametrize("interval", [None, 0, 0.001])


@INTERVALS
def test_a_target_is_called_with_its_arguments_until_the_stop(interval: float | None) -> None:
    """C13.19"""
    coord = Coordinator()
    calls: list[Any] = []

    def target(first: int, second: int) -> None:
        calls.append((first, second))
        if len(calls) == 3:
            coord.request_stop()

    looper = LooperThread(coord, interval, target, args=(1,), kwargs={"second": 2})
    assert looper.daemon
    assert calls == []
    looper.start()
    coord.join(stop_grace_period_secs=GRACE)
    assert not looper.is_alive()
    assert calls == [(1, 2)] * 3


@INTERVALS
def test_loop_starts_one_at_once(interval: float | None) -> None:
    """C13.19"""
    coord = Coordinator()
    looper = LooperThread.loop(coord, interval, coord.request_stop)
    assert isinstance(looper, LooperThread)
    coord.join(stop_grace_period_secs=GRACE)
    assert not looper.is_alive()


def test_a_stop_ends_the_pause_between_two_calls() -> None:
    """C13.19"""
    coord = Coordinator()
    called: list[int] = []
    looper = LooperThread.loop(coord, 3600, called.append, (1,))
    coord.request_stop()
    coord.join(stop_grace_period_secs=GRACE)
    assert not looper.is_alive()
    assert len(called) <= 1


@INTERVALS
def test_an_exception_in_the_target_stops_the_coordinator(interval: float | None) -> None:
    """C13.19"""
    coord = Coordinator()

    def target() -> None:
        raise ValueError("in the target")

    looper = LooperThread.loop(coord, interval, target)
    with pytest.raises(ValueError, match="in the target"):
        coord.join(stop_grace_period_secs=GRACE)
    assert not looper.is_alive()


def test_arguments_need_a_target_and_the_coordinator_must_be_one() -> None:
    """C13.20"""
    coord = Coordinator()
    for arguments in ({"args": (1,)}, {"kwargs": {"a": 1}}):
        with pytest.raises(ValueError, match="require that you also pass 'target'"):
            LooperThread(coord, 0, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be a Coordinator"):
        LooperThread("coord", 0, lambda: None)  # type: ignore[arg-type]


@INTERVALS
def test_a_subclass_is_asked_once_before_each_time_and_once_after(interval: float | None) -> None:
    """C13.21"""
    coord = Coordinator()
    looper = Recorder(coord, interval)
    looper.start()
    coord.join(stop_grace_period_secs=GRACE)
    assert looper.called == ["start", "run", "run", "run", "stop"]


@INTERVALS
def test_after_a_stop_nothing_is_called_between_the_first_and_the_last(interval: float | None) -> None:
    """C13.21"""
    coord = Coordinator()
    coord.request_stop()
    looper = Recorder(coord, interval)
    looper.start()
    coord.join(stop_grace_period_secs=GRACE)
    assert looper.called == ["start", "stop"]


def test_join_knows_a_looper_from_its_construction_on_even_if_it_never_starts() -> None:
    """C13.19"""
    coord = Coordinator()
    looper = LooperThread(coord, 0, lambda: None)
    coord.request_stop()
    coord.join(stop_grace_period_secs=GRACE)
    assert coord.joined
    assert not looper.is_alive()

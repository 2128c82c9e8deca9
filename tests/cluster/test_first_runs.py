"""The first run of a plan, whose end the devices have to hear of: cut short when its elements are there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.runtime.base import timeouts
from dflow.runtime.device.executor import DeviceHost
from tests.cluster.helpers import PATIENCE, W0, Background, Look, Tap, eventually, limit

GRACE = 60.0  # seconds that a run waits beyond its deadline; more than any test takes


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster(ps=1, workers=1, virtual_gpus=0, nanny=False) as cluster:
        yield cluster


def hold_ends(dask_worker: Any) -> None:
    """From now on the end of a first run waits until `let_ends_pass`."""
    end_cold, gate = DeviceHost.end_cold, threading.Event()

    def waits(host: DeviceHost, step: Any) -> None:
        dask_worker.held_ends = getattr(dask_worker, "held_ends", 0) + 1
        gate.wait(PATIENCE)
        end_cold(host, step)

    DeviceHost.end_cold = waits  # type: ignore[method-assign]
    dask_worker.held_gate, dask_worker.held_original = gate, end_cold


def let_ends_pass(dask_worker: Any) -> None:
    DeviceHost.end_cold = dask_worker.held_original  # type: ignore[method-assign]
    dask_worker.held_gate.set()
    dask_worker.held_ends = 0


def held_ends(dask_worker: Any) -> int:
    return getattr(dask_worker, "held_ends", 0)


@contextmanager
def held(look: Look) -> Iterator[Callable[[], None]]:
    """In this block the ends of first runs wait on the ps; gives what waits for one that waits."""
    ps = [look.address("/job:ps/task:0")]
    look.client.run(hold_ends, workers=ps)
    try:
        yield lambda: eventually(lambda: look.client.run(held_ends, workers=ps)[ps[0]])
    finally:
        look.client.run(let_ends_pass, workers=ps)


def test_a_run_that_has_its_element_ends(session: df.Session, look: Look) -> None:
    """It does not wait until the devices know, and so loses nothing at a deadline."""
    tap = Tap(session, "has-it")
    tap.put(1)
    with held(look) as wait_for_one:
        assert tap.take() == 1
        wait_for_one()


@pytest.mark.parametrize("end", ["deadline", "close"])
def test_an_element_that_another_device_has_is_not_lost_while_the_devices_hear_of_the_end(
    end: str, cluster: EmbeddedCluster, session: df.Session, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "STOP_GRACE", GRACE)
    tap = Tap(session, f"elsewhere-{end}")
    with df.device(W0):
        result = tap.dequeue + 1
    second = df.Session(cluster.scheduler_address, session.graph)
    options = limit(PATIENCE if end == "close" else 1)
    tap.put(1)
    with held(look) as wait_for_one:
        run = Background(lambda: second.run(result, options=options))
        wait_for_one()
        closing = Background(second.close) if end == "close" else None
        eventually(lambda: closing is None or second.closed)
    assert run.result() == 2
    if closing is not None:
        assert closing.result() is None
    second.close()
    assert tap.size() == 0

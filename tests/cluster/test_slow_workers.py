"""A worker that the scheduler knows exists, also when it stands still: who needs it waits, and nobody else does."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.errors import DeadlineExceededError, InvalidArgumentError, UnavailableError
from dflow.runtime.base import timeouts
from dflow.runtime.dask.unbegun import unbegun
from tests.cluster.helpers import (
    PATIENCE,
    PS,
    W0,
    W1,
    Background,
    Look,
    Tap,
    eventually,
    limit,
    quick_cluster,
    stop,
    stopped,
)

PS_WORKER, LATE, ANOTHER = "/job:ps/task:0", "/job:late/task:0", "/job:another/task:0"
PS_CPU = "/job:ps/replica:0/task:0/device:CPU:0"
SOON = 1.0  # seconds; well under what Dask or a channel waits by itself, and enough to open a session


@contextmanager
def fresh_cluster(workers: int = 2) -> Iterator[EmbeddedCluster]:
    """One that no session has seen yet."""
    with quick_cluster(workers=workers) as cluster:
        yield cluster


def random_on(device: str) -> df.Tensor:
    with df.device(device):
        return df.random_uniform([])


def run_in_a_session(cluster: EmbeddedCluster, device: str, timeout: float | None = None) -> Background:
    """A session of its own, that runs something on a device."""

    def run() -> float:
        with df.Graph().as_default(), df.Session(cluster.scheduler_address) as session:
            return float(session.run(random_on(device), options=limit(timeout) if timeout else None))

    return Background(run)


@pytest.fixture
def soon_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log, in which a run says soon whom it waits for."""
    monkeypatch.setattr(timeouts, "LOG_SLOW_AFTER", 0.2)
    caplog.set_level(logging.WARNING, "dflow.cluster")
    return caplog


def test_with_a_worker_that_stands_still_from_the_start_who_needs_it_waits_and_no_one_else(
    soon_told: pytest.LogCaptureFixture,
) -> None:
    """Not the first session either, which sets the workers up; a deadline ends the wait, with the worker's name."""
    with fresh_cluster() as cluster:
        look = Look(cluster)
        address, process = look.address(PS_WORKER), cluster.worker_process(PS_WORKER)
        with stopped(process):
            first = run_in_a_session(cluster, PS)
            for device in (W0, W1, "/job:worker", ""):
                assert 0 <= run_in_a_session(cluster, device).result() < 1
            late = run_in_a_session(cluster, PS, SOON).result()
            assert isinstance(late, DeadlineExceededError)
            assert f"the worker {address} with {PS_CPU} did not declare its devices within {SOON:g} s" in str(late)
            config = df.ConfigProto(operation_timeout_in_ms=int(1000 * SOON))
            with (
                df.Session(cluster.scheduler_address, config=config) as hasty,
                pytest.raises(DeadlineExceededError, match=f"the worker {address} with {PS_CPU} did not"),
            ):
                hasty.run(random_on(PS))
            unknown = run_in_a_session(cluster, "/job:ps/task:1").result()
            assert isinstance(unknown, InvalidArgumentError)
            assert f"{PS_CPU} (starting)" in str(unknown)
            second = run_in_a_session(cluster, PS)
            who = f"the worker {address} with {PS_CPU} did not declare its devices"
            eventually(lambda: len([said for said in soon_told.messages if said.startswith(who)]) >= 2)
            assert first.outcome is second.outcome is None
        assert 0 <= first.result() < 1
        assert 0 <= second.result() < 1
        look.client.close()


def test_a_worker_that_dies_while_it_is_waited_for_ends_the_wait(soon_told: pytest.LogCaptureFixture) -> None:
    with fresh_cluster(workers=1) as cluster:
        look = Look(cluster)
        address = look.address(PS_WORKER)
        stop(cluster.worker_process(PS_WORKER))
        run = run_in_a_session(cluster, PS)
        eventually(lambda: soon_told.messages)
        assert run.outcome is None
        cluster.kill_worker(PS_WORKER)
        assert isinstance(run.result(), UnavailableError)
        assert f"the worker {address}, which was to be {PS_CPU}, was lost" in str(run.outcome)
        look.client.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


def test_a_worker_that_stops_before_the_first_run_is_waited_for(
    session: df.Session, look: Look, soon_told: pytest.LogCaptureFixture
) -> None:
    """The session has no channel to it yet.  What others do does not wait."""
    tap, other, here = Tap(session, "first-run"), Tap(session, "first-run-too"), random_on(W0)
    session.run(here)
    session.list_devices()  # which waits until all have declared them
    address, process = look.address(PS_WORKER), look.process_of(PS_WORKER)
    with stopped(process):
        with pytest.raises(DeadlineExceededError, match=rf"worker {address} did not install plan .* within {SOON:g} s"):
            tap.put(1, SOON)
        run = Background(other.size)
        eventually(lambda: [said for said in soon_told.messages if f"worker {address} did not install" in said])
        assert 0 <= session.run(here) < 1
        assert run.outcome is None
    assert run.result() == 0
    tap.put(2)
    assert tap.take() == 2


def test_a_worker_that_stops_between_two_runs_is_waited_for_and_named_at_the_deadline_and_in_the_log(
    session: df.Session, look: Look, soon_told: pytest.LogCaptureFixture
) -> None:
    """A hot run, which asks nobody before."""
    tap = Tap(session, "between")
    for _ in range(2):
        assert tap.size() == 0
    address, process = look.address(PS_WORKER), look.process_of(PS_WORKER)
    with stopped(process):
        with pytest.raises(DeadlineExceededError, match=rf"worker {address} did not answer"):
            session.run(tap.count, options=limit(SOON))
        run = Background(tap.size)
        who = f"worker {address} with {PS_CPU} does not answer; a run waits"
        eventually(lambda: [said for said in soon_told.messages if said.startswith(who)])
        assert run.outcome is None
    assert run.result() == 0


@contextmanager
def busy(worker: str, look: Look, folder: Path) -> Iterator[None]:
    """In this block tasks of the user's have all threads that a worker has for tasks of Dask."""
    address = look.address(worker)
    with ExitStack() as stack:
        for i in range(look.workers()[address]["nthreads"]):
            gate = folder / f"gate-{i}"
            os.mkfifo(gate)
            key = f"users-work-{i}"
            stack.callback(look.client.submit(Path.read_text, gate, key=key, workers=[address]).result, PATIENCE)
            stack.enter_context(gate.open("w"))  # when the task has opened it, which then waits for its end
        yield


def test_a_first_run_and_a_loop_for_which_a_worker_has_no_free_thread_name_it_and_their_task(
    session: df.Session, look: Look, soon_told: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with df.device(PS):
        late, waits, again = (df.random_uniform([], name=name) for name in ("late", "waits", "again"))
    who = f"worker {look.address(PS_WORKER)} has not begun the Dask task "
    with busy(PS_WORKER, look, tmp_path):
        with pytest.raises(DeadlineExceededError, match=rf"{who}'late-\w+'; .* such as 'users-work-"):
            session.run(late, options=limit(SOON))
        run, loop = Background(lambda: session.run(waits)), session.repeat(again, 2, every=1)
        for start in (f"{who}'waits-", f"{who}'again-"):
            eventually(lambda start=start: [said for said in soon_told.messages if said.startswith(start)])
        assert run.outcome is None
        assert not loop.done()
    assert 0 <= run.result() < 1
    assert loop.join(PATIENCE) == 2


def test_a_first_run_and_a_loop_that_wait_for_a_queue_have_begun(session: df.Session, look: Look) -> None:
    tap = Tap(session, "has-a-thread")
    loop, run = session.repeat(tap.dequeue), Background(tap.take)
    look.waits(tap.name, 2)
    backend: Any = session.backend
    tasks = backend.held().tasks
    assert len(tasks) == 2
    assert unbegun(backend.client, tasks, tasks) == []
    loop.stop()
    tap.put(3)
    assert run.result() == 3


def test_a_worker_that_joins_while_a_session_starts_is_waited_for(cluster: EmbeddedCluster, look: Look) -> None:
    """As soon as the scheduler knows it, it exists."""
    cluster.start_worker(LATE)
    look.address(LATE)
    assert 0 <= run_in_a_session(cluster, LATE).result() < 1
    cluster.processes.pop(LATE).close()


def test_a_list_of_devices_is_complete(cluster: EmbeddedCluster, look: Look) -> None:
    """It waits for the workers that have just come."""
    cluster.start_worker(ANOTHER, virtual_gpus=2)
    look.address(ANOTHER)
    with df.Session(cluster.scheduler_address) as session:
        names = [device.name for device in session.list_devices() if not device.lost]
    assert [name for name in names if "another" in name] == [
        f"/job:another/replica:0/task:0/device:{device}" for device in ("CPU:0", "GPU:0", "GPU:1")
    ]
    cluster.processes.pop(ANOTHER).close()

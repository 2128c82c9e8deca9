"""A deadline bounds the first run of a plan too, whichever process does not answer: here one that is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.runtime.base.deadline import NEVER, Deadline
from tests.cluster.helpers import PS, Look, Tap, eventually, limit, quick_cluster, stopped

PS_WORKER = "/job:ps/task:0"
SOON = 1.0  # seconds; well under what Dask or a channel waits by itself, and enough to open a session


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


@contextmanager
def too_late(what: str) -> Iterator[None]:
    """DeadlineExceededError that says so."""
    with pytest.raises(df.errors.DeadlineExceededError, match=what):
        yield


def plans(dask_worker: Any) -> int:
    """How many plans the devices of a worker know."""
    return int(dask_worker.plugins["dflow"].process.held().counts()["plans"])


def test_a_plan_that_a_worker_does_not_install_in_time_is_forgotten(session: df.Session, look: Look) -> None:
    """Also when the worker installs it later.  Guards `ClusterBackend.install`."""
    session.list_devices()  # it waits for all: a device that comes later makes a new plan for the same run
    tap = Tap(session, "install")
    tap.size()
    worker = look.process_of(PS_WORKER)
    address = look.address(PS_WORKER)
    with (
        stopped(worker),
        too_late(rf"worker {address} did not install plan \d+ \(fifo_queue_enqueue\) on /job:ps/.* {SOON:g} s"),
    ):
        tap.put(1, SOON)
    assert tap.size() == 0
    eventually(lambda: look.client.run(plans, workers=[address]) == {address: 1}, lambda: look.client.run(plans))
    tap.put(2)
    assert tap.take() == 2


def test_a_first_run_that_a_worker_does_not_take_in_time_is_withdrawn(session: df.Session, look: Look) -> None:
    """Guards `ColdStep._announce`."""
    tap = Tap(session, "announce")
    tap.size()
    plan = session.plans.take((tap.enqueue,), (tap.value,), NEVER)  # installed, but not run yet
    session.plans.done(plan)
    with stopped(look.process_of(PS_WORKER)), too_late("did not take its part of the first run of plan .* on /job:ps/"):
        tap.put(1, SOON)
    eventually(lambda: look.inside()[PS_WORKER]["parts"] == 0, look.inside)
    assert tap.size() == 0
    tap.put(2)
    assert tap.take() == 2


def test_a_loop_that_a_worker_does_not_take_in_time_does_not_start(
    cluster: EmbeddedCluster, look: Look, session: df.Session
) -> None:
    """`operation_timeout_in_ms` bounds `repeat` until the loop has begun.  Guards `ClusterBackend.repeat`."""
    config = df.ConfigProto(operation_timeout_in_ms=int(1000 * SOON))
    with df.Session(cluster.scheduler_address, session.graph, config) as hasty:
        tap = Tap(hasty, "loop")
        body = tap.queue.enqueue([1.0], name="fill")
        hasty.plans.take((body,), (), Deadline(20))
        with stopped(look.process_of(PS_WORKER)), too_late("did not take the loop 'fill' on /job:ps/"):
            hasty.repeat(body)
        assert tap.size() == 0
        assert hasty.backend.held().loops == ()


def test_a_scheduler_that_does_not_answer_ends_the_run(session: df.Session, cluster: EmbeddedCluster) -> None:
    """Guards `ClusterBackend._ask_scheduler`."""
    with df.device(PS):
        x = df.random_uniform([])
    (scheduler,) = psutil.Process(cluster.processes["scheduler"].pid).children()
    with stopped(scheduler), too_late(f"the scheduler did not answer within {SOON:g} s"):
        session.run(x, options=limit(SOON))
    assert 0 <= session.run(x) < 1

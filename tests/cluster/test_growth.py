"""What is done again and again leaves nothing: no count grows with its number, in any process.

The histories that Dask and dflow keep are short here, so that they are full from the start.  Counts, and not bytes:
benchmarks/growth.py measures those.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cloudpickle
import dask
import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.runtime.dask import leftovers
from dflow.runtime.device import executor
from dflow.runtime.step import process
from tests.cluster.counts import count_all
from tests.cluster.helpers import W0, Clients, Look, eventually

pytestmark = pytest.mark.skipif(
    "DFLOW_GROWTH" not in os.environ,
    reason="`make test-growth` counts all objects of all processes, which takes minutes",
)

cloudpickle.register_pickle_by_value(sys.modules[__name__])

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHORT = {
    "admin.log-length": 2,
    "admin.low-level-log-length": 2,
    "admin.system-monitor.log-length": 2,
    "diagnostics.computations.max-history": 2,
    "scheduler.events-cleanup-delay": "10ms",
    "worker.memory.recent-to-old-time": "10ms",
    "worker.profile.enabled": False,
}
NUMBERS = {"Sessions": (5, 20), "Queues": (40, 120), "Runs": (100, 300), "Loops": (5, 20)}  # at first, and then

FEW = 5  # what dflow keeps of each kind
IGNORED = (
    "dflow.dashboard.snapshot.",  # the plots: the last two minutes, of at most 40 queues and loops
    "distributed.scheduler.WorkerState.metrics",  # what a worker has reported last
    "distributed.counter.Counter.components",  # what was counted last, a few values each
    "distributed.gc.FractionalTimer",  # the last hundred collections of garbage
)

Counts = dict[str, Counter[str]]  # by process


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    variables = {
        f"DASK_DISTRIBUTED__{name.upper().replace('.', '__').replace('-', '_')}": str(value)
        for name, value in SHORT.items()
    }
    with (
        mock.patch.dict(os.environ, variables),
        dask.config.set({f"distributed.{name}": value for name, value in SHORT.items()}),
        EmbeddedCluster(ps=1, workers=1, virtual_gpus=0) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def counts(cluster: EmbeddedCluster, look: Look) -> Callable[[], Counts]:
    with df.Session(cluster.scheduler_address) as session:
        session.list_devices()  # now the scheduler has the extension, and the workers the plugin
    look.client.run_on_scheduler(_keep_little)
    look.client.run(_keep_little)

    def everywhere() -> Counts:
        scheduler = look.client.run_on_scheduler(count_all)
        return {"client": count_all(), "scheduler": scheduler, **look.client.run(count_all)}

    return everywhere


def _keep_little(**node: Any) -> None:
    executor.WELL_KEPT = process.LOOPS_KEPT = FEW
    leftovers.EACH = leftovers.GROUPS_KEPT = leftovers.KEYS_KEPT = FEW


def _hear_of_all(look: Look) -> None:
    """Wait for two heartbeats of each worker, which bring Dask's metrics of names; one may have been on its way."""

    def heard(dask_scheduler: Any) -> list[float]:
        return [worker.last_seen for worker in dask_scheduler.workers.values()]

    for _ in range(2):
        latest = max(look.client.run_on_scheduler(heard))
        eventually(lambda latest=latest: min(look.client.run_on_scheduler(heard)) > latest)


def _grown(before: Counts, after: Counts, by: int) -> list[str]:
    return [
        f"{process}: {name} from {before[process][name]} to {count}"
        for process, found in after.items()
        for name, count in found.items()
        if count - before[process][name] >= by and not name.startswith(IGNORED)
    ]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("kind", NUMBERS)
def test_no_count_grows_with_the_number_of_sessions_queues_runs_and_loops(
    kind: str, cluster: EmbeddedCluster, look: Look, counts: Callable[[], Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from programs import growth

    first, then = NUMBERS[kind]
    work = getattr(growth, kind)(cluster.scheduler_address, W0)
    work.go_on(0, first)
    _hear_of_all(look)
    before = counts()
    work.go_on(first, first + then)
    found: list[str] = []

    def none_grew() -> bool:
        found[:] = _grown(before, counts(), then // 2)
        return not found

    eventually(none_grew, lambda: found, timeout=20)
    work.close()


# -- a crowd

CROWD = """
import signal
import threading

go, all_open = threading.Event(), threading.Barrier(5)
signal.signal(signal.SIGUSR1, lambda *caught: go.set())


def session():
    with df.Graph().as_default() as graph:
        with df.device("/job:ps/task:0"):
            queue = df.FIFOQueue(10, ["float32"], shapes=[[]])
            put, element = queue.enqueue([1.0]), queue.dequeue()
        with df.device("/job:worker/task:0"):
            take = element + 1.0
    with df.Session(target, graph) as sess:
        for op in (put, take, put, take):
            sess.run(op)
        all_open.wait(60)
        go.wait(60)


threads = [threading.Thread(target=session) for _ in range(4)]
for thread in threads:
    thread.start()
all_open.wait(60)
say("open")
for thread in threads:
    thread.join()
say("closed")
"""


def _descriptors(dask_scheduler: Any = None, dask_worker: Any = None) -> int:
    """But for connections between Dask's own servers that nobody uses: those are kept, 512 at most."""
    (dask_scheduler or dask_worker).rpc.collect()
    return psutil.Process().num_fds()


@pytest.mark.timeout(150)
def test_a_crowd_of_sessions_leaves_no_file_descriptor(
    cluster: EmbeddedCluster, counts: Callable[[], Counts], look: Look, clients: Clients
) -> None:
    """Four processes with four sessions each, all open at once.  Two processes close theirs, two are killed."""

    def descriptors() -> list[int]:
        return [look.client.run_on_scheduler(_descriptors), *look.client.run(_descriptors).values()]

    def crowd(size: int) -> None:
        crowd = [clients.start(CROWD) for _ in range(size)]
        for one in crowd:
            one.hears("open")
        for number, one in enumerate(crowd):
            one.signal(signal.SIGKILL if number % 2 else signal.SIGUSR1)
        for one in crowd[::2]:
            one.hears("closed")
        eventually(look.is_empty, look.inside)

    crowd(1)
    before = descriptors()
    while (again := descriptors()) != before:  # what has just closed
        before = again
    crowd(4)
    eventually(lambda: descriptors() == before, lambda: (before, descriptors()))

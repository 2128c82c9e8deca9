"""Each program of this folder runs in a session of its own process and on a cluster of real workers.

Those of some modules run on a cluster of this process, too, as `LocalCluster(processes=False)` makes it; all of them do
with `DFLOW_IN_PROCESS=1`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from distributed import LocalCluster

import dflow as tf
from dflow.cluster import EmbeddedCluster
from tests.conformance.queue_kinds import KINDS, Make
from tests.in_process import in_process_cluster

IN_PROCESS = {
    "test_containers",
    "test_control_dependencies",
    "test_input_pipeline",
    "test_q04_close",
    "test_q05_order_and_cancelling",
    "test_q11_sharing",
    "test_repeat",
}  # the modules whose programs meet several workers, several sessions, or the ends of waits
PLAIN = ["fifo_queue", "padding_fifo_queue", "random_shuffle_queue"]
_containers, _shared_names = itertools.count(), itertools.count()


@pytest.fixture(scope="package")
def cluster() -> Iterator[EmbeddedCluster]:
    """One cluster for all programs: a ps task and two worker tasks, each of which has a virtual GPU."""
    with EmbeddedCluster(ps=1, workers=2) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def in_process() -> Iterator[LocalCluster]:
    """The same tasks as `cluster` has, as objects of this process."""
    with in_process_cluster() as cluster:
        yield cluster


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        module = metafunc.module.__name__.rpartition(".")[2]
        third = module in IN_PROCESS or os.environ.get("DFLOW_IN_PROCESS") == "1"
        metafunc.parametrize("target", ["local", "cluster", *(["in_process"] if third else [])], indirect=True)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> str:
    """A session's address: what alone differs between the runs of a program."""
    address: str = "" if request.param == "local" else request.getfixturevalue(request.param).scheduler_address
    return address


@pytest.fixture
def address(cluster: EmbeddedCluster) -> str:
    """The cluster's address, for what a session of this process has not."""
    return cluster.scheduler_address


@pytest.fixture(autouse=True)
def container(_empty_graph: None) -> Iterator[str]:
    """A container that no other test uses: a cluster's state outlives sessions."""
    with tf.container(f"test-{next(_containers)}") as name:
        yield name


@pytest.fixture
def shared() -> str:
    """A shared_name that no other test uses."""
    return f"shared-{next(_shared_names)}"


@pytest.fixture(params=PLAIN)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes queues of one kind, whose elements have no priority; a shuffle queue has no reserve."""
    return KINDS[request.param]

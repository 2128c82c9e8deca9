"""Each program of this folder runs in a session of its own process and on a cluster of real workers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

import dflow as tf
from dflow.cluster import EmbeddedCluster
from tests.conformance.queue_kinds import KINDS, Make

TARGETS = ("local", "cluster")
PLAIN = ["fifo_queue", "padding_fifo_queue", "random_shuffle_queue"]
_containers, _shared_names = itertools.count(), itertools.count()


@pytest.fixture(scope="package")
def cluster() -> Iterator[EmbeddedCluster]:
    """One cluster for all programs: a ps task and two worker tasks, each of which has a virtual GPU."""
    with EmbeddedCluster(ps=1, workers=2) as cluster:
        yield cluster


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """A session's address: what alone differs between the two runs of a program."""
    return "" if request.param == "local" else request.getfixturevalue("cluster").scheduler_address


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

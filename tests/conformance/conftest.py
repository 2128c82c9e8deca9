"""Each program of this folder runs in a session of its own process and on a cluster of real workers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

import dflow as tf
from dflow.cluster import EmbeddedCluster

TARGETS = ("local", "cluster")
_containers = itertools.count()


@pytest.fixture(scope="package")
def cluster() -> Iterator[EmbeddedCluster]:
    """One cluster for all programs: a ps task and two worker tasks, each of which has a virtual GPU."""
    with EmbeddedCluster(ps=1, workers=2) as cluster:
        yield cluster


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """A session's address: what alone differs between the two runs of a program."""
    return "" if request.param == "local" else request.getfixturevalue("cluster").scheduler_address


@pytest.fixture(autouse=True)
def container(_empty_graph: None) -> Iterator[str]:
    """A container that no other test uses: a cluster's state outlives sessions."""
    with tf.container(f"test-{next(_containers)}") as name:
        yield name

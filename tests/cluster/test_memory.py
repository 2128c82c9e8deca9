"""Memory that is used again on workers: what goes to other processes never changes on the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dflow as df
from dflow.cluster.embedded import EmbeddedCluster
from tests.cluster.helpers import quick_cluster
from tests.runtime.test_memory import check_readers


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as made:
        yield made


def test_readers_in_other_processes_see_whole_values_only(cluster: EmbeddedCluster) -> None:
    with df.Session(cluster.scheduler_address) as sess:
        check_readers(sess, "/job:ps/task:0/cpu:0", "/job:worker/task:0/cpu:0")

"""Several loops on one worker share it: none of them starves, whoever comes first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import eventually, quick_cluster

LOOPS, TOKENS = 4, 8_000
W0 = "/job:worker/task:0/cpu:0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(ps=0) as cluster:
        yield cluster


def waiting(session: df.Session) -> int:
    """How many wait for a queue."""
    return sum(len(row["waiting"]) for row in session.queue_rows())


@pytest.mark.parametrize("place", ["here", "on a worker"])
def test_loops_that_take_from_one_queue_take_about_as_much_each(place: str, cluster: EmbeddedCluster) -> None:
    """All wait for the first token; then each takes what it can get.  A fair share is a quarter.

    How many there are is all that ends them, so that a slow machine gives the same counts as a fast one.
    """
    target, device = ("", "/cpu:0") if place == "here" else (cluster.scheduler_address, W0)
    with df.Graph().as_default() as graph, df.device(device):
        tokens = df.FIFOQueue(TOKENS, [df.int32], shapes=[()])
        fill, close = tokens.enqueue_many([list(range(TOKENS))]), tokens.close()
        counts = [df.Variable(0) for _ in range(LOOPS)]
        bodies = []
        for count in counts:
            with df.control_dependencies([tokens.dequeue()]):
                bodies.append(df.assign_add(count, 1).op)
        init = df.global_variables_initializer()
    with df.Session(target, graph=graph) as session:
        session.run(init)
        loops = [session.repeat(body) for body in bodies]
        eventually(lambda: waiting(session) == LOOPS)
        session.run(fill)
        session.run(close)
        taken = [loop.join(60) for loop in loops]
        assert [int(count) for count in session.run(counts)] == taken
    assert sum(taken) == TOKENS  # type: ignore[arg-type]
    assert min(taken) > TOKENS / LOOPS / 5, taken  # type: ignore[type-var, operator]

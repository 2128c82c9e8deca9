"""A loop between two queues of other workers, which prefetches from one and pipelines its enqueues into the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dask
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, W0, Look, Tap, eventually, quick_cluster

WORKER0 = "/job:worker/task:0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(nanny=True) as cluster:
        yield cluster


@pytest.fixture(params=["both", "plain"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """What loops that begin in this process do themselves."""
    on = request.param == "both"
    with dask.config.set({"dflow.fast-loops": on}):
        yield request.param


class Between:
    """A body that takes an element, negates it on a worker, and puts it into another queue."""

    def __init__(self, session: df.Session, name: str, mode: str, capacity: int = 1000) -> None:
        self.taken = Tap(session, f"taken-{name}-{mode}", capacity=1000)
        self.made = Tap(session, f"made-{name}-{mode}", capacity=capacity)
        with df.device(W0):
            value = df.negative(self.taken.queue.dequeue())
        self.body = self.made.queue.enqueue([value])
        self.fill = self.taken.queue.enqueue_many([df.range(1.0, 501.0)])
        session.run(self.fill)

    def left(self) -> list[float]:
        return [self.taken.take() for _ in range(self.taken.size())]

    def found(self) -> list[float]:
        return [self.made.take() for _ in range(self.made.size())]


def numbers(first: int, last: int, sign: int = 1) -> list[float]:
    return [float(sign * i) for i in range(first, last + 1)]


def test_every_element_goes_through_once_and_in_order(mode: str, session: df.Session) -> None:
    between = Between(session, "all", mode)
    loop = session.repeat(between.body, steps=500)
    assert [loop.spec.prefetch is not None, loop.spec.pipelined is not None] == [mode == "both"] * 2
    assert loop.join(PATIENCE) == 500
    assert (between.left(), between.found()) == ([], numbers(1, 500, -1))


def test_the_end_of_the_input_ends_it_when_all_is_in(mode: str, session: df.Session) -> None:
    between = Between(session, "end", mode)
    session.run(between.taken.close)
    loop = session.repeat(between.body)
    assert loop.join(PATIENCE) == 500
    assert between.found() == numbers(1, 500, -1)


def test_while_it_waits_for_room_others_find_the_elements_that_it_prefetched(mode: str, session: df.Session) -> None:
    """One is in its iteration, which waits."""
    between = Between(session, "full", mode, capacity=10)
    loop = session.repeat(between.body)
    eventually(lambda: between.made.size() == 10)
    eventually(lambda: between.taken.size() == 489)
    assert between.left() == numbers(12, 500)
    assert [between.made.take() for _ in range(11)] == numbers(1, 11, -1)
    loop.stop()
    loop.join(PATIENCE)


def test_while_it_waits_for_elements_all_that_it_computed_goes_in_and_it_holds_no_room(
    mode: str, session: df.Session
) -> None:
    between = Between(session, "empty", mode, capacity=510)
    loop = session.repeat(between.body)
    eventually(lambda: between.made.size() == 500)
    others = between.made.queue.enqueue_many([df.zeros([10])])
    session.run(others, options=df.RunOptions(timeout_in_ms=int(1000 * PATIENCE)))
    assert between.made.size() == 510
    loop.stop()
    loop.join(PATIENCE)


@pytest.mark.parametrize("finish", [False, True])
def test_a_stop_loses_no_element_but_that_of_the_iteration_that_it_ends(
    mode: str, finish: bool, session: df.Session
) -> None:
    between = Between(session, f"stop-{finish}", mode)
    loop = session.repeat(between.body)
    eventually(lambda: between.made.size() > 20)
    loop.stop(finish=finish)
    made = loop.join(PATIENCE)
    assert made is not None
    found, left = between.found(), between.left()
    assert found == numbers(1, len(found), -1)
    assert left == numbers(501 - len(left), 500)
    assert 500 - len(found) - len(left) in ((0,) if finish else (0, 1))
    assert len(found) - made in ((0,) if finish or mode == "both" else (0, 1)), "the enqueue that a stop ends may be in"


def test_a_killed_worker_gives_back_what_it_prefetched_and_what_was_reserved(
    mode: str, session: df.Session, look: Look
) -> None:
    between = Between(session, "killed", mode)
    address = look.address(WORKER0)
    loop = session.repeat(between.body)
    eventually(lambda: between.made.size() > 20)
    look.process_of(WORKER0).kill()
    with pytest.raises(df.errors.UnavailableError):
        loop.join(PATIENCE)
    look.returns(WORKER0, address)
    found, left = between.found(), between.left()
    assert found == numbers(1, len(found), -1)
    assert left == numbers(501 - len(left), 500)
    session.run(between.made.queue.enqueue_many([df.zeros([1000])]))
    assert between.made.size() == 1000


def test_elements_that_nobody_took_are_there_for_the_next_loop(mode: str, session: df.Session) -> None:
    between = Between(session, "next", mode)
    made: list[Any] = [session.repeat(between.body, steps=7).join(PATIENCE) for _ in range(10)]
    assert made == [7] * 10
    assert between.found() == numbers(1, 70, -1)
    assert between.left() == numbers(71, 500)

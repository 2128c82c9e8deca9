"""Loops whose elements are on their way to another worker's queue while they go on: nobody sees it, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import dask
import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, PS, W0, W1, Background, Look, Tap, eventually, quick_cluster

WORKER0 = "/job:worker/task:0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2) as cluster:
        yield cluster


@pytest.fixture(params=["pipelined", "plain"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """Loops that begin in this process send behind their iterations, or wait for each answer."""
    with dask.config.set({"dflow.fast-loops": request.param == "pipelined"}):
        yield request.param


class Counted:
    """A loop's body that enqueues 1, 2, 3, ...: a number of its worker, as this session uses it."""

    def __init__(self, session: df.Session, tap: Tap, device: str = W0) -> None:
        self._session = session
        with df.device(device):
            self._number = df.Variable(0.0, name=f"number-of-{tap.name}")
            self.number = self._number.assign_add(1.0)
        self.put = tap.queue.enqueue([self.number])
        session.run(self._number.initializer)

    def made(self) -> int:
        """How many were computed."""
        return int(self._session.run(self._number))


def everything(tap: Tap) -> list[float]:
    """All elements of a queue, until it is empty and closed."""
    found = []
    try:
        while True:
            found.append(tap.take())
    except df.errors.OutOfRangeError:
        return found


def one_to(count: int) -> list[int]:
    return list(range(1, count + 1))


def test_the_elements_are_in_when_the_loop_has_ended(mode: str, session: df.Session) -> None:
    tap = Tap(session, f"in-{mode}", capacity=1000)
    loop = session.repeat(Counted(session, tap).put, steps=300)
    assert loop.join(PATIENCE) == 300
    assert tap.size() == 300
    assert (loop.spec.pipelined is not None) == (mode == "pipelined")
    session.run(tap.close)
    assert everything(tap) == one_to(300)


def test_a_full_queue_holds_the_loop_one_element_behind(mode: str, session: df.Session) -> None:
    tap = Tap(session, f"full-{mode}", capacity=10)
    counted = Counted(session, tap)
    loop = session.repeat(counted.put)
    for taken in range(3):
        eventually(lambda made=11 + taken: counted.made() == made)
        eventually(lambda: tap.size() == 10)  # the one before was sent when the loop came to wait for room
        assert tap.take() == taken + 1
    loop.stop()
    loop.join(PATIENCE)


@pytest.mark.parametrize("cancel", [False, True])
def test_all_that_was_made_is_in_a_queue_that_was_closed_but_for_the_one_that_waited(
    mode: str, session: df.Session, cancel: bool
) -> None:
    """Whoever closes it does so at full speed, and while somebody takes."""
    tap = Tap(session, f"closed-{cancel}-{mode}", capacity=40)
    close = tap.queue.close(cancel_pending_enqueues=cancel)
    counted = Counted(session, tap)
    loop = session.repeat(counted.put)
    found = [tap.take() for _ in range(100)]
    closing = Background(partial(session.run, close))  # it waits for enqueues before it, which wait for room
    found += everything(tap)
    closing.result()
    with pytest.raises(df.errors.CancelledError):
        loop.join(PATIENCE)
    assert found == one_to(len(found))
    assert counted.made() - len(found) in (0, 1)


def test_all_that_was_made_is_in_when_a_loop_is_stopped_but_for_the_one_that_waited(
    mode: str, session: df.Session
) -> None:
    tap = Tap(session, f"stopped-{mode}", capacity=100_000)
    counted = Counted(session, tap)
    loop = session.repeat(counted.put)
    eventually(lambda: tap.size() > 100)
    loop.stop()
    loop.join(PATIENCE)
    made = counted.made()
    eventually(lambda: made - tap.size() in (0, 1))
    session.run(tap.close)
    found = everything(tap)
    assert found == one_to(len(found))


def test_a_loop_that_finishes_has_counted_what_is_in(mode: str, session: df.Session) -> None:
    tap = Tap(session, f"finished-{mode}", capacity=100_000)
    loop = session.repeat(Counted(session, tap).put)
    eventually(lambda: tap.size() > 100)
    loop.stop(finish=True)
    assert loop.join(PATIENCE) == tap.size()


def test_elements_that_come_together_stay_together(mode: str, session: df.Session) -> None:
    """Two loops put five at a time in, and nobody else's come between; also where no five find room at once."""
    for capacity in (7, 1000):
        with df.device(PS):
            queue = df.FIFOQueue(capacity, ["float32"], shapes=[[]], shared_name=f"together-{capacity}-{mode}")
            five = queue.dequeue_many(5)
        loops = []
        for i, device in enumerate((W0, W1)):
            with df.device(device):
                rows = df.fill([5], df.constant(np.float32(i)) + df.zeros([]))
                rows = rows + df.random_uniform([], maxval=0.5)
            loops.append(session.repeat(queue.enqueue_many([rows]), steps=40))
        batches = [session.run(five) for _ in range(80)]
        assert [loop.join(PATIENCE) for loop in loops] == [40, 40]
        assert all(np.ptp(batch) == 0 for batch in batches), "all five of one iteration"


def test_a_failed_iteration_leaves_those_before_it_in(mode: str, session: df.Session) -> None:
    tap = Tap(session, f"fails-{mode}", capacity=1000)
    counted = Counted(session, tap)
    with df.device(W0), df.control_dependencies([df.Assert(counted.number <= 50, ["too many"])]):
        put = tap.queue.enqueue([df.identity(counted.number)])
    loop = session.repeat(put)
    with pytest.raises(df.errors.InvalidArgumentError, match="too many"):
        loop.join(PATIENCE)
    assert tap.size() == 50
    assert counted.made() == 51


def test_an_element_of_the_wrong_shape_is_met_at_its_iteration(mode: str, session: df.Session) -> None:
    tap = Tap(session, f"wrong-{mode}", capacity=1000)
    counted = Counted(session, tap)
    with df.device(W0):
        count = df.cast(df.floor_div(counted.number, 30.0), df.int32)  # 0 for 29 iterations, then 1
        shape = df.ones(df.fill([count], 2))  # of no dimension, then of one
    loop = session.repeat(tap.queue.enqueue([shape]))
    with pytest.raises(df.errors.InvalidArgumentError, match=r"Expected \[\], got \[2\]") as caught:
        loop.join(PATIENCE)
    assert caught.value.op is not None
    assert caught.value.op.type == "QueueEnqueueV2"
    assert tap.size() == 29
    assert counted.made() == 30


def test_values_are_reported_beside(mode: str, session: df.Session) -> None:
    tap = Tap(session, f"reports-{mode}", capacity=1000)
    counted = Counted(session, tap)
    loop = session.repeat({"put": counted.put, "number": counted.number}, steps=50, every=20)
    assert [(i, value) for i, value in loop] == [
        (20, {"put": None, "number": 20}),
        (40, {"put": None, "number": 40}),
        (50, {"put": None, "number": 50}),
    ]


def test_a_loop_without_room_does_not_keep_others_out(session: df.Session) -> None:
    """Three fast loops and a client share a small queue: everybody's elements come out."""
    tap = Tap(session, "shared-room", capacity=4)
    counters = [Counted(session, tap, device) for device in (W0, W1, W0)]
    loops = [session.repeat(counter.put) for counter in counters]
    for i in range(20):
        mine = Background(partial(tap.put, -1 - i))
        eventually(lambda: tap.take() < 0)
        mine.result()
    # A loop that has made more than the queue holds has had elements in it.
    eventually(lambda: tap.take() != 0 and all(counter.made() > 10 for counter in counters))
    for loop in loops:
        loop.stop()
        loop.join(PATIENCE)
    assert all(loop.steps is not None and loop.steps > 0 for loop in loops)


def test_the_room_of_a_killed_worker_is_free_for_others(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """What it had sent is in, each element once and in order; then the queue takes as many as it did before."""
    tap = Tap(session, "killed-producer", capacity=50)
    counted = Counted(session, tap)
    loop = session.repeat(counted.put)
    found = [tap.take() for _ in range(200)]
    cluster.kill_worker(WORKER0)
    try:
        with pytest.raises(df.errors.UnavailableError):
            loop.join(PATIENCE)
        eventually(lambda: look.queue(tap.name)["waiting_enqueues"] == 0)
        found += [tap.take() for _ in range(tap.size())]
        assert found == one_to(len(found))
        for number in range(50):
            tap.put(number)
        assert tap.size() == 50
    finally:
        cluster.start_worker(WORKER0)
        cluster.wait_for_workers()


def test_a_loop_whose_queue_dies_ends_with_an_error_that_names_its_worker(
    session: df.Session, cluster: EmbeddedCluster
) -> None:
    cluster.wait_for_workers()
    tap = Tap(session, "dead-queue", device=W1, capacity=100_000)
    loop = session.repeat(Counted(session, tap).put, device=WORKER0)
    eventually(lambda: tap.size() > 100)
    cluster.kill_worker("/job:worker/task:1")
    try:
        lost = r"task:1/device:CPU:0 was lost, and (a queue that was in use|what the loop 'fifo_queue_enqueue\w*' uses)"
        with pytest.raises(df.errors.UnavailableError, match=lost):  # the loop says it, or the client, who comes first
            loop.join(PATIENCE)
    finally:
        cluster.start_worker("/job:worker/task:1")
        cluster.wait_for_workers()

"""Loops that take the next elements of another worker's queue while they compute: nobody sees it, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, PS, W0, Clients, Look, Tap, eventually, limit, quick_cluster

LONG, MANY = 1500, 20  # rows and columns of matrices, and products of them, that take seconds


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["prefetch", "plain"])
def prefetch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Loops that begin in this process take ahead, or not."""
    dask = pytest.importorskip("dask")
    on = bool(request.param == "prefetch")
    with dask.config.set({"dflow.fast-loops": on}):
        yield on


def used(taken: Any) -> Any:
    with df.device(W0):
        return df.identity(taken)


def long(taken: Any) -> Any:
    """Takes seconds, then gives the element."""
    with df.device(W0):
        matrix = df.fill([LONG, LONG], taken)
        for _ in range(MANY):
            matrix = df.matmul(matrix, df.zeros([LONG, LONG]))
        return matrix[0, 0] + taken


def filled(session: df.Session, name: str, count: int, capacity: int = 100) -> Tap:
    tap = Tap(session, name, capacity=capacity)
    for i in range(count):
        tap.put(i)
    return tap


def rest(tap: Tap) -> list[float]:
    return [tap.take() for _ in range(tap.size())]


def values(loop: df.Loop) -> Iterator[float]:
    for _, value in loop:
        yield float(value)


def held(look: Look, tap: Tap) -> None:
    """Return when a step computes, and the queue has delivered what comes next."""
    look.delivers(tap.name)
    eventually(lambda: tap.size() == 0)


def test_a_loop_gets_all_elements_in_their_order(prefetch: bool, session: df.Session) -> None:
    tap = filled(session, f"order-{prefetch}", 50)
    session.run(tap.close)
    loop = session.repeat(used(tap.dequeue), every=1)
    assert list(values(loop)) == list(range(50))
    assert loop.join(PATIENCE) == 50
    assert isinstance(loop.end_of_input, df.errors.OutOfRangeError)
    assert loop.end_of_input.node_def is not None
    assert loop.end_of_input.node_def.name == tap.dequeue.op.name


def test_a_loop_of_so_many_steps_leaves_the_others(prefetch: bool, session: df.Session) -> None:
    tap = filled(session, f"steps-{prefetch}", 12)
    loop = session.repeat(used(tap.dequeue), steps=5, every=1)
    assert list(values(loop)) == [0, 1, 2, 3, 4]
    assert rest(tap) == [5, 6, 7, 8, 9, 10, 11]


def test_a_step_that_fails_takes_its_element_along_and_no_other(prefetch: bool, session: df.Session) -> None:
    tap = filled(session, f"fails-{prefetch}", 12)
    with df.device(W0):
        checked = df.Assert(tap.dequeue < 3, [tap.dequeue])
    loop = session.repeat(checked)
    with pytest.raises(df.errors.InvalidArgumentError):
        loop.join(PATIENCE)
    eventually(lambda: tap.size() == 8)
    assert rest(tap) == [4, 5, 6, 7, 8, 9, 10, 11]


def test_a_loop_that_is_stopped_has_used_what_is_not_in_the_queue(prefetch: bool, session: df.Session) -> None:
    tap = filled(session, f"stopped-{prefetch}", 60, capacity=10_000)
    loop = session.repeat(used(tap.dequeue), every=1)
    told, count = values(loop), 60
    seen = [next(told) for _ in range(10)]
    loop.stop(finish=True)

    def ended() -> bool:
        """It may have used all there were before it heard of the stop: then its last iteration waits for one more."""
        nonlocal count
        if not loop.done():
            tap.put(count)
            count += 1
        return loop.done()

    eventually(ended)
    seen += list(told)
    eventually(lambda: len(seen) + tap.size() == count)  # what it gives back is on its way
    assert [*seen, *rest(tap)] == list(range(count))


def test_a_loop_that_waits_for_elements_can_be_stopped(prefetch: bool, session: df.Session, look: Look) -> None:
    tap = filled(session, f"waits-{prefetch}", 1)
    loop = session.repeat(used(tap.dequeue), every=1)
    assert next(values(loop)) == 0
    look.waits(tap.name)
    loop.stop()
    assert loop.join(PATIENCE) == 1
    look.waits(tap.name, 0)
    tap.put(7)
    assert tap.take() == 7


def test_the_next_element_is_taken_while_a_step_computes(session: df.Session, look: Look) -> None:
    """And whoever looks at the queue meanwhile finds one less."""
    tap = filled(session, "computes", 3)
    loop = session.repeat(long(tap.dequeue), steps=2, every=1)
    eventually(lambda: tap.size() == 1)
    assert list(values(loop)) == [0, 1]
    assert rest(tap) == [2]


def test_a_loop_that_is_stopped_while_it_computes_gives_the_next_element_back(session: df.Session, look: Look) -> None:
    tap = filled(session, "computing", 2)
    loop = session.repeat(long(tap.dequeue), every=1)
    held(look, tap)
    loop.stop(finish=True)
    assert tap.take() == 1, "at once: it does not wait for the step"
    assert list(values(loop)) == [0]


def test_the_end_of_a_session_gives_the_next_element_back(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    with df.Session(cluster.scheduler_address, graph=df.Graph()) as other, other.graph.as_default():
        tap = filled(other, "session", 2)
        other.repeat(long(tap.dequeue))
        held(look, tap)
    mine = Tap(session, "session")
    assert mine.take() == 1


def test_a_deadline_that_passes_while_the_element_is_ahead_leaves_it_to_the_loop(
    session: df.Session, look: Look
) -> None:
    tap = filled(session, "deadline", 2)
    loop = session.repeat(long(tap.dequeue), steps=2, every=1)
    held(look, tap)
    with pytest.raises(df.errors.DeadlineExceededError):
        session.run(tap.dequeue, options=limit(0.05))
    assert list(values(loop)) == [0, 1]


def test_a_killed_worker_takes_the_element_of_its_step_along_and_not_the_next_one(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    tap = filled(session, "killed", 2)
    loop = session.repeat(long(tap.dequeue))
    held(look, tap)
    cluster.kill_worker("/job:worker/task:0")
    try:
        assert tap.take() == 1
        with pytest.raises(df.errors.UnavailableError):
            loop.join(PATIENCE)
    finally:
        cluster.start_worker("/job:worker/task:0")
        cluster.wait_for_workers()


def test_a_killed_worker_with_a_fast_loop_gives_all_back_that_no_step_had(
    session: df.Session, cluster: EmbeddedCluster
) -> None:
    """It takes several elements ahead.  What its steps did is counted on another worker."""
    count = 3000
    tap = Tap(session, "fast", capacity=count)
    session.run(tap.queue.enqueue_many([np.arange(count, dtype="float32")]))
    with df.device(PS):
        steps = df.get_variable("steps", [], "int32", initializer=df.zeros_initializer())
        with df.control_dependencies([used(tap.dequeue)]):
            counted = df.assign_add(steps, 1)
        rest = tap.queue.dequeue_up_to(count)
    session.run(steps.initializer)
    loop = session.repeat(counted.op)
    eventually(lambda: session.run(steps) > 50)
    cluster.kill_worker("/job:worker/task:0")
    try:
        with pytest.raises(df.errors.UnavailableError):
            loop.join(PATIENCE)
        eventually(lambda: count - tap.size() - session.run(steps) in (0, 1))  # that of the last step
        session.run(tap.close)
        left = session.run(rest).tolist()
        assert 0 < len(left) < count - 50, "the loop was in the middle"
        assert left == list(range(count - len(left), count)), "no other is missing, none is out of order"
    finally:
        cluster.start_worker("/job:worker/task:0")
        cluster.wait_for_workers()


def test_a_client_that_is_killed_leaves_what_its_loop_took_ahead(
    session: df.Session, cluster: EmbeddedCluster, clients: Clients, look: Look
) -> None:
    tap = filled(session, "client", 2)
    client = clients.start(f"""
q = queue({tap.name!r})
with df.device({W0!r}):
    matrix = df.fill([{LONG}, {LONG}], q.dequeue())
    for _ in range({MANY}):
        matrix = df.matmul(matrix, df.zeros([{LONG}, {LONG}]))
with df.Session(target) as sess:
    loop = sess.repeat(matrix.op)
    say("runs")
    loop.join()
""")
    client.hears("runs")
    held(look, tap)
    client.kill()
    assert tap.take() == 1


def test_the_loss_of_the_queue_ends_the_loop_and_says_where_it_was(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    tap = filled(session, "lost", 1)
    loop = session.repeat(used(tap.dequeue))
    look.waits(tap.name)
    cluster.kill_worker("/job:ps/task:0")
    try:
        with pytest.raises(df.errors.UnavailableError, match="/job:ps/replica:0/task:0/device:CPU:0"):
            loop.join(PATIENCE)
    finally:
        cluster.start_worker("/job:ps/task:0")
        cluster.wait_for_workers()

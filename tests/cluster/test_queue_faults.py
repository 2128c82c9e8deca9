"""Who uses a queue dies, or the queue itself: each element is accounted for by its number."""

from collections.abc import Callable, Iterator

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import W0, W1, Background, Clients, Look, Tap, eventually, limit, quick_cluster

WORKER0 = "/job:worker/task:0"

ENQUEUES = """
q = queue({name!r}, capacity=2)
value = df.placeholder("float32", [])
enqueue = q.enqueue([value])
with df.Session(target) as sess:
    if {hot}:
        sess.run(enqueue, {{value: 1}})
    sess.run(enqueue, {{value: 99}})
"""
FILLS = """
q = queue({name!r}, capacity=10)
with df.device("/job:worker/task:0/cpu:0"):
    number = df.Variable(0.0, name={name!r} + "-number")
    runner = df.train.QueueRunner(q, [q.enqueue([number.assign_add(1.0)])])
with df.Session(target) as sess:
    if {first}:
        sess.run(number.initializer)
    coord = df.train.Coordinator()
    runner.create_threads(sess, coord, start=True)
    coord.join()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2, nanny=True) as cluster:
        yield cluster


def holds(look: Look, tap: Tap, size: int, *, waiting: int = 0) -> None:
    """Return when a queue has so many elements, and so many enqueues wait for room."""
    wanted = {"size": size, "waiting_enqueues": waiting}
    eventually(lambda: wanted.items() <= look.queue(tap.name).items(), lambda: look.queue(tap.name))


def nothing_runs(look: Look) -> None:
    """Return when no step and no loop is left on the workers."""
    eventually(lambda: not any(held["loops"] or held["parts"] for held in look.inside().values()), look.inside)


def everything(tap: Tap) -> list[float]:
    """All elements of a queue, which is usable and empty then."""
    found = [tap.take() for _ in range(tap.size())]
    tap.put(-1)
    assert tap.take() == -1
    return found


def counter(session: df.Session, name: str) -> df.Tensor:
    """1, 2, 3, ...: a number of worker 0 for each step."""
    with df.device(W0):
        number = df.Variable(0.0, name=name)
        step = number.assign_add(1.0)
    session.run(number.initializer)
    return step


# -- a worker dies


def test_what_a_killed_producer_enqueued_one_by_one_stays_each_element_once(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """It dies at full speed: the queue has 1 to n, without a hole and without a repetition, and gets no more."""
    tap = Tap(session, "one-by-one", capacity=100_000)
    loop = session.repeat(tap.queue.enqueue([counter(session, "one-by-one")]), device=WORKER0)
    eventually(lambda: tap.size() > 50)
    cluster.kill_worker(WORKER0)
    with pytest.raises(df.errors.UnavailableError):
        loop.join(10)
    nothing_runs(look)
    found = everything(tap)
    assert len(found) > 50
    assert found == list(range(1, len(found) + 1))


def test_what_a_killed_producer_had_enqueued_of_many_stays_and_the_rest_never_comes(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """An enqueue_many of eight waits, as the queue has room for five: these stay, in their order."""
    cluster.wait_for_workers()
    tap = Tap(session, "many", capacity=5)
    with df.device(W0):
        eight = df.cast(df.range(8), df.float32)
    loop = session.repeat(tap.queue.enqueue_many([eight]), device=WORKER0)
    holds(look, tap, 5, waiting=1)
    cluster.kill_worker(WORKER0)
    with pytest.raises(df.errors.UnavailableError):
        loop.join(10)
    holds(look, tap, 5)
    assert everything(tap) == [0, 1, 2, 3, 4]


def test_a_killed_consumer_takes_the_element_of_its_step_along_and_no_other(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """It moves elements from one queue to another, which is full: the one in its hands was taken, as in TensorFlow 1.

    What was still on its way to it goes back: see `test_elements_on_their_way_to_a_consumer_on_another_worker_...`.
    """
    cluster.wait_for_workers()
    source, sink = Tap(session, "source"), Tap(session, "sink", capacity=3)
    for number in range(8):
        source.put(number)
    with df.device(W0):
        moved = sink.queue.enqueue([source.dequeue + 0.0])
    loop = session.repeat(moved, device=WORKER0)
    holds(look, sink, 3, waiting=1)
    cluster.kill_worker(WORKER0)
    with pytest.raises(df.errors.UnavailableError):
        loop.join(10)
    holds(look, sink, 3)
    assert everything(sink) == [0, 1, 2]
    assert everything(source) == [4, 5, 6, 7]


def test_a_killed_queue_takes_its_own_elements_along_and_no_other(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """Producers and consumers that wait hear of it; the new queue is empty, and takes what was refused.

    The elements before it and behind it, in queues of other workers, stay.
    """
    cluster.wait_for_workers()
    before, queue, behind = Tap(session, "before"), Tap(session, "killed", W0, 2), Tap(session, "behind")
    empty = Tap(session, "killed-too", W0)
    for number in range(6):
        before.put(number)
    with df.device(W1):
        into, out = queue.queue.enqueue([before.dequeue + 0.0]), behind.queue.enqueue([queue.dequeue + 0.0])
    for step in (into, into, out, into, out, into, out, into):
        session.run(step, options=limit(10))
    producer, consumer = Background(lambda: queue.put(9)), Background(empty.take)
    holds(look, queue, 2, waiting=1)
    look.waits(empty.name)
    address = look.address(WORKER0)
    cluster.kill_worker(WORKER0)
    assert isinstance(producer.result(), df.errors.UnavailableError)
    assert isinstance(consumer.result(), df.errors.UnavailableError)
    look.returns(WORKER0, address)
    eventually(lambda: not any(info.lost for info in session.backend.devices(fresh=True).devices))
    with pytest.raises(df.errors.AbortedError, match="queues 'killed', 'killed-too'"):
        queue.put(9)
    assert queue.size() == 0
    queue.put(9)
    assert everything(queue) == [9]
    assert everything(behind) == [0, 1, 2]
    assert everything(before) == [5]


# -- a client dies


@pytest.mark.parametrize("hot", [False, True])
def test_the_element_of_a_client_that_is_killed_in_an_enqueue_never_comes(
    hot: bool, session: df.Session, clients: Clients, look: Look
) -> None:
    tap = Tap(session, f"enqueues-{hot}", capacity=2)
    if not hot:
        tap.put(1)
    tap.put(2)
    client = clients.start(ENQUEUES.format(name=tap.name, hot=hot))
    holds(look, tap, 2, waiting=1)
    client.kill()
    holds(look, tap, 2)
    assert everything(tap) == ([2, 1] if hot else [1, 2])


@pytest.mark.parametrize("waits_in", ["enqueue", "dequeue"])
def test_a_session_that_is_closed_while_it_waits_leaves_the_queue_as_it_is(
    waits_in: str, cluster: EmbeddedCluster, session: df.Session, look: Look
) -> None:
    """Its element is not enqueued later, and it takes none."""
    tap = Tap(session, f"closed-{waits_in}", capacity=1)
    with df.Graph().as_default(), df.Session(cluster.scheduler_address) as other:
        theirs = Tap(other, tap.name, capacity=1)
        calls: dict[str, Callable[[], object]] = {"enqueue": lambda: theirs.put(99), "dequeue": theirs.take}
        if waits_in == "enqueue":
            tap.put(1)
        run = Background(calls[waits_in])
        if waits_in == "enqueue":
            holds(look, tap, 1, waiting=1)
        else:
            look.waits(tap.name)
        other.close()
    assert isinstance(run.result(), df.errors.CancelledError)
    if waits_in == "dequeue":
        tap.put(1)
    assert everything(tap) == [1]


def test_the_queue_of_a_vanished_coordinator_stays_and_another_client_goes_on(
    session: df.Session, clients: Clients, look: Look
) -> None:
    """Its queue runners on the workers stop, and what they waited for is withdrawn; the queue is not closed.

    The eleventh number was in the hands of the runner that waited, and is gone with it.
    """
    tap = Tap(session, "coordinated", capacity=10)
    client = clients.start(FILLS.format(name=tap.name, first=True))
    holds(look, tap, 10, waiting=1)
    client.kill()
    nothing_runs(look)
    holds(look, tap, 10)
    assert not session.run(tap.queue.is_closed())
    clients.start(FILLS.format(name=tap.name, first=False))
    assert [tap.take() for _ in range(25)] == [*range(1, 11), *range(12, 27)]

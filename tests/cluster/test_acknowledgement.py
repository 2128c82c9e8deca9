"""No element is swallowed by the dead: what is on its way to a process that dies goes back to its queue."""

from collections.abc import Iterator

import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, Background, Clients, Look, Tap, eventually, limit, quick_cluster, stop

WAITER = """
q = queue({name!r})
taken = q.dequeue()
with df.Session(target) as sess:
    if {hot}:
        sess.run(taken)
    say("waiting")
    say("took", sess.run(taken))
"""


@pytest.fixture(scope="module", params=["sockets", "comms"])
def cluster(request: pytest.FixtureRequest) -> Iterator[EmbeddedCluster]:
    """Its channels are carried by plain sockets, or by comms of distributed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASK_DFLOW__SOCKETS", str(request.param == "sockets"))
        with quick_cluster() as cluster:
            yield cluster


@pytest.mark.parametrize("hot", [False, True])
def test_a_killed_client_that_waits_swallows_nothing(
    hot: bool, session: df.Session, clients: Clients, look: Look
) -> None:
    """Fifteen times: a client dies in a dequeue, and what is enqueued at once goes to a living one.

    Guards `channel_closed` (what the dead wants is withdrawn) and `Channel.ack` (what was sent to it comes back).
    """
    tap = Tap(session, f"killed-{hot}")
    for i in range(15):
        client = clients.start(WAITER.format(name=tap.name, hot=hot))
        if hot:
            tap.put(-1)
        client.hears("waiting")
        look.waits(tap.name)
        client.kill()
        tap.put(i)
        assert tap.take() == i
    assert tap.size() == 0


@pytest.mark.parametrize("hot", [False, True])
def test_elements_on_their_way_to_a_client_go_back_when_it_dies(
    hot: bool, session: df.Session, clients: Clients, look: Look
) -> None:
    """The client is stopped before the element comes, so that it is certainly on its way when it is killed.

    Guards the deliveries of `Router.fetched`.
    """
    tap = Tap(session, f"delivered-{hot}")
    client = clients.start(WAITER.format(name=tap.name, hot=hot))
    if hot:
        tap.put(-1)
    client.hears("waiting")
    look.waits(tap.name)
    stop(psutil.Process(client.pid))
    tap.put(1)
    tap.put(2)
    eventually(lambda: look.queue(tap.name)["size"] == 1)  # the first one is on its way
    client.kill()
    eventually(lambda: look.queue(tap.name)["size"] == 2)  # and comes back
    assert [tap.take(), tap.take()] == [1, 2]


@pytest.mark.parametrize("hot", [False, True])
def test_elements_on_their_way_to_a_consumer_on_another_worker_go_back_when_that_dies(
    hot: bool, session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """The consumer's worker is stopped before the element comes, then killed; its step fails, the element stays.

    Guards the deliveries of `Router.send`.
    """
    cluster.wait_for_workers()
    tap = Tap(session, f"consumer-{hot}")
    with df.device(W0):
        consumed = df.identity(tap.dequeue) + 1
    tap.put(0)
    tap.take()  # these plans are warm
    if hot:
        tap.put(-1)
        assert session.run(consumed) == 0
    name = "/job:worker/task:0"
    address = look.address(name)
    run = Background(lambda: session.run(consumed))
    look.waits(tap.name)
    stop(look.process_of(name))
    tap.put(1)
    eventually(lambda: tap.size() == 0)
    cluster.kill_worker(name)
    try:
        error = run.result()
        assert isinstance(error, df.errors.UnavailableError)
        assert address in str(error)
        assert tap.take() == 1
    finally:
        cluster.start_worker(name)
        cluster.wait_for_workers()


@pytest.mark.parametrize("consumer", ["worker", "ps", "caller"])
def test_two_dequeues_of_a_closed_queue_with_one_element_end_in_a_cold_run(consumer: str, session: df.Session) -> None:
    """The queue says that it is at its end though the element that it delivered is not used yet.

    An element is acknowledged where it is used, before it is used there: an acknowledgement that waited for the other
    element would make that wait for ever.
    """
    tap = Tap(session, f"end-{consumer}")
    with df.device(W0 if consumer == "worker" else PS):
        two = [tap.dequeue, tap.queue.dequeue()]
        both = two if consumer == "caller" else df.add_n(two)
    tap.put(1)
    session.run(tap.close)
    with pytest.raises(df.errors.OutOfRangeError):
        session.run(both, options=limit(10))


def test_an_enqueue_gets_the_room_of_an_element_that_a_cold_run_took(session: df.Session) -> None:
    """A step that took an element, and waits for another one before it can use it, holds no room meanwhile."""
    small, other = Tap(session, "small", capacity=1), Tap(session, "other")
    with df.device(W0):
        both = small.dequeue + other.dequeue
    small.put(1)
    run = Background(lambda: session.run(both))
    small.put(2)  # waits for the room
    other.put(3)
    assert run.result() == 4
    assert small.take() == 2

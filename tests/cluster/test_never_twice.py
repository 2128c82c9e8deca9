"""An element whose value was seen never comes again, whatever ends next: the session, the process, or the connection.

Each client takes three elements, the first one in a cold run, and says what it saw.  It ends right after the last one,
while one kind of message between the processes is slow.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import W0, Clients, Look, Tap, be_slow, eventually, quick_cluster

MESSAGES = ["Settled", "Fetched", "Deliver"]  # of which a hand-over consists

CLIENT = """
import os, signal, time
from dflow.runtime.transport.channel import Channel

send = Channel.send

def slowly(channel, message, *then):
    if type(message).__name__ == {message!r}:
        time.sleep(0.05)
    send(channel, message, *then)

Channel.send = slowly
q = queue({name!r})
taken = q.dequeue()
if {worker!r}:
    with df.device({worker!r}):
        taken = df.identity(taken) + 0
sess = df.Session(target)
for _ in range(3):
    say("took", sess.run(taken))
{end}
say("ended")
"""

WITHOUT_END = """
from dflow.runtime.transport.channel import Channel
from dflow.runtime.transport.messages import Settled

send = Channel.send

def say_before(channel, message, *then):
    if isinstance(message, Settled) and message.accepted:
        say("acknowledges")
    send(channel, message, *then)

Channel.send = say_before
with df.Session(target) as sess:
    taken = queue({name!r}, capacity=10_000).dequeue()
    while True:
        say("took", sess.run(taken))
"""

ENDS = {
    "session": "sess.close()",
    "process": "say('ended'); os.kill(os.getpid(), signal.SIGKILL)",
    "connection": """
for channel in sess.backend.process.channels():
    channel.cut()
""",
}


@pytest.fixture(scope="module", params=[True, False], ids=["sockets", "comms"])
def sockets(request: pytest.FixtureRequest) -> bool:
    """Whether channels are carried by plain sockets, or by comms of distributed."""
    return bool(request.param)


@pytest.fixture(scope="module")
def cluster(sockets: bool) -> Iterator[EmbeddedCluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASK_DFLOW__SOCKETS", str(sockets))
        with quick_cluster() as cluster:
            yield cluster


@pytest.mark.parametrize("worker", ["", W0], ids=["client", "worker"])
@pytest.mark.parametrize("end", ENDS)
def test_what_was_seen_does_not_come_again(
    end: str, worker: str, sockets: bool, session: df.Session, clients: Clients, look: Look
) -> None:
    """worker: the element goes to the client by way of another worker, which computes with it."""
    tap = Tap(session, f"seen-{end}-{worker != ''}")
    values = list(range(3 * len(MESSAGES) + 2))
    for value in values:
        tap.put(value)
    seen = []
    for message in MESSAGES if sockets else MESSAGES[:1]:
        look.client.run(partial(be_slow, message))
        client = clients.start(CLIENT.format(message=message, name=tap.name, worker=worker, end=ENDS[end]))
        seen += [float(client.hears("took")) for _ in range(3)]
        client.hears("ended")
        client.kill()
        look.client.run(partial(be_slow, ""))
        look.needs_no_acknowledgement()
    left = [tap.take() for _ in range(int(tap.size()))]
    assert sorted(seen + left) == values


def test_a_killed_client_takes_along_only_what_it_had_acknowledged_but_not_said(
    session: df.Session, clients: Clients, look: Look
) -> None:
    """It dequeues at full speed, says when it acknowledges an element and what it took, and is killed at any moment."""
    tap = Tap(session, "killed-at-any-moment", capacity=10_000)
    values = [float(value) for value in range(10_000)]
    session.run(tap.queue.enqueue_many([values]))
    seen: list[float] = []
    unsaid = 0
    for number in (1, 2, 3, 50, 51, 52, 200, 201):
        client = clients.start(WITHOUT_END.format(name=tap.name))
        seen += [float(client.hears("took")) for _ in range(number)]
        client.kill()
        eventually(lambda client=client: not psutil.pid_exists(client.pid))
        clients.start("say('nothing')").hears("nothing")  # all lines of the killed client have been read
        lines = client.said()
        seen += [float(line.removeprefix("took")) for line in lines if line.startswith("took")]
        unsaid += lines[-1:] == ["acknowledges"]
    look.needs_no_acknowledgement()
    left = [float(value) for value in session.run(tap.queue.dequeue_many(int(tap.size())))]
    assert len(seen) + len(left) >= len(values) - unsaid
    assert set(seen + left) <= set(values)
    assert len(set(seen + left)) == len(seen + left)


@pytest.mark.parametrize("slow", ["Settled", "LoopReport"])
def test_what_a_loop_on_a_killed_worker_gave_does_not_come_again(
    slow: str, session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """The loop takes elements ahead.  What it had acknowledged when it was killed is gone with its steps."""
    cluster.wait_for_workers()
    tap = Tap(session, f"loop-{slow}")
    values = list(range(60))
    for value in values:
        tap.put(value)
    name = "/job:worker/task:0"
    look.client.run(partial(be_slow, slow))
    with df.device(W0):
        loop = session.repeat(df.identity(tap.dequeue) + 0, every=1)
    seen = []
    with suppress(df.errors.UnavailableError):
        for _, value in loop:
            seen.append(float(value))
            if len(seen) == 5:
                cluster.kill_worker(name)
    assert isinstance(loop.error, df.errors.UnavailableError)
    cluster.start_worker(name)
    cluster.wait_for_workers()
    look.client.run(partial(be_slow, ""))
    look.needs_no_acknowledgement()
    left = [tap.take() for _ in range(int(tap.size()))]
    assert left == values[len(values) - len(left) :]
    assert seen == values[: len(seen)]
    assert len(seen) + len(left) <= len(values)

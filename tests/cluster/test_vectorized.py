"""Loops that take many records at once, with the queue in another process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, PS, W0, Look, eventually, limit, quick_cluster

N = 30_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(nanny=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("numbers") / "numbers.csv"
    path.write_text("".join(f"{i},0.5\n" for i in range(N)))
    return path


class Listing:
    """A reader on the worker, whose loop fills a queue of the ps."""

    def __init__(self, name: str, path: Path, capacity: int) -> None:
        with df.device(PS):
            self.queue = df.FIFOQueue(capacity, [df.int32], shapes=[[]], name=name, shared_name=name)
            self.size = self.queue.size()
            self.close = self.queue.close(cancel_pending_enqueues=True)
            self.batch = self.queue.dequeue_up_to(1000)
            self.one = self.queue.dequeue()
            self.put = self.queue.enqueue(-1)
        with df.device(W0):
            files = df.FIFOQueue(10, [df.string], shapes=[[]])
            self.file = files.enqueue([str(path)])
            self.no_more = files.close()
            reader = df.TextLineReader()
            self.produced = reader.num_records_produced()
            self.value = reader.read(files)[1]
            self.enqueue = self.queue.enqueue(df.decode_csv(self.value, [[0], [0.0]])[0])

    def start(self, session: df.Session, **options: Any) -> Any:
        session.run(self.file)
        session.run(self.no_more)
        return session.repeat(self.enqueue, **options)


def at_once(look: Look, name: str) -> int:
    """How many iterations of a session's loop went many at once."""

    def found(dask_worker: Any) -> int:
        loops = dask_worker.plugins["dflow"].process.loops
        return sum(loop.row("")["at_once"] for (session, _), loop in loops.items() if session == name)

    return sum(look.client.run(found).values())


def test_every_record_comes_once_and_in_order(session: df.Session, numbers: Path, look: Look) -> None:
    listing = Listing("all", numbers, N)
    loop = listing.start(session)
    assert loop.join(PATIENCE) == N
    found = [int(n) for _ in range(N // 1000) for n in session.run(listing.batch, options=limit(PATIENCE))]
    assert found == list(range(N))
    assert at_once(look, session.backend.session) > N // 2


def test_a_loop_stops_between_two_records_and_loses_none(session: df.Session, numbers: Path) -> None:
    listing = Listing("stopped", numbers, N)
    loop = listing.start(session, every=100)
    next(iter(loop))
    loop.stop(finish=True)
    steps = loop.join(PATIENCE)
    assert session.run([listing.size, listing.produced]) == [steps, steps]
    assert session.run(listing.value) == b"%d,0.5" % steps


def test_a_queue_that_is_closed_gets_no_more_and_the_reader_keeps_the_rest(session: df.Session, numbers: Path) -> None:
    """The record that found the queue closed is gone, as without batching."""
    listing = Listing("closed", numbers, 500)
    loop = listing.start(session)
    eventually(lambda: session.run(listing.size) == 500)
    session.run(listing.close)
    with pytest.raises(df.errors.CancelledError):
        loop.join(PATIENCE)
    size, produced = session.run([listing.size, listing.produced])
    assert (size, produced) == (500, 501)
    assert session.run(listing.value) == b"501,0.5"


def test_room_that_a_killed_worker_kept_is_free_again(session: df.Session, numbers: Path, look: Look) -> None:
    listing = Listing("killed", numbers, 50)
    loop = listing.start(session)
    for _ in range(100):
        session.run(listing.one)
    address = look.address("/job:worker/task:0")
    look.process_of("/job:worker/task:0").kill()
    with pytest.raises(df.errors.UnavailableError):
        loop.join(PATIENCE)
    left = session.run(listing.size)
    assert [int(session.run(listing.one)) for _ in range(left)] == list(range(100, 100 + left))
    for _ in range(50):
        session.run(listing.put, options=limit(PATIENCE))
    assert session.run(listing.size) == 50
    look.returns("/job:worker/task:0", address)


def test_the_loss_of_the_queue_ends_the_loop(session: df.Session, numbers: Path, look: Look) -> None:
    listing = Listing("lost", numbers, 50)
    loop = listing.start(session)
    for _ in range(100):
        session.run(listing.one)
    address = look.address("/job:ps/task:0")
    look.process_of("/job:ps/task:0").kill()
    with pytest.raises(df.errors.UnavailableError, match="job:ps"):
        loop.join(PATIENCE)
    look.returns("/job:ps/task:0", address)

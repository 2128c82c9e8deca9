"""Clusters inside one process, at inproc:// addresses: `LocalCluster(processes=False)`, `Client(processes=False)`."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import dask.array as da
import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster

import dflow as df
from dflow.cluster.process import child_environment
from tests.cluster.helpers import PATIENCE, Background, eventually, limit, quick_cluster
from tests.in_process import QUIET

pytestmark = pytest.mark.timeout(110)

SIZES = pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 4), (3, 1), (2, 4)])


@contextmanager
def in_process(workers: int = 2, threads: int = 1, **options: Any) -> Iterator[LocalCluster]:
    options = QUIET | {"processes": False} | options
    with LocalCluster(n_workers=workers, threads_per_worker=threads, **options) as cluster:
        yield cluster


def device(task: int) -> str:
    return f"/job:worker/task:{task}/cpu:0"


@SIZES
@pytest.mark.parametrize("channels", [True, False], ids=["sockets", "comms"])
def test_elements_go_from_worker_to_worker_in_their_order(workers: int, threads: int, channels: bool) -> None:
    """Through a queue, a loop that takes elements ahead and sends what it makes behind, and a queue elsewhere."""
    last = device(workers - 1)
    with df.device(device(0)):
        source = df.FIFOQueue(20, [df.int32], shapes=[[]])
        count = df.Variable(0)
        put = source.enqueue(count.assign_add(1))
        result = df.FIFOQueue(20, [df.int32], shapes=[[]])
        take = result.dequeue_many(50)
    with df.device(last):
        move = result.enqueue(source.dequeue() * 2)
    with (
        dask.config.set({"dflow.sockets": channels}),
        in_process(workers, threads) as cluster,
        df.Session(cluster.scheduler_address) as session,
    ):
        assert [info.name for info in session.list_devices()] == [
            f"/job:worker/replica:0/task:{i}/device:CPU:0" for i in range(workers)
        ]
        session.run(count.initializer)
        putting, moving = session.repeat(put, 200), session.repeat(move, 200, device=last)
        got = np.concatenate([session.run(take) for _ in range(4)])
        assert got.tolist() == [2 * i for i in range(1, 201)]
        assert (putting.join(PATIENCE), moving.join(PATIENCE)) == (200, 200)


def test_a_session_finds_the_cluster_of_a_client_that_made_one() -> None:
    with Client(processes=False, n_workers=1, threads_per_worker=1, **QUIET) as client:
        with df.Session(client.scheduler.address) as session:
            assert session.run(df.constant(2.0) + 1.0) == 3.0
        assert client.submit(lambda: 5).result(PATIENCE) == 5


def test_workers_of_one_process_with_ports_are_a_cluster_like_any_other() -> None:
    with in_process(protocol="tcp") as cluster, df.Session(cluster.scheduler_address) as session:
        with df.device(device(1)):
            x = df.constant([1.0, 2.0])
        with df.device(device(0)):
            total = df.reduce_sum(x)
        assert [session.run(total) for _ in range(3)] == [3.0] * 3


def test_state_outlives_sessions_and_a_reset_drops_it() -> None:
    with in_process() as cluster:
        address = cluster.scheduler_address
        with df.device(device(1)):
            queue = df.FIFOQueue(9, [df.int32], shapes=[[]], shared_name="q")
            value = df.Variable(4, name="v")
        put, take, size = queue.enqueue(7), queue.dequeue(), queue.size()
        with df.Session(address) as first:
            first.run([put, value.initializer])
        with df.Session(address) as second, df.Session(address) as third:
            assert second.run([take, value]) == [7, 4]
            waiting = Background(lambda: third.run(take))
            eventually(lambda: [row["waiting_dequeues"] for row in third.queue_rows()] == [1])
            df.Session.reset(address)
            assert isinstance(waiting.result(), df.errors.AbortedError)
        with df.Session(address) as fourth:
            assert fourth.run(size) == 0
            assert not fourth.run(df.is_variable_initialized(value))


def test_elements_that_are_unacknowledged_go_back_when_their_session_closes() -> None:
    queue = df.FIFOQueue(9, [df.int32], shapes=[[]], shared_name="q")
    put, take = queue.enqueue(7), queue.dequeue()
    with in_process() as cluster, df.Session(cluster.scheduler_address) as stays:
        with df.Session(cluster.scheduler_address) as goes:
            waiting = Background(lambda: goes.run(take))
            eventually(lambda: any(row["waiting_dequeues"] for row in stays.queue_rows()))
        assert isinstance(waiting.result(), df.errors.CancelledError)
        stays.run(put)
        assert stays.run(take, options=limit(PATIENCE)) == 7


@pytest.mark.parametrize("channels", [True, False], ids=["sockets", "comms"])
def test_what_a_program_writes_over_is_not_what_the_cluster_holds(channels: bool) -> None:
    """Nothing is copied for an object of the same process, unless someone sees to it."""
    fed = df.placeholder(df.float32, [1000])
    queue = df.FIFOQueue(9, [df.float32], shapes=[[1000]])
    value = df.Variable(np.zeros(1000, "f4"))
    put, take, assign = queue.enqueue(fed), queue.dequeue(), value.assign(fed)
    with (
        dask.config.set({"dflow.sockets": channels}),
        in_process() as cluster,
        df.Session(cluster.scheduler_address) as session,
    ):
        for _ in range(3):  # the first run is a task graph, later ones are messages
            mine = np.ones(1000, "f4")
            session.run([put, assign], {fed: mine})
            mine[:] = 2
            read = session.run(value)
            assert (read == 1).all()
            read[:] = 3
            assert (session.run(value) == 1).all()
            assert (session.run(take) == 1).all()


def test_rows_of_a_dask_array_go_into_a_queue() -> None:
    queue = df.FIFOQueue(9, [df.int64], shapes=[[]])
    with in_process() as cluster, df.Session(cluster.scheduler_address) as session:
        feeding = df.data.enqueue_from(da.arange(100, chunks=7), queue, session=session)
        got = [int(x) for (batch,) in df.data.batches(queue, 9, session) for x in batch]
        assert sorted(got) == list(range(100))
        assert feeding.result(PATIENCE) == 100


def test_the_actor_of_a_queue_is_the_queue() -> None:
    queue = df.FIFOQueue(9, [df.int32], shapes=[[]])
    with in_process() as cluster, df.Session(cluster.scheduler_address) as session:
        session.run(queue.enqueue(1))
        assert session.actor(queue).row().result()["size"] == 1


def test_a_worker_that_is_closed_takes_its_own_runs_along_and_no_others() -> None:
    """Its process goes on, so nothing but the worker itself can end them."""
    with df.device(device(0)):
        here = df.FIFOQueue(9, [df.int32], shapes=[[]])
    with df.device(device(1)):
        full, empty = df.FIFOQueue(1, [df.int32], shapes=[[]]), df.FIFOQueue(1, [df.int32], shapes=[[]])
    put, take, other = here.enqueue(1), here.dequeue(), empty.dequeue()
    with in_process() as cluster, df.Session(cluster.scheduler_address) as session:
        session.run(put)
        loop, waiting = session.repeat(full.enqueue(1)), Background(lambda: session.run(other))
        waits = ["waiting_enqueues", "waiting_dequeues"]
        eventually(lambda: [sum(row[w] for row in session.queue_rows()) for w in waits] == [1, 1])
        cluster.sync(cluster.workers[1].close)
        for outcome in (waiting.result(), Background(loop.join).result()):
            assert isinstance(outcome, df.errors.UnavailableError)
            assert "task:1" in str(outcome)
        later = Background(lambda: session.run(other)).result()
        assert isinstance(later, (df.errors.UnavailableError, df.errors.AbortedError))
        assert "task:1" in str(later)
        assert session.run(take) == 1


@pytest.mark.parametrize("first", ["session", "cluster"])
def test_nothing_is_left_of_clusters_that_were_closed(first: str) -> None:
    """Neither threads nor connections, whichever of a session and its cluster is closed first; loops end with them."""

    def left() -> tuple[set[str], int]:
        return {thread.name for thread in threading.enumerate() if "Dask-" not in thread.name}, me.num_fds()

    me = psutil.Process()
    for attempt in range(4):
        with df.Graph().as_default():
            cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **QUIET)
            queue = df.FIFOQueue(9, [df.int32], shapes=[[]], shared_name="q")
            put = queue.enqueue(1)
            session = df.Session(cluster.scheduler_address)
            session.run([put, queue.size()])
            loop = session.repeat(put)
            for ends in (session, cluster) if first == "session" else (cluster, session):
                ends.close()
            Background(loop.join).result()
            del session, cluster, loop, ends
        gc.collect()
        if attempt == 0:
            before = left()  # what Dask makes once a process
    eventually(lambda: left() == before, lambda: f"{before}, then {left()}")


def test_a_cluster_of_processes_is_used_at_the_same_time() -> None:
    """Two shared queues of one name, one at each: none sees the elements of the other."""
    queue = df.FIFOQueue(500, [df.int32], shapes=[[]], shared_name="q")
    fed = df.placeholder(df.int32, [])
    put, take = queue.enqueue(fed), queue.dequeue()
    with (
        in_process() as cluster,
        quick_cluster(ps=0) as processes,
        df.Session(cluster.scheduler_address) as mine,
        df.Session(processes.scheduler_address) as theirs,
        df.Session() as local,
    ):
        for i in range(50):
            for offset, session in enumerate((mine, theirs, local)):
                session.run(put, {fed: 3 * i + offset})
        assert [[int(s.run(take)) for _ in range(50)] for s in (mine, theirs, local)] == [
            [3 * i + offset for i in range(50)] for offset in range(3)
        ]


@pytest.mark.timeout(25)  # Dask would try for 30 s
def test_a_cluster_that_was_closed_is_an_error_at_once() -> None:
    with in_process() as cluster:
        address = cluster.scheduler_address
        df.Session(address).close()
    with pytest.raises(df.errors.UnavailableError, match=f"answers at {address}: nobody listens there"):
        df.Session(address)


@pytest.mark.timeout(25)
def test_the_cluster_of_another_process_is_an_error_that_says_so() -> None:
    program = """if True:
        import sys
        import dflow as df
        try:
            df.Session(sys.argv[1])
        except df.errors.UnavailableError as error:
            print(error)
    """
    with in_process() as cluster:
        command = [sys.executable, "-c", program, cluster.scheduler_address]
        done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, timeout=20)
    assert f"is inside the process {os.getpid()}, and only that process reaches it" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("address", ["inproc://", "inproc://127.0.0.1/x/1", "inproc://127.0.0.1/1"])
def test_what_is_no_address_inside_a_process_is_not_found(address: str) -> None:
    with pytest.raises(df.errors.NotFoundError, match="no address of a Dask scheduler"):
        df.Session(address)


def test_a_program_ends_that_closes_neither_its_session_nor_its_client() -> None:
    """As most notebooks do. Dask may log, as information, that one of its last messages was not sent."""
    program = """if True:
        import logging
        import dflow as df
        from distributed import Client
        logging.getLogger("distributed.batched").setLevel(logging.WARNING)
        client = Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None)
        queue = df.FIFOQueue(9, [df.int32], shapes=[[]])
        session = df.Session(client.scheduler.address)
        loop = session.repeat(queue.enqueue(1))
        print(session.run(queue.dequeue()))
    """
    done = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("1\n", 0)
    assert "Traceback" not in done.stderr

"""Feeding queues from Dask collections on real workers: who pushes, how often, and what becomes of it on failures."""

import sys
from collections.abc import Iterator
from typing import Any

import cloudpickle
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, wait

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, PS, Background, Clients, Look, eventually, limit, quick_cluster

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # what runs on the workers


WORKERS = ["/job:ps/task:0", "/job:worker/task:0", "/job:worker/task:1"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2, nanny=True, nthreads=2) as cluster:
        yield cluster


def rows_queue(name: str, capacity: int = 10_000) -> df.FIFOQueue:
    with df.device(PS):
        return df.FIFOQueue(capacity, [df.int64], shapes=[[]], shared_name=name)


def numbers(partitions: int, size: int = 10) -> da.Array:
    return da.arange(partitions * size, chunks=size)


def drain(queue: df.FIFOQueue, session: df.Session) -> list[int]:
    return sorted(int(x) for (batch,) in df.data.batches(queue, 7, session) for x in batch)


def traced(block: np.ndarray, path: str) -> np.ndarray:
    """The block; leaves a line that says who computed it."""
    from distributed import get_worker

    with open(path, "a") as file:
        file.write(f"{get_worker().name}\n")
    return block


# -- each row once


def test_each_row_of_a_dataframe_is_in_the_queue_exactly_once(session: df.Session) -> None:
    frame = pd.DataFrame(
        {"a": np.arange(100.0), "b": -np.arange(100.0), "label": np.arange(100), "text": list("xy" * 50)}
    )
    with df.device(PS):
        queue = df.RandomShuffleQueue(
            20, 5, [df.float64, df.int64, df.string], shapes=[[2], [], []], shared_name="frame"
        )
    feeding = df.data.enqueue_from(dd.from_pandas(frame, npartitions=9), queue, [["a", "b"], "label", "text"], session)
    found = [np.concatenate(parts) for parts in zip(*df.data.batches(queue, 8, session), strict=True)]
    order = np.argsort(found[1])
    np.testing.assert_array_equal(found[0][order], frame[["a", "b"]].to_numpy())
    assert found[1][order].tolist() == list(range(100))
    assert found[2][order].tolist() == [b"x", b"y"] * 50
    assert feeding.result(PATIENCE) == feeding.rows == 100
    assert feeding.partitions_done == feeding.partitions == 9


def test_all_workers_take_part(session: df.Session, tmp_path: Any) -> None:
    path = tmp_path / "who"
    queue = rows_queue("all")
    df.data.enqueue_from(numbers(30).map_blocks(traced, str(path), dtype=np.int64), queue, session=session)
    assert drain(queue, session) == list(range(300))
    assert set(path.read_text().split()) == set(WORKERS)


def test_only_the_workers_that_are_named_compute_and_push(session: df.Session, tmp_path: Any) -> None:
    path = tmp_path / "who"
    queue = rows_queue("some")
    made = numbers(10).map_blocks(traced, str(path), dtype=np.int64)
    df.data.enqueue_from(made, queue, session=session, workers=WORKERS[1:])
    assert drain(queue, session) == list(range(100))
    assert set(path.read_text().split()) <= set(WORKERS[1:])


def test_workers_that_are_not_there_are_refused(session: df.Session) -> None:
    """Dask would wait for them for ever."""
    with pytest.raises(ValueError, match=r"no workers \['/job:worker/task:99'\]; the cluster has .*/job:worker/task:1"):
        df.data.enqueue_from(numbers(10), rows_queue("none"), session=session, workers=["/job:worker/task:99"])


def test_a_bag_of_tuples_and_arrays_in_several_blocks(session: df.Session) -> None:
    with df.device(PS):
        queue = df.FIFOQueue(1000, [df.float32, df.int64], shapes=[[4], []], names=["x", "y"], shared_name="arrays")
    x = da.arange(80, dtype="float32", chunks=8).reshape(20, 4).rechunk((5, 2))
    df.data.enqueue_from({"y": da.arange(20, chunks=5), "x": x}, queue, session=session)
    found = list(df.data.batches(queue, 20, session))
    assert len(found) == 1
    np.testing.assert_array_equal(found[0]["x"][np.argsort(found[0]["y"])], np.arange(80).reshape(20, 4))
    with df.device(PS):
        queue = df.FIFOQueue(1000, [df.string, df.int32], shapes=[[], []], shared_name="bag")
    df.data.enqueue_from(db.from_sequence([(f"n{i}", i) for i in range(10)], npartitions=3), queue, session=session)
    pairs = [pair for names, values in df.data.batches(queue, 4, session) for pair in zip(names, values, strict=True)]
    assert sorted(pairs) == sorted((b"n%d" % i, i) for i in range(10))


def test_two_queues_are_fed_at_once_and_a_partition_without_rows_is_fine(session: df.Session) -> None:
    first, second = rows_queue("first", 5), rows_queue("second", 5)
    even = dd.from_dask_array(numbers(6), columns="n").to_frame()
    even = even[even["n"] >= 30]  # the first partitions are empty
    df.data.enqueue_from(even, first, session=session)
    feeding = df.data.enqueue_from(numbers(3), second, session=session, close=False)
    assert drain(first, session) == list(range(30, 60))
    taken = [int(session.run(second.dequeue())) for _ in range(30)]
    assert sorted(taken) == list(range(30))
    assert feeding.result(PATIENCE) == 30
    assert not session.run(second.is_closed())


def test_a_large_partition_goes_in_several_messages(session: df.Session) -> None:
    with df.device(PS):
        queue = df.FIFOQueue(100, [df.float64], shapes=[[20_000]], shared_name="large")
    df.data.enqueue_from(da.ones((40, 20_000), chunks=(20, -1)), queue, session=session)
    (found,) = zip(*df.data.batches(queue, 16, session), strict=True)
    assert sum(len(batch) for batch in found) == 40


# -- where the partitions are


def make_array(path: str) -> da.Array:
    return numbers(6).map_blocks(traced, path, dtype=np.int64)


def make_bag(path: str) -> db.Bag:
    return db.from_sequence(range(60), npartitions=6).map_partitions(traced, path)


def make_frame(path: str) -> dd.DataFrame:
    frame = dd.from_pandas(pd.DataFrame({"n": np.arange(60)}), npartitions=6)
    return frame.map_partitions(traced, path, meta={"n": np.int64})


@pytest.mark.parametrize("make", [make_array, make_bag, make_frame])
def test_a_persisted_collection_is_used_where_it_is(
    make: Any, session: df.Session, cluster: EmbeddedCluster, tmp_path: Any
) -> None:
    """Another client of the same cluster keeps it; nothing of it is computed again, also when it is let go of."""
    path = tmp_path / "who"
    queue = rows_queue(make.__name__, 5)
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        kept = client.persist(make(str(path)))
        with client.as_current():
            wait(kept)
        assert len(path.read_text().split()) == 6
        df.data.enqueue_from(kept, queue, session=session)
        del kept
        assert drain(queue, session) == list(range(60))
        assert len(path.read_text().split()) == 6


def test_a_collection_that_another_cluster_keeps_is_refused(session: df.Session) -> None:
    with Client(n_workers=1, processes=False, dashboard_address="127.0.0.1:0", set_as_default=False) as elsewhere:
        kept = elsewhere.persist(numbers(2))
        with pytest.raises(ValueError, match=r"is kept on the cluster inproc.*but the session runs on tcp"):
            df.data.enqueue_from(kept, rows_queue("elsewhere"), session=session)
        with df.Session() as local, pytest.raises(ValueError, match="the session runs on this process"):
            df.data.enqueue_from(kept, rows_queue("elsewhere"), session=local)


def test_few_partitions_are_alive_while_the_queue_is_full(session: df.Session, look: Look, no_collection: None) -> None:
    """At most two for each worker, however many there are, and a pushed one is let go of."""
    queue = rows_queue("bounded", 10)
    made = numbers(60)
    feeding = df.data.enqueue_from(made, queue, session=session)
    eventually(lambda: look.queue("bounded").get("waiting_enqueues", 0) >= 5, lambda: look.queue("bounded"))
    alive = [key for key in look.tasks("memory", "processing", "waiting", "queued", "no-worker") if made.name in key]
    assert 0 < len(alive) <= 2 * len(WORKERS)
    assert drain(queue, session) == list(range(600))
    assert feeding.result(PATIENCE) == 600
    eventually(lambda: look.tasks() == [], look.tasks)


def test_workers_stay_free_for_others_while_pushes_wait(session: df.Session, look: Look) -> None:
    queue = rows_queue("free", 1)
    feeding = df.data.enqueue_from(numbers(20), queue, session=session)
    eventually(lambda: look.queue("free").get("waiting_enqueues", 0) >= 4, lambda: look.queue("free"))
    futures = look.client.map(lambda x: x + 1, range(50))
    assert sum(look.client.gather(futures)) == sum(range(51))
    feeding.stop()
    assert feeding.result(PATIENCE) <= 200


# -- failures


def fail_at(block: np.ndarray, number: int) -> np.ndarray:
    if number in block:
        raise KeyError(f"no {number} today")
    return block


def test_a_partition_that_fails_is_named_with_its_own_exception(
    session: df.Session, look: Look, no_collection: None
) -> None:
    queue = rows_queue("bad", 5)
    coord = df.train.Coordinator()
    bad = numbers(8).map_blocks(fail_at, 35, dtype=np.int64)
    feeding = df.data.enqueue_from(bad, queue, session=session, coord=coord)
    drain(queue, session)
    with pytest.raises(df.errors.OpError, match=r"partition 3 \(of 8\).*'fifo_queue.*KeyError.*no 35 today") as raised:
        coord.join([feeding])
    assert isinstance(raised.value.__cause__, KeyError)
    assert session.run(queue.is_closed())
    eventually(lambda: look.tasks() == [], look.tasks)  # although the error is still known


def widen(block: np.ndarray, number: int) -> np.ndarray:
    return block.astype(np.float64) if number in block else block


def test_a_partition_of_another_dtype_than_promised_is_named(session: df.Session) -> None:
    feeding = df.data.enqueue_from(
        numbers(4).map_blocks(widen, 25, dtype=np.int64), rows_queue("liar"), session=session
    )
    with pytest.raises(
        df.errors.InvalidArgumentError, match=r"partition 2 .*array 0 is float64, but component 0 is int64"
    ):
        feeding.result(PATIENCE)


def test_a_worker_that_dies_while_it_pushes_is_reported_and_nothing_is_pushed_twice(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    queue = rows_queue("killed", 15)
    feeding = df.data.enqueue_from(numbers(1, 50), queue, session=session, workers=WORKERS[1:])
    eventually(lambda: look.queue("killed").get("waiting_enqueues") == 1, lambda: look.queue("killed"))
    (victim,) = [name for name, held in look.inside().items() if held["tasks"]]
    address = look.address(victim)
    cluster.kill_worker(victim)
    with pytest.raises(df.errors.UnavailableError, match=r"partition 0 \(of 1\)") as raised:
        feeding.result(PATIENCE)
    assert address in str(raised.value)
    assert "is not pushed a second time; 0 of its 50 rows are in the queue for certain" in str(raised.value)
    assert drain(queue, session) == list(range(15))
    cluster.wait_for_workers()


def test_a_worker_that_dies_before_it_pushes_costs_nothing(
    session: df.Session, cluster: EmbeddedCluster, look: Look, tmp_path: Any
) -> None:
    """Its partitions are computed by others, and each row comes once."""
    once = str(tmp_path / "once")
    queue = rows_queue("recomputed")
    doomed = numbers(6).map_blocks(die_once, 25, once, dtype=np.int64)
    feeding = df.data.enqueue_from(doomed, queue, session=session, workers=WORKERS[1:])
    assert drain(queue, session) == list(range(60))
    assert feeding.result(PATIENCE) == 60
    cluster.wait_for_workers()


def die_once(block: np.ndarray, number: int, path: str) -> np.ndarray:
    """Kill the worker that computes the block of `number`, the first time."""
    import os
    import signal
    from pathlib import Path

    if number in block and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def test_the_death_of_the_queue_s_worker_is_reported(session: df.Session, cluster: EmbeddedCluster, look: Look) -> None:
    with df.device("/job:worker/task:1/cpu:0"):
        queue = df.FIFOQueue(5, [df.int64], shapes=[[]], shared_name="its-worker")
    feeding = df.data.enqueue_from(numbers(6), queue, session=session)
    eventually(lambda: look.queue("its-worker").get("waiting_enqueues", 0) >= 1, lambda: look.queue("its-worker"))
    cluster.kill_worker("/job:worker/task:1")
    with pytest.raises(df.errors.UnavailableError, match=r"partition \d \(of 6\)"):
        feeding.result(PATIENCE)
    cluster.wait_for_workers()


# -- ends


def nothing_waits(look: Look, name: str) -> None:
    """No push waits at the queue, and no task is left."""
    eventually(lambda: look.queue(name).get("waiting_enqueues", 0) == 0, lambda: look.queue(name))
    eventually(lambda: look.tasks() == [], look.tasks)
    eventually(lambda: all(held["tasks"] == held["parts"] == 0 for held in look.inside().values()), look.inside)


def test_a_stop_ends_the_pushes_and_closes_the_queue(session: df.Session, look: Look) -> None:
    queue = rows_queue("stopped", 5)
    feeding = df.data.enqueue_from(numbers(20), queue, session=session)
    eventually(lambda: look.queue("stopped").get("waiting_enqueues", 0) >= 3, lambda: look.queue("stopped"))
    feeding.stop()
    assert feeding.result(PATIENCE) == 0
    assert feeding.error is None
    nothing_waits(look, "stopped")
    assert session.run(queue.is_closed())


def test_a_coordinator_s_stop_ends_the_feeding(session: df.Session, look: Look) -> None:
    queue = rows_queue("coordinated", 5)
    with df.train.Coordinator() as coord:
        feeding = df.data.enqueue_from(numbers(20), queue, session=session, coord=coord, close=False)
        eventually(lambda: look.queue("coordinated").get("waiting_enqueues", 0) >= 3)
    assert feeding.done()
    assert feeding.error is None
    nothing_waits(look, "coordinated")
    assert not session.run(queue.is_closed())


def test_a_queue_that_is_closed_under_a_feeding_ends_it(session: df.Session, look: Look, no_collection: None) -> None:
    queue = rows_queue("closed", 5)
    feeding = df.data.enqueue_from(numbers(20), queue, session=session)
    eventually(lambda: look.queue("closed").get("waiting_enqueues", 0) >= 3, lambda: look.queue("closed"))
    session.run(queue.close(cancel_pending_enqueues=True))
    with pytest.raises(df.errors.CancelledError, match=r"partition \d+ \(of 20\)"):
        feeding.result(PATIENCE)
    nothing_waits(look, "closed")


def test_closing_the_session_ends_the_feeding(session: df.Session, cluster: EmbeddedCluster, look: Look) -> None:
    queue = rows_queue("session", 5)
    other = df.Session(cluster.scheduler_address)
    feeding = df.data.enqueue_from(numbers(20), queue, session=other)
    eventually(lambda: look.queue("session").get("waiting_enqueues", 0) >= 3, lambda: look.queue("session"))
    other.close()
    with pytest.raises(df.errors.CancelledError, match="its session was closed"):
        feeding.result(PATIENCE)
    nothing_waits(look, "session")


CLIENT = """
import dask.array as da
import dask.dataframe
say("imported")
with df.device("/job:ps/task:0/cpu:0"):
    q = df.FIFOQueue(5, [df.int64], shapes=[[]], shared_name="client")
with df.Session(target) as sess:
    feeding = df.data.enqueue_from(da.arange(200, chunks=10), q)
    say("feeds")
    feeding.join()
"""


def test_the_death_of_the_client_ends_the_pushes(clients: Clients, look: Look, cluster: EmbeddedCluster) -> None:
    cluster.wait_for_workers()
    client = clients.start(CLIENT)
    client.hears("imported")  # seconds, on a busy machine
    client.hears("feeds")
    eventually(lambda: look.queue("client").get("waiting_enqueues", 0) >= 3, lambda: look.queue("client"))
    client.kill()
    nothing_waits(look, "client")
    eventually(look.is_empty, look.inside)


def test_whoever_waits_for_rows_of_a_feeding_that_fails_hears_its_end(session: df.Session) -> None:
    queue = rows_queue("consumer")
    bad = numbers(1).map_blocks(fail_at, 5, dtype=np.int64)
    waiting = Background(lambda: session.run(queue.dequeue(), options=limit(PATIENCE)))
    feeding = df.data.enqueue_from(bad, queue, session=session)
    assert isinstance(waiting.result(), df.errors.OutOfRangeError)
    with pytest.raises(df.errors.OpError, match="no 5 today"):
        feeding.result(PATIENCE)

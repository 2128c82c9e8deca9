"""Forked children of a client: what they may do with its sessions, sessions of their own, and their ends."""

import asyncio
import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import dask.array as da
import dask.config
import dask.tokenize
import distributed.utils
import numpy as np
import pytest
from distributed.utils import LoopRunner

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from tests.cluster.helpers import PS, W0, Clients, Look, Tap, eventually, quick_cluster, shared_queue
from tests.forked import PATIENCE, fork, held, in_child

pytestmark = pytest.mark.timeout(110)

PARENTS = f"FailedPreconditionError: this session belongs to the process that forked (pid {os.getpid()})"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


USES: dict[str, Callable[[df.Session, Tap], Any]] = {
    "run": lambda s, tap: tap.put(1.0),
    "run of nothing": lambda s, tap: s.run([]),
    "make_callable": lambda s, tap: s.make_callable(tap.dequeue),
    "repeat": lambda s, tap: s.repeat(tap.dequeue),
    "list_devices": lambda s, tap: s.list_devices(),
    "cluster_spec": lambda s, tap: s.cluster_spec(),
    "queue_rows": lambda s, tap: s.queue_rows(),
    "actor": lambda s, tap: s.actor(tap.queue),
    "start_queue_runners": lambda s, tap: df.train.start_queue_runners(s),
    "enqueue_from": lambda s, tap: df.data.enqueue_from(da.ones(3, dtype="f4"), tap.queue, session=s, workers=["x"]),
    "batches": lambda s, tap: list(df.data.batches(tap.queue, 2, s)),
    "close": lambda s, tap: s.close(),
}


def test_a_session_of_the_parent_says_at_once_that_it_is_the_parents(session: df.Session) -> None:
    tap = Tap(session, "used")
    tap.put(1.0)
    found = {name: in_child(lambda use=use: use(session, tap)) for name, use in USES.items()}
    assert {name: text for name, text in found.items() if not text.startswith(PARENTS)} == {}
    assert "make a new session here, or start the process with multiprocessing's 'spawn'" in found["run"]
    assert tap.take() == 1.0


def test_a_callable_a_loop_a_feeding_and_a_coordinator_of_the_parent_say_so_too(session: df.Session) -> None:
    ticks, fed = Tap(session, "ticks"), Tap(session, "fed", capacity=1)
    call = session.make_callable(ticks.count)
    call()
    with df.device(PS):
        one = df.constant(1.0)
    loop, coord = session.repeat(one, every=1), df.train.Coordinator()
    iterator = iter(loop)
    next(iterator)
    feeding = df.data.enqueue_from(da.ones(4, dtype="f4", chunks=2), fed.queue, session=session, coord=coord)
    for use in (call, loop.join, loop.stop, loop.done, lambda: next(iterator)):
        assert "belongs to the process that forked" in in_child(use)
    for use in (feeding.result, feeding.stop, feeding.done, feeding.join, coord.join, coord.should_stop):
        assert "belongs to the process that forked" in in_child(use)
    assert in_child(lambda: (coord.__exit__(None, None, None), session.__exit__(None, None, None))) == "(False, None)"
    assert [fed.take() for _ in range(4)] == [1.0] * 4
    assert feeding.result(PATIENCE) == 4
    assert next(iterator)[0] < next(iterator)[0]
    loop.stop()
    assert loop.join(PATIENCE) is not None


def test_a_child_opens_sessions_while_threads_of_its_parent_open_and_close_and_use_theirs(
    cluster: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each stands still in the middle: one starts its client, one closes it, one waits for an element.

    And others hold Dask's locks, as they do at times.
    """
    at, go = threading.Barrier(3), threading.Event()
    start, stop = LoopRunner.start, LoopRunner.stop

    def stand_still(who: str, call: Callable[..., Any], *args: Any) -> Any:
        if threading.current_thread().name == who:
            at.wait(PATIENCE)
            go.wait(PATIENCE)
        return call(*args)

    session, old = df.Session(cluster.scheduler_address), df.Session(cluster.scheduler_address)
    tap = Tap(session, "in the middle")
    monkeypatch.setattr(LoopRunner, "start", lambda *args: stand_still("opens", start, *args))
    monkeypatch.setattr(LoopRunner, "stop", lambda *args: stand_still("closes", stop, *args))
    threads = [
        threading.Thread(target=lambda: df.Session(cluster.scheduler_address).close(), name="opens"),
        threading.Thread(target=old.close, name="closes"),
        threading.Thread(target=tap.take, name="waits"),
    ]
    for thread in threads:
        thread.start()
    at.wait(PATIENCE)
    eventually(lambda: any(row["waiting_dequeues"] for row in session.queue_rows()))

    def another() -> float:
        with df.Session(cluster.scheduler_address) as mine:
            tap = Tap(mine, "of a child")
            tap.put(2.0)
            return tap.take()

    with held(LoopRunner._lock), held(dask.config.config_lock), held(dask.tokenize.tokenize_lock):
        assert in_child(another) == "2.0"
    assert "closed Session" in in_child(lambda: old.run(tap.count))
    go.set()
    tap.put(1.0)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    session.close()


async def large_value_ready() -> int:
    """What Dask does with messages of more than 10 MB."""
    return await distributed.utils.offload(lambda: 1)


def test_a_child_sends_large_values_though_the_thread_for_them_is_not_there(cluster: EmbeddedCluster) -> None:
    assert asyncio.run(large_value_ready()) == 1
    with df.device(W0):
        x = df.placeholder("float32")
        y = df.reduce_sum(x)

    def send() -> float:
        with df.Session(cluster.scheduler_address) as session:
            asyncio.run(large_value_ready())
            return float(session.run(y, {x: np.ones(4_000_000, "f4")}))

    assert in_child(send) == "4000000.0"


def test_a_torch_dataset_of_the_parent_gives_its_batches_in_children(
    session: df.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the forked workers of a DataLoader use it, which `test_torch.py` tries.  Tensors are arrays here."""
    for name, contents in {
        "torch": {"from_numpy": lambda array: array},
        "torch.utils": {},
        "torch.utils.data": {"IterableDataset": object},
    }.items():
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        vars(sys.modules[name]).update(contents)
    monkeypatch.delitem(sys.modules, "dflow.data.torch_dataset", raising=False)
    queue = shared_queue("of a dataset")
    session.run(queue.enqueue_many([np.arange(6, dtype="f4")]))
    session.run(queue.close())
    dataset = df.data.TorchDataset(queue, 4, session.target)
    monkeypatch.delitem(sys.modules, "dflow.data.torch_dataset")

    def take() -> list[float]:
        return [float(value) for (batch,) in itertools.islice(dataset, 1) for value in batch]

    assert in_child(take) == "[0.0, 1.0, 2.0, 3.0]"
    assert in_child(take) == "[4.0, 5.0]"
    assert in_child(take) == "[]"


def test_a_child_that_drops_a_session_of_its_parent_leaves_it_alone(session: df.Session) -> None:
    own = df.Session(session.target)
    tap = Tap(session, "kept")
    with session.graph.as_default(), df.device(PS):
        private = df.FIFOQueue(3, ["float32"], [[]])
    put, take = private.enqueue([5.0]), private.dequeue()
    holder = [df.Session(session.target, session.graph)]
    holder[0].run(put)

    def drop() -> str:
        holder.clear()
        gc.collect()
        return "dropped"

    assert in_child(drop) == "dropped"
    assert holder[0].run(take) == 5.0
    tap.put(1.0)
    assert tap.take() == 1.0
    holder[0].close()
    own.close()


def test_the_workers_notice_the_end_of_a_client_whose_child_lives_on(
    cluster: EmbeddedCluster, clients: Clients, look: Look
) -> None:
    client = clients.start(
        """
import os, signal
with df.Session(target) as session:
    session.run(queue("the child lives on").size())
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, b".")
        signal.pause()
    os.read(reading, 1)
    say("forked", child)
    signal.pause()
"""
    )
    child = int(client.hears("forked"))
    try:
        assert not look.is_empty()
        client.kill()
        eventually(look.is_empty, look.inside)
    finally:
        os.kill(child, signal.SIGKILL)


ENDS = """
import multiprocessing, os, signal, sys, warnings
from concurrent.futures import ProcessPoolExecutor
warnings.filterwarnings("ignore", "(?s).*fork", DeprecationWarning)
context = multiprocessing.get_context("fork")
import dflow as df

with df.device("/job:ps/task:0/cpu:0"):
    queue = df.FIFOQueue(9, ["float32"], [[]])
    put, take = queue.enqueue([4.0]), queue.dequeue()
    count = df.Variable(0, name="count")
    more = count.assign_add(1)

def use():
    try:
        session.run(take)
    except df.errors.FailedPreconditionError:
        return "refused"

def fails():
    raise KeyError("of the child")

def of_its_own():
    df.Session(sys.argv[1]).close()
    sys.exit()

def terminated():
    os.kill(os.getpid(), signal.SIGTERM)

def in_a_process():
    process = context.Process(target=sys.exit)
    process.start()
    process.join()

def in_a_pool():
    with context.Pool(1) as pool:
        return pool.apply(use)

def in_an_executor():
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(use).result()

def goes_on():
    before = session.run(count)
    while session.run(count) == before:
        assert not loop.done()
    session.run(put)
    return session.run(take) == 4.0

session = df.Session(sys.argv[1])
with session:
    session.run(count.initializer)
    loop = session.repeat(more)
    for end in (lambda: os._exit(0), sys.exit, of_its_own, fails, terminated, lambda: None):
        if (child := os.fork()) == 0:
            end()
            break  # and so to the end of the block, and of the program
        os.waitpid(child, 0)
        print(goes_on(), flush=True)
    else:
        for call in (in_a_process, in_a_pool, in_an_executor):
            print(call(), goes_on(), flush=True)
        loop.stop()
        print(loop.join() > 0, flush=True)
"""


def test_however_a_child_ends_the_session_of_its_parent_goes_on(cluster: EmbeddedCluster) -> None:
    """A child ends in the block of its parent's session, by itself or by what the standard library made it with."""
    said, complaints = run_program(ENDS, cluster)
    assert said == ["True"] * 6 + ["None True", "refused True", "refused True", "True"], complaints
    assert [line for line in complaints if not line.startswith(" ")] == [
        "Traceback (most recent call last):",
        "KeyError: 'of the child'",
    ]


def run_program(program: str, cluster: EmbeddedCluster) -> tuple[list[str], list[str]]:
    """What it says, and what it complains about."""
    command = [sys.executable, "-c", program, cluster.scheduler_address]
    ended = subprocess.run(command, env=child_environment(), capture_output=True, text=True, timeout=90)
    return ended.stdout.splitlines(), ended.stderr.splitlines()


def test_a_fork_waits_for_a_thread_that_imports_the_half_of_dflow_that_sessions_on_clusters_need(
    cluster: EmbeddedCluster,
) -> None:
    program = """
import importlib.abc, os, sys, threading, warnings
warnings.filterwarnings("ignore", "(?s).*fork", DeprecationWarning)
import dflow as df

importing, go = threading.Event(), threading.Event()

class StandsStill(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "dflow.runtime.dask.cold":
            importing.set()
            go.wait(1)  # whoever forks waits meanwhile

sys.meta_path.insert(0, StandsStill())
threading.Thread(target=lambda: df.Session(sys.argv[1]).close()).start()
importing.wait()
if (child := os.fork()) == 0:
    df.Session(sys.argv[1]).close()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_program(program, cluster) == (["7"], [])


def test_the_end_of_a_loop_is_not_lost_to_a_child_that_forks_while_the_session_is_used(session: df.Session) -> None:
    """Children come and go while elements pass; each element is there once."""
    source, sink = shared_queue("source"), shared_queue("sink")
    with df.device(W0):
        move = sink.enqueue([source.dequeue() + 0.0])
    loop = session.repeat(move)
    tap = Tap(session, "sink")
    put = source.enqueue_many([np.arange(20, dtype="f4")])
    close = source.close()
    for _ in range(3):
        session.run(put)
        if (child := fork()) == 0:
            with suppress(BaseException):
                session.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    session.run(close)
    assert loop.join(PATIENCE) == 60
    assert [tap.take() for _ in range(60)] == [*range(20)] * 3

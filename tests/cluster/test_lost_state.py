"""State that is lost between two runs: each session that used it is told once, with what was there."""

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest
from dask import bag, delayed

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.errors import AbortedError, FailedPreconditionError, UnavailableError
from tests.cluster.helpers import PS, W0, Background, Look, Tap, eventually, quick_cluster, shared_queue

PS_WORKER, WORKER0 = "/job:ps/task:0", "/job:worker/task:0"
W0_CPU, PS_CPU = "/job:worker/replica:0/task:0/device:CPU:0", "/job:ps/replica:0/task:0/device:CPU:0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2, nanny=True) as cluster:
        yield cluster


def heard(address: str, *sessions: df.Session) -> None:
    """Return when the sessions' own processes know that a worker is gone: what they run from now on begins later."""
    for session in sessions:
        process = session.backend.process  # type: ignore[attr-defined]
        eventually(lambda process=process: address not in [channel.peer for channel in process.channels()])


def restarted(cluster: EmbeddedCluster, look: Look, name: str, *sessions: df.Session) -> str:
    """Kill a worker between two runs of the sessions; returns when it is back.  Gives its old address."""
    address = look.address(name)
    cluster.kill_worker(name)
    look.returns(name, address)
    heard(address, *sessions)
    return address


def other_session(cluster: EmbeddedCluster) -> df.Session:
    """Of a graph of its own, which is the default in its block."""
    return df.Session(cluster.scheduler_address, df.Graph())


def state_on(device: str, name: str) -> tuple[list[Any], list[Any]]:
    """One of each kind of state, shared and private: what uses them, and the initializers of the variables."""
    with df.device(device), df.name_scope(name):
        private = df.FIFOQueue(10, [df.string], shapes=[[]], name="names")
        reader = df.TextLineReader(name="lines")
        variable = df.Variable(1.0, name="w")
        local = df.Variable(2.0, name="epochs", collections=[df.GraphKeys.LOCAL_VARIABLES])
        with df.container("c"):
            contained = df.FIFOQueue(10, [df.int32], shapes=[[]], shared_name=f"{name}-contained")
        shared = df.FIFOQueue(10, [df.int32], shapes=[[]], shared_name=f"{name}-shared")
    uses = [private.size(), reader.num_records_produced(), variable, local, contained.size(), shared.size()]
    return uses, [variable.initializer, local.initializer]


@pytest.mark.parametrize("hot", [False, True])
def test_a_session_is_told_once_what_it_used_on_a_device_that_was_restarted(
    hot: bool, session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """With the worker, the device, each kind of state by name, and the run's operations there; then all is new."""
    name = f"told-{hot}"
    uses, initializers = state_on(W0, name)
    session.run(initializers)
    for _ in range(2 if hot else 1):
        session.run(uses)
    address = restarted(cluster, look, WORKER0, session)
    with pytest.raises(AbortedError) as caught:
        session.run(uses[5])
    said = str(caught.value)
    assert f"the worker {address} with {W0_CPU} was lost, and with it what this session has used there: " in said
    queues = f"queues '{name}-contained' of container 'c', '{name}-shared', '{name}/names'"
    assert f"there: {queues}, reader '{name}/lines', variables '{name}/epochs', '{name}/w'" in said
    assert re.search(r"of the step there:\s+\S+ \(QueueSizeV2\), made at .*test_lost_state.py:\d+, in state_on", said)
    with pytest.raises(FailedPreconditionError):
        session.run(uses)
    session.run(initializers)
    assert session.run(uses) == [0, 0, 1, 2, 0, 0]


def test_a_queue_that_was_closed_is_open_and_empty_after_the_error(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """Whoever waited for its end, or for its elements, was told before."""
    tap = Tap(session, "closed", W0)
    tap.put(1)
    session.run(tap.close)
    assert tap.take() == 1
    restarted(cluster, look, WORKER0, session)
    with pytest.raises(AbortedError, match="queue 'closed'"):
        tap.take()
    tap.put(2)
    assert tap.take() == 2


def test_each_session_is_told_of_what_it_used_itself_and_no_other_is_disturbed(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    with df.device(W0):
        stateless, variable = df.random_uniform([]), df.Variable(0.0, name="only-mine")
    session.run(variable.initializer)
    with other_session(cluster) as second, other_session(cluster) as third, other_session(cluster) as fourth:
        theirs, elsewhere = Tap(second, "only-theirs", W0), Tap(fourth, "elsewhere", PS)
        theirs.put(1)
        elsewhere.put(1)
        with third.graph.as_default(), df.device(W0):
            random = df.random_uniform([])
        third.run(random)
        restarted(cluster, look, WORKER0, session, second, third)
        assert 0 <= third.run(random) < 1
        assert elsewhere.size() == 1
        with pytest.raises(AbortedError, match=r"there: variable 'only-mine'\."):
            session.run(stateless)
        with pytest.raises(AbortedError, match=r"there: queue 'only-theirs'\."):
            theirs.take()
        assert 0 <= session.run(stateless) < 1
        assert theirs.size() == 0


def test_a_run_that_does_not_touch_the_lost_device_is_not_told(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    lost, kept = Tap(session, "lost", W0), Tap(session, "kept", PS)
    lost.put(1)
    kept.put(2)
    restarted(cluster, look, WORKER0, session)
    assert kept.take() == 2
    with pytest.raises(AbortedError, match="queue 'lost'"):
        session.run([lost.count, kept.count])
    assert session.run([lost.count, kept.count]) == [0, 0]


def test_two_lost_devices_are_told_of_in_one_error(session: df.Session, cluster: EmbeddedCluster, look: Look) -> None:
    first, second = Tap(session, "first", W0), Tap(session, "second", PS)
    first.put(1)
    second.put(2)
    addresses = look.address(WORKER0), look.address(PS_WORKER)
    for name in (WORKER0, PS_WORKER):
        cluster.kill_worker(name)
    for name, address in zip((WORKER0, PS_WORKER), addresses, strict=True):
        look.returns(name, address)
        heard(address, session)
    with pytest.raises(AbortedError) as caught:
        session.run([first.count, second.count])
    for address, device, name in zip(addresses, (W0_CPU, PS_CPU), ("first", "second"), strict=True):
        what = f"{address} with {device} was lost, and with it what this session has used there: queue '{name}'"
        assert what in str(caught.value)
    assert session.run([first.count, second.count]) == [0, 0]


def test_of_many_threads_one_is_told(session: df.Session, cluster: EmbeddedCluster, look: Look) -> None:
    tap = Tap(session, "threads", W0)
    tap.put(1)
    restarted(cluster, look, WORKER0, session)
    together = threading.Barrier(8)

    def size() -> Any:
        together.wait(20)
        return tap.size()

    found = [run.result() for run in [Background(size) for _ in range(8)]]
    assert sorted(isinstance(outcome, AbortedError) for outcome in found) == [False] * 7 + [True]
    assert [outcome for outcome in found if not isinstance(outcome, AbortedError)] == [0] * 7


def test_a_run_that_was_cut_short_is_unavailable_and_the_next_one_is_told(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """As in TensorFlow 1: who tries again after an UnavailableError must know that the state is gone."""
    tap = Tap(session, "cut-short", W0)
    tap.size()
    run = Background(tap.take)
    look.waits(tap.name)
    address = restarted(cluster, look, WORKER0, session)
    assert isinstance(run.result(), UnavailableError)
    assert address in str(run.outcome)
    with pytest.raises(AbortedError, match="queue 'cut-short'"):
        tap.put(1)
    tap.put(1)
    assert tap.take() == 1


def test_a_reader_is_told_of_the_queue_of_its_file_names_on_another_device(
    session: df.Session, cluster: EmbeddedCluster, look: Look, tmp_path: Path
) -> None:
    """Also if the session has used the queue in no other way."""
    file = tmp_path / "lines"
    file.write_text("one\ntwo\nthree\n")
    with other_session(cluster) as filler, df.device(PS):
        names = df.FIFOQueue(9, [df.string], shapes=[[]], shared_name="file-names")
        filler.run(names.enqueue(str(file)))
    with df.device(PS):
        names = df.FIFOQueue(9, [df.string], shapes=[[]], shared_name="file-names")
    with df.device(W0):
        line = df.TextLineReader(name="reads").read(names)[1]
    assert session.run(line) == b"one"
    restarted(cluster, look, PS_WORKER, session)
    with pytest.raises(AbortedError, match=r"there: queue 'file-names'\."):
        session.run(line)
    assert session.run(line) == b"two"  # the reader is on a worker that lives


def test_a_connection_that_is_cut_takes_what_is_private_along_and_nothing_else(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """The worker ends the session's life there; it lives on itself, and so does what is shared."""
    tap = Tap(session, "shared", W0)
    with df.device(W0):
        private = df.FIFOQueue(10, [df.int32], shapes=[[]], name="private")
    put, size = private.enqueue(1), private.size()
    tap.put(5)
    session.run(put)
    address = look.address(WORKER0)
    session.backend.process.channel_to(address).cut()  # type: ignore[attr-defined]
    heard(address, session)
    with pytest.raises(AbortedError) as caught:
        session.run(size)
    assert f"the connection to the worker {address} with {W0_CPU} was lost" in str(caught.value)
    assert re.search(r"of this session alone: queue 'private(_\d+)?'\.", str(caught.value))
    assert session.run(size) == 0
    assert tap.take() == 5


# -- what goes on between two steps


def test_a_queue_runner_ends_and_its_own_close_does_not_hide_the_loss(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """The coordinator's stop closes the queue, which is a new one by then: the program is told all the same."""
    queue = shared_queue("filled", PS, 100_000)
    with df.device(W0):
        runner = df.train.QueueRunner(queue, [queue.enqueue([df.random_uniform([])])])
    coord = df.train.Coordinator()
    threads = runner.create_threads(session, coord, start=True)
    count = queue.size()
    eventually(lambda: session.run(count) > 10)
    restarted(cluster, look, PS_WORKER, session)
    with pytest.raises(UnavailableError):
        coord.join(threads)
    with pytest.raises(AbortedError, match="queue 'filled'"):
        session.run(count)
    assert session.run(count) == 0


def test_a_loop_that_stands_between_two_steps_ends_also_if_the_worker_is_back_at_its_address(
    session: df.Session, cluster: EmbeddedCluster, look: Look, tmp_path: Path
) -> None:
    """It does not go on with the new, empty queue."""
    name, port = "/job:fixed/task:0", _free_port()
    cluster.run(name, _command(cluster, name, port))
    cluster.wait_for_workers()
    tap = Tap(session, "same-address", name)
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def waits() -> Any:  # runs on the worker
        return np.float32(len(gate.read_text()))

    with df.device(W0):
        body = tap.queue.enqueue([df.py_func(waits, [], df.float32)])
    loop = session.repeat(body, device=WORKER0)
    gate.write_text("a")
    assert tap.take() == 1  # from now on the loop waits for the gate
    address = look.address(name)
    cluster.processes.pop(name).close()
    heard(address, session)
    cluster.run(name, _command(cluster, name, port))
    cluster.wait_for_workers()
    assert look.address(name) == address
    with pytest.raises(AbortedError, match="queue 'same-address'"):
        tap.size()
    assert tap.size() == 0
    gate.write_text("b")
    with pytest.raises(UnavailableError, match=f"{address} with /job:fixed/replica:0/task:0/device:CPU:0 was lost"):
        loop.join(20)
    assert tap.size() == 0
    cluster.processes.pop(name).close()


def test_a_feeding_between_two_partitions_ends_and_the_program_is_told(
    session: df.Session, cluster: EmbeddedCluster, look: Look, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def rows(number: int) -> list[tuple[float]]:  # runs on a worker
        return [(float(len(gate.read_text())) if number == 2 else 0.0,)]

    collection = bag.from_delayed([delayed(rows)(number) for number in range(3)])
    queue = shared_queue("fed", W0)
    feeding = df.data.enqueue_from(collection, queue, session=session, workers=[look.address("/job:worker/task:1")])
    count = queue.size()
    eventually(lambda: session.run(count) >= 1)
    restarted(cluster, look, WORKER0, session)
    gate.write_text("x")
    with pytest.raises(UnavailableError):
        feeding.result(20)
    with pytest.raises(AbortedError, match="queue 'fed'"):
        session.run(count)
    assert session.run(count) == 0


# -- how a worker may go


@pytest.fixture
def nannies() -> Iterator[tuple[distributed.LocalCluster, distributed.Client]]:
    """A plain Dask cluster, as in a notebook: one worker under a nanny."""
    options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "memory_limit": "700MiB"}
    with distributed.LocalCluster(n_workers=1, **options) as cluster, distributed.Client(cluster) as client:
        yield cluster, client


def kill(cluster: distributed.LocalCluster, client: distributed.Client) -> None:
    (pid,) = client.run(os.getpid).values()
    os.kill(pid, signal.SIGKILL)


def restart(cluster: distributed.LocalCluster, client: distributed.Client) -> None:
    client.restart()


def fill_memory(cluster: distributed.LocalCluster, client: distributed.Client) -> None:
    def allocate() -> None:
        held = []
        while True:
            held.append(np.ones(1 << 22))

    client.submit(allocate)


@pytest.mark.parametrize("end", [kill, restart, fill_memory])
def test_the_program_of_a_notebook_is_told_however_its_worker_ended(
    end: Callable[[Any, Any], None], nannies: tuple[distributed.LocalCluster, distributed.Client]
) -> None:
    """A kill, `Client.restart`, and a nanny that ends a worker with too much memory."""
    cluster, client = nannies
    queue = df.FIFOQueue(10, [df.int32], shapes=[[]])
    put, get, size, close = queue.enqueue_many([[1, 2, 3]]), queue.dequeue_up_to(1), queue.size(), queue.close()
    with df.Session(cluster.scheduler_address) as session:
        session.run(put)
        session.run(close)
        assert session.run(get) == [1]
        assert session.run(size) == 2
        (address,) = client.scheduler_info()["workers"]
        end(cluster, client)
        heard(address, session)
        with pytest.raises(AbortedError, match=rf"the worker {address} .*: queue 'fifo_queue'\."):
            session.run(size)
        eventually(lambda: not any(device.lost for device in session.backend.devices(fresh=True).devices))
        assert session.run(size) == 0
        session.run(put)
        assert session.run(get) == [1]


def test_a_worker_that_holds_state_is_not_retired_and_one_that_is_scaled_away_is_told_of() -> None:
    """Dask does not retire the worker of an actor; a cluster that is made smaller ends it all the same."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster) as client,
        df.Session(cluster.scheduler_address) as session,
    ):
        workers = client.scheduler_info()["workers"]
        (address,) = [address for address, worker in workers.items() if worker["name"] == 1]  # the first one to go
        (device,) = [device.name for device in session.list_devices() if device.address == address]
        tap = Tap(session, "scaled-away", device)
        tap.put(1)
        assert client.retire_workers([address], close_workers=True, remove=True) == {}
        assert tap.size() == 1
        cluster.scale(1)
        heard(address, session)
        with pytest.raises(AbortedError, match=rf"the worker {address} .*: queue 'scaled-away'\."):
            tap.size()
        with pytest.raises(UnavailableError, match="has not come back"):
            tap.size()


def test_a_worker_that_is_not_back_is_told_of_once_and_unavailable_from_then_on() -> None:
    """Then, when it is back under its name, it is usable, without another word."""
    with quick_cluster() as cluster:
        look = Look(cluster)
        with df.Session(cluster.scheduler_address) as session:
            tap = Tap(session, "away", W0)
            tap.put(1)
            address = look.address(WORKER0)
            cluster.kill_worker(WORKER0)
            heard(address, session)
            with pytest.raises(AbortedError, match=r"queue 'away'\.  Its device has not come back yet"):
                tap.size()
            with pytest.raises(UnavailableError, match="has not come back"):
                tap.size()
            cluster.start_worker(WORKER0)
            cluster.wait_for_workers()
            tap.put(2)
            assert tap.size() == 1
        look.client.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _command(cluster: EmbeddedCluster, name: str, port: int) -> list[str]:
    """A worker at a port that does not change."""
    command = ["worker", "--scheduler-file", str(cluster.scheduler_file), "--host", "127.0.0.1", "--no-nanny"]
    command += ["--no-dashboard", "--dashboard-address", ":0", "--nthreads", "1"]
    return [*command, "--name", name, "--worker-port", str(port)]

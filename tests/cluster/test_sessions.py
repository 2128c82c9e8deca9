"""Several sessions, many threads, large arrays, records on their way to the dead."""

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from dflow.runtime.session import plans
from dflow.runtime.session.cluster import ClusterBackend
from dflow.runtime.threads.current_frames import MENDED
from tests.cluster.helpers import PATIENCE, PS, W0, Background, Clients, Look, Tap, eventually, quick_cluster, stop

READER = """
with df.device("/job:ps/task:0/cpu:0"):
    names = df.FIFOQueue(10, ["string"], shapes=[[]], shared_name={names!r})
    reader = df.ReaderBase("TextLineReader", {{"skip_header_lines": 0}}, "lines", {name!r})
_, value = reader.read(names)
with df.Session(target) as sess:
    if {hot}:
        sess.run(value)
    say("waiting")
    sess.run(value)
"""


UNCLOSED = """
import sys
import dflow as df
sess = df.Session(sys.argv[1])
x = df.constant(1.0) + 1.0
print(sess.run(x), sess.run(x))
{end}
"""

TRACEBACK = ["Traceback (most recent call last):", "ValueError: mine"]  # without its indented lines


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


def test_two_sessions_of_one_process_share_queues_and_variables(session: df.Session) -> None:
    with df.device(PS):
        v = df.Variable(1.0, name="shared")
        added = v.assign_add(1.0)
    with df.Session(session.target, session.graph) as second:
        session.run(v.initializer)
        assert second.run(added) == 2
        assert session.run(added) == 3
        mine, theirs = Tap(session, "both"), Tap(second, "both")
        run = Background(mine.take)
        theirs.put(4)
        assert run.result() == 4


def test_the_tasks_of_runs_and_loops_are_let_go_of_without_the_garbage_collector(
    session: df.Session, look: Look, no_collection: None
) -> None:
    """Dask keeps a task, and its result on the worker, as long as the client has its future; also after a failure."""
    with df.device(W0):
        made = df.zeros([1000]) + df.placeholder_with_default(1.0, [])
        fails = df.reshape(made, df.placeholder_with_default([7], [1]))
    session.run(made)
    with pytest.raises(df.errors.InvalidArgumentError) as raised:
        session.run(fails)
    eventually(lambda: look.tasks() == [], look.tasks)
    assert raised.value.op is fails.op
    assert session.repeat(made.op, steps=3).join(PATIENCE) == 3
    failing = session.repeat(fails.op)
    with pytest.raises(df.errors.InvalidArgumentError):
        failing.join(PATIENCE)
    eventually(lambda: look.tasks() == [], look.tasks)


def test_dasks_profiler_cannot_stop_a_worker_or_the_scheduler(session: df.Session, look: Look) -> None:
    def mended(dask_worker: Any = None) -> bool:
        return sys.version_info >= MENDED or hasattr(sys._current_frames, "__wrapped__")

    assert all([*look.client.run(mended).values(), look.client.run_on_scheduler(mended)])


def test_twenty_threads_run_steps_over_two_devices_at_once(session: df.Session) -> None:
    """Each gets its own results; a counter sees each step once; first runs and later ones are mixed."""
    with df.device(PS):
        x = df.placeholder("float32", shape=[])
        count = df.Variable(0.0, name="count")
        counted = count.assign_add(1.0)
        y = x + 1.0
    with df.device(W0), df.control_dependencies([counted]):
        z = y * 2.0
    session.run(count.initializer)

    def steps(i: int) -> list[float]:
        return [float(session.run(z, {x: 100 * i + j})) for j in range(10)]

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(steps, range(20)))
    assert found == [[2 * (100 * i + j + 1) for j in range(10)] for i in range(20)]
    assert session.run(count) == 200


@pytest.mark.parametrize("run", ["cold", "hot"])
def test_arrays_of_50_megabytes_go_in_between_devices_and_out(run: str, session: df.Session) -> None:
    with df.device(PS):
        x = df.placeholder("float32")
        y = x + 1.0
    with df.device(W0):
        z = y * 2.0
    value = np.arange(12_500_000, dtype=np.float32)
    if run == "hot":
        session.run(z, {x: [1.0]})
    found = session.run(z, {x: value})
    assert found.shape == value.shape
    np.testing.assert_array_equal(found[::100_000], (value[::100_000] + 1) * 2)


@pytest.mark.parametrize("hot", [False, True])
def test_a_record_on_its_way_to_a_client_goes_back_when_it_dies(
    hot: bool, session: df.Session, clients: Clients, look: Look, tmp_path: Path
) -> None:
    """The client is stopped before its read gets a record; the next session reads that record first.

    Guards `ack` in `SharedReader.read`.
    """
    path, other = tmp_path / "lines", tmp_path / "other"
    path.write_bytes(b"a\n")
    other.write_bytes(b"b\nc\n")
    shared = f"records-{hot}"
    with df.device(PS):
        names = df.FIFOQueue(10, ["string"], shapes=[[]], shared_name=f"names-{hot}")
        reader = df.ReaderBase("TextLineReader", {"skip_header_lines": 0}, "lines", shared)
        name = df.placeholder("string", shape=[])
        put = names.enqueue([name])
    _, value = reader.read(names)
    produced = reader.num_records_produced()
    if hot:
        session.run(put, {name: str(path)})
    client = clients.start(READER.format(names=names.spec.name, name=shared, hot=hot))
    client.hears("waiting")
    look.waits(names.spec.name)
    stop(psutil.Process(client.pid))
    before = session.run(produced)
    session.run(put, {name: str(other)})
    eventually(lambda: session.run(produced) == before + 1)
    client.kill()
    eventually(lambda: session.run(produced) == before)
    assert [session.run(value), session.run(value)] == [b"b", b"c"]


def test_a_file_name_that_a_dead_client_asked_for_goes_to_a_living_one(
    session: df.Session, clients: Clients, look: Look, tmp_path: Path
) -> None:
    """The request of a private reader on another worker is withdrawn with its client."""
    program = READER.replace("{name!r}", "''").replace(
        "    reader", '    pass\nwith df.device("/job:worker/task:0/cpu:0"):\n    reader'
    )
    (tmp_path / "lines").write_bytes(b"a\n")
    with df.device(PS):
        names = df.FIFOQueue(10, ["string"], shapes=[[]], shared_name="asked")
        name = df.placeholder("string", shape=[])
        put = names.enqueue([name])
        taken = names.dequeue()
    session.run(names.size())
    for _ in range(5):
        client = clients.start(program.format(names="asked", hot=False))
        client.hears("waiting")
        look.waits("asked")
        client.kill()
        eventually(lambda: look.queue("asked")["waiting_dequeues"] == 0)
        session.run(put, {name: "f"})
        assert session.run(taken) == b"f"


def test_a_session_keeps_nothing_of_loops_that_ended_and_plans_that_it_forgot(
    session: df.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session may live for weeks; the names of its loops stay different."""
    monkeypatch.setattr(plans, "PLANS_KEPT", 2)
    with df.device(PS):
        x = df.random_uniform([])
    names = set()
    for _ in range(3):
        session.run(df.identity(x))
        loop = session.repeat(x, steps=1, name="same")
        assert loop.join(20) == 1
        names.add(loop.spec.name)
    backend = session.backend
    assert isinstance(backend, ClusterBackend)
    assert len(names) == 3
    eventually(lambda: not backend.held().loops)
    assert len(backend.held().hot) <= 2


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_session_that_ends_leaves_no_thread_and_no_connection(how: str, session: df.Session) -> None:
    """Guards that threads which read channels end with them, also when a session is garbage that nobody closed."""

    def mine() -> tuple[set[threading.Thread], int]:
        ports = [c for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_ESTABLISHED]
        return {thread for thread in threading.enumerate() if thread.name.startswith("dflow-")}, len(ports)

    with df.device(W0):
        x = df.constant(1.0) + 1.0
    for _ in range(2):
        session.run(x)
    before = mine()
    other = df.Session(session.target, session.graph)
    for _ in range(2):
        other.run(x)
    assert mine()[1] > before[1]
    if how == "closed":
        other.close()
    del other
    gc.collect()
    eventually(lambda: mine() == before, lambda: f"{before}, then {mine()}")


@pytest.mark.parametrize(("end", "code"), [("", 0), ("raise SystemExit(3)", 3), ("raise ValueError('mine')", 1)])
def test_a_program_ends_that_never_closes_its_session(end: str, code: int, cluster: EmbeddedCluster) -> None:
    """As most programs of TensorFlow 1 do; the interpreter that ends runs no thread any more."""
    command = [sys.executable, "-c", UNCLOSED.format(end=end), cluster.scheduler_address]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.returncode) == ("2.0 2.0\n", code)
    assert [line for line in done.stderr.splitlines() if line[0] != " "] == TRACEBACK[: 2 * (code == 1)]


@pytest.mark.parametrize(("theirs", "said"), [(2, r"int32, of shape \(\)"), ([1.0, 2.0], r"float32, of shape \(2,\)")])
def test_a_variable_of_another_program_under_the_same_name_is_told_apart(
    theirs: Any, said: str, cluster: EmbeddedCluster
) -> None:
    """It would give values of another dtype, or never take an initial value; who only looked at it makes no claim."""
    target = cluster.scheduler_address

    def variable(value: Any) -> tuple[df.Graph, df.Variable]:
        with df.Graph().as_default() as graph, df.container("told apart"):
            return graph, df.Variable(value, name="v")

    (graph, mine), (other_graph, other) = variable(1.0), variable(theirs)
    with df.Session(target, graph) as sess, df.Session(target, other_graph) as second:
        assert not second.run(df.is_variable_initialized(other))
        sess.run(mine.initializer)
        expected = rf"variable 'v' is float32, of shape \(\), here it is {said}.* df\.container"
        for fetch in (other, other.initializer):
            with pytest.raises(df.errors.InvalidArgumentError, match=expected):
                second.run(fetch)
        assert sess.run(mine) == 1.0
    df.Session.reset(target, ["told apart"])
    with df.Session(target, other_graph) as second:
        second.run(other.initializer)
    df.Session.reset(target, ["told apart"])

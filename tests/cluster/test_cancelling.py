"""Deadlines, closed sessions, Ctrl-C, cancelled tasks: attempts are withdrawn, and the queues stay usable."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.cluster.process import child_environment
from tests.cluster.helpers import PATIENCE, PS, W0, Background, Look, Tap, be_slow, eventually, limit, quick_cluster

INTERRUPTED = """
import signal
import sys
import dflow as df
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
with df.device("/job:ps/task:0/cpu:0"):
    q = df.FIFOQueue(100, ["float32"], shapes=[[]], shared_name={name!r})
taken = q.dequeue()
with df.Session(sys.argv[1]) as sess:
    if {loop}:
        sess.repeat(taken).join()
    if {hot}:
        sess.run(taken)
    sess.run(taken)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


@pytest.fixture
def other(cluster: EmbeddedCluster, session: df.Session) -> Iterator[df.Session]:
    """A second session of this process, on the same graph."""
    with df.Session(cluster.scheduler_address, session.graph) as other:
        yield other


def is_usable(tap: Tap) -> bool:
    """No attempt of anyone waits: an element stays until it is taken."""
    tap.put(7)
    return tap.size() == 1 and tap.take() == 7


@pytest.mark.parametrize("hot", [False, True])
def test_a_deadline_withdraws_the_attempt(hot: bool, session: df.Session, look: Look) -> None:
    """DeadlineExceededError at the client; the queue keeps the next element.  Guards `DeviceExecutor.cancel`."""
    tap = Tap(session, f"deadline-{hot}")
    with df.device(W0):
        result = tap.dequeue + 1
    if hot:
        tap.put(1)
        session.run(result)
    within = limit(2 if hot else 5)  # on a busy machine a first run begins late
    run = Background(lambda: session.run(result, options=within))
    look.waits(tap.name)
    assert isinstance(run.result(), df.errors.DeadlineExceededError)
    look.waits(tap.name, 0)
    assert is_usable(tap)
    tap.put(2)
    assert session.run(result) == 3


def test_an_element_that_meets_a_deadline_is_taken_or_stays(session: df.Session) -> None:
    """A hundred deadlines at about the moment when the element comes: each element is given to the caller or kept.

    Guards that `Step.fetched` refuses what comes after the end, and that values and the end of a part come together.
    """
    tap = Tap(session, "race")
    tap.put(0)
    tap.take()
    got = []
    for i in range(100):
        run = Background(lambda i=i: tap.take(0.001 + 0.00005 * i))
        tap.put(i)
        found = run.result()
        if isinstance(found, float):
            got.append(found)
        else:
            assert isinstance(found, df.errors.DeadlineExceededError)
    rest = [tap.take() for _ in range(tap.size())]
    assert got + rest == list(range(100))


def test_what_a_run_has_given_up_is_the_next_that_its_session_takes(session: df.Session, look: Look) -> None:
    """An element that is on its way to a run at its deadline is not overtaken by those behind it."""
    tap = Tap(session, "given-up")
    for value in range(8):
        tap.put(value)
    got = [tap.take()]
    look.client.run(partial(be_slow, "Fetched"), workers=[look.address("/job:ps/task:0")])
    for _ in range(3):
        with pytest.raises(df.errors.DeadlineExceededError):
            tap.take(0.01)
        got.append(tap.take())
    look.client.run(partial(be_slow, ""))
    assert got == [0, 1, 2, 3]
    look.needs_no_acknowledgement()
    assert [tap.take() for _ in range(tap.size())] == [4, 5, 6, 7]


def test_a_first_run_that_ends_while_others_need_what_it_fetches_leaves_its_session_usable(session: df.Session) -> None:
    """Five times: the scheduler drops a client that cancels a task which others need that no client asked for."""
    for i in range(5):
        tap = Tap(session, f"needed-{i}")
        with df.device(W0):
            between = tap.dequeue * 2.0
        with df.device(PS):
            last = between + 1.0
        session.run(tap.close)
        client = session.backend.client  # type: ignore[attr-defined]
        before = client.scheduler_comm.comm
        with pytest.raises(df.errors.OutOfRangeError):
            session.run([tap.dequeue, last])
        assert tap.size() == 0
        assert client.scheduler_comm.comm is before


@pytest.mark.parametrize("hot", [False, True])
def test_closing_a_session_ends_its_runs_in_other_threads(
    hot: bool, session: df.Session, other: df.Session, look: Look
) -> None:
    """They raise CancelledError, and what they waited for is withdrawn.  Guards `ClusterBackend.close`."""
    tap, theirs = Tap(session, f"close-{hot}"), Tap(other, f"close-{hot}")
    if hot:
        theirs.put(1)
        theirs.take()
    runs = [Background(theirs.take) for _ in range(3)]
    look.waits(tap.name, 3)
    other.close()
    ends = [run.result(5) for run in runs]
    assert all(isinstance(end, df.errors.CancelledError) for end in ends)
    assert len(set(map(id, ends))) == 3, "each thread has an error, and a traceback, of its own"
    eventually(lambda: look.queue(tap.name)["waiting_dequeues"] == 0, look.inside)
    assert is_usable(tap)
    with pytest.raises(RuntimeError, match="closed Session"):
        theirs.take()


def test_closing_a_session_while_runs_begin_never_hangs(cluster: EmbeddedCluster, session: df.Session) -> None:
    """Closed at ten moments of the first runs: CancelledError or RuntimeError, never a lost worker, never a hang."""
    for i in range(10):
        with df.Session(cluster.scheduler_address, session.graph) as other:
            tap = Tap(other, "begin")
            runs = [Background(tap.take) for _ in range(3)]
            eventually(lambda other=other, i=i: len(other.backend.held().process.steps) >= i // 3)
            other.close()
            for run in runs:
                assert isinstance(run.result(5), (df.errors.CancelledError, RuntimeError)), run.outcome


@pytest.mark.parametrize("moment", ["table", "repeat"])
@pytest.mark.parametrize("target", ["cluster", "local"])
def test_a_loop_that_begins_while_its_session_is_closed_is_cancelled(
    target: str, moment: str, cluster: EmbeddedCluster, session: df.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed before it is compiled, or right before it starts: as for runs, and nothing of the loop is left."""
    with session.graph.as_default():
        value = df.constant(1.0) + 1.0
    with df.Session(cluster.scheduler_address if target == "cluster" else "", session.graph) as other:
        backend: Any = other.backend
        begin = getattr(backend, moment)

        def closed_before(*arguments: Any, **options: Any) -> Any:
            if not other.closed:
                other.close()
            return begin(*arguments, **options)

        monkeypatch.setattr(backend, moment, closed_before)
        with pytest.raises(df.errors.CancelledError, match="session was closed"):
            other.repeat(value, 1).join(PATIENCE)
        assert backend.held().loops == ()
        assert not other.plans.in_use()


@pytest.mark.parametrize("what", ["cold", "hot", "loop"])
def test_ctrl_c_ends_a_client_and_what_it_waits_for(
    what: str, session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """KeyboardInterrupt leaves `run` and `join` at once, and nothing of the client stays on the workers."""
    tap = Tap(session, f"ctrl-c-{what}")
    program = INTERRUPTED.format(name=tap.name, hot=what == "hot", loop=what == "loop")
    command = [sys.executable, "-c", program, cluster.scheduler_address]
    with subprocess.Popen(command, env=child_environment(), stderr=subprocess.PIPE, text=True) as client:
        try:
            if what == "hot":
                tap.put(1)
                eventually(lambda: look.queue(tap.name).get("dequeued") == 1)
            look.waits(tap.name)
            client.send_signal(signal.SIGINT)
            _, errors = client.communicate(timeout=10)
        finally:
            client.kill()
    assert client.returncode in (-signal.SIGINT, 128 + signal.SIGINT)
    assert errors.strip().endswith("KeyboardInterrupt")
    eventually(lambda: look.queue(tap.name)["waiting_dequeues"] == 0)
    assert is_usable(tap)


def test_a_loop_ends_when_its_dask_task_is_cancelled(session: df.Session, look: Look) -> None:
    """CancelledError from `join`; the dequeue that the loop waits in is withdrawn.

    Guards `DflowWorker.transition`.
    """
    tap = Tap(session, "cancelled-loop")
    loop = session.repeat(tap.dequeue, name="eater")
    look.waits(tap.name)
    client = session.backend.client  # type: ignore[attr-defined]
    (key,) = [key for key in client.futures if key.startswith("eater-")]
    client.cancel([future for future in _futures(client) if future.key == key], force=True)
    with pytest.raises(df.errors.CancelledError):
        loop.join(10)
    eventually(lambda: look.queue(tap.name)["waiting_dequeues"] == 0, look.inside)
    assert is_usable(tap)


def _futures(client: object) -> list:
    from distributed import Future

    return [Future(key, client) for key in client.futures]  # type: ignore[attr-defined]


def test_a_cold_run_ends_when_its_dask_task_is_cancelled(session: df.Session, look: Look) -> None:
    """CancelledError from `run`; the attempt is withdrawn.  Guards `DflowWorker.transition`."""
    tap = Tap(session, "cancelled-run")
    run = Background(tap.take)
    look.waits(tap.name)
    client = session.backend.client  # type: ignore[attr-defined]
    found = [future for future in _futures(client) if "Dequeue" in future.key]
    client.cancel(found, force=True)
    assert isinstance(run.result(10), df.errors.CancelledError)
    eventually(lambda: look.queue(tap.name)["waiting_dequeues"] == 0, look.inside)
    assert is_usable(tap)


@pytest.mark.parametrize("finish", [False, True])
def test_a_stopped_loop_withdraws_what_it_waits_for(finish: bool, session: df.Session, look: Look) -> None:
    """`stop` ends the wait at once; `stop(finish=True)` lets the iteration take one more element."""
    tap = Tap(session, f"stop-{finish}")
    loop = session.repeat(tap.dequeue)
    tap.put(1)
    eventually(lambda: look.queue(tap.name).get("dequeued") == 1)
    look.waits(tap.name)
    loop.stop(finish=finish)
    if finish:
        assert not loop.done()
        tap.put(2)
    assert loop.join(10) == 1 + finish
    assert is_usable(tap)


def test_a_reset_ends_what_waits_in_every_session(session: df.Session, other: df.Session, look: Look) -> None:
    """AbortedError for a dequeue of the container, for a step elsewhere and for a loop; a new session can work.

    Guards that `DeviceExecutor.drop_session` tells the owners.
    """
    target = session.target
    with df.Graph().as_default(), df.Session(target) as first, df.Session(target) as second:
        taps = [Tap(first, "reset"), Tap(second, "reset-elsewhere", W0)]
        with df.container("kept"):
            kept, empty = Tap(second, "kept"), Tap(second, "empty")
            kept.put(1)
            empty.put(1)
            empty.take()
        runs = [Background(tap.take) for tap in (*taps, empty)]
        loop = second.repeat(taps[1].queue.dequeue())
        look.waits("reset")
        look.waits("reset-elsewhere", 2)
        look.waits("empty")  # in a container that is not reset
        df.Session.reset(target)
        for run in runs:
            assert isinstance(run.result(10), df.errors.AbortedError)
        with pytest.raises(df.errors.AbortedError):
            loop.join(10)
        with pytest.raises(df.errors.AbortedError):
            kept.take()
    with df.Graph().as_default(), df.Session(target) as third:
        assert is_usable(Tap(third, "reset"))
        with df.container("kept"):
            assert Tap(third, "kept").take() == 1

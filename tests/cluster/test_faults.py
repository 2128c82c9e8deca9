"""Workers and clients die: whoever waits hears of it, nothing runs twice, nothing of the dead stays."""

import re
import time
from collections.abc import Iterator

import psutil
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from dflow.runtime.dask.cold import run_segment
from dflow.runtime.dask.loop_task import run_loop
from tests.cluster.helpers import (
    PS,
    W0,
    W1,
    Background,
    Clients,
    Look,
    Tap,
    eventually,
    limit,
    quick_cluster,
    shared_queue,
    stop,
)

PS_WORKER, WORKER0 = "/job:ps/task:0", "/job:worker/task:0"

COLD_ENQUEUE = """
q = queue("again")
taken = queue("again-gate", "/job:worker/task:0/cpu:0").dequeue()
with df.device("/job:worker/task:1/cpu:0"), df.control_dependencies([q.enqueue([1.0])]):
    value = df.identity(taken)
with df.Session(target) as sess:
    say("waiting")
    sess.run(value)
"""
LOOPS = """
q = queue({name!r}, capacity=1000)
gate = queue("gate-" + {name!r})
with df.device("/job:worker/task:0/cpu:0"):
    one = df.random_uniform([])
with df.Session(target) as sess:
    sess.repeat(q.enqueue([one]), every=10**9, device="/job:worker/task:0")
    sess.repeat(gate.dequeue())
    for iteration, _ in sess.repeat(q.enqueue([2.0]), every=1):
        say("runs")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2, nanny=True) as cluster:
        yield cluster


@pytest.mark.parametrize("hot", [False, True])
@pytest.mark.parametrize("victim", ["holds the queue", "computes"])
def test_a_run_that_waits_hears_of_the_death_of_a_worker(
    victim: str, hot: bool, session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """It ends with UnavailableError that names the worker, its device and its operations, within seconds.

    Guards `Step.channel_closed`.
    """
    device = W0 if victim == "holds the queue" else PS
    tap = Tap(session, f"{victim}-{hot}", device)
    with df.device(W0 if victim == "computes" else W1):
        result = tap.dequeue * 2.0
    if hot:
        tap.put(1)
        assert session.run(result) == 2
    else:
        session.run(tap.count)
    address = look.address(WORKER0)
    run = Background(lambda: session.run(result))
    look.waits(tap.name)
    cluster.kill_worker(WORKER0)
    error = run.result(5)
    assert isinstance(error, df.errors.UnavailableError)
    assert address in str(error)
    assert "/job:worker/replica:0/task:0/device:CPU:0" in str(error)
    assert "this step's part" in str(error)
    operation = rf"{result.op.name} \(Mul\)" if victim == "computes" else rf"{tap.dequeue.op.name} \(QueueDequeueV2\)"
    assert re.search(rf"{operation}, made at .*\.py:\d+, in ", str(error))
    cluster.wait_for_workers()


def test_a_worker_that_comes_back_is_the_same_device_and_empty(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """The variables of the killed worker are uninitialized, its queues are new, other devices keep their state.

    The session is told of that once, see test_lost_state.py.
    """
    with df.device(W0):
        lost = df.Variable(1.0)
    with df.device(W1):
        kept = df.Variable(2.0)
    tap = Tap(session, "comes-back", W0)
    session.run(df.global_variables_initializer())
    tap.put(1)
    names = [info.name for info in session.list_devices()]
    address = look.address(WORKER0)
    cluster.kill_worker(WORKER0)
    look.returns(WORKER0, address)
    eventually(lambda: not any(info.lost for info in session.backend.devices(fresh=True).devices))
    assert sorted(info.name for info in session.list_devices()) == sorted(names)
    with pytest.raises(df.errors.AbortedError, match="queue 'comes-back', variable 'Variable'"):
        session.run(lost)
    with pytest.raises(df.errors.FailedPreconditionError, match="Variable"):
        session.run(lost)
    assert tap.size() == 0
    assert session.run(kept) == 2
    session.run(lost.initializer)
    assert session.run(lost) == 1


def test_a_device_whose_worker_is_lost_and_not_back_is_an_error_at_once(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """UnavailableError that names the device; Dask would wait for a worker with its resource for ever."""
    cluster.start_worker("/job:extra/task:0")
    cluster.wait_for_workers()
    with df.device("/job:extra/task:0"):
        x = df.random_uniform([])
    session.run(x)
    cluster.processes.pop("/job:extra/task:0").close()  # with its Nanny
    for _ in range(2):
        with pytest.raises(df.errors.UnavailableError, match="/job:extra/replica:0/task:0/device:CPU:0"):
            session.run(x, options=limit(5))


def test_an_enqueue_that_dask_computes_again_is_refused(
    session: df.Session, cluster: EmbeddedCluster, clients: Clients, look: Look
) -> None:
    """The result of an enqueue is lost with its worker while others need it: Dask wants to compute it again.

    The client is stopped meanwhile, so that it cannot be what ends the step.  Either Dask finds no worker with the
    resource, which is declared after the restart, or the segment is refused there: the new queue stays empty.
    """
    gate = Tap(session, "again-gate", W0)
    session.run(gate.count)
    client = clients.start(COLD_ENQUEUE)
    client.hears("waiting")
    look.waits(gate.name)
    eventually(lambda: look.queue("again")["size"] == 1)
    stop(psutil.Process(client.pid))
    address = look.address(PS_WORKER)
    cluster.kill_worker(PS_WORKER)
    look.returns(PS_WORKER, address)
    gate.put(1)
    eventually(lambda: [task for task in look.tasks("erred", "no-worker") if "enqueue" in task], look.tasks)
    assert Tap(session, "again").size() == 0
    client.kill()


def test_a_segment_runs_once(session: df.Session, look: Look) -> None:
    """A second start of the same task, while the step goes on, is refused, and so is one after its end.

    Dask does that when a result is lost in a way that this test cannot bring about.  Guards `PacedPart._claim`.
    """
    tap, gate = Tap(session, "once"), Tap(session, "gate")
    with df.control_dependencies([tap.queue.enqueue([1.0])]):
        taken = gate.queue.dequeue()
    run = Background(lambda: session.run(taken))
    look.waits(gate.name)
    assert tap.size() == 1
    owner, number = max(session.backend.process.steps)  # type: ignore[attr-defined]
    device = "/job:ps/replica:0/task:0/device:CPU:0"

    def again(index: int) -> BaseException | None:
        future = look.client.submit(run_segment, device, owner, number, index, pure=False, resources={device: 1e-3})
        error: BaseException | None = future.exception(timeout=10)
        return error

    errors = [again(0), again(1)]
    assert all(isinstance(error, df.errors.UnavailableError) for error in errors)
    assert all("runs at most once" in str(error) for error in errors)
    gate.put(2)
    assert run.result() == 2
    late = again(0)
    assert isinstance(late, df.errors.UnavailableError)
    assert f"cannot run on {device}, which does not know step {number} of {owner}" in str(late)
    assert tap.size() == 1


def test_a_loop_ends_when_its_worker_dies_and_does_not_start_again(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """`join` raises UnavailableError that names the worker and the loop; the restarted worker refuses the task.

    Guards `ClusterBackend._channel_closed`, and `LoopRun.claim` against a second start of the task.
    """
    tap = Tap(session, "loop", capacity=100_000)
    with df.device(W0):
        body = tap.queue.enqueue([df.random_uniform([])], name="fill")
    loop = session.repeat(body, device=WORKER0)
    eventually(lambda: tap.size() > 10)
    again = look.client.submit(
        run_loop, loop.spec.session, loop.spec.name, resources={loop.spec.driver: 1e-3}, pure=False
    )
    assert isinstance(again.result(10)[1], df.errors.UnavailableError)
    address = look.address(WORKER0)
    cluster.kill_worker(WORKER0)
    with pytest.raises(df.errors.UnavailableError, match=r"loop 'fill'") as caught:
        loop.join(5)
    assert address in str(caught.value)
    look.returns(WORKER0, address)
    eventually(lambda: look.inside()["/job:ps/task:0"]["parts"] == 0)
    eventually(lambda: not look.tasks("processing", "executing", "long-running"), look.tasks)
    size = tap.size()
    tap.put(1)
    assert tap.size() == size + 1


def test_a_loop_ends_when_another_worker_of_its_body_dies(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """The loop waits in a dequeue on the worker that dies; it raises UnavailableError that names the device."""
    queue = shared_queue("other", W0)
    with df.device(W1):
        body = queue.dequeue() + 1.0
    loop = session.repeat(body, device="/job:worker/task:1")
    look.waits("other")
    cluster.kill_worker(WORKER0)
    with pytest.raises(df.errors.UnavailableError, match="/job:worker/replica:0/task:0/device:CPU:0"):
        loop.join(5)
    cluster.wait_for_workers()


def test_the_loops_of_a_killed_client_stop(session: df.Session, clients: Clients, look: Look) -> None:
    """They enqueue no more, and what they wait for is withdrawn: a living client gets the next element.

    Guards the sessions that end in `Process.channel_closed`.
    """
    tap, gate = Tap(session, "loops", capacity=1000), Tap(session, "gate-loops")
    client = clients.start(LOOPS.format(name=tap.name))
    client.hears("runs")
    look.waits(gate.name)
    client.kill()
    eventually(lambda: not any(held["loops"] or held["parts"] for held in look.inside().values()), look.inside)
    eventually(lambda: not look.tasks("processing", "executing", "long-running"), look.tasks)
    gate.put(3)
    assert gate.take() == 3
    size = tap.size()
    assert tap.size() == size


def test_killing_clients_at_any_moment_leaves_nothing(session: df.Session, clients: Clients, look: Look) -> None:
    """Clients with loops and runs die at ten moments of their start; the workers end up empty (see `session`).

    Guards the second look at the session in `DeviceExecutor.start`, and `Process._install`.
    """
    program = LOOPS.format(name="moments")
    for i in range(10):
        client = clients.start(program)
        time.sleep(0.04 * i)  # no synchronisation: whatever it does then
        client.kill()


def test_a_worker_that_dies_while_it_installs_a_plan_is_named_with_the_plan(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """Guards `answered`: the end of a channel alone does not say what was asked for."""
    tap = Tap(session, "dies", W0)
    tap.size()
    address, worker = look.address(WORKER0), look.process_of(WORKER0)
    stop(worker)
    run = Background(lambda: tap.put(1))
    eventually(lambda: len(session.backend.process.calls))  # type: ignore[attr-defined]
    cluster.kill_worker(WORKER0)
    error = run.result(5)
    assert isinstance(error, df.errors.UnavailableError)
    expected = rf"worker {address} was lost and did not install plan \d+ \(fifo_queue_enqueue\) on /job:worker/.*:CPU:0"
    assert re.search(expected, str(error)), error
    cluster.wait_for_workers()


def test_a_lost_scheduler_ends_what_runs_and_what_is_started_later_at_once() -> None:
    """UnavailableError for a run, a loop and a new run; Dask's client would try to reconnect for 30 s."""
    with (
        quick_cluster(workers=0) as cluster,
        df.Session(cluster.scheduler_address) as session,
    ):
        tap = Tap(session, "q")
        tap.put(1)
        tap.take()
        loop = session.repeat(tap.queue.dequeue())
        run = Background(lambda: session.run(tap.dequeue))
        first = Background(lambda: session.run(tap.queue.dequeue(name="first")))
        look = Look(cluster)
        look.waits("q", 3)
        look.client.close()
        (scheduler,) = psutil.Process(cluster.processes["scheduler"].pid).children()
        scheduler.kill()
        assert isinstance(run.result(5), df.errors.UnavailableError)
        assert isinstance(first.result(5), df.errors.UnavailableError), first.outcome
        with pytest.raises(df.errors.UnavailableError, match="lost, and the loop"):
            loop.join(5)
        client = session.backend.client  # type: ignore[attr-defined]
        eventually(lambda: client.status != "running")
        later = Background(lambda: session.run(tap.queue.is_closed()))
        assert isinstance(later.result(5), df.errors.UnavailableError)
        assert "the scheduler cannot be reached" in str(later.outcome)

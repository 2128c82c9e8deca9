"""Workers are devices: named, pinned to, found again, refused; the scheduler says so, not dflow."""

from collections.abc import Iterator

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, Background, Look, Tap, eventually, quick_cluster

CPU = "/job:worker/replica:0/task:{}/device:CPU:0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(virtual_gpus=1) as cluster:
        yield cluster


def names(session: df.Session) -> list[str]:
    """The devices that are there, asked for afresh."""
    return sorted(info.name for info in session.backend.devices(fresh=True).devices if not info.lost)


def test_each_task_ran_on_the_worker_of_its_device(session: df.Session, look: Look) -> None:
    """Read from the scheduler's task stream; the keys start with the user's names, the GPU is its worker's."""
    tap = Tap(session, "placed")
    with df.device(PS):
        a = df.random_uniform([], name="on_ps")
    with df.device(W0):
        b = df.add(a, tap.queue.dequeue("take_it"), name="on_worker")
    with df.device("/job:worker/task:0/gpu:0"):
        c = df.multiply(b, 2.0, name="on_gpu")
    tap.put(1)
    look.client.get_task_stream()  # from now on the scheduler keeps it
    session.run(c)

    def ran() -> dict[str, str]:
        stream = {task["key"].partition("-")[0]: task["worker"] for task in look.client.get_task_stream()}
        return {key: worker for key, worker in stream.items() if key.startswith(("on_", "take_it"))}

    ps, worker = look.address("/job:ps/task:0"), look.address("/job:worker/task:0")
    eventually(lambda: len(ran()) == 4, ran)  # the result is here before the scheduler hears that its task ended
    assert ran() == {"on_ps": ps, "take_it": ps, "on_worker": worker, "on_gpu": worker}


def test_a_loop_runs_on_the_worker_of_its_device(session: df.Session, look: Look) -> None:
    """By default the one that computes; the key starts with the loop's name."""
    tap = Tap(session, "loop")
    with df.device(W0):
        body = tap.queue.enqueue([df.random_uniform([]) + 1.0])
    look.client.get_task_stream()
    session.repeat(body, steps=3, name="filler").join(10)
    (task,) = [task for task in look.client.get_task_stream() if task["key"].startswith("filler-")]
    assert task["worker"] == look.address("/job:worker/task:0")


def test_an_unknown_device_is_an_error_that_lists_the_devices(session: df.Session) -> None:
    with df.device("/job:ps/task:7"):
        x = df.random_uniform([])
    with pytest.raises(df.errors.InvalidArgumentError) as caught:
        session.run(x)
    for device in ("/job:ps/replica:0/task:0/device:CPU:0", "/job:worker/replica:0/task:0/device:GPU:0 (virtual)"):
        assert device in str(caught.value)


def test_a_second_session_does_not_tear_down_the_state_of_the_first(session: df.Session, look: Look) -> None:
    """Guards `idempotent` of the plugins."""
    tap = Tap(session, "kept")
    tap.put(1)

    def plugins(dask_worker: object) -> int:
        return id(dask_worker.plugins["dflow"])  # type: ignore[attr-defined]

    before = look.client.run(plugins)
    with df.Session(session.target, session.graph) as second:
        assert look.client.run(plugins) == before
        assert second.run(tap.count) == 1
        tap.put(2)
        assert second.run(tap.dequeue) == 1
    assert tap.take() == 2


def test_a_worker_that_joins_later_is_usable_at_once(session: df.Session, cluster: EmbeddedCluster) -> None:
    """By a session that is older; no other device changes its name."""
    with df.device(PS):
        before = names(session)
    cluster.start_worker("/job:late/task:0")
    cluster.wait_for_workers()
    with df.device("/job:late/task:0"):
        x = df.random_uniform([])
    assert 0 <= session.run(x) < 1
    assert names(session) == sorted([*before, "/job:late/replica:0/task:0/device:CPU:0"])
    cluster.processes.pop("/job:late/task:0").close()


def test_a_worker_that_claims_a_task_of_another_is_refused_and_harmless(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """It is a Dask worker without a device; its log, the scheduler's log and event say why; nobody waits for it."""
    before = names(session)
    tap = Tap(session, "mine")
    tap.put(1)
    name = "/job:ps/replica:0/task:0"
    cluster.start_worker(name)
    cluster.wait_for_workers()
    eventually(lambda: "has no device of dflow" in cluster.log_file(name).read_text())
    assert "which worker '/job:ps/task:0' has already" in cluster.log_file("scheduler").read_text()
    (event,) = [event for _, event in look.client.get_events("dflow") if "refused" in event]
    assert event["refused"] == look.address(name)
    assert names(session) == before
    with df.Session(session.target, session.graph) as second:
        assert second.run(tap.dequeue) == 1
    resources = next(worker["resources"] for worker in look.workers().values() if worker["name"] == name)
    assert resources == {}
    cluster.processes.pop(name).close()


def test_plain_workers_without_names_are_numbered_tasks_that_keep_their_numbers() -> None:
    """A session that is older than all workers waits for the first; a worker that its Nanny restarts is itself."""
    with (
        quick_cluster(ps=0, workers=0, nanny=True) as cluster,
        df.Session(cluster.scheduler_address) as session,
    ):
        x = df.random_uniform([])
        run = Background(lambda: session.run(x))
        for i in range(2):
            command = ["worker", "--scheduler-file", str(cluster.scheduler_file), "--host", "127.0.0.1"]
            cluster.run(f"plain-{i}", [*command, "--nthreads", "1", "--no-dashboard", "--dashboard-address", ":0"])
            eventually(lambda i=i: CPU.format(i) in names(session))
        assert 0 <= run.result() < 1
        look = Look(cluster)
        with df.device("/task:1"):
            tap = Tap(session, "q", "/job:worker/task:1")
        tap.put(1)
        where = {d: i.address for i in session.backend.devices().devices for d in [i.name]}
        pid = look.client.run(_pid)[where[CPU.format(0)]]
        cluster.worker_process("plain-0").kill()
        eventually(lambda: names(session) == [CPU.format(1)])
        eventually(lambda: names(session) == [CPU.format(0), CPU.format(1)])
        table = {info.name: info.address for info in session.backend.devices().devices}
        assert table[CPU.format(1)] == where[CPU.format(1)]
        assert look.client.run(_pid)[table[CPU.format(0)]] != pid
        assert tap.take() == 1
        assert 0 <= session.run(x) < 1
        cluster.processes["plain-0"].close()
        eventually(lambda: names(session) == [CPU.format(1)])
        cluster.run("plain-2", [*command, "--nthreads", "1", "--no-dashboard", "--dashboard-address", ":0"])
        eventually(lambda: names(session) == [CPU.format(1), CPU.format(2)])
        look.client.close()


def _pid() -> int:
    import os

    return os.getpid()

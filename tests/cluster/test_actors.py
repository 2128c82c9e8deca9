"""Containers, queues and readers are Dask actors whose state outlives the session that made them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, Look, Tap, eventually, quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


def actors(look: Look) -> dict[str, str]:
    """The names of the actors that the scheduler knows, and their workers."""

    def found(dask_scheduler: object) -> dict[str, str]:
        workers = dask_scheduler.workers.values()  # type: ignore[attr-defined]
        return {task.key.rpartition("-")[0]: worker.address for worker in workers for task in worker.actors}

    held: dict[str, str] = look.client.run_on_scheduler(found)
    return held


def _keys_of(dask_scheduler: object, name: str) -> list[str]:
    return [key for key in dask_scheduler.tasks if f"-'{name}'-" in str(key)]  # type: ignore[attr-defined]


def test_state_is_actors_that_outlive_their_session(cluster: EmbeddedCluster, look: Look) -> None:
    """The scheduler shows them on their workers, also when no session is left; the next session finds the state.

    Guards `dflow_hold`: an actor whose last client leaves is gone.
    """
    with df.device(PS), df.container("outlives"):
        w = df.Variable(3.0, name="w")
    with df.Session(cluster.scheduler_address) as first:
        tap = Tap(first, "outlives-q", W0)
        first.run(w.initializer)
        tap.put(1)
        eventually(lambda: {"container-'outlives'", "FIFOQueue-'outlives-q'"} <= actors(look).keys())
        assert first.actor(tap.queue).row().result()["size"] == 1
    eventually(lambda: look.is_empty())
    assert actors(look)["container-'outlives'"] == look.address("/job:ps/task:0")
    assert actors(look)["FIFOQueue-'outlives-q'"] == look.address("/job:worker/task:0")
    with df.Session(cluster.scheduler_address) as second:
        assert second.run(w) == 3
        assert Tap(second, "outlives-q", W0).take() == 1


def test_an_actor_is_the_object_that_the_operations_use(session: df.Session, look: Look) -> None:
    """A container is read and written in one call; two clients of one process do not get each other's actors."""
    with df.device(PS), df.container("object"):
        v = df.Variable([1.0, 2.0], name="v")
        u = df.Variable(5.0, name="u")
    with pytest.raises(df.errors.NotFoundError, match="not used in this session yet"):
        session.actor(v)
    session.run([v.initializer, u.initializer])
    actor = session.actor(v)
    assert {name: value.tolist() for name, value in actor.read().result().items()} == {"v": [1, 2], "u": 5}
    actor.write({"v": np.array([7, 8], np.float32)}).result()
    assert session.run(v).tolist() == [7, 8]
    with df.Session(session.target, session.graph) as second:
        second.run(v)
        assert second.actor(v).variables().result() == {"v": (2,), "u": ()}
    assert actor.row().result()["variables"] == 2
    with pytest.raises(df.errors.NotFoundError, match="has no variables"):
        actor.read(["nothing"]).result()


def test_a_private_queue_goes_with_its_session(cluster: EmbeddedCluster, look: Look) -> None:
    with df.device(PS):
        q = df.FIFOQueue(10, ["float32"], name="private")
    with df.Session(cluster.scheduler_address) as session:
        session.run(q.enqueue([1.0]))
        eventually(lambda: "FIFOQueue-'private'" in actors(look))
    eventually(lambda: "FIFOQueue-'private'" not in actors(look))
    with df.Session(cluster.scheduler_address) as session:
        assert session.run(q.size()) == 0
    eventually(look.is_empty, look.inside)


def test_a_reader_is_an_actor_that_goes_on_in_the_next_session(
    cluster: EmbeddedCluster, look: Look, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(b"a\nb\nc\n")
    with df.device(PS):
        names = df.FIFOQueue(10, ["string"], shapes=[[]], shared_name="names")
        reader = df.ReaderBase("TextLineReader", {"skip_header_lines": 0}, "lines", "lines")
        key, value = reader.read(names)
        produced = reader.num_records_produced()
    with df.Session(cluster.scheduler_address) as first:
        first.run(names.enqueue([str(tmp_path / "lines")]))
        assert first.run(value) == b"a"
        eventually(lambda: "TextLineReader-'lines'" in actors(look))
    with df.Session(cluster.scheduler_address) as second:
        assert second.run([key, value]) == [f"{tmp_path}/lines:2".encode(), b"b"]
        assert second.run(produced) == 2
        assert second.actor(reader).row().result()["records"] == 2
    eventually(look.is_empty, look.inside)


def test_a_worker_that_holds_state_is_not_retired(session: df.Session, look: Look) -> None:
    """Neither `retire_workers` nor the removal of idle workers takes it: an actor cannot be moved."""
    with df.device(W0), df.container("stays"):
        v = df.Variable(4.0, name="v")
    session.run(v.initializer)
    eventually(lambda: "container-'stays'" in actors(look))
    address = look.address("/job:worker/task:0")
    look.client.retire_workers([address])
    assert look.address("/job:worker/task:0") == address
    assert session.run(v) == 4
    assert session.actor(v).read().result() == {"v": 4}


def test_the_actors_of_a_killed_worker_are_released_and_made_anew(
    session: df.Session, cluster: EmbeddedCluster, look: Look
) -> None:
    """A handle says that its worker was lost; the next use makes a new actor, in old and in new sessions.

    Guards the address in the key (a key that is used again stays lost) and `DflowExtension.remove_worker`.
    """
    tap = Tap(session, "killed", W0)
    tap.put(1)
    with df.Session(session.target, session.graph) as gone:
        Tap(gone, "orphan", W0).put(1)
    eventually(lambda: {"FIFOQueue-'killed'", "FIFOQueue-'orphan'"} <= actors(look).keys())
    actor = session.actor(tap.queue)
    address = look.address("/job:worker/task:0")
    cluster.kill_worker("/job:worker/task:0")
    cluster.start_worker("/job:worker/task:0")
    look.returns("/job:worker/task:0", address)
    eventually(lambda: "FIFOQueue-'killed'" not in actors(look))
    eventually(lambda: not look.client.run_on_scheduler(_keys_of, name="orphan"))
    with pytest.raises(Exception, match="lost"):
        actor.row().result(5)
    with pytest.raises(df.errors.AbortedError, match="queue 'killed'"):
        tap.size()
    assert tap.size() == 0
    tap.put(2)
    assert eventually(lambda: session.actor(tap.queue)).row().result()["enqueued"] == 1
    assert actors(look)["FIFOQueue-'killed'"] == look.address("/job:worker/task:0") != address
    with df.Session(session.target, session.graph) as second:
        assert second.run(tap.dequeue) == 2


def test_a_reset_lets_go_of_the_actors_of_its_containers_and_of_no_others(session: df.Session, look: Look) -> None:
    """The worker forgets the objects, with what is in them, and the scheduler their keys."""

    def use(container: str) -> df.FIFOQueue:
        with df.Graph().as_default() as graph, df.device(PS), df.container(container):
            queue = df.FIFOQueue(5, ["float32"], shapes=[[]], shared_name="of-a-container")
            v = df.Variable(1.0, name="v")
            put, size = queue.enqueue([1.0]), queue.size()
        with df.Session(session.target, graph) as user:
            user.run([put, v.initializer])
            assert user.run(size) == 1
            eventually(lambda: user.actor(queue) and user.actor(v))
        return queue

    def held(container: str) -> list[str]:
        found: list[str] = look.client.run_on_scheduler(_held_in, container=container)
        return sorted(found)

    for container in ("stays", "goes"):
        use(container)
        assert eventually(lambda container=container: len(held(container)) == 2)
    keys = held("goes")
    df.Session.reset(session.target, ["goes"])
    assert held("goes") == []
    assert len(held("stays")) == 2
    eventually(lambda: not look.client.run_on_scheduler(_any_of, keys=keys))
    eventually(lambda: not any(look.client.run(_is_actor, keys=keys).values()))
    containers = look.client.run(_containers)[look.address("/job:ps/task:0")]
    assert "stays" in containers
    assert "goes" not in containers
    use("goes")  # a new queue with an actor of its own
    assert eventually(lambda: held("goes")) == keys
    df.Session.reset(session.target, ["stays", "goes"])
    assert held("stays") == []


def test_the_actors_of_many_names_are_few_kinds_for_dask(session: df.Session, look: Look) -> None:
    """Dask keeps statistics of each kind of task for ever."""
    before = look.client.run_on_scheduler(_prefixes)
    with df.device(PS):
        queues = [df.FIFOQueue(5, ["float32"], shapes=[[]], shared_name=f"q{n}.of.many") for n in range(20)]
    session.run([queue.size() for queue in queues])
    eventually(lambda: [session.actor(queue) for queue in queues])
    kinds = look.client.run_on_scheduler(_prefixes) - before
    assert not [kind for kind in kinds if "of.many" in kind]
    df.Session.reset(session.target)


def _held_in(dask_scheduler: object, container: str) -> list[str]:
    held = dask_scheduler.plugins["dflow"].held.values()  # type: ignore[attr-defined]
    return [key for keys in held for key, (_, its) in keys.items() if its == container]


def _any_of(dask_scheduler: object, keys: list[str]) -> bool:
    return any(key in dask_scheduler.tasks for key in keys)  # type: ignore[attr-defined]


def _is_actor(dask_worker: object, keys: list[str]) -> bool:
    return any(key in dask_worker.state.actors for key in keys)  # type: ignore[attr-defined]


def _containers(dask_worker: object) -> list[str]:
    hosts = dask_worker.plugins["dflow"].process.executors.values()  # type: ignore[attr-defined]
    return [row["container"] for host in hosts for row in host.rows()["containers"]]


def _prefixes(dask_scheduler: object) -> set[str]:
    return set(dask_scheduler.task_prefixes)  # type: ignore[attr-defined]


def test_a_local_session_has_no_actors() -> None:
    v = df.Variable(1.0)
    with df.Session() as session, pytest.raises(df.errors.NotFoundError, match="local session"):
        session.actor(v)

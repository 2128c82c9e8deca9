"""What dflow relies on in Dask beyond its documented interface, tried on real objects: a test a reliance.

Each says which file relies on it.  One that fails with a new Dask says what to look at, before a program hangs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError as CancelledFuture
from queue import SimpleQueue
from typing import Any

import pytest
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from distributed import Client, LocalCluster, Scheduler, SchedulerPlugin, Worker, WorkerPlugin, get_worker, secede
from distributed.comm import connect, get_address_host_port, normalize_address
from distributed.core import rpc
from distributed.utils import format_dashboard_link

from dflow.runtime import dask_client
from tests.cluster.helpers import Background, eventually

pytestmark = pytest.mark.timeout(60)
PATIENCE = 10  # seconds; of a test that fails


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """A scheduler and a worker in this process."""
    options: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "protocol": "tcp://", "host": "127.0.0.1"}
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **options) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        yield client


@pytest.fixture
def scheduler(cluster: LocalCluster) -> Scheduler:
    return cluster.scheduler


@pytest.fixture
def worker(cluster: LocalCluster) -> Worker:
    (worker,) = cluster.workers.values()
    return worker


def inside(node: Any, call: Any, *arguments: Any) -> Any:
    """Await `call(*arguments)` on the event loop of a scheduler or a worker."""

    async def awaited() -> Any:
        found = call(*arguments)
        return await found if asyncio.iscoroutine(found) else found

    return asyncio.run_coroutine_threadsafe(awaited(), dask_client.event_loop(node)).result(PATIENCE)


class Gate:
    """What `blocks`, a task, waits for: the worker is in this process."""

    began, opened = threading.Event(), threading.Event()


def blocks() -> Any:
    key = get_worker().get_current_task()
    secede()
    Gate.began.set()
    Gate.opened.wait(PATIENCE)
    return key


@pytest.fixture
def gate() -> Iterator[type[Gate]]:
    Gate.began, Gate.opened = threading.Event(), threading.Event()
    yield Gate
    Gate.opened.set()


# -- dask_client.py: the client


def test_a_handler_that_is_added_to_the_scheduler_is_called_with_its_arguments(
    client: Client, scheduler: Scheduler
) -> None:
    """`scheduler.handlers` (extension.py) and `client.scheduler.<handler>`."""
    scheduler.handlers["contract"] = lambda a, b=2: {"sum": a + b}
    assert dask_client.ask_scheduler(client, "contract", a=1) == {"sum": 3}
    assert dask_client.ask_scheduler(client, "contract", a=1, b=5) == {"sum": 6}


def test_a_question_to_the_scheduler_ends_at_its_time_limit(client: Client, scheduler: Scheduler) -> None:
    """With a TimeoutError; the client stays connected."""
    scheduler.handlers["contract_slow"] = asyncio.Event().wait
    with pytest.raises(TimeoutError):
        dask_client.ask_scheduler(client, "contract_slow", timeout=0.05)
    assert dask_client.is_connected(client)


def test_a_client_that_is_closed_is_not_connected_and_asks_nobody(cluster: LocalCluster) -> None:
    """`client.status`: "running" from the constructor on."""
    client = Client(cluster.scheduler_address, set_as_default=False)
    assert dask_client.is_connected(client)
    client.close()
    assert not dask_client.is_connected(client)
    with pytest.raises(OSError, match="lost"):
        dask_client.ask_scheduler(client, "identity")


def test_who_asks_or_cancels_while_another_thread_closes_the_client_is_not_left_waiting(
    cluster: LocalCluster, scheduler: Scheduler
) -> None:
    """`Client.sync`, which `Client.cancel` uses, waits for ever if the loop ends before it comes to the call."""
    asked = threading.Event()

    async def answers_never() -> None:
        asked.set()
        await asyncio.Event().wait()

    scheduler.handlers["contract_never"] = answers_never
    client = Client(cluster.scheduler_address, set_as_default=False)
    future = client.submit(abs, -4, pure=False)
    asker = Background(lambda: dask_client.ask_scheduler(client, "contract_never"))
    assert asked.wait(PATIENCE)
    released, stands = threading.Event(), threading.Event()
    dask_client.event_loop(client).call_soon_threadsafe(lambda: (stands.set(), released.wait(PATIENCE)))
    assert stands.wait(PATIENCE)
    dask_client.Watch(client).cancel([future])  # returns although the loop stands still
    released.set()
    client.close()
    assert isinstance(asker.result(PATIENCE), OSError)
    dask_client.Watch(client).cancel([future])


def test_a_client_that_loses_its_connection_cancels_its_futures_at_once(gate: type[Gate]) -> None:
    """Not when it gives up reconnecting: this ends loops (`_loop_ended` in cluster.py)."""
    found: SimpleQueue[Any] = SimpleQueue()
    with (
        LocalCluster(
            n_workers=1, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster.scheduler_address, set_as_default=False) as client,
    ):
        dask_client.Watch(client).when_done(client.submit(blocks), found.put)
        assert gate.began.wait(PATIENCE)
        inside(cluster.scheduler, lambda: [comm.abort() for comm in list(cluster.scheduler._comms)])
        assert isinstance(found.get(timeout=PATIENCE), CancelledFuture)
        gate.opened.set()
        eventually(lambda: dask_client.is_connected(client))  # again: a client that is closed before leaves a socket


@pytest.mark.parametrize("role", ["client", "worker"])
def test_a_node_connects_with_the_arguments_of_its_security(role: str, client: Client, worker: Worker) -> None:
    """`security.get_connection_args`, for `distributed.comm.connect` (lane.py)."""
    node: Any = client if role == "client" else worker
    arguments = dask_client.connection_args(node, role)

    async def connects() -> bool:
        comm = await connect(worker.address, timeout=PATIENCE, **arguments)
        comm.abort()
        return bool(comm.closed())

    assert inside(node, connects)


def test_the_event_loop_of_a_client_and_of_a_worker_is_asyncios(client: Client, worker: Worker) -> None:
    """`loop.asyncio_loop`."""
    for node in (client, worker):
        assert inside(node, asyncio.get_running_loop) is dask_client.event_loop(node)


def test_the_end_of_a_task_is_told_once_with_its_result_its_exception_or_its_cancellation(
    client: Client, gate: type[Gate]
) -> None:
    """`Future.add_done_callback`, and `client.gather(asynchronous=True)` outside of the client's own tasks."""
    found: SimpleQueue[Any] = SimpleQueue()
    dask_client.Watch(client).when_done(client.submit(abs, -3, pure=False), found.put)
    assert found.get(timeout=PATIENCE) == 3
    dask_client.Watch(client).when_done(client.submit(abs, "x", pure=False), found.put)
    assert isinstance(found.get(timeout=PATIENCE), TypeError)
    future = client.submit(blocks)
    dask_client.Watch(client).when_done(future, found.put)
    assert gate.began.wait(PATIENCE)
    client.cancel([future], force=True)
    assert isinstance(found.get(timeout=PATIENCE), dask_client.FutureCancelled)


def test_the_result_of_a_task_that_was_forgotten_is_not_asked_for(
    client: Client, gate: type[Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is anyone told; of the next task somebody is."""
    asked: list[Any] = []
    real = client.gather
    monkeypatch.setattr(client, "gather", lambda future, **options: asked.append(future.key) or real(future, **options))
    found: SimpleQueue[Any] = SimpleQueue()
    watch = dask_client.Watch(client)
    first = client.submit(blocks, pure=False)
    forget = watch.when_done(first, lambda end: found.put("told"))
    assert gate.began.wait(PATIENCE)
    forget()
    gate.opened.set()
    second = client.submit(abs, -3, pure=False)
    first.add_done_callback(lambda future: watch.when_done(second, found.put))
    assert found.get(timeout=PATIENCE) == 3
    assert asked == [second.key]


def test_a_watch_that_is_closed_tells_of_a_cancelled_task_once_and_leaves_the_task_alone(
    client: Client, gate: type[Gate]
) -> None:
    found: SimpleQueue[Any] = SimpleQueue()
    watch, future = dask_client.Watch(client), client.submit(blocks)
    watch.when_done(future, found.put)
    assert gate.began.wait(PATIENCE)
    watch.close()
    assert isinstance(found.get(timeout=PATIENCE), dask_client.FutureCancelled)
    gate.opened.set()
    assert future.result(PATIENCE) == future.key
    dask_client.Watch(client).when_done(future, found.put)  # its call comes after what the other one would do
    assert found.get(timeout=PATIENCE) == future.key
    assert found.empty()


def test_an_actor_can_be_made_again_for_another_client(client: Client) -> None:
    """`Actor.__reduce__` gives a function that uses the current client (actors.py)."""
    kept = client.submit(list, (1, 2), actor=True, pure=False)  # Dask may drop an actor without a future for a moment
    with client.as_current():
        make, arguments = kept.result().__reduce__()
        assert make(*arguments).index(2).result() == 1


# -- worker.py


def test_a_worker_handler_with_a_comm_keeps_the_connection_for_itself(worker: Worker) -> None:
    """`worker.handlers`: a message {"op", "reply": False} hands its comm over until the handler gives "dont-reply"."""

    async def echo(comm: Any, word: str) -> str:
        await comm.write([word, await comm.read()])
        return "dont-reply"

    worker.handlers["contract_echo"] = echo

    async def talk() -> Any:
        comm = await connect(worker.address, timeout=PATIENCE)
        await comm.write({"op": "contract_echo", "reply": False, "word": "a"})
        await comm.write("b")
        answer = await comm.read()
        comm.abort()
        return answer

    assert list(inside(worker, talk)) == ["a", "b"]


def test_a_worker_calls_handlers_of_the_scheduler(worker: Worker, scheduler: Scheduler) -> None:
    """`worker.scheduler.<handler>`."""
    scheduler.handlers["contract_worker"] = lambda word: word.upper()

    async def ask() -> Any:
        return await worker.scheduler.contract_worker(word="a")

    assert inside(worker, ask) == "A"


def test_a_metric_of_a_worker_comes_to_the_scheduler_with_its_heartbeat(worker: Worker, scheduler: Scheduler) -> None:
    """`worker.metrics`, and `scheduler.workers[address].metrics` (extension.py, dashboard/page.py)."""
    worker.metrics["contract"] = lambda node: {"address": node.address}
    inside(worker, worker.heartbeat)
    del worker.metrics["contract"]
    assert scheduler.workers[worker.address].metrics["contract"] == {"address": worker.address}


def test_resources_that_a_running_worker_declares_are_known_to_the_scheduler(
    worker: Worker, scheduler: Scheduler, client: Client
) -> None:
    """`worker.set_resources`: a share of one places a task."""
    inside(worker, lambda: worker.set_resources(**{"/job:ps": 1.0}))
    assert scheduler.workers[worker.address].resources["/job:ps"] == 1.0
    assert client.submit(abs, -3, pure=False, resources={"/job:ps": 2.0**-20}).result(PATIENCE) == 3


class Watcher(WorkerPlugin):
    name = "contract"

    def __init__(self) -> None:
        self.seen: SimpleQueue[tuple[Any, str, str]] = SimpleQueue()

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        self.seen.put((key, start, finish))


def test_a_task_that_dask_takes_back_while_it_runs_is_told_to_the_plugin(
    worker: Worker, client: Client, gate: type[Gate]
) -> None:
    """`WorkerPlugin.transition`, `worker.plugins`, `worker.state.tasks` and the names of the states."""
    plugin = Watcher()
    inside(worker, lambda: worker.plugin_add(plugin, name="contract"))
    assert worker.plugins["contract"] is plugin
    future = client.submit(blocks, key="contract-task")
    assert gate.began.wait(PATIENCE)
    assert worker.state.tasks["contract-task"].state in ("executing", "long-running")
    client.cancel([future], force=True)
    taken_back: set[str] = set()
    while not taken_back & {"released", "cancelled", "forgotten"}:
        key, start, finish = plugin.seen.get(timeout=PATIENCE)
        if key == "contract-task" and start in ("executing", "long-running"):
            taken_back.add(finish)
    inside(worker, lambda: worker.plugin_remove("contract"))


def test_a_task_knows_its_key(client: Client, gate: type[Gate]) -> None:
    """`worker.get_current_task`, after `secede` too."""
    gate.opened.set()
    assert client.submit(blocks, key="contract-key").result(PATIENCE) == "contract-key"


def test_a_worker_says_its_names_its_nanny_and_its_host(worker: Worker) -> None:
    """The attributes that its devices are named by."""
    assert worker.nanny is None
    assert worker.host == "127.0.0.1"
    assert worker.name == 0  # as LocalCluster calls it; its address, if nobody does

    async def unnamed() -> bool:
        async with Worker(worker.scheduler.address, nthreads=1, dashboard_address=None) as other:
            return bool(other.name == other.address)

    assert inside(worker, unnamed)


# -- extension.py and dashboard/page.py


class Listener(SchedulerPlugin):
    name = "contract"

    def __init__(self) -> None:
        self.told: list[str] = []

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self.told.append(f"add {worker in scheduler.workers}")

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **kwargs: Any) -> None:
        self.told.append(f"remove {worker in scheduler.workers} {bool(stimulus_id)}")


def test_a_plugin_hears_of_workers_that_come_and_go(scheduler: Scheduler) -> None:
    """The scheduler has a worker when it comes and no more when it goes."""
    plugin = Listener()

    async def come_and_go() -> None:
        scheduler.add_plugin(plugin)
        async with Worker(scheduler.address, nthreads=1, dashboard_address=None):
            pass
        scheduler.remove_plugin(name="contract")

    inside(scheduler, come_and_go)
    assert plugin.told == ["add True", "remove False True"]


def test_keys_that_the_scheduler_wants_itself_outlive_their_client(cluster: LocalCluster, scheduler: Scheduler) -> None:
    """`client_desires_keys` and `client_releases_keys` for a client that does not exist: shared actors stay."""
    wanted: dict[str, Any] = {"keys": ["contract-held"], "client": "contract"}
    with Client(cluster.scheduler_address, set_as_default=False) as other:
        future = other.submit(abs, -3, key="contract-held")
        assert future.result(PATIENCE) == 3
        inside(scheduler, lambda: scheduler.client_desires_keys(**wanted))
    eventually(lambda: other.id not in scheduler.clients)
    assert "contract-held" in scheduler.tasks
    inside(scheduler, lambda: scheduler.client_releases_keys(**wanted, stimulus_id="contract"))
    assert "contract-held" not in scheduler.tasks


def test_the_scheduler_keeps_events(scheduler: Scheduler) -> None:
    """`scheduler.log_event`."""
    inside(scheduler, lambda: scheduler.log_event("contract", {"a": 1}))
    assert [message for _, message in scheduler.get_events("contract")] == [{"a": 1}]


def test_the_schedulers_http_server_takes_another_application_and_its_timers_have_names(scheduler: Scheduler) -> None:
    """`http_application.applications`, `add_application`, `periodic_callbacks`, `template_variables`."""
    from bokeh.server.tornado import BokehTornado
    from distributed.dashboard.core import BokehApplication
    from distributed.dashboard.scheduler import template_variables

    (pages,) = [app for app in scheduler.http_application.applications if isinstance(app, BokehTornado)]
    assert "/status" in pages.app_paths
    assert pages.prefix == ""
    assert callable(scheduler.http_application.add_application)
    assert isinstance(scheduler.periodic_callbacks, dict)
    assert template_variables(scheduler) is template_variables(scheduler)
    assert "status" in template_variables(scheduler)["pages"]
    made = inside(scheduler, lambda: BokehApplication({"/contract": lambda *_: None}, scheduler, prefix=""))
    assert isinstance(made, BokehTornado)


# -- cluster/scheduler.py and cluster.py: addresses


def test_addresses_are_completed_and_taken_apart() -> None:
    assert normalize_address("localhost:8786") == "tcp://localhost:8786"
    assert get_address_host_port("tcp://127.0.0.1:8786") == ("127.0.0.1", 8786)
    with pytest.raises(ValueError, match="x"):
        get_address_host_port("tcp://127.0.0.1:x")
    assert format_dashboard_link("127.0.0.1", 8787) == "http://127.0.0.1:8787/status"


def test_a_program_that_is_no_client_asks_the_scheduler_who_it_is(scheduler: Scheduler) -> None:
    """`distributed.core.rpc`, and what `identity` says of the dashboard and of the workers."""

    async def ask() -> Any:
        async with rpc(scheduler.address) as proxy:
            return await proxy.identity()

    found = asyncio.run(ask())
    assert found["services"]["dashboard"] > 0
    assert {"name", "local_directory"} <= next(iter(found["workers"].values())).keys()


def test_a_task_may_need_a_key_that_its_graph_does_not_have(client: Client) -> None:
    """dflow/data/feeders.py: partitions that the cluster keeps are named by their keys alone."""
    kept = client.submit(int, 20, key="kept")
    graph = HighLevelGraph({"sum": {"sum": dask_client.task_of("sum", max, 3, after=["kept"])}}, {"sum": set()})
    assert client.compute(Delayed("sum", graph), optimize_graph=False).result(PATIENCE) == 20
    kept.release()

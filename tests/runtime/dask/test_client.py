"""What dflow relies on in Dask beyond its documented interface, tried on real objects: a test a reliance.

Each says which file relies on it.  One that fails with a new Dask says what to look at, before a program hangs.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError as CancelledFuture
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import dask
import dask.config
import dask.tokenize
import distributed.utils
import pytest
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.utils import key_split
from distributed import (
    Client,
    LocalCluster,
    Scheduler,
    SchedulerPlugin,
    Worker,
    WorkerPlugin,
    get_worker,
    metrics,
    secede,
)
from distributed import span as distributed_span
from distributed.comm import connect, get_address_host_port, listen, normalize_address
from distributed.core import rpc
from distributed.scheduler import TaskGroup
from distributed.utils import LoopRunner, format_dashboard_link

from dflow.runtime.base import timeouts
from dflow.runtime.dask import client as dask_client
from dflow.runtime.dask.leftovers import GROUPS_KEPT, KEYS_KEPT, tidy_keys, tidy_span, tidy_topics
from dflow.runtime.dask.unbegun import _unbegun
from dflow.runtime.transport import connection as links
from tests.cluster.helpers import Background, eventually
from tests.forked import held, in_child

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


def holds() -> None:
    """As `blocks`, but it keeps its thread."""
    Gate.began.set()
    Gate.opened.wait(PATIENCE)


@pytest.fixture
def gate() -> Iterator[type[Gate]]:
    Gate.began, Gate.opened = threading.Event(), threading.Event()
    yield Gate
    Gate.opened.set()


# -- client.py: the scheduler


class Added(WorkerPlugin):
    def __init__(self, fails: bool) -> None:
        self.fails = fails

    def setup(self, worker: Worker) -> None:
        if self.fails:
            raise ValueError("it failed")


def test_a_plugin_that_is_added_to_one_worker_is_set_up_there_and_its_failure_is_told(
    scheduler: Scheduler, worker: Worker
) -> None:
    """`Scheduler.broadcast` of "plugin-add" (extension.py); an OSError for a worker that does not answer."""
    assert inside(scheduler, dask_client.add_plugin, scheduler, worker.address, "contract", Added(False)) is None
    assert isinstance(worker.plugins["contract"], Added)
    failed = inside(scheduler, dask_client.add_plugin, scheduler, worker.address, "contract", Added(True))
    assert not isinstance(failed, OSError)
    assert "it failed" in str(failed)
    nobody = "tcp://127.0.0.1:1"
    with dask.config.set({"distributed.comm.timeouts.connect": 0.1}):
        assert isinstance(
            inside(scheduler, dask_client.add_plugin, scheduler, nobody, "contract", Added(False)), OSError
        )


def test_the_scheduler_knows_when_it_last_heard_of_a_worker(scheduler: Scheduler, worker: Worker) -> None:
    """`WorkerState.last_seen` (extension.py), by the clock of `distributed.metrics`: the moment of a heartbeat."""
    before = metrics.time()
    inside(worker, worker.heartbeat)
    eventually(lambda: scheduler.workers[worker.address].last_seen >= before)
    assert scheduler.workers[worker.address].last_seen <= metrics.time()


# -- client.py: the client


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


def test_an_answer_of_the_scheduler_that_comes_at_the_end_of_a_look_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks looks each second whether the client is closed."""

    class Late(Future[str]):
        def result(self, timeout: float | None = None) -> str:
            if timeout is None:
                return super().result()
            self.set_result("answer")  # when the wait has just given it up
            raise TimeoutError

    asked, looks = Late(), iter([None, lambda: asked.set_result("answer")])

    def look(client: Any) -> bool:
        answer = next(looks)
        if answer is not None:
            answer()
        return True

    monkeypatch.setattr(timeouts, "CLIENT_CLOSED", 0.0)
    monkeypatch.setattr(dask_client, "is_connected", look)
    monkeypatch.setattr(dask_client, "on_loop", lambda client, call: asked)
    assert dask_client.ask_scheduler(SimpleNamespace(scheduler=SimpleNamespace(x=abs)), "x") == "answer"


def test_a_client_that_is_closed_is_not_connected_and_asks_nobody(cluster: LocalCluster) -> None:
    """`client.status`: "running" from the constructor on."""
    client = Client(cluster.scheduler_address, set_as_default=False)
    assert dask_client.is_connected(client)
    client.close()
    assert not dask_client.is_connected(client)
    with pytest.raises(OSError, match="lost"):
        dask_client.ask_scheduler(client, "identity")


def test_a_client_of_the_parent_is_a_closed_one_in_a_child_and_waits_for_nothing(client: Client) -> None:
    """`client.status`: `close`, and so the end of the object, looks at it before it waits for the event loop."""

    def end() -> bool:
        dask_client.abandon(client)
        client.close()
        client.__del__()
        return dask_client.is_connected(client)

    assert in_child(end) == "False"
    assert dask_client.is_connected(client)
    assert client.submit(int).result() == 0


async def _offloaded() -> int:
    return await distributed.utils.offload(int)


@pytest.mark.parametrize("what", ["event loops", "configuration", "tokens", "large messages"])
def test_what_another_thread_held_of_dask_at_a_fork_is_free_in_the_child(what: str) -> None:
    """`_forked` in `client.py`."""

    def use() -> int:
        runner = LoopRunner()
        runner.start()
        runner.stop()
        with dask.config.set({"dflow.fast-loops": True}):
            dask.base.tokenize(what)
        return asyncio.run(_offloaded())

    locks = {
        "event loops": LoopRunner._lock,
        "configuration": dask.config.config_lock,
        "tokens": dask.tokenize.tokenize_lock,
    }
    assert asyncio.run(_offloaded()) == 0  # from here on this process has Dask's thread for it, and the child has not
    with held(locks[what]) if what in locks else nullcontext():
        assert in_child(use) == "0"


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


@pytest.mark.parametrize("starts", [False, True])
def test_a_call_that_a_loop_drops_at_its_end_is_dropped_without_a_warning(starts: bool) -> None:
    client = SimpleNamespace(loop=SimpleNamespace(asyncio_loop=asyncio.new_event_loop()))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        future = dask_client.on_loop(client, partial(asyncio.sleep, 0))
        if starts:  # its task, not its coroutine
            client.loop.asyncio_loop.call_soon(client.loop.asyncio_loop.stop)
            client.loop.asyncio_loop.run_forever()
        client.loop.asyncio_loop.close()
        del client, future
        gc.collect()
    assert [str(warning.message) for warning in warned] == []


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
    """`security.get_connection_args`, for `distributed.comm.connect` (channel.py)."""
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


def test_a_task_that_has_ended_is_not_cancelled_while_its_result_is_on_its_way(client: Client) -> None:
    future = client.submit(abs, -3, pure=False)
    assert future.result() == 3
    dask_client.Watch(client).cancel([future])
    inside(client, lambda: None)  # it comes after what the watch has asked for
    assert future.result() == 3


def test_a_watch_that_is_closed_tells_of_a_cancelled_task_once_and_lets_go_of_it(
    client: Client, gate: type[Gate]
) -> None:
    """Also of one that nobody is told of any more.  A client that lets go of them at its own end logs a traceback."""
    found: SimpleQueue[Any] = SimpleQueue()
    watch, told, forgotten = dask_client.Watch(client), client.submit(blocks), client.submit(blocks, pure=False)
    watch.when_done(told, found.put)
    watch.when_done(forgotten, found.put)()
    assert gate.began.wait(PATIENCE)
    watch.close()
    assert isinstance(found.get(timeout=PATIENCE), dask_client.FutureCancelled)
    inside(client, lambda: None)  # it comes after what the watch has asked for
    assert not {told.key, forgotten.key} & set(client.futures)
    gate.opened.set()
    dask_client.Watch(client).when_done(client.submit(abs, -3, pure=False), found.put)
    assert found.get(timeout=PATIENCE) == 3
    assert found.empty()


def test_an_actor_can_be_made_again_for_another_client(client: Client) -> None:
    """`Actor.__reduce__` gives a function that uses the current client (actors.py)."""
    kept = client.submit(list, (1, 2), actor=True, pure=False)  # Dask may drop an actor without a future for a moment
    with client.as_current():
        make, arguments = kept.result().__reduce__()
        assert make(*arguments).index(2).result() == 1


def test_which_tasks_a_worker_was_given_and_which_of_them_have_begun_is_known(
    client: Client, worker: Worker, gate: type[Gate]
) -> None:
    """Handlers `processing` and `call_stack` of the scheduler (unbegun.py); a task that has seceded has begun."""
    inside(worker, lambda: worker.set_resources(CONTRACT=1))
    left = client.submit(blocks, key="contract-left")  # the thread, by `secede`
    assert gate.began.wait(PATIENCE)
    gate.began.clear()
    begun = client.submit(holds, key="contract-begun", resources={"CONTRACT": 1})
    assert gate.began.wait(PATIENCE)
    later = client.submit(abs, -1, key="contract-later", resources={"CONTRACT": 1})
    last = client.submit(abs, later, key="contract-last")
    eventually(lambda: len(dask_client.ask_scheduler(client, "processing")[worker.address]) == 3)
    assert set(dask_client.ask_scheduler(client, "processing")[worker.address]) == {left.key, begun.key, later.key}
    asked = [left.key, begun.key, last.key]
    assert set(dask_client.ask_scheduler(client, "call_stack", keys=asked)[worker.address]) == {left.key, begun.key}
    gate.opened.set()
    assert last.result(PATIENCE) == 1
    assert dask_client.ask_scheduler(client, "call_stack", keys=[last.key]) == {}


def test_a_task_that_the_scheduler_does_not_know_yet_is_in_no_report_and_fails_no_request(client: Client) -> None:
    """Handler `get_task_status` of the scheduler (unbegun.py): a deadline may pass before the tasks have come there."""
    kept = client.submit(abs, -1, key="contract-kept")
    assert kept.result(PATIENCE) == 1
    asked = ["contract-none", kept.key]
    assert dask_client.ask_scheduler(client, "get_task_status", keys=asked) == {
        "contract-none": None,
        kept.key: "memory",
    }
    with pytest.raises(KeyError):
        dask_client.ask_scheduler(client, "call_stack", keys=asked)
    assert dask_client.on_loop(client, partial(_unbegun, client, asked, asked)).result(PATIENCE) == []


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


def test_what_a_comm_has_written_is_with_the_system_when_it_is_drained() -> None:
    """`TCP.write` does not wait for the socket; `TCP.stream`, its `writing` and what its `write` gives."""
    message = bytes(1 << 25)

    async def test() -> None:
        go_on, heard = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def reads_late(comm: Any) -> None:
            await go_on.wait()
            heard.set_result(await comm.read())
            comm.abort()

        async with listen("tcp://127.0.0.1:0", reads_late) as listener:
            comm = await connect(listener.contact_address, timeout=PATIENCE)
            await comm.write(message)
            assert comm.stream.writing()
            waits = asyncio.create_task(links.drained(comm))
            await asyncio.sleep(0)
            assert not waits.done()
            go_on.set()
            await waits
            assert not comm.stream.writing()
            assert await heard == message
            comm.abort()
            with pytest.raises(OSError, match="closed"):
                await links.drained(comm)

    asyncio.run(asyncio.wait_for(test(), PATIENCE))


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


def span_ids(scheduler: Scheduler) -> set[str]:
    return set(scheduler.extensions["spans"].spans)


def test_tasks_belong_to_the_one_span_of_dflow_or_to_the_users_own(client: Client, scheduler: Scheduler) -> None:
    """The annotation `span`, and `spans` of the scheduler's extension of that name, which keeps each for ever."""
    with dask_client.in_our_span():
        assert client.submit(abs, -1, key="contract-first").result(PATIENCE) == 1
    known = span_ids(scheduler)
    for number in range(5):
        with dask_client.in_our_span():
            assert client.submit(abs, -number, key=f"contract-{number}").result(PATIENCE) == number
    assert span_ids(scheduler) == known
    with distributed_span("the user's") as theirs, dask_client.in_our_span():
        assert client.submit(abs, -1, key="contract-last").result(PATIENCE) == 1
    assert span_ids(scheduler) == known | {theirs}


def test_the_span_of_dflow_keeps_the_groups_of_tasks_that_are_there_and_few_others(
    client: Client, scheduler: Scheduler
) -> None:
    """`Span.groups` and `Span.metadata`, which grow with each graph; leftovers.py takes away from them."""
    with dask_client.in_our_span():
        kept = client.submit(abs, -1, key="contractkept-0")
        assert kept.result(PATIENCE) == 1
    living = scheduler.task_groups["contractkept"]
    span = scheduler.extensions["spans"].spans[dask_client.SPAN]

    def add_groups() -> None:
        for _ in range(GROUPS_KEPT):
            gone = TaskGroup("contractgone", scheduler.task_prefixes["contractkept"])
            gone.add_duration("compute", 1.0, 2.0)
            span.groups.add(gone)
        tidy_span(scheduler)

    for _ in range(2):
        inside(scheduler, add_groups)
        assert len(span.groups - {living}) == GROUPS_KEPT
        assert living in span.groups
        assert span.metadata["collections"] == []
        assert not getattr(span, "_metadata_seen", None)  # Dask 2026.7
    assert span.done
    assert span.stop >= span.start  # as Dask's dashboard asks it


def test_topics_and_subscriptions_of_clients_of_dflow_go_with_them(client: Client, scheduler: Scheduler) -> None:
    """`Broker._topics`, each with `subscribers`, and what the ids of clients begin with; leftovers.py."""
    topics = scheduler._broker._topics
    with Client(scheduler.address, set_as_default=False, name=dask_client.CLIENT) as ours:
        assert ours.submit(abs, -1, key="contract-topic").result(PATIENCE) == 1
        inside(scheduler, lambda: tidy_topics(scheduler))
        assert ours.id in topics
        assert all(one.id in topics["print"].subscribers for one in (client, ours))
    eventually(lambda: ours.id not in scheduler.client_comms)  # the last that goes
    inside(scheduler, lambda: tidy_topics(scheduler))
    assert ours.id not in topics
    assert not [name for name, topic in topics.items() if ours.id in topic.subscribers]
    assert client.id in topics
    assert client.id in topics["print"].subscribers


def test_the_names_of_few_keys_are_remembered() -> None:
    """`dask.utils.key_split` is a cache of `functools`; leftovers.py and worker.py."""
    key_split.cache_clear()
    for number in range(KEYS_KEPT):
        assert key_split(f"contract-{number:032x}") == "contract"
    tidy_keys()
    assert key_split.cache_info().currsize == KEYS_KEPT
    key_split("contract")
    tidy_keys()
    assert key_split.cache_info().currsize == 0


def test_a_plugin_hears_of_each_client_that_goes(scheduler: Scheduler) -> None:
    """`SchedulerPlugin.remove_client`, with arguments by name."""
    gone = []

    class Hears(SchedulerPlugin):
        name = "contract-clients"

        def remove_client(self, scheduler: Scheduler, client: str) -> None:
            gone.append(client)

    inside(scheduler, lambda: scheduler.add_plugin(Hears()))
    with Client(scheduler.address, set_as_default=False) as goes:
        assert gone == []
    eventually(lambda: gone == [goes.id])
    inside(scheduler, lambda: scheduler.remove_plugin(name="contract-clients"))


def test_a_plugin_hears_of_each_graph(client: Client, scheduler: Scheduler) -> None:
    """`SchedulerPlugin.update_graph`, with arguments by name."""
    graphs = []

    class Hears(SchedulerPlugin):
        name = "contract-graphs"

        def update_graph(self, scheduler: Scheduler, **kwargs: Any) -> None:
            graphs.append(scheduler)

    inside(scheduler, lambda: scheduler.add_plugin(Hears()))
    assert client.submit(abs, -1, key="contract-graph").result(PATIENCE) == 1
    inside(scheduler, lambda: scheduler.remove_plugin(name="contract-graphs"))
    assert graphs == [scheduler]


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

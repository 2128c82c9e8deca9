"""Functions that use Dask's clients, connections and workers beyond their documented methods.

They use these attributes of Dask, Tornado and distributed:

* `Client.scheduler`: the RPC proxy with which Dask's own extensions call handlers of the scheduler.
* `Client.status`: the state that the `repr` of a client shows.
* `security`: the certificates with which a client or a worker connects.
* `IOLoop.asyncio_loop`: the event loop that Tornado wraps.
* `Task` and `TaskRef`: the classes of the graphs of Dask's collections.
* The annotation `span`, which `distributed.span` writes.
* Locks and a thread pool, which Dask does not replace at a fork (`_forked`).

Other files use attributes that only they need:

* worker.py: handlers, metrics, resources and task states of a worker.
* extension.py: handlers and keys of the scheduler.  leftovers.py: its spans and topics.
* actors.py: the pickled form of an actor.
* transport/connection.py: `stream`, the Tornado stream of a comm over TCP.
* dashboard/page.py: the scheduler's HTTP server and timers.  cluster/scheduler.py: its addresses and its identity.

tests/runtime/dask/test_client.py has a test of each, which fails when Dask changes it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import ssl
import threading
import traceback
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import dask
import dask.config
import dask.tokenize
import distributed
import distributed.utils
from dask._task_spec import Task, TaskRef
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.utils import LoopRunner

from dflow.runtime.base import timeouts
from dflow.runtime.base.deadline import Deadline

__all__ = [
    "FutureCancelled",
    "Watch",
    "abandon",
    "add_plugin",
    "ask_scheduler",
    "connection_args",
    "event_loop",
    "in_our_span",
    "is_connected",
    "listen_context",
    "on_loop",
    "scheduler_call",
    "task_of",
]

CLIENT = "dflow"  # the name of a session's client; the client's id begins with it
SPAN = "dflow"  # the name and the id of the span


def ask_scheduler(client: Any, handler: str, *, timeout: float | None = None, **arguments: Any) -> Any:
    """Call a handler of the scheduler, and wait for its answer.

    OSError if the scheduler is gone, at once if the client has noticed it; TimeoutError after `timeout` seconds.
    """
    deadline = Deadline(timeout)
    answer: Future[Any] | None = None
    while is_connected(client):  # an RPC would try to connect for 30 s
        answer = answer or on_loop(client, partial(scheduler_call(client, handler), **arguments))
        left = deadline.left()
        wait([answer], timeouts.CLIENT_CLOSED if left is None else min(timeouts.CLIENT_CLOSED, left))
        if answer.done():  # also if it has come right after the wait
            try:
                return answer.result()
            except FutureCancelled:
                break
        if left == 0.0:
            answer.cancel()
            raise TimeoutError(f"no answer within {timeout:g} s")
    raise OSError("the connection to it was lost")


def scheduler_call(client: Any, handler: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A function that calls a handler of the scheduler.  Call and await it in the client's event loop."""
    call: Callable[..., Coroutine[Any, Any, Any]] = getattr(client.scheduler, handler)
    return call


def on_loop(client: Any, call: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
    """Start `call()` in the event loop of a client.  Returns its future; OSError if the loop has ended.

    If another thread closes the client at that moment, the loop may end before it starts the call.  Then the future
    never gets a result, and `Client.sync`, with each method that waits, would never return.
    """
    coroutine = _awaited(call)
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, event_loop(client))
    except RuntimeError as error:
        coroutine.close()
        raise OSError("the client is closed") from error
    # A loop that ends before it starts the coroutine drops it, and Python would warn that it was never awaited.
    weakref.finalize(future, coroutine.close).atexit = False
    return future


async def _awaited(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return await call()  # `traceback.clear_frames` clears an argument, but not a closure


def is_connected(client: Any) -> bool:
    """Whether the client is connected to its scheduler.  False after a lost connection, also while it reconnects."""
    return bool(client.status == "running")


def abandon(client: Any) -> None:
    """In a forked child: make a client of the parent unusable, as its event loop has no thread here.

    The client counts as not connected.  Its end, which would wait for that loop, does nothing.
    """
    client.status = "closed"


def _forked() -> None:
    """In a forked child: free locks of Dask that another thread held at the fork, which would stay locked.

    They guard Dask's configuration, its tokens, and the start and stop of event loops.  A client could not start
    without them.  The pool with the thread for large messages is replaced, too, as the child does not have the thread.
    """
    LoopRunner._lock = threading.Lock()
    dask.tokenize.tokenize_lock = threading.RLock()
    if dask.config.config_lock.locked():
        dask.config.config_lock.release()  # not replaced: functions of Dask have it as a default argument
    offload = distributed.utils._offload_executor
    distributed.utils._offload_executor = type(offload)(1, thread_name_prefix="Dask-Offload")


os.register_at_fork(after_in_child=_forked)


def connection_args(node: Any, role: str) -> dict[str, Any]:
    """The arguments of `distributed.comm.connect` besides an address, such as TLS.  role: "client" or "worker"."""
    arguments: dict[str, Any] = node.security.get_connection_args(role)
    return arguments


def listen_context(worker: Any) -> ssl.SSLContext | None:
    """The TLS context of a worker for the connections that it accepts; None on a cluster without TLS."""
    context: ssl.SSLContext | None = worker.security.get_listen_args("worker")["ssl_context"]
    return context


def event_loop(server: Any) -> asyncio.AbstractEventLoop:
    """The event loop of a client or a worker."""
    loop: asyncio.AbstractEventLoop = server.loop.asyncio_loop
    return loop


async def add_plugin(scheduler: Any, worker: str, name: str, plugin: WorkerPlugin) -> BaseException | None:
    """Add a plugin to one worker, as `Scheduler.register_worker_plugin` does to all of them, and wait for its answer.

    Returns the error, if there is one: an OSError if the worker did not answer.
    """
    message = {"op": "plugin-add", "plugin": pickle.dumps(plugin), "name": name}
    answer = (await scheduler.broadcast(msg=message, workers=[worker], on_error="return"))[worker]
    if isinstance(answer, BaseException):
        return answer
    return None if answer["status"] == "OK" else RuntimeError(answer["exception_text"])


def task_of(key: str, function: Callable[..., Any], *arguments: Any, after: Sequence[Any]) -> Task:
    """A task of a graph: `function(*arguments, *results)`, with the results of the keys `after`.

    They are named by key, because the graph of a collection that the cluster keeps does not contain them.
    """
    return Task(key, function, *arguments, *[TaskRef(other) for other in after])


@contextmanager
def in_our_span() -> Iterator[None]:
    """A block whose tasks belong to the span "dflow", or to the span that the user has begun.

    Dask makes spans for tasks without one, and its scheduler keeps each span for ever.
    """
    if "span" in dask.get_annotations():
        yield
    else:
        with dask.annotate(span={"name": (SPAN,), "ids": (SPAN,)}):
            yield


class Watch:
    """Calls a function with the result or the exception of each task of a client, once, in some thread."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._waiting: dict[int, Callable[[Any], None]] = {}  # functions to call, by number of the task
        self._running: dict[int, Any] = {}  # futures of the tasks that have not ended, also of forgotten ones
        self._numbers = itertools.count()
        self._gathers: set[Future[Any]] = set()  # results that are on their way
        self._closed = False

    def when_done(self, future: Any, call: Callable[[Any], None]) -> Callable[[], None]:
        """Call `call(result or exception)` when a task has ended and its result is here.

        Returns a function that forgets the task: then `call` is not called, and no result of a later end is requested.
        Why not `future.result()`: a result may be lost meanwhile, and the caller might wait for ever.
        """
        number = next(self._numbers)
        self._waiting[number] = call
        self._running[number] = future
        try:
            on_loop(self._client, partial(self._await, number, future))
        except OSError:
            self._running.pop(number)
            self._tell(number, FutureCancelled(str(future.key)))
        return partial(self._forget, number)

    def keys(self) -> tuple[str, ...]:
        """The keys of the tasks that have not ended."""
        return tuple(str(future.key) for future in list(self._running.values()))

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    async def _await(self, number: int, future: Any) -> None:
        """Wait for a task in the client's event loop.

        The loop outlives the main thread.  The thread of `add_done_callback` does not.
        """
        try:
            with self._client.as_current(), suppress(FutureCancelled):
                await distributed.wait(future)
        finally:
            self._running.pop(number, None)
        self._gather(number, future)

    def _gather(self, number: int, future: Any) -> None:
        if number not in self._waiting:
            return
        if self._closed:
            self._tell(number, FutureCancelled(str(future.key)))
            return
        try:
            gather = on_loop(self._client, partial(self._client.gather, future, asynchronous=True))
        except OSError:
            self._tell(number, FutureCancelled(str(future.key)))
        else:
            self._gathers.add(gather)
            gather.add_done_callback(partial(self._gathered, number))

    def _gathered(self, number: int, gather: Future[Any]) -> None:
        self._gathers.discard(gather)
        if gather.cancelled():
            self._tell(number, FutureCancelled())
        elif (error := gather.exception()) is not None:
            traceback.clear_frames(error.__traceback__)  # the frames hold the task's future as long as the error lives
            self._tell(number, error)
        else:
            self._tell(number, gather.result())

    def _tell(self, number: int, outcome: Any) -> None:
        call = self._waiting.pop(number, None)
        if call is not None:
            call(outcome)

    def cancel(self, futures: Sequence[Any]) -> None:
        """Cancel tasks, without waiting for it.  Nothing happens if the client is closed: its tasks end anyway."""
        with suppress(OSError):
            on_loop(self._client, partial(self._cancel, futures))

    async def _cancel(self, futures: Sequence[Any]) -> None:
        """Cancel the tasks that have not ended.

        The client may be gathering the results of the other tasks, and would log that there are none.
        """
        running = [future for future in futures if not future.done()]
        if running:
            await self._client.cancel(running, asynchronous=True, force=True)

    def close(self) -> None:
        """End all tasks for their callers, as cancelled.  Call it before the tasks are ended and the client is closed.

        The scheduler releases the results of ended tasks, and the client warns of each result that it still gathers.
        So no further result is requested, and this waits for those that are on their way.  The other futures are
        released here: a client that releases them after it has disconnected logs a traceback.
        """
        self._closed = True
        wait(list(self._gathers), timeouts.CLIENT_CLOSED)
        for number in list(self._waiting):
            self._tell(number, FutureCancelled("the session was closed"))
        for future in list(self._running.values()):
            future.release()

"""What dflow asks of Dask's clients and connections, and of workers, beyond their documented methods.

`Client.scheduler` is the RPC proxy that Dask's own extensions use to call handlers of the scheduler; `Client.status`
is what its `repr` shows; `security` is what the node itself connects with; `IOLoop.asyncio_loop` is how Tornado gives
the event loop that it wraps; `stream` is the Tornado stream of a comm over TCP; `Task` and `TaskRef` are what the
collections of Dask write their graphs with; the annotation `span` is what `distributed.span` writes; what `_forked`
makes anew is what Dask leaves as it was at a fork.

Other files ask for what they alone need: worker.py (handlers, metrics, resources and task states of a worker),
extension.py (handlers and keys of the scheduler), leftovers.py (its spans and topics), actors.py (what an actor is
pickled as), dashboard/page.py (its HTTP server and timers), cluster/scheduler.py (its addresses and its identity).
tests/runtime/dask/test_client.py has a test of each, which tells when Dask changes it.
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
    "on_loop",
    "scheduler_call",
    "task_of",
]

CLIENT = "dflow"  # the name of a session's client, whose id begins with it
SPAN = "dflow"  # its name, and its id


def ask_scheduler(client: Any, handler: str, *, timeout: float | None = None, **arguments: Any) -> Any:
    """Call a handler of the scheduler, and wait for its answer.

    OSError if the scheduler is gone: at once if the client has noticed that already; TimeoutError after `timeout`
    seconds.
    """
    deadline = Deadline(timeout)
    asked: Future[Any] | None = None
    while is_connected(client):  # an RPC would try to connect for 30 s
        asked = asked or on_loop(client, partial(scheduler_call(client, handler), **arguments))
        left = deadline.left()
        wait([asked], timeouts.CLIENT_CLOSED if left is None else min(timeouts.CLIENT_CLOSED, left))
        if asked.done():  # looked at once: an answer that came right after the wait is one too
            try:
                return asked.result()
            except FutureCancelled:
                break
        if left == 0.0:
            asked.cancel()
            raise TimeoutError(f"no answer within {timeout:g} s")
    raise OSError("the connection to it was lost")


def scheduler_call(client: Any, handler: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """A handler of the scheduler, to be called and awaited in the client's event loop."""
    call: Callable[..., Coroutine[Any, Any, Any]] = getattr(client.scheduler, handler)
    return call


def on_loop(client: Any, call: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
    """Start `call()` in the event loop of a client; OSError if that has ended.

    `Client.sync`, and so each method that waits, never returns if another thread closes the client at that moment: the
    loop ends before it comes to the call.  Nor does what this gives have a result then.
    """
    waits = _awaited(call)
    try:
        future = asyncio.run_coroutine_threadsafe(waits, event_loop(client))
    except RuntimeError as error:
        waits.close()
        raise OSError("the client is closed") from error
    # A loop that ends before it starts the coroutine drops it, and Python would warn that nobody awaited it.
    weakref.finalize(future, waits.close).atexit = False
    return future


async def _awaited(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return await call()  # an argument, which `traceback.clear_frames` clears; what a closure holds would stay


def is_connected(client: Any) -> bool:
    """Has the client its scheduler?  False from the end of the connection on, also while the client reconnects."""
    return bool(client.status == "running")


def abandon(client: Any) -> None:
    """In a forked child: the client is the parent's, whose event loop has no thread here.

    Whoever asks it is told that it is not connected; and its end, at which it would wait for that loop, does nothing.
    """
    client.status = "closed"


def _forked() -> None:
    """In a forked child: free the locks of Dask that another thread held, which would stay locked.

    Those of its configuration, its tokens, and of starting and stopping event loops, without which no client starts;
    and its thread for large messages, which is not there.
    """
    LoopRunner._lock = threading.Lock()
    dask.tokenize.tokenize_lock = threading.RLock()
    if dask.config.config_lock.locked():
        dask.config.config_lock.release()  # not replaced, as functions of Dask have it as their default
    offload = distributed.utils._offload_executor
    distributed.utils._offload_executor = type(offload)(1, thread_name_prefix="Dask-Offload")


os.register_at_fork(after_in_child=_forked)


def connection_args(node: Any, role: str) -> dict[str, Any]:
    """What `distributed.comm.connect` needs besides an address, TLS for example.  role: "client" or "worker"."""
    arguments: dict[str, Any] = node.security.get_connection_args(role)
    return arguments


def listen_context(worker: Any) -> ssl.SSLContext | None:
    """With which a worker accepts encrypted connections; None on a cluster without TLS."""
    context: ssl.SSLContext | None = worker.security.get_listen_args("worker")["ssl_context"]
    return context


def event_loop(server: Any) -> asyncio.AbstractEventLoop:
    """The event loop of a client or a worker."""
    loop: asyncio.AbstractEventLoop = server.loop.asyncio_loop
    return loop


async def add_plugin(scheduler: Any, worker: str, name: str, plugin: WorkerPlugin) -> BaseException | None:
    """Add a plugin to one worker, as `Scheduler.register_worker_plugin` does to all of them, and wait for its answer.

    Gives what went wrong: an OSError if the worker did not answer.
    """
    message = {"op": "plugin-add", "plugin": pickle.dumps(plugin), "name": name}
    answer = (await scheduler.broadcast(msg=message, workers=[worker], on_error="return"))[worker]
    if isinstance(answer, BaseException):
        return answer
    return None if answer["status"] == "OK" else RuntimeError(answer["exception_text"])


def task_of(key: str, function: Callable[..., Any], *arguments: Any, after: Sequence[Any]) -> Task:
    """A task of a graph: `function(*arguments, *results)`, with the results of the keys `after`.

    They are named as keys, because the graph of a collection that the cluster keeps does not have them.
    """
    return Task(key, function, *arguments, *[TaskRef(other) for other in after])


@contextmanager
def in_our_span() -> Iterator[None]:
    """The tasks that this block sends belong to the span "dflow", or to the one that the user has begun.

    Dask makes a span for all that has none and runs at the same time, and its scheduler keeps each for ever.
    """
    if "span" in dask.get_annotations():
        yield
    else:
        with dask.annotate(span={"name": (SPAN,), "ids": (SPAN,)}):
            yield


class Watch:
    """Tells how the tasks of a client end, each once, in some thread."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._waiting: dict[int, Callable[[Any], None]] = {}  # whom to tell of the tasks that have not ended
        self._running: dict[int, Any] = {}  # their futures, and those of tasks that nobody is told of any more
        self._numbers = itertools.count()
        self._gathers: set[Future[Any]] = set()  # results that are on their way
        self._closed = False

    def when_done(self, future: Any, call: Callable[[Any], None]) -> Callable[[], None]:
        """Call `call(result or exception)` when a task has ended and its result is here.

        Gives what forgets it: then nobody is told, and the result of a task that ends later is not asked for.
        `future.result()` would not do: a result may be lost meanwhile, and who asks for it waits, perhaps for ever.
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
        """In the client's event loop, which outlives the main thread; the thread of `add_done_callback` does not."""
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

    def _gathered(self, number: int, found: Future[Any]) -> None:
        self._gathers.discard(found)
        if found.cancelled():
            self._tell(number, FutureCancelled())
        elif (error := found.exception()) is not None:
            traceback.clear_frames(error.__traceback__)  # they hold the task's future for as long as the error lives
            self._tell(number, error)
        else:
            self._tell(number, found.result())

    def _tell(self, number: int, found: Any) -> None:
        call = self._waiting.pop(number, None)
        if call is not None:
            call(found)

    def cancel(self, futures: Sequence[Any]) -> None:
        """Cancel tasks, without waiting for it; nothing happens if the client is closed, whose tasks end anyway."""
        with suppress(OSError):
            on_loop(self._client, partial(self._cancel, futures))

    async def _cancel(self, futures: Sequence[Any]) -> None:
        """Not those that have ended: the client may be asking for their results, and would log that there are none."""
        running = [future for future in futures if not future.done()]
        if running:
            await self._client.cancel(running, asynchronous=True, force=True)

    def close(self) -> None:
        """To be done before anything ends the tasks, and before the client is closed: all are told of as cancelled.

        The scheduler lets go of the results then, and the client would warn of each that it still asks for.  So no
        other one is asked for, and those that are on their way are waited for.  And the client would let go of the rest
        when it has said good-bye, and write into the log, with a traceback, that it could not.
        """
        self._closed = True
        wait(list(self._gathers), timeouts.CLIENT_CLOSED)
        for number in list(self._waiting):
            self._tell(number, FutureCancelled("the session was closed"))
        for future in list(self._running.values()):
            future.release()

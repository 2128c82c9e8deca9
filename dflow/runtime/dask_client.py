"""What dflow asks of Dask's client and worker objects beyond their documented methods, in one place.

`Client.scheduler` is the RPC proxy that Dask's own extensions use to call handlers of the scheduler; `Client.status`
is what its `repr` shows; `security` is what the node itself connects with; `IOLoop.asyncio_loop` is how Tornado gives
the event loop that it wraps; `Task` and `TaskRef` are what Dask's own collections write their graphs with.
tests/runtime/test_dask_client.py tells when Dask changes one of them.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any

import distributed
from dask._task_spec import Task, TaskRef

from dflow.runtime.deadline import Deadline

__all__ = [
    "FutureCancelled",
    "Watch",
    "ask_scheduler",
    "connection_args",
    "event_loop",
    "is_connected",
    "task_of",
]

CLOSED_AFTER = 1.0  # seconds in which a call notices that another thread has closed its client


def ask_scheduler(client: Any, handler: str, *, timeout: float | None = None, **arguments: Any) -> Any:
    """Call a handler of the scheduler, and wait for its answer.

    OSError if the scheduler is gone: at once if the client has noticed that already; TimeoutError after `timeout`
    seconds.
    """
    deadline = Deadline(timeout)
    asked: Future[Any] | None = None
    while is_connected(client):  # an RPC would try to connect for 30 s
        asked = asked or on_loop(client, partial(getattr(client.scheduler, handler), **arguments))
        left = deadline.left()
        try:
            return asked.result(CLOSED_AFTER if left is None else min(CLOSED_AFTER, left))
        except TimeoutError:
            if asked.done() or left == 0.0:
                asked.cancel()
                raise
        except FutureCancelled:
            break
    raise OSError("the connection to it was lost")


def on_loop(client: Any, call: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
    """Start `call()` in the event loop of a client; OSError if that has ended.

    `Client.sync`, and so each method that waits, never returns if another thread closes the client at that moment: the
    loop ends before it comes to the call.  Nor does what this gives have a result then.
    """

    async def awaited() -> Any:
        return await call()

    waits = awaited()
    try:
        return asyncio.run_coroutine_threadsafe(waits, event_loop(client))
    except RuntimeError as error:
        waits.close()
        raise OSError("the client is closed") from error


def is_connected(client: Any) -> bool:
    """Has the client its scheduler?  False from the end of the connection on, also while the client reconnects."""
    return bool(client.status == "running")


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


def task_of(key: str, function: Callable[..., Any], *arguments: Any, after: Sequence[Any]) -> Task:
    """A task of a graph: `function(*arguments, *results)`, with the results of the keys `after`.

    They are named as keys, because the graph of a collection that the cluster keeps does not have them.
    """
    return Task(key, function, *arguments, *[TaskRef(other) for other in after])


class Watch:
    """Tells how the tasks of a client end, each once, in some thread."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._waiting: dict[int, Callable[[Any], None]] = {}  # whom to tell of the tasks that have not ended
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
        try:
            on_loop(self._client, partial(self._await, number, future))
        except OSError:
            self._tell(number, FutureCancelled(str(future.key)))
        return partial(self._forget, number)

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    async def _await(self, number: int, future: Any) -> None:
        """In the client's event loop, which outlives the main thread; the thread of `add_done_callback` does not."""
        with self._client.as_current(), suppress(FutureCancelled):
            await distributed.wait(future)
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
        self._tell(number, FutureCancelled() if found.cancelled() else found.exception() or found.result())

    def _tell(self, number: int, found: Any) -> None:
        call = self._waiting.pop(number, None)
        if call is not None:
            call(found)

    def cancel(self, futures: Sequence[Any]) -> None:
        """Cancel tasks, without waiting for it; nothing happens if the client is closed, whose tasks end anyway."""
        with suppress(OSError):
            on_loop(self._client, partial(self._client.cancel, futures, asynchronous=True, force=True))

    def close(self) -> None:
        """To be done before anything ends the tasks, and before the client is closed: all are told of as cancelled.

        The scheduler lets go of the results then, and the client would warn of each that it still asks for.  So no
        other one is asked for, and those that are on their way are waited for.
        """
        self._closed = True
        wait(list(self._gathers), CLOSED_AFTER)
        for number in list(self._waiting):
            self._tell(number, FutureCancelled("the session was closed"))

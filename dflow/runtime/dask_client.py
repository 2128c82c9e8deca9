"""What dflow asks of Dask's client and worker objects beyond their documented methods, in one place.

`Client.scheduler` is the RPC proxy that Dask's own extensions use to call handlers of the scheduler; `Client.status`
is what its `repr` shows; `security` is what the node itself connects with; `IOLoop.asyncio_loop` is how Tornado gives
the event loop that it wraps; `Task` and `TaskRef` are what Dask's own collections write their graphs with.
tests/runtime/test_dask_client.py tells when Dask changes one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from typing import Any

from dask._task_spec import Task, TaskRef

__all__ = ["FutureCancelled", "ask_scheduler", "connection_args", "event_loop", "is_connected", "task_of", "when_done"]


def ask_scheduler(client: Any, handler: str, *, timeout: float | None = None, **arguments: Any) -> Any:
    """Call a handler of the scheduler, and wait for its answer.

    OSError if the scheduler is gone: at once if the client has noticed that already; TimeoutError after `timeout`
    seconds.
    """
    if not is_connected(client):  # an RPC would try to connect for 30 s
        raise OSError("the connection to it was lost")
    return client.sync(getattr(client.scheduler, handler), callback_timeout=timeout, **arguments)


def is_connected(client: Any) -> bool:
    """Has the client its scheduler?  False from the end of the connection on, also while the client reconnects."""
    return bool(client.status == "running")


def connection_args(node: Any, role: str) -> dict[str, Any]:
    """What `distributed.comm.connect` needs besides an address, TLS for example.  role: "client" or "worker"."""
    arguments: dict[str, Any] = node.security.get_connection_args(role)
    return arguments


def event_loop(server: Any) -> asyncio.AbstractEventLoop:
    """The event loop of a client or a worker."""
    loop: asyncio.AbstractEventLoop = server.loop.asyncio_loop
    return loop


def task_of(key: str, function: Callable[..., Any], *arguments: Any, after: Sequence[Any]) -> Task:
    """A task of a graph: `function(*arguments, *results)`, with the results of the keys `after`.

    They are named as keys, because the graph of a collection that the cluster keeps does not have them.
    """
    return Task(key, function, *arguments, *[TaskRef(other) for other in after])


def when_done(client: Any, future: Any, call: Callable[[Any], None]) -> None:
    """Call `call(result or exception)` once, in some thread, when a task has ended and its result is in this process.

    `Future.add_done_callback` is not enough: a result may be lost between the callback and `future.result()`, which
    then waits, perhaps for ever, in the one thread that all callbacks of a process share.
    """

    async def gathered() -> Any:
        return await client.gather(future, asynchronous=True)

    def ended(found: Future[Any]) -> None:
        if found.cancelled():
            call(FutureCancelled(str(future.key)))
        else:
            call(found.exception() or found.result())

    asyncio.run_coroutine_threadsafe(gathered(), event_loop(client)).add_done_callback(ended)

"""What dflow asks of Dask's client and worker objects beyond their documented methods, in one place.

`Client.scheduler` is the RPC proxy that Dask's own extensions use to call handlers of the scheduler; `Client.status`
is what its `repr` shows; `security` is what the node itself connects with; `IOLoop.asyncio_loop` is how Tornado gives
the event loop that it wraps; `Task` and `TaskRef` are what Dask's own collections write their graphs with.
tests/runtime/test_dask_client.py tells when Dask changes one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from dask._task_spec import Task, TaskRef

from dflow.runtime.deadline import Deadline

__all__ = [
    "FutureCancelled",
    "ask_scheduler",
    "cancel_tasks",
    "connection_args",
    "event_loop",
    "is_connected",
    "task_of",
    "when_done",
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


def cancel_tasks(client: Any, futures: Sequence[Any]) -> None:
    """Cancel tasks, without waiting for it; nothing happens if the client is closed, whose tasks end anyway."""
    with suppress(OSError):
        on_loop(client, partial(client.cancel, futures, asynchronous=True, force=True))


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

    try:
        on_loop(client, gathered).add_done_callback(ended)
    except OSError:
        call(FutureCancelled(str(future.key)))

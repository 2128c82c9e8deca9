"""What dflow asks of Dask's client and worker objects beyond their documented methods, in one place.

`Client.scheduler` is the RPC proxy that Dask's own extensions use to call handlers of the scheduler, and
`IOLoop.asyncio_loop` is how Tornado gives the event loop that it wraps.
"""

from __future__ import annotations

import asyncio
from typing import Any


def ask_scheduler(client: Any, handler: str, **arguments: Any) -> Any:
    """Call a handler of the scheduler, and wait for its answer.  OSError if the scheduler is gone."""
    return client.sync(getattr(client.scheduler, handler), **arguments)


def event_loop(server: Any) -> asyncio.AbstractEventLoop:
    """The event loop of a client or a worker."""
    loop: asyncio.AbstractEventLoop = server.loop.asyncio_loop
    return loop

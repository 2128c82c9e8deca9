"""Single calls of a scheduler, for programs that are no Dask client."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from distributed.comm import connect, normalize_address
from distributed.core import rpc
from distributed.security import Security
from distributed.utils import format_dashboard_link

HANDSHAKE_SECONDS = 1.0


def call(address: str, operation: str, timeout: float = 5.0) -> Any:
    """Call a scheduler's handler and return its answer; None if the scheduler has no such handler.

    Blocks for at most `timeout` seconds.  Works inside a running event loop too.
    Raises OSError (TimeoutError is one) if the scheduler does not answer, ValueError for an address that is none.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="dflow-call") as pool:
        return pool.submit(asyncio.run, _call(address, operation, timeout)).result()


async def _call(address: str, operation: str, timeout: float) -> Any:
    proxy: Any = rpc  # distributed has no types here
    settings = _connection_args()
    async with asyncio.timeout(timeout), proxy(address, timeout=timeout, connection_args=settings) as scheduler:
        return await getattr(scheduler, operation)()


def is_refused(address: str, patience: float) -> bool:
    """Does nobody listen at the address?  Tries for `patience` seconds: a scheduler may be about to start.

    False for any other trouble, which whoever connects next will meet.  ValueError for an address that is none.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="dflow-call") as pool:
        return pool.submit(asyncio.run, _is_refused(address, patience)).result()


async def _is_refused(address: str, patience: float) -> bool:
    try:
        async with asyncio.timeout(patience + HANDSHAKE_SECONDS):  # `connect` alone waits for a handshake for ever
            comm = await connect(address, timeout=patience, **_connection_args())
        comm.abort()
    except OSError as error:
        found: BaseException | None = error
        while found is not None and not isinstance(found, ConnectionRefusedError):
            found = found.__cause__
        return found is not None
    return False


def _connection_args() -> dict[str, Any]:
    """From Dask's configuration, as for a client."""
    security: Any = Security  # distributed has no types here
    arguments: dict[str, Any] = security().get_connection_args("client")
    return arguments


def identity(address: str, timeout: float = 5.0) -> dict[str, Any]:
    """What the scheduler says about itself and its workers.  Blocks and raises as `call`."""
    found = call(address, "identity", timeout)
    if not isinstance(found, dict) or "workers" not in found:
        raise ValueError(f"{address} is not the address of a Dask scheduler")
    return found


def dashboard_link(address: str, identity: dict[str, Any]) -> str:
    """The address of the scheduler's dashboard, ending in /status; "" if it has none."""
    port = identity["services"].get("dashboard")
    host = urlsplit(address if "://" in address else f"tcp://{address}").hostname
    link: Any = format_dashboard_link
    return str(link(host, port)) if port else ""


def full_address(address: str) -> str:
    """The address with its protocol: "localhost:8786" -> "tcp://localhost:8786".  Raises ValueError."""
    complete: Any = normalize_address
    return str(complete(address))

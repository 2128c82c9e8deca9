"""Single calls of a scheduler, for programs that are no Dask client."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from distributed.comm import CommClosedError, connect, get_address_host_port, normalize_address
from distributed.core import rpc
from distributed.security import Security
from distributed.utils import format_dashboard_link

HANDSHAKE_SECONDS = 1.0
REFUSED_AFTER = 1.0  # seconds of refused connections, after which there is no scheduler
RETRY_SECONDS = 0.05  # between two looks whether a scheduler has started


def call(address: str, operation: str, timeout: float = 5.0) -> Any:
    """Call a scheduler's handler and return its answer; None if the scheduler has no such handler.

    Blocks for at most `timeout` seconds.  Works inside a running event loop too.
    Raises OSError (TimeoutError is one) if the scheduler does not answer, ValueError for an address that is none.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="dflow-call") as pool:
        return pool.submit(asyncio.run, _call(address, operation, timeout)).result()


async def _call(address: str, operation: str, timeout: float) -> Any:
    proxy: Any = rpc  # distributed has no types here
    settings = _connection_args(address)
    async with asyncio.timeout(timeout), proxy(address, timeout=timeout, connection_args=settings) as scheduler:
        try:
            return await getattr(scheduler, operation)()
        except CommClosedError as error:  # the reason is in its cause
            raise OSError(str(error.__cause__ or error)) from error


def is_refused(address: str, patience: float) -> bool:
    """Whether nobody listens at the address.  Tries for `patience` seconds: a scheduler may be about to start.

    False for any other error, which the next connection will meet too, and for other addresses than tcp, tls, inproc.
    ValueError for an address that is none.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="dflow-call") as pool:
        return pool.submit(asyncio.run, refuses(address, patience)).result()


async def refuses(address: str, patience: float = 0.0) -> bool:
    """As `is_refused`, in an event loop.

    Uses a bare connection: Dask's `connect` raises the error of its last attempt, which may be a time-out.
    """
    scheme, _, _ = full_address(address).partition("://")
    if scheme == "inproc":
        return await _is_no_endpoint(address)
    if scheme not in ("tcp", "tls"):
        return False
    host, port = get_address_host_port(address)
    deadline = time.monotonic() + patience
    while True:
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
        except ConnectionRefusedError:
            if time.monotonic() >= deadline:
                return True
            await asyncio.sleep(RETRY_SECONDS)
        except OSError:
            return False
        else:
            writer.close()
            return False


async def _is_no_endpoint(address: str) -> bool:
    try:
        comm = await connect(address, timeout=HANDSHAKE_SECONDS)
    except OSError as error:
        return nobody_listens(error, address)
    comm.abort()
    return False


def nobody_listens(error: BaseException | None, address: str) -> bool:
    """Whether an error of Dask's `connect` means that nobody listens, rather than that the time ran out."""
    while error is not None and not isinstance(error, ConnectionRefusedError):
        if error.__cause__ is None and address.startswith("inproc://"):
            return type(error) is OSError  # this process has no such endpoint (any more); a time-out is a subclass
        error = error.__cause__
    return error is not None


def _connection_args(address: str) -> dict[str, Any]:
    """The arguments from Dask's configuration, as for a client; PermissionError if that does not allow such an address.

    Dask reports this with errors of several kinds, and a Client that meets one is not cleaned up completely.
    """
    security: Any = Security  # distributed has no types here
    arguments: dict[str, Any] = security().get_connection_args("client")
    scheme = full_address(address).partition("://")[0]
    if scheme == "tls" and arguments["ssl_context"] is None:
        raise PermissionError(
            "it wants TLS, and Dask's configuration here names no certificates "
            "(distributed.comm.tls.ca-file, tls.client.cert, tls.client.key)"
        )
    if scheme == "tcp" and arguments["require_encryption"]:
        raise PermissionError(
            "it is not encrypted, which distributed.comm.require-encryption asks for; the address of a scheduler with "
            "TLS starts with tls://"
        )
    return arguments


def reach(address: str, timeout: float) -> dict[str, Any]:
    """`identity` of a scheduler that may not be there: OSError after a second, not at the end, if nobody listens."""
    if timeout >= REFUSED_AFTER and is_refused(address, REFUSED_AFTER):
        raise OSError("nobody listens there")
    return identity(address, timeout)


def identity(address: str, timeout: float = 5.0) -> dict[str, Any]:
    """The scheduler's description of itself and its workers.  Blocks and raises as `call`."""
    answer = call(address, "identity", timeout)
    if not isinstance(answer, dict) or "workers" not in answer:
        raise ValueError(f"{address} is not the address of a Dask scheduler")
    return answer


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

"""The handshake of a new channel: two processes agree on its carrier, a comm of distributed or a plain socket.

A channel begins as a comm, which brings addresses, TLS and authentication.

* The side that accepted the comm offers a port and a secret.  The port is on the interface of the comm, and open for
  this one connection.  Only the peer on the comm learns the secret.
* The side that opened the comm connects to the port.  Each side sends its half of the secret over the new connection.
  So a process can use the socket only if it could use an unencrypted comm.
* The side that opened the comm tells on it whether the socket or the comm carries the channel from then on.

On Linux, two processes of one host get a Unix socket with an abstract name in place of a port.

If the comm is encrypted, so is the connection to the port: with the cluster's own certificates, which both sides show.
A Unix socket is not encrypted: nothing leaves the system's memory, and the secret came encrypted.

The comm carries the channel if it is neither TCP nor between two objects of one process (`inproc://`), if the Dask
setting `dflow.sockets` of either process is false, or if the port cannot be reached, for example because of a firewall.
In the last case a warning is logged, since the channel stays slow until its end.

Why a Unix socket: an array of 1 MB crosses it in 0.12 ms, and a TCP connection to the same host in 0.16 to 0.42 ms; an
array of 16 MB takes 2.4 and 9.6 ms.  Shared memory, with the copies in and out, takes 0.11 and 2.4 ms.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed.comm import Comm, get_address_host

from dflow import forks
from dflow.runtime.base import settings, timeouts
from dflow.runtime.transport.tls import Tls

logger = logging.getLogger("dflow.channel")

HALF = 32  # bytes of the secret that each side sends
STRANGERS = 100  # connections that have not sent their half yet; beyond, each new one closes the oldest
PROBES = 10  # unanswered TCP probes after which a silent peer counts as gone
BUFFER = 1 << 21  # bytes in a Unix socket; its default of 200 KB wakes each end once per 200 KB of a large array

Offer = int | bytes  # a port, or the name of a Unix socket


@dataclass(frozen=True, slots=True)
class Wire:
    """A connected, blocking socket.  tls: its encryption, None if it has none."""

    sock: socket.socket
    tls: Tls | None


def takes_sockets(comm: Comm) -> bool:
    """Whether this process allows a plain socket for the channel that this comm opened."""
    return _scheme(comm) in ("tcp", "tls", "inproc") and settings.use_sockets()


def is_encrypted(comm: Comm) -> bool:
    return _scheme(comm) == "tls"


async def offer_socket(comm: Comm, allowed: bool, context: ssl.SSLContext | None = None) -> Wire | None:
    """Offer the peer a socket, if allowed.  The connected socket, or None if the comm carries the channel.

    context: for accepting encrypted connections; not used for others.
    """
    listener = _listen(comm) if allowed else None
    if listener is None:
        await comm.write({"offer": 0, "secret": b""})
        await comm.read()
        return None
    with listener:
        offer, secret = _offer(listener), secrets.token_bytes(2 * HALF)
        tls = _tls(comm, offer, context, server_side=True)
        accepting = asyncio.create_task(_accept(listener, secret, tls))
        try:
            await comm.write({"offer": offer, "secret": secret})
            if (await comm.read())["socket"]:
                return Wire(_ready(await asyncio.wait_for(accepting, timeouts.SECRET_ANSWER)), tls)
        except BaseException:
            await _stop(accepting)
            raise
        await _stop(accepting)
        return None


async def take_socket(comm: Comm, context: ssl.SSLContext | None = None) -> Wire | None:
    """Connect to the socket that the peer offers.  None if the comm carries the channel.

    context: for opening encrypted connections; not used for others.
    """
    fields = await comm.read()
    offer, secret = fields["offer"], fields["secret"]
    tls = _tls(comm, offer, context, server_side=False)
    sock = None
    if offer:
        try:
            sock = await _connect(_host(comm.peer_address), offer, secret, tls)
        except (OSError, TimeoutError, EOFError) as error:
            where = "its Unix socket" if isinstance(offer, bytes) else f"its port {offer}"
            _warn_slow(comm, f"{where} could not be connected to: {error!r}")
    try:
        await comm.write({"socket": sock is not None})
        if sock is not None:
            await comm.close()  # unlike `abort`, after all was written
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    return None if sock is None else Wire(_ready(sock), tls)


# -- connecting


def _warn_slow(comm: Comm, why: str) -> None:
    logger.warning(
        "the connection of dflow between %s and %s is slow for as long as it lasts: %s. It uses Dask's own connection, "
        "which takes four to five times as long. If a firewall allows no other ports, the Dask setting "
        "dflow.sockets: false avoids this attempt and this warning.",
        comm.local_address,
        comm.peer_address,
        why,
    )


def _host(address: str) -> str:
    """The host of an address; for an object of this process, the loopback interface."""
    host: str = "127.0.0.1" if address.startswith("inproc://") else get_address_host(address)
    return host


def _scheme(comm: Comm) -> str:
    return str(comm.peer_address).partition("://")[0]


def _tls(comm: Comm, offer: Offer, context: ssl.SSLContext | None, server_side: bool) -> Tls | None:
    """The encryption of the offered socket; None for an unencrypted comm and for a Unix socket."""
    if not is_encrypted(comm) or isinstance(offer, bytes):
        return None
    if context is None:
        raise ValueError("an encrypted connection needs a context")
    return Tls(context, server_side)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def same_host(comm: Comm) -> bool:
    """Whether both ends are processes of this host, which share its names of Unix sockets."""
    return sys.platform == "linux" and _host(comm.local_address) == _host(comm.peer_address)


def _listen(comm: Comm) -> socket.socket | None:
    host = _host(comm.local_address)
    try:
        if same_host(comm):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind("")  # the system chooses an abstract name, which is unique and no file
            listener.listen()
        else:
            listener = socket.create_server((host, 0), family=_family(host))
        forks.close_in_child(listener)
    except OSError as error:
        _warn_slow(comm, f"this process cannot listen on {host}: {error}")
        return None
    listener.setblocking(False)
    return listener


def _offer(listener: socket.socket) -> Offer:
    address = listener.getsockname()
    offer: Offer = address if listener.family == socket.AF_UNIX else address[1]
    return offer


async def _accept(listener: socket.socket, secret: bytes, tls: Tls | None = None) -> socket.socket:
    """The connection that sends the secret.  Reads all at once, as others may send nothing, and closes the others."""
    accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
    accepting = asyncio.create_task(_accept_all(listener, secret, tls, accepted))
    try:
        return await accepted
    except asyncio.CancelledError:
        if accepted.done() and not accepted.cancelled():  # it came at that moment
            accepted.result().close()
        raise
    finally:
        accepting.cancel()
        await asyncio.wait([accepting])


async def _accept_all(
    listener: socket.socket, secret: bytes, tls: Tls | None, accepted: asyncio.Future[socket.socket]
) -> None:
    """Check each connection, until this is cancelled.  The first one that sends the secret ends `accepted`."""
    checks: dict[asyncio.Task[bool], socket.socket] = {}

    def end(task: asyncio.Task[bool]) -> None:
        sock = checks.pop(task)
        if not task.cancelled() and task.result() and not accepted.done():
            accepted.set_result(sock)
        else:
            sock.close()

    try:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            forks.close_in_child(sock)
            task = asyncio.create_task(_knows(sock, secret, tls))
            checks[task] = sock
            task.add_done_callback(end)
            if len(checks) > STRANGERS:
                next(iter(checks)).cancel()
    except OSError as error:
        if not accepted.done():
            accepted.set_exception(error)
    finally:
        for task in checks:
            task.cancel()
        await asyncio.gather(*checks, return_exceptions=True)


async def _knows(sock: socket.socket, secret: bytes, tls: Tls | None) -> bool:
    """Whether the other end of this connection sends its half of the secret.  If so, it gets the other half."""
    try:
        matches = hmac.compare_digest(await _read(sock), secret[:HALF])
        if matches:
            await asyncio.get_running_loop().sock_sendall(sock, secret[HALF:])
            if tls is not None:
                await tls.shake_hands(sock)
    except (OSError, EOFError) as error:
        logger.debug("a connection ended before it had proved that it is the peer's: %r", error)
        return False
    return matches


async def _connect(host: str, offer: Offer, secret: bytes, tls: Tls | None = None) -> socket.socket:
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX if isinstance(offer, bytes) else _family(host))
    forks.close_in_child(sock)
    try:
        sock.setblocking(False)
        address = offer if isinstance(offer, bytes) else (host, offer)
        await asyncio.wait_for(loop.sock_connect(sock, address), timeouts.SOCKET_CONNECT)
        await asyncio.wait_for(_greet(sock, secret, tls), timeouts.SECRET_ANSWER)
    except BaseException:
        sock.close()
        raise
    return sock


async def _greet(sock: socket.socket, secret: bytes, tls: Tls | None) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, secret[:HALF])
    if not hmac.compare_digest(await _read(sock), secret[HALF:]):
        raise ConnectionError("another process answered")
    if tls is not None:
        await tls.shake_hands(sock)


async def _read(sock: socket.socket) -> bytes:
    """Read half a secret, and not a byte more: messages follow."""
    half = b""
    while len(half) < HALF:
        data = await asyncio.get_running_loop().sock_recv(sock, HALF - len(half))
        if not data:
            raise EOFError
        half += data
    return half


async def _stop(accepting: asyncio.Task[socket.socket]) -> None:
    accepting.cancel()
    with suppress(asyncio.CancelledError, OSError):
        (await accepting).close()


def _ready(sock: socket.socket) -> socket.socket:
    """Make the socket blocking; it sends at once, and ends when the machine at the other end does, as Dask's do."""
    sock.setblocking(True)
    if sock.family == socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        return sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    silence = int(parse_timedelta(dask.config.get("distributed.comm.timeouts.tcp"), default="seconds"))
    options: dict[str, Any] = {
        "TCP_KEEPCNT": PROBES,
        "TCP_KEEPINTVL": max(1, silence // (2 * PROBES)),
        "TCP_KEEPIDLE": max(1, silence // 2),
        "TCP_USER_TIMEOUT": silence * 1000,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # not every system has all of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock

"""How two processes agree on what carries their channel: a comm of distributed, or a plain socket.

A channel begins as a comm, so that addresses, TLS and authentication come with it.  The side that accepted it offers a
port, on the interface through which it was reached and open for this one connection, and a secret that only the peer on
the comm knows; each side says its half of it on the new connection.  So who may speak on the socket is who may speak on
an unencrypted comm.  Whoever opened the channel connects, and says on the comm which of the two carries it from there
on.

On Linux, two processes of one host get a Unix socket, by an abstract name instead of a port: arrays of 1 MB cross it in
0.12 ms, and a TCP connection to the same host in 0.16 to 0.42 ms; of 16 MB, in 2.4 and 9.6 ms.  Shared memory, with the
copies in and out, takes 0.11 and 2.4 ms.

Where the comm is encrypted, so is the connection to the port, with the cluster's own certificates, which both sides
show.  A Unix socket is not: nothing leaves the system's memory, and the secret came encrypted.

The comm does if it is neither TCP nor between two objects of one process (`inproc://`), if the Dask setting
`dflow.sockets` of either process is false, or if the port cannot be reached, as with a firewall.  The last is a
warning in the log, since the channel is slow then for as long as it lasts.
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

HALF = 32  # bytes of the secret that each side says
STRANGERS = 100  # connections that have said nothing yet; from there on the oldest is closed for each new one
PROBES = 10  # that are not answered, after which a silent peer is gone
BUFFER = 1 << 21  # bytes that a Unix socket holds: of its 200 KB, a large array needs a wake-up of each end for each

Offer = int | bytes  # a port, or the name of a Unix socket


@dataclass(frozen=True, slots=True)
class Wire:
    """A connected socket, which blocks.  tls: what encrypts all that crosses it, None where nothing has to."""

    sock: socket.socket
    tls: Tls | None


def takes_sockets(comm: Comm) -> bool:
    """May the channel that this comm opened go on over a plain socket, as far as this process knows?"""
    return _scheme(comm) in ("tcp", "tls", "inproc") and settings.use_sockets()


def is_encrypted(comm: Comm) -> bool:
    return _scheme(comm) == "tls"


async def offer_socket(comm: Comm, allowed: bool, context: ssl.SSLContext | None = None) -> Wire | None:
    """Offer the peer a socket, if allowed; the connected one, or None if the comm goes on.

    context: with which this process accepts encrypted connections; not used for others.
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
    """Connect to what the peer offers; None if that is not to be.

    context: with which this process opens encrypted connections; not used for others.
    """
    offered = await comm.read()
    offer, secret = offered["offer"], offered["secret"]
    tls = _tls(comm, offer, context, server_side=False)
    found = None
    if offer:
        try:
            found = await _connect(_host(comm.peer_address), offer, secret, tls)
        except (OSError, TimeoutError, EOFError) as error:
            where = "its Unix socket" if isinstance(offer, bytes) else f"its port {offer}"
            _say_slow(comm, f"{where} could not be connected to: {error!r}")
    try:
        await comm.write({"socket": found is not None})
        if found is not None:
            await comm.close()  # unlike `abort`, after all was written
    except BaseException:
        if found is not None:
            found.close()
        raise
    return None if found is None else Wire(_ready(found), tls)


# -- connecting


def _say_slow(comm: Comm, why: str) -> None:
    logger.warning(
        "the connection of dflow between %s and %s is slow for as long as it lasts: %s. It goes over Dask's own, which "
        "takes four to five times as long. Where a firewall allows no other ports, the Dask setting "
        "dflow.sockets: false says so, and saves the attempt.",
        comm.local_address,
        comm.peer_address,
        why,
    )


def _host(address: str) -> str:
    """Through which the other end is reached: of an object of this process, the loopback interface."""
    host: str = "127.0.0.1" if address.startswith("inproc://") else get_address_host(address)
    return host


def _scheme(comm: Comm) -> str:
    return str(comm.peer_address).partition("://")[0]


def _tls(comm: Comm, offer: Offer, context: ssl.SSLContext | None, server_side: bool) -> Tls | None:
    """What encrypts the offered socket, if the comm is encrypted and what crosses the socket leaves this system."""
    if not is_encrypted(comm) or isinstance(offer, bytes):
        return None
    if context is None:
        raise ValueError("an encrypted connection needs a context")
    return Tls(context, server_side)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def same_host(comm: Comm) -> bool:
    """Are both ends processes of this host, which share its names of Unix sockets?"""
    return sys.platform == "linux" and _host(comm.local_address) == _host(comm.peer_address)


def _listen(comm: Comm) -> socket.socket | None:
    host = _host(comm.local_address)
    try:
        if same_host(comm):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind("")  # the system finds an abstract name, which is nobody else's and no file
            listener.listen()
        else:
            listener = socket.create_server((host, 0), family=_family(host))
        forks.close_in_child(listener)
    except OSError as error:
        _say_slow(comm, f"this process cannot listen on {host}: {error}")
        return None
    listener.setblocking(False)
    return listener


def _offer(listener: socket.socket) -> Offer:
    address = listener.getsockname()
    offer: Offer = address if listener.family == socket.AF_UNIX else address[1]
    return offer


async def _accept(listener: socket.socket, secret: bytes, tls: Tls | None = None) -> socket.socket:
    """The connection that knows the secret.  All are heard at once, as others may say nothing; those are closed."""
    found: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
    accepting = asyncio.create_task(_accept_all(listener, secret, tls, found))
    try:
        return await found
    except asyncio.CancelledError:
        if found.done() and not found.cancelled():  # it came at that moment
            found.result().close()
        raise
    finally:
        accepting.cancel()
        await asyncio.wait([accepting])


async def _accept_all(
    listener: socket.socket, secret: bytes, tls: Tls | None, found: asyncio.Future[socket.socket]
) -> None:
    """Hear each connection, until this is cancelled."""
    heard: dict[asyncio.Task[bool], socket.socket] = {}

    def end(task: asyncio.Task[bool]) -> None:
        sock = heard.pop(task)
        if not task.cancelled() and task.result() and not found.done():
            found.set_result(sock)
        else:
            sock.close()

    try:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            forks.close_in_child(sock)
            task = asyncio.create_task(_knows(sock, secret, tls))
            heard[task] = sock
            task.add_done_callback(end)
            if len(heard) > STRANGERS:
                next(iter(heard)).cancel()
    except OSError as error:
        if not found.done():
            found.set_exception(error)
    finally:
        for task in heard:
            task.cancel()
        await asyncio.gather(*heard, return_exceptions=True)


async def _knows(sock: socket.socket, secret: bytes, tls: Tls | None) -> bool:
    """Does the other end of this connection know the secret?  It hears the other half then."""
    try:
        known = hmac.compare_digest(await _read(sock), secret[:HALF])
        if known:
            await asyncio.get_running_loop().sock_sendall(sock, secret[HALF:])
            if tls is not None:
                await tls.shake_hands(sock)
    except (OSError, EOFError) as error:
        logger.debug("somebody else connected: %r", error)
        return False
    return known


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
    """Half a secret, and not a byte more: what follows are messages."""
    said = b""
    while len(said) < HALF:
        more = await asyncio.get_running_loop().sock_recv(sock, HALF - len(said))
        if not more:
            raise EOFError
        said += more
    return said


async def _stop(accepting: asyncio.Task[socket.socket]) -> None:
    accepting.cancel()
    with suppress(asyncio.CancelledError, OSError):
        (await accepting).close()


def _ready(sock: socket.socket) -> socket.socket:
    """A blocking socket that sends at once, and that ends when the machine at the other end does, as Dask's do."""
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
        if hasattr(socket, name):  # not every system has them all
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock

"""How two ends agree on a plain socket, or on their comm."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import dask
import pytest
from distributed.comm import Comm, connect, listen
from distributed.security import Security

from dflow.runtime.base import timeouts
from dflow.runtime.transport import handshake
from dflow.runtime.transport.handshake import HALF, Wire, offer_socket, take_socket, takes_sockets
from tests.forked import in_child

TIMEOUT = 20  # seconds: of a test that fails, never of one that passes


async def comms(address: str = "tcp://127.0.0.1:0", security: Security | None = None) -> tuple[Comm, Comm, Any]:
    """Two ends of a comm, the opening one first, and its listener."""
    accepted: asyncio.Future[Comm] = asyncio.get_running_loop().create_future()

    async def accept(comm: Comm) -> None:
        accepted.set_result(comm)

    security = security or Security()
    listener = await listen(address, accept, **security.get_listen_args("worker"))
    opened = await connect(listener.contact_address, **security.get_connection_args("client"))
    return opened, await accepted, listener


def agree(
    meanwhile: Callable[..., Awaitable[Any]] = take_socket,
    allowed: bool = True,
    address: str = "tcp://127.0.0.1:0",
    security: tuple[Security, Security] = (Security(), Security()),
) -> list[Any]:
    """What the opening and the accepting end come to.

    security: of the comm, and of the opening end where that differs.
    """

    async def test() -> list[Any]:
        opened, accepted, listener = await comms(address, security[0])
        contexts = [
            security[1].get_connection_args("client")["ssl_context"],
            security[0].get_listen_args("worker")["ssl_context"],
        ]
        try:
            taking = meanwhile(opened, contexts[0]) if meanwhile is take_socket else meanwhile(opened)
            return await asyncio.gather(taking, offer_socket(accepted, allowed, contexts[1]))
        finally:
            opened.abort()
            accepted.abort()
            listener.stop()

    async def limited() -> list[Any]:
        return await asyncio.wait_for(test(), TIMEOUT)

    return asyncio.run(limited())


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends take each other for processes of different hosts."""
    monkeypatch.setattr(handshake, "same_host", lambda comm: False)


def check_connected(one: Wire | None, other: Wire | None) -> None:
    assert one is not None
    assert other is not None
    with one.sock as here, other.sock as there:
        assert here.getsockname() == there.getpeername()
        assert here.getblocking()
        if here.family != socket.AF_UNIX:
            assert there.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert there.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not here.get_inheritable()
        assert not there.get_inheritable()
        here.sendall(b"x")
        assert there.recv(10) == b"x"  # and nothing of the handshake


@pytest.mark.usefixtures("apart")
def test_two_ends_agree_on_a_socket() -> None:
    here, there = agree()
    assert here.sock.family == socket.AF_INET
    assert here.tls is there.tls is None
    check_connected(here, there)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names of sockets that are no files")
def test_two_ends_on_one_host_agree_on_a_unix_socket() -> None:
    here, there = agree()
    assert here.sock.family == socket.AF_UNIX
    assert there.sock.getsockname().startswith(b"\0"), "it is no file"
    check_connected(here, there)


def test_a_forked_child_has_no_socket_of_a_handshake_that_its_parent_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would keep the channel open beyond the end of its parent.  Here both ends are the parent's."""
    found: list[str] = []

    def noted(step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def fork_before(sock: socket.socket, *arguments: Any) -> Any:
            found.append(in_child(partial(os.fstat, sock.fileno())))
            return await step(sock, *arguments)

        return fork_before

    for name in ("_greet", "_knows"):
        monkeypatch.setattr(handshake, name, noted(getattr(handshake, name)))
    check_connected(*agree())
    assert len(found) == 2
    assert all("Bad file descriptor" in error for error in found), found


@pytest.mark.parametrize("hosts", ["one host", "two hosts"])
def test_two_ends_in_one_process_agree_on_a_socket(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if hosts == "two hosts":  # as on systems without names of sockets that are no files
        monkeypatch.setattr(handshake, "same_host", lambda comm: False)
    here, there = agree(address="inproc://")
    if hosts == "two hosts":
        assert there.sock.getsockname()[0] == "127.0.0.1"
    check_connected(here, there)


@pytest.mark.usefixtures("apart")
def test_two_ends_agree_on_a_socket_over_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    check_connected(*agree(address="tcp://[::1]:0"))


def test_who_is_not_allowed_offers_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert agree(allowed=False) == [None, None]
    assert caplog.records == []


def assert_said_slow(caplog: pytest.LogCaptureFixture, why: str) -> None:
    """One warning says what is slow, and why."""
    (record,) = [record for record in caplog.records if record.name == "dflow.channel"]
    assert record.levelname == "WARNING"
    assert "is slow for as long as it lasts" in record.getMessage()
    assert why in record.getMessage()


def test_a_port_that_cannot_be_reached_leaves_the_comm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def closed(comm: Comm) -> socket.socket:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))  # and does not listen
        listener.setblocking(False)
        return listener

    async def nobody(*arguments: Any) -> socket.socket:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(handshake, "_listen", closed)
    monkeypatch.setattr(handshake, "_accept", nobody)
    assert agree() == [None, None]
    assert_said_slow(caplog, "could not be connected to: ConnectionRefusedError")


def test_a_port_that_does_not_answer_leaves_the_comm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def nobody(*arguments: Any) -> socket.socket:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(handshake, "_accept", nobody)
    monkeypatch.setattr(timeouts, "SECRET_ANSWER", 0.01)
    assert agree() == [None, None]
    assert_said_slow(caplog, "could not be connected to: TimeoutError")


@pytest.mark.usefixtures("apart")
def test_an_interface_that_cannot_be_listened_on_leaves_the_comm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handshake, "get_address_host", lambda address: "203.0.113.1")  # nobody has this address
    assert agree() == [None, None]
    assert_said_slow(caplog, "this process cannot listen on 203.0.113.1")


async def knock(port: int, said: bytes) -> bytes:
    """What a stranger hears."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    writer.write_eof()
    heard = await reader.read()
    writer.close()
    return heard


@pytest.mark.usefixtures("apart")
def test_who_does_not_know_the_secret_is_not_let_in() -> None:
    heard = []

    async def after_strangers(comm: Comm) -> Wire:
        offer = await comm.read()
        for said in (b"", b"short", bytes(HALF), offer["secret"][HALF:]):
            heard.append(await knock(offer["offer"], said))
        sock = await handshake._connect("127.0.0.1", **offer)
        await comm.write({"socket": True})
        sock.setblocking(True)
        return Wire(sock, None)

    here, there = agree(after_strangers)
    assert heard == [b""] * 4
    check_connected(here, there)


async def connected(offer: int | bytes) -> socket.socket:
    """A connection of a stranger, who says nothing."""
    sock = socket.socket(socket.AF_UNIX if isinstance(offer, bytes) else socket.AF_INET)
    sock.setblocking(False)
    address = offer if isinstance(offer, bytes) else ("127.0.0.1", offer)
    await asyncio.get_running_loop().sock_connect(sock, address)
    return sock


@pytest.mark.parametrize("count", [1, 5, handshake.STRANGERS + 20])
@pytest.mark.parametrize("hosts", [
    pytest.param("one host", marks=pytest.mark.skipif(sys.platform != "linux", reason="they get a port there, too")),
    "two hosts",
])  # fmt: skip
def test_strangers_who_came_first_and_say_nothing_keep_nobody_out(
    count: int, hosts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "same_host", lambda comm: hosts == "one host")
    strangers: list[socket.socket] = []

    async def after_strangers(comm: Comm) -> Wire:
        offer = await comm.read()
        for _ in range(count):
            strangers.append(await connected(offer["offer"]))
        sock = await handshake._connect("127.0.0.1", **offer)
        await comm.write({"socket": True})
        sock.setblocking(True)
        return Wire(sock, None)

    here, there = agree(after_strangers)
    check_connected(here, there)
    for stranger in strangers:
        with stranger:
            stranger.setblocking(True)
            assert stranger.recv(1) == b"", "it was let go when the handshake was over"


def test_another_process_behind_the_offered_port_is_not_taken_for_the_peer() -> None:
    async def test() -> None:
        async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(HALF))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(stranger, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError, match="another process"):
            await handshake._connect("127.0.0.1", port, bytes(HALF) + b"x" * HALF)
        server.close()

    asyncio.run(test())


@pytest.mark.usefixtures("apart")
def test_the_port_is_closed_when_the_handshake_is_over() -> None:
    ports = []

    async def note(comm: Comm) -> None:
        ports.append((await comm.read())["offer"])
        await comm.write({"socket": False})

    assert agree(note) == [None, None]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0])).close()


def test_a_peer_that_is_lost_meanwhile_is_an_error() -> None:
    async def lost(comm: Comm) -> None:
        await comm.read()
        comm.abort()

    with pytest.raises(OSError):
        agree(lost)


@pytest.mark.parametrize(("address", "setting", "takes"), [
    ("tcp://127.0.0.1:0", True, True),
    ("tcp://127.0.0.1:0", False, False),
    ("inproc://", True, True),
    ("inproc://", False, False),
])  # fmt: skip
def test_tcp_and_objects_of_one_process_take_sockets_if_the_setting_says_so(
    address: str, setting: bool, takes: bool
) -> None:
    async def test() -> None:
        opened, accepted, listener = await comms(address)
        with dask.config.set({"dflow.sockets": setting}):
            assert takes_sockets(opened) is takes_sockets(accepted) is takes
        opened.abort()
        accepted.abort()
        listener.stop()

    asyncio.run(test())


def temporary() -> Security:
    """Of a cluster whose certificates nobody else has."""
    return Security.temporary()


@pytest.mark.usefixtures("apart")
def test_what_is_encrypted_stays_encrypted() -> None:
    security = temporary()
    here, there = agree(address="tls://127.0.0.1:0", security=(security, security))
    said, crossed = b"a secret of the user", bytearray()
    with here.sock, there.sock:
        here.sock.sendall(here.tls.seal([said]))
        there.sock.setblocking(False)
        crossed += there.sock.recv(1 << 16)
        there.sock.setblocking(True)
        assert said not in crossed
        there.tls.came(bytes(crossed))
        heard = bytearray(100)
        assert heard[: there.tls.read_into(memoryview(heard))] == said


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names of sockets that are no files")
def test_what_stays_on_the_host_is_not_encrypted() -> None:
    security = temporary()
    here, there = agree(address="tls://127.0.0.1:0", security=(security, security))
    assert here.sock.family == socket.AF_UNIX
    assert here.tls is there.tls is None
    check_connected(here, there)


@pytest.mark.usefixtures("apart")
def test_whose_certificate_is_not_the_clusters_gets_no_socket() -> None:
    security = temporary()
    assert agree(address="tls://127.0.0.1:0", security=(security, temporary())) == [None, None]


@pytest.mark.usefixtures("apart")
def test_without_certificates_an_encrypted_comm_is_not_left() -> None:
    security = temporary()

    async def test() -> None:
        opened, accepted, listener = await comms("tls://127.0.0.1:0", security)
        with pytest.raises(ValueError, match="context"):
            await offer_socket(accepted, allowed=True)
        opened.abort()
        accepted.abort()
        listener.stop()

    asyncio.run(test())

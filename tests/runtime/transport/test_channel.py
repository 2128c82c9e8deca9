"""Channels between two ends in one process: what cannot be sent, closing while connecting, and the order of the end."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, cast
from unittest import mock

import dask
import numpy as np
import pytest
from distributed.comm import Comm, CommClosedError, connect, listen
from distributed.security import Security

from dflow.errors import InvalidArgumentError
from dflow.runtime.threads.leader_followers import LeaderFollowers
from dflow.runtime.transport import channel as channel_module
from dflow.runtime.transport import handshake
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.channel import HIGH_WATER, Channel
from dflow.runtime.transport.connection import Carried, CommLink, SocketLink, socket_link
from dflow.runtime.transport.handshake import Wire

STEP = ("session", 1)
READY = m.Ping(0)
LARGE = np.arange(1 << 17)  # a megabyte
TIMEOUT = 20  # seconds: of a test that fails, never of one that passes
LINKS = {"socket": "SocketLink", "tls": "TlsLink"}


class End:
    """A receiver that keeps what it gets, from whichever thread it comes."""

    name = "end"

    def __init__(self) -> None:
        self.threads = LeaderFollowers("end", 2)
        self.messages: list[Any] = []
        self.closed = asyncio.Event()
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def handler(self, channel: Channel) -> Callable[[Any], None]:
        return partial(self.received, channel)

    def received(self, channel: Channel, message: Any) -> None:
        self.messages.append(message)
        self._loop.call_soon_threadsafe(self._came.set)

    def channel_closed(self, channel: Channel) -> None:
        self._loop.call_soon_threadsafe(self.closed.set)

    async def wait_for(self, count: int) -> list[Any]:
        while len(self.messages) < count:
            self._came.clear()
            await self._came.wait()
        return self.messages


class Pair:
    """Two ends, here and there, and the channel from each to the other.

    kind: "socket"; "tls", a socket that is encrypted; or "comm" and "inproc", which are carried by a comm.
    back_comm: the comm of `back`.  sockets: those of the two channels, if sockets carry them.
    """

    def __init__(self, kind: str, here: type[End] = End, there: type[End] = End) -> None:
        self.kind = kind
        self.here, self.there = here(), there()

    async def __aenter__(self) -> "Pair":
        self._accepted: asyncio.Future[tuple[Channel, Comm]] = asyncio.get_running_loop().create_future()
        self.sockets: dict[Carried, socket.socket] = {}
        address = {"inproc": "inproc://", "tls": "tls://127.0.0.1:0"}.get(self.kind, "tcp://127.0.0.1:0")
        self._security = Security.temporary() if self.kind == "tls" else Security()
        self.listener = await listen(address, self._accept, **self._security.get_listen_args("worker"))
        plain = dask.config.set({"dflow.sockets": self.kind in ("socket", "tls")})
        apart = mock.patch.object(handshake, "same_host", return_value=False) if self.kind == "tls" else nullcontext()
        with plain, apart, mock.patch.object(channel_module, "socket_link", self._socket_link):
            self.channel = Channel(self.here, self.listener.contact_address)
            arguments = self._security.get_connection_args("worker")
            self._opened = asyncio.create_task(self.channel.open(arguments, "", TIMEOUT))
            self.back, self.back_comm = await self._accepted
            for channel, end in ((self.channel, self.there), (self.back, self.here)):
                channel.send(READY)
                await end.wait_for(1)
                end.messages.clear()
        return self

    async def _accept(self, comm: Comm) -> None:
        hello = (await comm.read())["hello"].messages[0]
        channel = Channel(self.there, "here")
        self._accepted.set_result((channel, comm))
        await channel.accept(comm, hello, self._security.get_listen_args("worker")["ssl_context"])

    def _socket_link(self, channel: Carried, wire: Wire, threads: LeaderFollowers) -> SocketLink:
        self.sockets[channel] = wire.sock
        return socket_link(channel, wire, threads)

    async def __aexit__(self, *_: object) -> None:
        self.channel.close()
        await asyncio.gather(self._opened, self.here.closed.wait(), self.there.closed.wait())
        self.here.threads.close()
        self.there.threads.close()
        self.listener.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), TIMEOUT)

    asyncio.run(limited())


@pytest.fixture(params=["inproc", "comm", "socket", "tls"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["socket", "tls"])
def wire(request: pytest.FixtureRequest) -> str:
    """The kinds of channels that a socket carries."""
    return str(request.param)


def test_arrays_cross(kind: str) -> None:
    arrays = [
        np.arange(6.0),
        np.zeros((0, 3)),
        np.asfortranarray(np.ones((2, 3))),
        np.arange(300_000),
        np.arange(9)[::2],
    ]

    async def test() -> None:
        async with Pair(kind) as pair:
            pair.channel.send(m.Deliver(STEP, "d", list(enumerate(arrays)), None))
            (came,) = await pair.there.wait_for(1)
            for (_, value), array in zip(came.edges, arrays, strict=True):
                np.testing.assert_array_equal(value, array)
                assert value.dtype == array.dtype

    run(test)


def test_what_cannot_be_pickled_fails_alone(kind: str) -> None:
    bad: Any = threading.Lock()

    async def test() -> None:
        settled: list[bool] = []
        async with Pair(kind) as pair:
            channel = pair.channel
            channel.send(m.Finished(STEP, "before"))
            channel.send(m.Fetched(STEP, [(0, bad)], channel.add_delivery(settled.append), "d"))
            channel.send(m.Deliver(STEP, "e", [(0, bad)], channel.add_delivery(settled.append)))
            channel.send(m.Return(3, bad))
            channel.send(m.Return(4, bad, channel.add_delivery(settled.append)))
            channel.send(m.Finished(STEP, "after"))
            before, fetched, delivered, reply, answer, after = await pair.there.wait_for(6)
            assert (before, after) == (m.Finished(STEP, "before"), m.Finished(STEP, "after"))
            assert isinstance(fetched, m.Failed)
            assert (fetched.step, fetched.device) == (STEP, "")
            assert isinstance(delivered, m.Failed)
            assert (delivered.step, delivered.device) == (STEP, "e")
            for end, call in ((reply, 3), (answer, 4)):
                assert isinstance(end, m.Return)
                assert (end.call, end.delivery) == (call, None)
            for error in (fetched.error, delivered.error, reply.outcome, answer.outcome):
                assert isinstance(error, InvalidArgumentError)
                assert "lock" in error.message
                assert pair.channel.peer in error.message
            assert settled == [False] * 3
            assert not channel.closed
            assert not pair.back.closed

    run(test)


def test_a_request_that_cannot_be_pickled_fails_here(kind: str) -> None:
    bad: Any = threading.Lock()

    async def test() -> None:
        async with Pair(kind) as pair:
            pair.channel.send(m.Start("session", "d", 0, STEP, 0, [(0, bad)]))
            pair.channel.send(m.QueueCall(5, "session", "d", bad, "dequeue", (), "", ""))
            pair.channel.send(m.InstallLoop(bad, 6))
            start, ask, install = await pair.here.wait_for(3)
            assert isinstance(start, m.Failed)
            assert (start.step, start.device) == (STEP, "d")
            for end, call in ((ask, 5), (install, 6)):
                assert isinstance(end, m.Return)
                assert end.call == call
                assert isinstance(end.outcome, InvalidArgumentError)
            pair.channel.send(m.EndSession("session"))
            assert (await pair.there.wait_for(2))[-1] == m.EndSession("session")

    run(test)


@pytest.mark.parametrize("kind", ["comm", "socket"])
def test_what_cannot_be_read_ends_the_channel(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with Pair(kind) as pair:
            if kind == "comm":
                await pair.back_comm.write({"nothing": 0})
            else:
                pair.sockets[pair.back].sendall(struct.pack("<QQ", 3, 0) + b"bad")
            await pair.here.closed.wait()
            assert pair.channel.closed

    run(test)
    assert "cannot be read" in caplog.text


def test_a_channel_closed_while_it_connects_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever closes it, and also before the event loop has begun to connect."""

    async def test() -> None:
        for before in (False, True):
            end, connecting, given_up = End(), asyncio.Event(), asyncio.Event()

            async def slow(*_: Any, connecting: Any = connecting, given_up: Any = given_up, **__: Any) -> Comm:
                connecting.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    given_up.set()
                raise AssertionError

            monkeypatch.setattr("dflow.runtime.transport.channel.connect", slow)
            channel = Channel(end, "tcp://127.0.0.1:1")
            if before:
                channel.close()
            task = asyncio.create_task(channel.open({}, "", 10))
            if not before:
                await connecting.wait()
                await asyncio.to_thread(channel.close)
                await given_up.wait()
            await task
            await end.closed.wait()
            assert channel.closed
            end.threads.close()

    run(test)


def test_a_channel_closed_as_its_connection_is_made_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        end, gone = End(), asyncio.Event()

        async def accept(comm: Comm) -> None:
            with pytest.raises(OSError):
                await comm.read()
            gone.set()

        async def just_closed(*args: Any, **kwargs: Any) -> Comm:
            comm: Comm = await connect(*args, **kwargs)
            channel.close()
            return comm

        monkeypatch.setattr("dflow.runtime.transport.channel.connect", just_closed)
        listener = await listen("tcp://127.0.0.1:0", accept)
        channel = Channel(end, listener.contact_address)
        await channel.open({}, "", 10)
        await asyncio.gather(end.closed.wait(), gone.wait())
        assert channel.closed
        end.threads.close()
        listener.stop()

    run(test)


@pytest.mark.parametrize(
    ("peer", "arguments"), [("nonsense://1", {}), ("tcp://127.0.0.1:1", {"ssl_context": 3, "no_such": 1})]
)
def test_an_address_or_arguments_that_are_wrong_end_the_channel(peer: str, arguments: dict[str, Any]) -> None:
    async def test() -> None:
        end, settled = End(), list[bool]()
        channel = Channel(end, peer)
        channel.add_delivery(settled.append)
        await channel.open(arguments, "", 1)
        assert channel.closed
        await end.closed.wait()
        assert settled == [False]

    run(test)


def opening(
    monkeypatch: pytest.MonkeyPatch, attempts: int, heard: Callable[[], float | None] | None, error: type[Exception]
) -> tuple[bool, list[float]]:
    """Was a channel connected to a process that answers after so many attempts, and how long was each of them?

    heard: how long ago it gave a sign of life, as the scheduler says each time.
    """
    found: list[float] = []

    async def test() -> None:
        connected = asyncio.Event()

        async def slow(address: str, timeout: float, **kwargs: Any) -> Comm:
            found.append(timeout)
            if len(found) < attempts:
                raise error("no answer")
            comm: Comm = await connect(address, **kwargs)
            return comm

        async def accept(comm: Comm) -> None:
            connected.set()
            with suppress(OSError):
                while True:
                    await comm.read()

        async def ask() -> float | None:
            return heard() if heard is not None else None

        monkeypatch.setattr("dflow.runtime.transport.channel.connect", slow)
        end, listener = End(), await listen("tcp://127.0.0.1:0", accept)
        channel = Channel(end, listener.contact_address)
        task = asyncio.create_task(channel.open({}, "", 4.0, ask if heard is not None else None))
        ended, came = asyncio.create_task(end.closed.wait()), asyncio.create_task(connected.wait())
        await asyncio.wait([ended, came], return_when=asyncio.FIRST_COMPLETED)
        found.append(0 if channel.closed else -1)
        channel.close()
        task.cancel()
        ended.cancel()
        came.cancel()
        listener.stop()

    run(test)
    return found.pop() == -1, found


def test_a_process_that_stands_still_is_waited_for_as_long_as_the_scheduler_knows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has given no sign of life for longer than an attempt; each of these has the whole time-out."""
    connected, attempts = opening(monkeypatch, 20, lambda: 1000.0, TimeoutError)
    assert connected
    assert attempts == [4] * 20


@pytest.mark.parametrize("error", [TimeoutError, OSError])
@pytest.mark.parametrize("heard", [lambda: None, lambda: 0.3, None], ids=["gone", "lives", "unknown"])
def test_a_process_that_is_gone_or_lives_and_cannot_be_reached_is_given_up_at_the_time_out(
    heard: Callable[[], float | None] | None, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected, attempts = opening(monkeypatch, 20, heard, error)
    assert not connected
    assert attempts == [4]


def test_a_process_that_refuses_is_gone_whatever_the_scheduler_says(monkeypatch: pytest.MonkeyPatch) -> None:
    connected, attempts = opening(monkeypatch, 20, lambda: 1000.0, ConnectionRefusedError)
    assert not connected
    assert attempts == [4]


@pytest.mark.parametrize("refused", [False, True])
def test_a_process_that_is_slow_to_answer_is_connected_to_once_unless_nobody_listens_there(
    refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that is given up leaves its socket to the garbage collector, in Dask and in tornado."""
    attempts, looks = [], 0

    async def test() -> None:
        answers = asyncio.Event()

        async def slow(address: str, timeout: float) -> Comm:
            attempts.append(timeout)
            await answers.wait()
            raise OSError("it answers, with an error")

        async def refuses(address: str) -> bool:
            nonlocal looks
            looks += 1
            if looks == 3 and not refused:
                answers.set()
            return refused and looks == 3

        monkeypatch.setattr("dflow.runtime.base.timeouts.REFUSED", 0.001)
        monkeypatch.setattr("dflow.runtime.transport.channel.connect", slow)
        monkeypatch.setattr("dflow.runtime.transport.channel.refuses", refuses)
        end = End()
        await Channel(end, "tcp://127.0.0.1:1").open({}, "", 4.0)
        await end.closed.wait()

    run(test)
    assert (attempts, looks) == ([4], 3)


def test_closing_sends_what_is_queued_in_order() -> None:
    """Guards that `close` does not write beside a write that is under way."""

    async def test() -> None:
        async with Pair("comm") as pair:
            writing, go_on, comm = asyncio.Event(), asyncio.Event(), cast(Any, pair.back_comm)
            write = comm.write

            async def slow(message: Any) -> Any:
                writing.set()
                await go_on.wait()
                return await write(message)

            comm.write = slow
            pair.back.send(m.Forget("session", 0))
            await writing.wait()
            pair.back.send(m.EndSession("session"))
            pair.back.close()
            asyncio.get_running_loop().call_soon(go_on.set)  # after what `close` does on the loop
            await pair.there.closed.wait()
            await pair.here.closed.wait()
            assert pair.here.messages == [m.Forget("session", 0), m.EndSession("session")]
            assert comm.closed()

    run(test)


class Stalled(End):
    """Takes its first message, after `READY`, when `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def received(self, channel: Channel, message: Any) -> None:
        if message != READY:
            assert self.go_on.wait(TIMEOUT)
        super().received(channel, message)


def deliver(i: int) -> m.Deliver:
    return m.Deliver(STEP, "d", [(i, LARGE)], None)


def test_sending_does_not_wait_for_who_does_not_read_and_closing_sends_it_all(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Stalled) as pair:
            for i in range(40):  # more than the system keeps for the two
                pair.channel.send(deliver(i))
            assert pair.channel.held().messages
            pair.channel.send(m.EndSession("session"))
            pair.channel.close()
            cast(Stalled, pair.there).go_on.set()
            await pair.there.closed.wait()
            *delivered, last = pair.there.messages
            assert [message.edges[0][0] for message in delivered] == list(range(40))
            assert all(np.array_equal(message.edges[0][1], LARGE) for message in delivered)
            assert last == m.EndSession("session")

    run(test)


def test_who_sends_unasked_waits_while_much_is_queued(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with Pair(wire, there=Stalled) as pair:
            links, start_writer = list[SocketLink](), SocketLink.start_writer  # a writer takes all that is queued
            monkeypatch.setattr(SocketLink, "start_writer", lambda link: links.append(link))
            first = threading.Event()
            pair.channel.wait_until_writable(first.set)
            assert not first.is_set(), "it need not wait"
            for i in range(40 + HIGH_WATER):
                pair.channel.send(deliver(i) if i < 40 else READY)
            waiting = asyncio.create_task(asyncio.to_thread(pair.channel.wait_until_writable, first.set))
            held = pair.channel.held()
            assert (held.link, held.messages >= HIGH_WATER) == (LINKS[wire], True)
            assert held.bytes > HIGH_WATER  # what the socket did not take of the large messages among them
            assert await asyncio.to_thread(first.wait, TIMEOUT)
            monkeypatch.undo()
            (link,) = links
            start_writer(link)
            cast(Stalled, pair.there).go_on.set()
            await waiting

    run(test)


class Echo(End):
    """Sends back what it gets, once, in the thread that reads."""

    def received(self, channel: Channel, message: Any) -> None:
        if isinstance(message, m.Deliver) and message.device == "d":
            channel.send(m.Deliver(STEP, "back", message.edges, None))
        else:
            super().received(channel, message)


def test_two_ends_that_send_much_to_each_other_do_not_wait_for_each_other(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, Echo, Echo) as pair:
            for i in range(40):
                pair.channel.send(deliver(i))
                pair.back.send(deliver(i))
            for end in (pair.here, pair.there):
                assert [message.edges[0][0] for message in await end.wait_for(40)] == list(range(40))

    run(test)


def test_many_threads_send_each_in_its_order(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire) as pair:

            def send(who: int) -> None:
                for i in range(200):
                    pair.channel.send(m.Forget(str(who), i))

            await asyncio.gather(*(asyncio.to_thread(send, who) for who in range(4)))
            came = await pair.there.wait_for(800)
            for who in "0123":
                assert [message.plan for message in came if message.session == who] == list(range(200))

    run(test)


class Busy(End):
    """Starts something with each `Finished` that ends when another message comes."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def received(self, channel: Channel, message: Any) -> None:
        if isinstance(message, m.Finished):
            self.threads.submit(partial(self.go_on.wait, TIMEOUT))
        else:
            self.go_on.set()
        super().received(channel, message)


def test_what_a_message_starts_does_not_hold_up_the_next_one(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Busy) as pair:
            busy = cast(Busy, pair.there)
            busy.go_on.clear()
            for _ in range(5):  # more than the pool does at once
                pair.channel.send(m.Finished(STEP, "d"))
            pair.channel.send(m.EndSession("session"))
            await busy.wait_for(6)
            assert busy.go_on.is_set()

    run(test)


def test_no_thread_and_no_socket_is_left(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire) as pair:
            sockets = list(pair.sockets.values())
            readers = [thread for thread in threading.enumerate() if thread.name == "end"]
            assert len(readers) >= 2
            pair.back.send(deliver(0))
            await pair.here.wait_for(1)
        for thread in readers:
            await asyncio.to_thread(thread.join, TIMEOUT)
            assert not thread.is_alive()
        assert [sock.fileno() for sock in sockets] == [-1, -1]

    run(test)


def test_a_lost_peer_gives_deliveries_back_and_ends_the_channel(wire: str) -> None:
    async def test() -> None:
        settled: SimpleQueue[bool] = SimpleQueue()
        async with Pair(wire) as pair:
            pair.channel.send(m.Fetched(STEP, [], pair.channel.add_delivery(settled.put), ""))
            assert pair.channel.held().unacknowledged == 1
            pair.back.cut()
            await pair.here.closed.wait()
            assert pair.channel.held().unacknowledged == 0
            assert await asyncio.to_thread(settled.get, timeout=TIMEOUT) is False
            pair.channel.send(READY)  # it is dropped

    run(test)


@pytest.mark.parametrize("sockets", [True, False])
def test_a_channel_closed_while_it_says_hello_sends_what_is_queued(sockets: bool) -> None:
    async def test() -> None:
        there = End()

        async def accept(comm: Comm) -> None:
            hello = (await comm.read())["hello"].messages[0]
            channel.send(m.EndSession("session"))
            channel.close()
            await Channel(there, "here").accept(comm, hello)

        listener = await listen("tcp://127.0.0.1:0", accept)
        here = End()
        channel = Channel(here, listener.contact_address)
        with dask.config.set({"dflow.sockets": sockets}):
            await channel.open({}, "session", TIMEOUT)
            await there.closed.wait()
        await here.closed.wait()
        assert channel.closed
        assert there.messages == [m.EndSession("session")]
        here.threads.close()
        there.threads.close()
        listener.stop()

    run(test)


def test_a_sender_hears_when_its_message_has_left_the_process(kind: str) -> None:
    async def test() -> None:
        async with Pair(kind) as pair:
            left: SimpleQueue[bool] = SimpleQueue()
            pair.channel.send(READY, left.put)
            assert await asyncio.to_thread(left.get, timeout=TIMEOUT)
            await pair.there.wait_for(1)

    run(test)


def test_a_sender_hears_of_a_queued_message_when_it_is_written(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Stalled) as pair:
            left: SimpleQueue[int] = SimpleQueue()
            for i in range(40):  # the first ones block the connection
                pair.channel.send(deliver(i), lambda sent, i=i: left.put(i if sent else -1))  # type: ignore[misc]
            assert left.qsize() < 40
            cast(Stalled, pair.there).go_on.set()
            assert [await asyncio.to_thread(left.get, timeout=TIMEOUT) for _ in range(40)] == list(range(40))

    run(test)


def test_a_sender_over_a_comm_does_not_hear_of_a_message_that_the_socket_has_not_taken() -> None:
    async def test() -> None:
        go_on, ended, left = asyncio.Event(), asyncio.Event(), SimpleQueue[bool]()

        async def reads_late(comm: Comm) -> None:
            await go_on.wait()
            with suppress(CommClosedError):
                while True:
                    await comm.read()
            ended.set()

        async with listen("tcp://127.0.0.1:0", reads_late) as listener:
            end = End()
            channel = Channel(end, "there")
            comm: Any = await connect(listener.contact_address)
            channel.carried_by(CommLink(channel, comm))
            channel.send(m.LoopReport("s", "loop", 1, (np.zeros(1 << 25, np.uint8),)))
            channel.send(READY, left.put)
            while not comm.stream.writing():
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert left.empty()
            go_on.set()
            assert await asyncio.to_thread(left.get, timeout=TIMEOUT)
            comm.abort()
            channel.ended()
            await ended.wait()
            end.threads.close()

    run(test)


def test_a_sender_hears_that_its_message_was_lost_with_the_channel(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Stalled) as pair:
            left: SimpleQueue[bool] = SimpleQueue()
            for i in range(40):
                pair.channel.send(deliver(i), left.put)
            pair.back.cut()
            cast(Stalled, pair.there).go_on.set()
            await pair.here.closed.wait()
            pair.channel.send(READY, left.put)
            found = [await asyncio.to_thread(left.get, timeout=TIMEOUT) for _ in range(41)]
            assert sorted(found, reverse=True) == found  # those that left, then those that did not
            assert not found[-1]

    run(test)

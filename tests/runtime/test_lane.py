"""Lanes between two ends in one process: what cannot be sent, closing while connecting, and the order of the end."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from queue import SimpleQueue
from typing import Any, cast
from unittest import mock

import dask
import numpy as np
import pytest
from distributed.comm import Comm, connect, listen
from distributed.security import Security

from dflow.errors import InvalidArgumentError
from dflow.runtime import handshake
from dflow.runtime import messages as m
from dflow.runtime.crew import Crew
from dflow.runtime.lane import CROWDED, Lane
from dflow.runtime.links import CommLink, SocketLink

STEP = ("session", 1)
READY = m.Ping(0)
LARGE = np.arange(1 << 17)  # a megabyte
TIMEOUT = 20  # seconds: of a test that fails, never of one that passes


class End:
    """A receiver that keeps what it gets, from whichever thread it comes."""

    name = "end"

    def __init__(self) -> None:
        self.crew = Crew("end", 2)
        self.messages: list[Any] = []
        self.closed = asyncio.Event()
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def received(self, lane: Lane, message: Any) -> None:
        self.messages.append(message)
        self._loop.call_soon_threadsafe(self._came.set)

    def lane_closed(self, lane: Lane) -> None:
        self._loop.call_soon_threadsafe(self.closed.set)

    async def wait_for(self, count: int) -> list[Any]:
        while len(self.messages) < count:
            self._came.clear()
            await self._came.wait()
        return self.messages


class Pair:
    """Two ends, here and there, and the lane from each to the other.

    kind: "socket"; "tls", a socket that is encrypted; or "comm" and "inproc", which are carried by a comm.
    """

    def __init__(self, kind: str, here: type[End] = End, there: type[End] = End) -> None:
        self.kind = kind
        self.here, self.there = here(), there()

    async def __aenter__(self) -> "Pair":
        self._accepted: asyncio.Future[Lane] = asyncio.get_running_loop().create_future()
        address = {"inproc": "inproc://", "tls": "tls://127.0.0.1:0"}.get(self.kind, "tcp://127.0.0.1:0")
        self._security = Security.temporary() if self.kind == "tls" else Security()
        self.listener = await listen(address, self._accept, **self._security.get_listen_args("worker"))
        plain = dask.config.set({"dflow.blocking-lanes": self.kind in ("socket", "tls")})
        apart = mock.patch.object(handshake, "_same_host", return_value=False) if self.kind == "tls" else nullcontext()
        with plain, apart:
            self.lane = Lane(self.here, self.listener.contact_address)
            arguments = self._security.get_connection_args("worker")
            self._opened = asyncio.create_task(self.lane.open(arguments, "", TIMEOUT))
            self.back = await self._accepted
            for lane, end in ((self.lane, self.there), (self.back, self.here)):
                lane.send(READY)
                await end.wait_for(1)
                end.messages.clear()
        return self

    async def _accept(self, comm: Comm) -> None:
        hello = (await comm.read())["hello"].messages[0]
        lane = Lane(self.there, "here")
        self._accepted.set_result(lane)
        await lane.accept(comm, hello, self._security.get_listen_args("worker")["ssl_context"])

    async def __aexit__(self, *_: object) -> None:
        self.lane.close()
        await asyncio.gather(self._opened, self.here.closed.wait(), self.there.closed.wait())
        self.here.crew.close()
        self.there.crew.close()
        self.listener.stop()


def comm_of(lane: Lane) -> Any:
    assert isinstance(lane._link, CommLink)
    return lane._link._comm


def socket_of(lane: Lane) -> socket.socket:
    assert isinstance(lane._link, SocketLink)
    return lane._link._sock


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), TIMEOUT)

    asyncio.run(limited())


@pytest.fixture(params=["inproc", "comm", "socket", "tls"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["socket", "tls"])
def wire(request: pytest.FixtureRequest) -> str:
    """The kinds of lanes that a socket carries."""
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
            pair.lane.send(m.Deliver(STEP, "d", list(enumerate(arrays)), None))
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
            lane = pair.lane
            lane.send(m.Finished(STEP, "before"))
            lane.send(m.Fetched(STEP, [(0, bad)], lane.lend(settled.append), "d"))
            lane.send(m.Deliver(STEP, "e", [(0, bad)], lane.lend(settled.append)))
            lane.send(m.Reply(3, bad))
            lane.send(m.Answer(4, bad, lane.lend(settled.append)))
            lane.send(m.Finished(STEP, "after"))
            before, fetched, delivered, reply, answer, after = await pair.there.wait_for(6)
            assert (before, after) == (m.Finished(STEP, "before"), m.Finished(STEP, "after"))
            assert isinstance(fetched, m.Failed)
            assert (fetched.step, fetched.device) == (STEP, "")
            assert isinstance(delivered, m.Failed)
            assert (delivered.step, delivered.device) == (STEP, "e")
            assert isinstance(reply, m.Reply)
            assert (reply.reply, reply.value) == (3, None)
            assert isinstance(answer, m.Answer)
            assert (answer.number, answer.loan) == (4, None)
            for error in (fetched.error, delivered.error, reply.error, answer.outcome):
                assert isinstance(error, InvalidArgumentError)
                assert "lock" in error.message
                assert pair.lane.peer in error.message
            assert settled == [False] * 3
            assert not lane.closed
            assert not pair.back.closed

    run(test)


def test_a_request_that_cannot_be_pickled_fails_here(kind: str) -> None:
    bad: Any = threading.Lock()

    async def test() -> None:
        async with Pair(kind) as pair:
            pair.lane.send(m.Start("session", "d", 0, STEP, 0, [(0, bad)]))
            pair.lane.send(m.Ask(5, "session", "d", bad, "dequeue", (), "", ""))
            pair.lane.send(m.InstallLoop(bad, 6))
            start, ask, install = await pair.here.wait_for(3)
            assert isinstance(start, m.Failed)
            assert (start.step, start.device) == (STEP, "d")
            assert isinstance(ask, m.Answer)
            assert ask.number == 5
            assert isinstance(ask.outcome, InvalidArgumentError)
            assert isinstance(install, m.Reply)
            assert install.reply == 6
            assert install.error is not None
            pair.lane.send(m.EndSession("session"))
            assert (await pair.there.wait_for(2))[-1] == m.EndSession("session")

    run(test)


@pytest.mark.parametrize("kind", ["comm", "socket"])
def test_what_cannot_be_read_ends_the_lane(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with Pair(kind) as pair:
            if kind == "comm":
                await comm_of(pair.lane).write({"nothing": 0})
            else:
                socket_of(pair.lane).sendall(struct.pack("<QQ", 3, 0) + b"bad")
            await pair.there.closed.wait()
            assert pair.back.closed

    run(test)
    assert "cannot be read" in caplog.text


def test_a_lane_closed_while_it_connects_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        end, gone = End(), asyncio.Event()
        connecting, go_on = asyncio.Event(), asyncio.Event()

        async def slow(*args: Any, **kwargs: Any) -> Comm:
            connecting.set()
            await go_on.wait()
            comm: Comm = await connect(*args, **kwargs)
            return comm

        async def accept(comm: Comm) -> None:
            with pytest.raises(OSError):
                await comm.read()
            gone.set()

        monkeypatch.setattr("dflow.runtime.lane.connect", slow)
        listener = await listen("tcp://127.0.0.1:0", accept)
        lane = Lane(end, listener.contact_address)
        task = asyncio.create_task(lane.open({}, "", 10))
        await connecting.wait()
        lane.close()
        await end.closed.wait()
        go_on.set()
        await task
        await gone.wait()
        assert lane.closed
        listener.stop()

    run(test)


@pytest.mark.parametrize(
    ("peer", "arguments"), [("nonsense://1", {}), ("tcp://127.0.0.1:1", {"ssl_context": 3, "no_such": 1})]
)
def test_an_address_or_arguments_that_are_wrong_end_the_lane(peer: str, arguments: dict[str, Any]) -> None:
    async def test() -> None:
        end, settled = End(), list[bool]()
        lane = Lane(end, peer)
        lane.lend(settled.append)
        await lane.open(arguments, "", 1)
        assert lane.closed
        await end.closed.wait()
        assert settled == [False]

    run(test)


def test_closing_sends_what_is_queued_in_order() -> None:
    """Guards that `close` does not write beside a write that is under way."""

    async def test() -> None:
        async with Pair("comm") as pair:
            writing, go_on, comm = asyncio.Event(), asyncio.Event(), comm_of(pair.lane)
            write = comm.write

            async def slow(message: Any) -> Any:
                writing.set()
                await go_on.wait()
                return await write(message)

            comm.write = slow
            pair.lane.send(m.Forget("session", 0))
            await writing.wait()
            pair.lane.send(m.EndSession("session"))
            pair.lane.close()
            asyncio.get_running_loop().call_soon(go_on.set)  # after what `close` does on the loop
            await pair.there.closed.wait()
            await pair.here.closed.wait()
            assert pair.there.messages == [m.Forget("session", 0), m.EndSession("session")]
            assert comm.closed()

    run(test)


class Stalled(End):
    """Takes its first message, after `READY`, when `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def received(self, lane: Lane, message: Any) -> None:
        if message != READY:
            assert self.go_on.wait(TIMEOUT)
        super().received(lane, message)


def deliver(i: int) -> m.Deliver:
    return m.Deliver(STEP, "d", [(i, LARGE)], None)


def test_sending_does_not_wait_for_who_does_not_read_and_closing_sends_it_all(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Stalled) as pair:
            for i in range(40):  # more than the system keeps for the two
                pair.lane.send(deliver(i))
            assert pair.lane._writing
            pair.lane.send(m.EndSession("session"))
            pair.lane.close()
            cast(Stalled, pair.there).go_on.set()
            await pair.there.closed.wait()
            *delivered, last = pair.there.messages
            assert [message.edges[0][0] for message in delivered] == list(range(40))
            assert all(np.array_equal(message.edges[0][1], LARGE) for message in delivered)
            assert last == m.EndSession("session")

    run(test)


def test_who_sends_unasked_waits_while_much_is_queued(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Stalled) as pair:
            link = cast(Any, pair.lane._link)
            start_writer, link.start_writer = (
                link.start_writer,
                lambda: None,
            )  # when it comes, it takes all that is queued
            first = threading.Event()
            pair.lane.wait_for_room(first.set)
            assert not first.is_set(), "it need not wait"
            for i in range(40 + CROWDED):
                pair.lane.send(deliver(i) if i < 40 else READY)
            waiting = asyncio.create_task(asyncio.to_thread(pair.lane.wait_for_room, first.set))
            assert not pair.lane._room.is_set()
            await asyncio.to_thread(first.wait, TIMEOUT)
            start_writer()
            cast(Stalled, pair.there).go_on.set()
            await waiting
            assert first.is_set()

    run(test)


class Echo(End):
    """Sends back what it gets, once, in the thread that reads."""

    def received(self, lane: Lane, message: Any) -> None:
        if isinstance(message, m.Deliver) and message.device == "d":
            lane.send(m.Deliver(STEP, "back", message.edges, None))
        else:
            super().received(lane, message)


def test_two_ends_that_send_much_to_each_other_do_not_wait_for_each_other(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, Echo, Echo) as pair:
            for i in range(40):
                pair.lane.send(deliver(i))
                pair.back.send(deliver(i))
            for end in (pair.here, pair.there):
                assert [message.edges[0][0] for message in await end.wait_for(40)] == list(range(40))

    run(test)


def test_many_threads_send_each_in_its_order(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire) as pair:

            def send(who: int) -> None:
                for i in range(200):
                    pair.lane.send(m.Forget(str(who), i))

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

    def received(self, lane: Lane, message: Any) -> None:
        if isinstance(message, m.Finished):
            self.crew.submit(partial(self.go_on.wait, TIMEOUT))
        else:
            self.go_on.set()
        super().received(lane, message)


def test_what_a_message_starts_does_not_hold_up_the_next_one(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire, there=Busy) as pair:
            busy = cast(Busy, pair.there)
            busy.go_on.clear()
            for _ in range(5):  # more than the crew does at once
                pair.lane.send(m.Finished(STEP, "d"))
            pair.lane.send(m.EndSession("session"))
            await busy.wait_for(6)
            assert busy.go_on.is_set()

    run(test)


def test_no_thread_and_no_socket_is_left(wire: str) -> None:
    async def test() -> None:
        async with Pair(wire) as pair:
            sockets = [socket_of(pair.lane), socket_of(pair.back)]
            readers = [thread for thread in threading.enumerate() if thread.name == "end"]
            assert len(readers) >= 2
            pair.back.send(deliver(0))
            await pair.here.wait_for(1)
        for thread in readers:
            await asyncio.to_thread(thread.join, TIMEOUT)
            assert not thread.is_alive()
        assert [sock.fileno() for sock in sockets] == [-1, -1]

    run(test)


def test_a_lost_peer_gives_loans_back_and_ends_the_lane(wire: str) -> None:
    async def test() -> None:
        settled: SimpleQueue[bool] = SimpleQueue()
        async with Pair(wire) as pair:
            pair.lane.send(m.Fetched(STEP, [], pair.lane.lend(settled.put), ""))
            socket_of(pair.back).shutdown(socket.SHUT_RDWR)
            await pair.here.closed.wait()
            assert await asyncio.to_thread(settled.get, timeout=TIMEOUT) is False
            pair.lane.send(READY)  # it is dropped

    run(test)


@pytest.mark.parametrize("sockets", [True, False])
def test_a_lane_closed_while_it_says_hello_sends_what_is_queued(sockets: bool) -> None:
    async def test() -> None:
        there = End()

        async def accept(comm: Comm) -> None:
            hello = (await comm.read())["hello"].messages[0]
            lane.send(m.EndSession("session"))
            lane.close()
            await Lane(there, "here").accept(comm, hello)

        listener = await listen("tcp://127.0.0.1:0", accept)
        here = End()
        lane = Lane(here, listener.contact_address)
        with dask.config.set({"dflow.blocking-lanes": sockets}):
            await lane.open({}, "session", TIMEOUT)
            await there.closed.wait()
        await here.closed.wait()
        assert lane.closed
        assert there.messages == [m.EndSession("session")]
        here.crew.close()
        there.crew.close()
        listener.stop()

    run(test)

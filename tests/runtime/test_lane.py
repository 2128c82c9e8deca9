"""Lanes between two ends in one process: what cannot be sent, closing while connecting, and the order of the end."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from distributed.comm import Comm, connect, listen

from dflow.errors import InvalidArgumentError
from dflow.runtime import messages as m
from dflow.runtime.lane import Lane

STEP = ("session", 1)
TIMEOUT = 20  # seconds: of a test that fails, never of one that passes


class End:
    """A receiver that keeps what it gets."""

    name = "end"

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.closed = asyncio.Event()
        self._came = asyncio.Event()

    def received(self, lane: Lane, message: Any) -> None:
        self.messages.append(message)
        self._came.set()

    def lane_closed(self, lane: Lane) -> None:
        self.closed.set()

    async def wait_for(self, count: int) -> list[Any]:
        while len(self.messages) < count:
            self._came.clear()
            await self._came.wait()
        return self.messages


class Pair:
    """Two ends, here and there, and the lane from each to the other."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.here, self.there = End(), End()

    async def __aenter__(self) -> "Pair":
        accepted: asyncio.Future[Comm] = asyncio.get_running_loop().create_future()

        async def accept(comm: Comm) -> None:
            accepted.set_result(comm)
            await self.there.closed.wait()

        self.listener = await listen(self.address, accept)
        self.comm = await connect(self.listener.contact_address)
        loop = asyncio.get_running_loop()
        self.lane, self.back = Lane(self.here, "there", loop), Lane(self.there, "here", loop)
        self._runs = [asyncio.create_task(self.back.run(await accepted)), asyncio.create_task(self.lane.run(self.comm))]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.comm.abort()
        await asyncio.gather(*self._runs)
        self.listener.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), TIMEOUT)

    asyncio.run(limited())


@pytest.fixture(params=["inproc://", "tcp://127.0.0.1:0"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_arrays_cross(address: str) -> None:
    arrays = [
        np.arange(6.0),
        np.zeros((0, 3)),
        np.asfortranarray(np.ones((2, 3))),
        np.arange(300_000),
        np.arange(9)[::2],
    ]

    async def test() -> None:
        async with Pair(address) as pair:
            pair.lane.send(m.Deliver(STEP, "d", list(enumerate(arrays)), None))
            (came,) = await pair.there.wait_for(1)
            for (_, value), array in zip(came.edges, arrays, strict=True):
                np.testing.assert_array_equal(value, array)
                assert value.dtype == array.dtype

    run(test)


def test_what_cannot_be_pickled_fails_alone(address: str) -> None:
    bad: Any = threading.Lock()

    async def test() -> None:
        settled: list[bool] = []
        async with Pair(address) as pair:
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
                assert "there" in error.message
            assert settled == [False] * 3
            assert not lane.closed
            assert not pair.back.closed

    run(test)


def test_a_request_that_cannot_be_pickled_fails_here(address: str) -> None:
    bad: Any = threading.Lock()

    async def test() -> None:
        async with Pair(address) as pair:
            pair.lane.send(m.Start("session", "d", 0, STEP, 0, [(0, bad)]))
            pair.lane.send(m.Ask(5, "session", "d", bad, "dequeue", ()))
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


def test_what_cannot_be_read_ends_the_lane() -> None:
    async def test() -> None:
        async with Pair("tcp://127.0.0.1:0") as pair:
            await pair.comm.write({"nothing": 0})
            await pair.there.closed.wait()
            assert pair.back.closed

    run(test)


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
        lane = Lane(end, listener.contact_address, asyncio.get_running_loop())
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
        lane = Lane(end, peer, asyncio.get_running_loop())
        lane.lend(settled.append)
        await lane.open(arguments, "", 1)
        assert lane.closed
        assert end.closed.is_set()
        assert settled == [False]

    run(test)


def test_closing_sends_what_is_queued_in_order(address: str) -> None:
    """Guards that `close` does not write beside a write that is under way."""

    async def test() -> None:
        async with Pair(address) as pair:
            writing, go_on = asyncio.Event(), asyncio.Event()
            write = pair.comm.write

            async def slow(message: Any) -> Any:
                writing.set()
                await go_on.wait()
                return await write(message)

            pair.comm.write = slow
            pair.lane.send(m.Forget("session", 0))
            await writing.wait()
            pair.lane.send(m.EndSession("session"))
            pair.lane.close()
            asyncio.get_running_loop().call_soon(go_on.set)  # after what `close` does on the loop
            await pair.there.closed.wait()
            await pair.here.closed.wait()
            assert pair.there.messages == [m.Forget("session", 0), m.EndSession("session")]
            assert pair.comm.closed()

    run(test)


def test_a_lane_closed_while_it_says_hello_sends_what_is_queued() -> None:
    async def test() -> None:
        read: list[Any] = []
        over = asyncio.Event()

        async def accept(comm: Comm) -> None:
            read.extend([await comm.read(), await comm.read()])
            over.set()

        listener = await listen("tcp://127.0.0.1:0", accept)
        lane = Lane(End(), "there", asyncio.get_running_loop())
        comm = await connect(listener.contact_address)
        lane.send(m.EndSession("session"))
        lane.close()
        await lane.run(comm, m.Hello(m.PROTOCOL, "end", "session"))
        await over.wait()
        assert lane.closed
        assert [sorted(message) for message in read] == [["hello", "op", "reply"], ["batch"]]
        assert read[1]["batch"] == (m.EndSession("session"),)
        listener.stop()

    run(test)

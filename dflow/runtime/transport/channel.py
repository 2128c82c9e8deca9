"""A channel: ordered messages between two processes, whose end is the signal that the other one is gone.

`handshake.py` agrees with the other process on the carrier, and `connection.py` has the carriers, which are called
links.  `send` may be called from any thread and never waits: bytes that cannot be written at once are queued.  Each
message is pickled by itself, in the sender's thread.  If one cannot be pickled, it fails alone.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from distributed.comm import Comm, connect
from distributed.protocol import to_serialize

from dflow.cluster.scheduler import nobody_listens, refuses
from dflow.errors import InvalidArgumentError, OpError
from dflow.runtime.base import timeouts
from dflow.runtime.base.answers import Then
from dflow.runtime.base.held import HeldByChannel
from dflow.runtime.base.ids import StepId
from dflow.runtime.threads.leader_followers import LeaderFollowers
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.connection import CommLink, Frame, Link, encode, socket_link
from dflow.runtime.transport.handshake import offer_socket, take_socket, takes_sockets

logger = logging.getLogger("dflow.channel")

CHANNEL_OP = "dflow_channel"  # the worker handler that takes channels

HIGH_WATER = 100  # the number of queued messages from which on `wait_until_writable` waits


@dataclass(frozen=True, slots=True)
class Batch:
    """The form in which a `Hello` crosses its comm."""

    messages: tuple[Any, ...]


Heard = Callable[[], Awaitable[float | None]]  # seconds since a process's last sign of life; None: unknown process


class Outgoing(NamedTuple):
    """A frame that waits to be sent.

    then: called once, with True when the frame has left this process, with False if the channel ended before.
    """

    frame: Frame
    then: Then | None


class Receiver(Protocol):
    """The process of a channel.  threads: the pool that reads channels and does the work that messages start."""

    name: str
    threads: LeaderFollowers

    def handler(self, channel: Channel) -> Callable[[Any], None]:
        """The function that is called with each message of a channel, one after the other.  It must not wait."""

    def channel_closed(self, channel: Channel) -> None: ...


class Channel:
    """One end of a channel.  peer: the address or the name of the other process."""

    def __init__(self, receiver: Receiver, peer: str) -> None:
        self.peer = peer
        self.closed = False
        self.closing = False  # the link ends when the outbox is empty
        self.handle = receiver.handler(self)
        self._receiver = receiver
        self._connecting: asyncio.Future[Comm] | None = None
        self._connected = False  # there is a comm to the peer, and the handshake has begun
        self._link: Link | None = None
        self._outbox: deque[Outgoing] = deque()
        self._taken: list[Outgoing] = []  # the messages that the writer is writing
        self._writing = False  # a writer of the link empties the outbox: no message may overtake the queued ones
        self._deliveries: dict[int, tuple[Callable[[bool], None], StepId | None]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._room.set()

    # -- sending, in any thread

    def send(self, message: Any, then: Then | None = None) -> None:
        """Send a message.  On a closed channel it is dropped, and its delivery released.

        then: called once, in any thread: with True when the message has left this process, and arrives even if this
        process ends; with False if the channel ended before.
        """
        for field in ("error", "outcome"):
            value = getattr(message, field, None)
            if isinstance(value, OpError):
                message = replace(message, **{field: value.portable()})
        try:
            frame = [] if self.closed else encode(message)
        except Exception as error:
            self._cannot_send(message, error)
            _notify(then, False)
        else:
            self._send(Outgoing(frame, then))

    def _send(self, outgoing: Outgoing) -> None:
        with self._lock:
            closed = self.closed
            link = self._link if not self._writing and not closed else None
            rest = outgoing.frame if link is None else link.write_now(outgoing.frame)
            queued = bool(rest) and not closed
            if queued:
                self._writing = self._writing or link is not None
                self._outbox.append(Outgoing(rest, outgoing.then))
                if len(self._outbox) >= HIGH_WATER:
                    self._room.clear()
        if not queued:
            if outgoing.then is not None:
                outgoing.then(not closed)
        elif link is not None:
            link.start_writer()

    def _cannot_send(self, message: Any, error: Exception) -> None:
        text = f"{type(message).__name__} for {self.peer} cannot be sent: {error.__cause__ or error}"
        logger.error(text)
        for delivery in m.deliveries(message):
            self.settle(delivery, False)
        theirs, ours = _instead(message, InvalidArgumentError(None, None, text))
        if theirs is not None:
            self._send(Outgoing(encode(theirs), None))
        if ours is not None:
            self.handle(ours)

    def wait_until_writable(self, first: Callable[[], object] = lambda: None) -> None:
        """Wait while many messages are queued.  For a thread that produces messages, such as a loop with its reports.

        first: called before the wait.
        """
        if not self._room.is_set():
            first()
            self._room.wait()

    def add_delivery(self, delivery: Callable[[bool], None], step: StepId | None = None) -> int:
        """Register a delivery that goes with the next message; returns its number.  A closed channel releases it.

        step: the step whose owner is the receiver, for `take_back`.
        """
        number = next(self._numbers)
        with self._lock:
            if not self.closed:
                self._deliveries[number] = delivery, step
                return number
        delivery(False)
        return number

    def settle(self, number: int, accepted: bool) -> None:
        """Settle a delivery: the other side has accepted or released it."""
        with self._lock:
            delivery, _ = self._deliveries.pop(number, (None, None))
        if delivery is not None:
            delivery(accepted)

    def take_back(self, step: StepId) -> None:
        """Release the deliveries to the owner of a step, at the other end, which has given the step up.

        Why not wait for the owner's releases: its next dequeue would come before them.
        """
        with self._lock:
            numbers = [number for number, (_, receiver) in self._deliveries.items() if receiver == step]
        for number in numbers:
            self.settle(number, False)

    def close(self) -> None:
        """Send the queued messages, then close.  A channel that still connects ends at once."""
        with self._lock:
            self.closing = True
            connected, link = self._connected, self._link if not self._writing else None
            self._writing = True
        if link is not None:
            link.start_writer()
        elif not connected:
            self.ended()

    def cut(self) -> None:
        """End the connection at once, as a failure of the network does; for tests.

        Queued messages are lost.  Does nothing to a channel that still connects.
        """
        link = self._link
        if link is not None:
            link.cut()

    def held(self) -> HeldByChannel:
        """A snapshot: the messages that are not written, and the deliveries that are not acknowledged."""
        with self._lock:
            link = "" if self._link is None else type(self._link).__name__
            frames = [outgoing.frame for outgoing in (*self._taken, *self._outbox)]
            unacknowledged = len(self._deliveries)
        size = sum(len(buffer) for frame in frames for buffer in frame)
        return HeldByChannel(link, unacknowledged, messages=len(frames), bytes=size)

    # -- opening, on the event loop

    async def open(
        self, connection_args: dict[str, Any], session: str, timeout: float, heard: Heard | None = None
    ) -> None:
        """Connect to `peer`.  Returns when a socket carries the channel; if a comm carries it, at the channel's end.

        A failed connection ends the channel as a lost one does.  heard: tells how long ago the peer gave a sign of
        life.  A silent peer is waited for beyond the timeout, as long as it is known.
        """
        connecting = asyncio.ensure_future(self._connect(timeout, connection_args, heard or _unknown))
        with self._lock:
            self._connecting = connecting
        if self.closed:
            connecting.cancel()
        try:
            comm = await connecting
        except asyncio.CancelledError:
            if not self.closed:  # not cancelled by the end of this channel
                raise
        except Exception as error:  # of any kind: TypeError for connection arguments, ValueError for an address
            logger.info("no channel to %s: %s", self.peer, error)
            self.ended()
        else:
            hello = m.Hello(m.PROTOCOL, self._receiver.name, session, takes_sockets(comm))
            await self._begin(comm, hello, connection_args.get("ssl_context"))

    async def _connect(self, timeout: float, connection_args: dict[str, Any], heard: Heard) -> Comm:
        """Connect to a process that listened before: if it refuses, it is gone, and is not tried for long.

        Each try has the whole timeout: Dask leaves the socket of a try that it gives up to the garbage collector.
        """
        while True:
            try:
                return await _unless_refused(self.peer, connect(self.peer, timeout=timeout, **connection_args))
            except (TimeoutError, OSError) as error:
                if self.closed or nobody_listens(error, self.peer):
                    raise
                silent = await heard()
                if silent is None or silent < timeout / 2:  # gone or unknown, or alive but out of reach
                    raise

    async def accept(self, comm: Comm, hello: m.Hello, context: ssl.SSLContext | None = None) -> None:
        """Accept a channel, whose `Hello` has come; returns as `open` does.  context: for encrypted sockets."""
        await self._begin(comm, hello, context, accepts=True)

    async def _begin(self, comm: Comm, hello: m.Hello, context: ssl.SSLContext | None, accepts: bool = False) -> None:
        with self._lock:
            self._connected = not self.closed
        try:
            if self.closed:  # while it connected
                return
            if accepts:
                wire = await offer_socket(comm, hello.sockets and takes_sockets(comm), context)
            else:
                await comm.write({"op": CHANNEL_OP, "reply": False, "hello": to_serialize(Batch((hello,)))})
                wire = await take_socket(comm, context)
            if wire is not None:
                link = socket_link(self, wire, self._receiver.threads)
                self.carried_by(link)
                link.start_reader()
            else:
                carrier = CommLink(self, comm)
                self.carried_by(carrier)
                await carrier.read()
        except Exception as error:
            logger.info("no channel to %s: %s", self.peer, error)
        finally:
            comm.abort()
            if self._link is None:
                self.ended()

    def carried_by(self, link: Link) -> None:
        """Send over this link from now on, first the queued messages."""
        with self._lock:
            self._link = link
            self._writing = start = bool(self._outbox) or self.closing
        if start:
            link.start_writer()

    # -- called by the link

    def take(self) -> list[Frame]:
        """All queued frames, for the writer, which has written the frames of its last `take`.

        If there are none, the writer stops.
        """
        with self._lock:
            written, self._taken = self._taken, list(self._outbox)
            frames = [outgoing.frame for outgoing in self._taken]
            self._outbox.clear()
            self._room.set()
            self._writing = bool(frames) or self.closing
        for outgoing in written:
            _notify(outgoing.then, True)
        return frames

    def ended(self) -> None:
        """End the channel: the other process is gone, or this end was closed."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            unsent = [*self._taken, *self._outbox]
            self._taken = []
            self._outbox.clear()
            self._room.set()
            deliveries = [delivery for delivery, _ in self._deliveries.values()]
            self._deliveries.clear()
            connecting = self._connecting
        if connecting is not None and not connecting.done():
            connecting.get_loop().call_soon_threadsafe(connecting.cancel)
        # First withdraw the attempts of the other side: released elements must not go to it again.
        self._receiver.channel_closed(self)
        for outgoing in unsent:
            _notify(outgoing.then, False)
        for delivery in deliveries:
            delivery(False)


def _instead(message: Any, error: OpError) -> tuple[Any, Any]:
    """The messages for the other side and for this one that replace a message which could not be sent."""
    if isinstance(message, m.Return):
        return m.Return(message.call, error), None
    if hasattr(message, "call"):
        return None, m.Return(message.call, error)
    failed = m.Failed(message.step, getattr(message, "device", ""), error) if hasattr(message, "step") else None
    return failed, failed  # the side that does not own the step ignores it


async def _unless_refused(peer: str, connecting: Coroutine[Any, Any, Comm]) -> Comm:
    """The comm.  ConnectionRefusedError if it takes longer and no process listens at the address."""
    task, pause = asyncio.create_task(connecting), timeouts.REFUSED
    try:
        while not (await asyncio.wait([task], timeout=pause))[0]:
            if await refuses(peer):
                raise ConnectionRefusedError(f"nobody listens at {peer}")
            pause *= 2
        return await task
    except BaseException:
        task.add_done_callback(_abort)
        task.cancel()
        raise


def _abort(task: asyncio.Task[Comm]) -> None:
    """Close a comm that came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().abort()


async def _unknown() -> None:
    """The `Heard` of a peer that is not known."""


def _notify(then: Then | None, sent: bool) -> None:
    if then is not None:
        then(sent)

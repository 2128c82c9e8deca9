"""A lane: ordered messages between two processes, whose end is the signal that the other one is gone.

`handshake.py` agrees with the other process on what carries it, `links.py` carries it, `frames.py` says how a message
crosses.  `send` may be called from any thread and never waits: what cannot be written at once is queued.
Each message is pickled by itself, by whoever sends it: one that cannot be harms nobody but who waits for it.
"""

from __future__ import annotations

import itertools
import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from distributed.comm import Comm, connect
from distributed.protocol import to_serialize

from dflow.errors import InvalidArgumentError, OpError
from dflow.runtime import messages as m
from dflow.runtime.crew import Crew
from dflow.runtime.frames import Frame, encode
from dflow.runtime.handshake import offer_socket, take_socket, takes_sockets
from dflow.runtime.links import CommLink, Link, socket_link

logger = logging.getLogger("dflow.lane")

REFUSED_AFTER = 0.5  # seconds of refused connections, after which the other process is taken for gone
LANE_OP = "dflow_lane"  # the worker handler that takes lanes

CROWDED = 100  # messages that wait to be sent, from which on `wait_for_room` waits


@dataclass(frozen=True, slots=True)
class Batch:
    """What a `Hello` crosses in."""

    messages: tuple[Any, ...]


class Receiver(Protocol):
    """Who takes what comes out of a lane, one message after the other: it must not wait.

    crew: the threads that read, and that do what messages start.
    """

    name: str
    crew: Crew

    def received(self, lane: Lane, message: Any) -> None: ...

    def lane_closed(self, lane: Lane) -> None: ...


class Lane:
    """One end of a lane.  peer: the address, or the name, of the other process."""

    def __init__(self, receiver: Receiver, peer: str) -> None:
        self.peer = peer
        self.closed = False
        self.closing = False  # the link ends when nothing is queued any more
        self._receiver = receiver
        self._connected = False  # a comm to the peer is there, and its handshake begun
        self._link: Link | None = None
        self._outbox: deque[Frame] = deque()
        self._writing = False  # a writer of the link empties the outbox: nothing may pass it
        self._loans: dict[int, Callable[[bool], None]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._room.set()

    # -- sending, in any thread

    def send(self, message: Any) -> None:
        """Send a message; it is dropped, and its loan given back, if the lane has closed."""
        for field in ("error", "outcome"):
            found = getattr(message, field, None)
            if isinstance(found, OpError):
                message = replace(message, **{field: found.portable()})
        if self.closed:
            return
        try:
            frame = encode(message)
        except Exception as error:
            self._cannot_send(message, error)
        else:
            self._send(frame)

    def _send(self, frame: Frame) -> None:
        with self._lock:
            if self.closed:
                return
            link = self._link if not self._writing else None
            if link is not None:
                frame = link.write_now(frame)
                if not frame:
                    return
                self._writing = True
            self._outbox.append(frame)
            if len(self._outbox) >= CROWDED:
                self._room.clear()
        if link is not None:
            link.start_writer()

    def _cannot_send(self, message: Any, error: Exception) -> None:
        text = f"{type(message).__name__} for {self.peer} cannot be sent: {error.__cause__ or error}"
        logger.error(text)
        for loan in m.loans(message):
            self.settle(loan, False)
        theirs, ours = _instead(message, InvalidArgumentError(None, None, text))
        if theirs is not None:
            self._send(encode(theirs))
        if ours is not None:
            self.received(ours)

    def wait_for_room(self, first: Callable[[], object] = lambda: None) -> None:
        """Wait while many messages are queued: for a thread that sends unasked, such as a loop with its reports.

        first: is called before it waits.
        """
        if not self._room.is_set():
            first()
            self._room.wait()

    def lend(self, loan: Callable[[bool], None] | None) -> int | None:
        """The number of a loan that goes with the next message; it is given back at once on a closed lane."""
        if loan is None:
            return None
        number = next(self._numbers)
        with self._lock:
            if not self.closed:
                self._loans[number] = loan
                return number
        loan(False)
        return number

    def settle(self, number: int, accepted: bool) -> None:
        """The other side has the lent elements, or does not want them."""
        with self._lock:
            loan = self._loans.pop(number, None)
        if loan is not None:
            loan(accepted)

    def close(self) -> None:
        """Send what is queued, then close; a lane that still connects ends at once."""
        with self._lock:
            self.closing = True
            connected, link = self._connected, self._link if not self._writing else None
            self._writing = True
        if link is not None:
            link.start_writer()
        elif not connected:
            self.ended()

    # -- opening, on the event loop

    async def open(self, connection_args: dict[str, Any], session: str, timeout: float) -> None:
        """Connect to `peer`; returns when a socket carries the lane, else at its end.

        A failed connection ends the lane like a lost one.
        """
        try:
            comm = await _connect(self.peer, timeout, connection_args)
        except Exception as error:  # of any kind: TypeError for connection arguments, ValueError for an address
            logger.info("no lane to %s: %s", self.peer, error)
            self.ended()
        else:
            hello = m.Hello(m.PROTOCOL, self._receiver.name, session, takes_sockets(comm))
            await self._begin(comm, hello, connection_args.get("ssl_context"))

    async def accept(self, comm: Comm, hello: m.Hello, context: ssl.SSLContext | None = None) -> None:
        """Take a lane whose `Hello` has come; returns like `open`.  context: to accept encrypted connections."""
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
                await comm.write({"op": LANE_OP, "reply": False, "hello": to_serialize(Batch((hello,)))})
                wire = await take_socket(comm, context)
            if wire is not None:
                link = socket_link(self, wire, self._receiver.crew)
                self._carried_by(link)
                link.start_reader()
            else:
                carrier = CommLink(self, comm)
                self._carried_by(carrier)
                await carrier.read()
        except Exception as error:
            logger.info("no lane to %s: %s", self.peer, error)
        finally:
            comm.abort()
            if self._link is None:
                self.ended()

    def _carried_by(self, link: Link) -> None:
        """From here on messages go out, first those that are queued."""
        with self._lock:
            self._link = link
            self._writing = start = bool(self._outbox) or self.closing
        if start:
            link.start_writer()

    # -- called by the link

    def received(self, message: Any) -> None:
        self._receiver.received(self, message)

    def take(self) -> list[Frame]:
        """All that is queued, for the writer; if that is nothing, it is no writer any more."""
        with self._lock:
            frames = list(self._outbox)
            self._outbox.clear()
            self._room.set()
            self._writing = bool(frames) or self.closing
            return frames

    def ended(self) -> None:
        """The other process is gone, or this end was closed."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._outbox.clear()
            self._room.set()
            loans = list(self._loans.values())
            self._loans.clear()
        # What the other side waits for is withdrawn first, so that nothing that goes back goes to it again.
        self._receiver.lane_closed(self)
        for loan in loans:
            loan(False)


def _instead(message: Any, error: OpError) -> tuple[Any, Any]:
    """What tells the other side, and what tells this one, that a message was not sent."""
    if isinstance(message, m.Reply):
        return m.Reply(message.reply, None, error), None
    if isinstance(message, m.Answer):
        return m.Answer(message.number, error, None), None
    if isinstance(message, m.Ask):
        return None, m.Answer(message.number, error, None)
    if hasattr(message, "reply"):  # a request
        return None, m.Reply(message.reply, None, error)
    failed = m.Failed(message.step, getattr(message, "device", ""), error) if hasattr(message, "step") else None
    return failed, failed  # whichever side does not own the step ignores it


async def _connect(address: str, timeout: float, connection_args: dict[str, Any]) -> Comm:
    """Connect to a process that listened before: one that refuses is gone, and is not tried for long."""
    patience, waited = REFUSED_AFTER, 0.0
    while True:
        try:
            comm: Comm = await connect(address, timeout=patience, **connection_args)
            return comm
        except (TimeoutError, OSError) as error:
            waited += patience
            if waited >= timeout or _refused(error):
                raise
        patience = min(2 * patience, timeout - waited)


def _refused(error: BaseException | None) -> bool:
    """Did nobody listen there?"""
    while error is not None and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__
    return error is not None

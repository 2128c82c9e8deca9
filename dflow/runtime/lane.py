"""A lane: ordered messages between two processes, whose end is the signal that the other one is gone.

First implementation: a dedicated comm of distributed's own, so that addresses, TLS and serialization come with it.
All reading and writing happens on the process's event loop; `send` may be called from any thread and never waits.
Messages that pile up while one write is under way leave together with the next.
Each message is pickled by itself before it is written: one that cannot be pickled harms nobody but who waits for it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from distributed.comm import Comm, connect
from distributed.protocol import Serialized, serialize, to_serialize

from dflow.errors import InvalidArgumentError, OpError
from dflow.runtime import messages as m

logger = logging.getLogger("dflow.lane")

REFUSED_AFTER = 0.5  # seconds of refused connections, after which the other process is taken for gone
LANE_OP = "dflow_lane"  # the worker handler that takes lanes

CROWDED = 100  # messages that wait to be sent, from which on `wait_for_room` waits


@dataclass(frozen=True, slots=True)
class Batch:
    """What a `Hello` crosses in."""

    messages: tuple[Any, ...]


class Receiver(Protocol):
    """Who takes what comes out of a lane, on the event loop: it must not wait."""

    name: str

    def received(self, lane: Lane, message: Any) -> None: ...

    def lane_closed(self, lane: Lane) -> None: ...


class Lane:
    """One end of a lane.  peer: the address, or the name, of the other process."""

    def __init__(self, receiver: Receiver, peer: str, loop: asyncio.AbstractEventLoop) -> None:
        self.peer = peer
        self.closed = False
        self._receiver = receiver
        self._loop = loop
        self._outbox: deque[Any] = deque()
        self._wake = asyncio.Event()
        self._comm: Comm | None = None
        self._closing = False
        self._loans: dict[int, Callable[[bool], None]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._room = threading.Event()
        self._room.set()

    # -- any thread

    def send(self, message: Any) -> None:
        """Queue a message; it is dropped, and its loan given back, if the lane has closed."""
        for field in ("error", "outcome"):
            found = getattr(message, field, None)
            if isinstance(found, OpError):
                message = replace(message, **{field: found.portable()})
        with self._lock:
            if self.closed:
                return
            first = not self._outbox
            self._outbox.append(message)
            if len(self._outbox) >= CROWDED:
                self._room.clear()
        if first:
            self._soon(self._wake.set)

    def wait_for_room(self) -> None:
        """Wait while many messages are queued: for a thread that sends unasked, such as a loop with its reports."""
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
        self._soon(self._close)

    def _soon(self, call: Callable[[], Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop has stopped: this process is ending
            self._ended()

    # -- the event loop

    async def open(self, connection_args: dict[str, Any], session: str, timeout: float) -> None:
        """Connect to `peer`, then read until the end.  A failed connection ends the lane like a lost one."""
        try:
            comm = await _connect(self.peer, timeout, connection_args)
            await self.run(comm, m.Hello(m.PROTOCOL, self._receiver.name, session))
        except Exception as error:  # of any kind: TypeError for connection arguments, ValueError for an address
            logger.info("no lane to %s: %s", self.peer, error)
        finally:
            self._ended()

    async def run(self, comm: Comm, hello: m.Hello | None = None) -> None:
        """Read until the other side is gone.  hello: what is said first."""
        if self.closed:  # while it connected
            comm.abort()
            return
        self._comm = comm
        writer = asyncio.create_task(self._write(comm, hello))
        try:
            while True:
                batch = await comm.read()
                for message in batch["batch"]:
                    self._receiver.received(self, message)
        except (OSError, EOFError):
            pass  # the end of the lane
        except Exception:
            logger.exception("the lane to %s ends: what it sent cannot be read", self.peer)
        finally:
            writer.cancel()
            comm.abort()
            self._ended()

    async def _write(self, comm: Comm, hello: m.Hello | None) -> None:
        """Write what is queued until the lane closes.  Nobody else writes, so that nothing passes anything else."""
        try:
            if hello is not None:
                await comm.write({"op": LANE_OP, "reply": False, "hello": to_serialize(Batch((hello,)))})
            while True:
                while batch := self._drain():
                    await comm.write({"batch": batch})
                    await asyncio.sleep(0)  # others of this event loop have their turn
                if self._closing:
                    break
                await self._wake.wait()
                self._wake.clear()
            await comm.close()  # the reader ends as well
        except Exception as error:
            if not isinstance(error, OSError):
                logger.exception("the lane to %s ends: it cannot be written to", self.peer)
            comm.abort()

    def _drain(self) -> list[Serialized]:
        """What is queued, each message pickled with its arrays out of band; one that cannot be is taken back."""
        with self._lock:
            messages, self._outbox = self._outbox, deque()
            self._room.set()
        result = []
        for message in messages:
            try:
                result.append(_pickle(message))
            except Exception as error:
                text = f"{type(message).__name__} for {self.peer} cannot be sent: {error.__cause__ or error}"
                logger.error(text)
                if getattr(message, "loan", None) is not None:
                    self.settle(message.loan, False)
                theirs, ours = _instead(message, InvalidArgumentError(None, None, text))
                if theirs is not None:
                    result.append(_pickle(theirs))
                if ours is not None:
                    self._receiver.received(self, ours)
        return result

    def _close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._comm is None:
            self._ended()

    def _ended(self) -> None:
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._room.set()
            loans = list(self._loans.values())
            self._loans.clear()
        # What the other side waits for is withdrawn first, so that nothing that goes back goes to it again.
        self._receiver.lane_closed(self)
        for loan in loans:
            loan(False)


def _pickle(message: Any) -> Serialized:
    """A message that needs no further serialization; raises if it cannot be pickled."""
    return Serialized(*serialize(message, serializers=("pickle",), on_error="raise"))


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

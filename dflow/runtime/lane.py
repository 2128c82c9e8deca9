"""A lane: ordered messages between two processes, whose end is the signal that the other one is gone.

First implementation: a dedicated comm of distributed's own, so that addresses, TLS and serialization come with it.
All reading and writing happens on the process's event loop; `send` may be called from any thread and never waits.
Messages that pile up while one write is under way leave together with the next.
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
from distributed.protocol import to_serialize

from dflow.errors import OpError
from dflow.runtime.messages import PROTOCOL, Hello

logger = logging.getLogger("dflow.lane")

REFUSED_AFTER = 0.5  # seconds of refused connections, after which the other process is taken for gone
LANE_OP = "dflow_lane"  # the worker handler that takes lanes


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that cross together; pickled with their arrays out of band."""

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
        self._loans: dict[int, Callable[[bool], None]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

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
            self._outbox.append(message)
        self._soon(self._wake.set)

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
        """Send what is queued, then close."""
        self._soon(lambda: self._loop.create_task(self._close()))

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
            hello = Hello(PROTOCOL, self._receiver.name, session)
            await comm.write({"op": LANE_OP, "reply": False, "hello": to_serialize(Batch((hello,)))})
        except (TimeoutError, OSError) as error:
            logger.info("no lane to %s: %s", self.peer, error)
            self._ended()
            return
        await self.run(comm)

    async def run(self, comm: Comm) -> None:
        """Read until the other side is gone."""
        self._comm = comm
        writer = asyncio.create_task(self._write(comm))
        try:
            while True:
                batch = await comm.read()
                for message in batch["batch"].messages:
                    self._receiver.received(self, message)
        except (OSError, EOFError):
            pass  # the end of the lane
        finally:
            writer.cancel()
            comm.abort()
            self._ended()

    async def _write(self, comm: Comm) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while batch := self._drain():
                    await comm.write({"batch": to_serialize(Batch(batch))})
        except OSError:
            comm.abort()  # the reader ends as well
        except Exception:
            logger.exception("the lane to %s ends: a message cannot be sent", self.peer)
            comm.abort()

    def _drain(self) -> tuple[Any, ...]:
        with self._lock:
            batch = tuple(self._outbox)
            self._outbox.clear()
        return batch

    async def _close(self) -> None:
        if self._comm is None:
            self._ended()
            return
        try:
            batch = self._drain()
            if batch:
                await self._comm.write({"batch": to_serialize(Batch(batch))})
        except OSError:
            pass
        await self._comm.close()

    def _ended(self) -> None:
        with self._lock:
            if self.closed:
                return
            self.closed = True
            loans = list(self._loans.values())
            self._loans.clear()
        # What the other side waits for is withdrawn first, so that nothing that goes back goes to it again.
        self._receiver.lane_closed(self)
        for loan in loans:
            loan(False)


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

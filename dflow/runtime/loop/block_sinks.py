"""The sinks of a loop that goes many records at once: the elements of its blocks enter as the queue has room.

To a queue of this process the elements are offered: they stand in its line of enqueues, and a consumer that makes room
for some of them lets these in, while the loop's thread reads and computes the next block.
To a queue of another process they are sent into reserved room.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Protocol

from dflow.compile import CallPlan, Instruction
from dflow.errors import OpError
from dflow.machines.queue.attempts import BulkEnqueue
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.loop.blocks import Block
from dflow.runtime.loop.reserved_room import ReservedRoom, Rows
from dflow.runtime.loop.stage import Stage
from dflow.runtime.step.process import Process


class BlockSink(Protocol):
    """Where the elements of a loop's blocks go."""

    @property
    def waited_s(self) -> float:
        """How long the loop has waited here."""

    @property
    def pending(self) -> int:
        """Elements that were put, and are not known to be in."""

    def put(self, block: Block) -> None:
        """Put a block; at most one before it is still on its way then.  Raises why an element does not get in."""

    def drain(self) -> None:
        """Wait until all that was put is in.  Raises why an element does not get in."""

    def finish(self) -> None: ...

    def stop(self, error: OpError) -> None: ...

    def close(self, failed: bool) -> None: ...


def block_sink(process: Process, session: str, owner: str, enqueue: Instruction, call: CallPlan) -> BlockSink:
    """The sink for the queue of an enqueue."""
    device, queue = enqueue.op.device, enqueue.attrs["queue"]
    ask = partial(process.ask, session, device, call.addresses[device], queue)
    if device in process.executors:
        return LocalBlockSink(owner, enqueue, ask)
    return RemoteBlockSink(ReservedRoom(owner, enqueue.op, ask, lambda: None))


class Offering:
    """Elements of a block, of one shape, that stand in the queue's line of enqueues."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.count, components = block.take(block.left)
        self.offer = BulkEnqueue(components, self.count, progress=self.note)
        self._noted = 0  # elements that are in, and count
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        return self.count - self._noted

    def note(self) -> None:
        """The elements that are in by now count; called in any thread, once or more for each of them."""
        with self._lock:
            new = self.offer.done - self._noted
            if new:
                self._noted += new
                self.block.in_queue(new)


class LocalBlockSink(Stage):
    """Offers elements to a queue of this process: one stretch of one shape at a time."""

    def __init__(self, owner: str, enqueue: Instruction, ask: Callable[..., Callable[[], None]]) -> None:
        self.waited_s = 0.0
        self._owner = owner
        self._op = enqueue.op
        self._ask = ask
        self._inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # attempts that were answered; None: a stop
        self._offering: Offering | None = None
        self._attempt: Attempt | None = None
        self._stopped: OpError | None = None
        self._finishing = False

    @property
    def pending(self) -> int:
        offering = self._offering
        return 0 if offering is None else offering.left + offering.block.left

    def put(self, block: Block) -> None:
        self.drain()
        if not self._finishing:
            self._offer(block)

    def drain(self) -> None:
        while (offering := self._offering) is not None:
            self._await(offering)
            self._offering = self._attempt = None
            block = offering.block
            block.put_back(offering.left)  # a close, or `finish`, lets one more element in, and no others
            if block.left and not self._finishing:
                self._offer(block)

    def finish(self) -> None:
        """Let no more than the element in that waits now."""
        self._finishing = True
        offering = self._offering
        if offering is not None:
            offering.offer.stop_early()

    def stop(self, error: OpError) -> None:
        self._stopped = error
        self._inbox.put(None)

    def close(self, failed: bool) -> None:
        """What is still in the line is withdrawn."""
        offering, self._offering = self._offering, None
        if offering is not None and self._attempt is not None:
            self._attempt.withdraw()
            offering.note()

    def _offer(self, block: Block) -> None:
        offering = self._offering = Offering(block)
        if self._finishing:
            offering.offer.stop_early()
        attempt = self._attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        if attempt.start(lambda answer: self._ask("bulk_enqueue", answer, offering.offer)):
            self._inbox.put(attempt)
        offering.note()

    def _await(self, offering: Offering) -> None:
        """Wait until an offering is in, as far as it gets."""
        started = monotonic()
        try:
            while (attempt := self._inbox.get()) is not self._attempt:
                if self._stopped is not None:
                    raise self._stopped
        finally:
            self.waited_s += monotonic() - started
        assert attempt is not None
        ((outcome, _),) = attempt.take()
        offering.note()
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, self._op)


class RemoteBlockSink(Stage):
    """Sends elements into room that a queue of another process reserves."""

    def __init__(self, room: ReservedRoom) -> None:
        self._room = room
        self._finishing = False

    @property
    def waited_s(self) -> float:  # type: ignore[override]
        return self._room.waited_s

    @property
    def pending(self) -> int:
        return self._room.pending

    def put(self, block: Block) -> None:
        self._room.look()
        self._room.flush()
        wanted = block.left
        while block.left and not self._finishing:
            count, components = block.take(self._room.wait(wanted, 1))
            self._room.put(Rows(count, components, partial(block.in_queue, count), partial(block.lost, count)))

    def drain(self) -> None:
        self._room.drain()

    def finish(self) -> None:
        self._finishing = True

    def stop(self, error: OpError) -> None:
        self._room.stop(error)

    def close(self, failed: bool) -> None:
        with suppress(OpError):
            self._room.drain()
        self._room.close()

"""Blocks of elements that a batched loop (`vectorized.py`) computes at once, and the sinks that put them into a queue.

The elements of a block enter the queue as it has room for them:

* `LocalBlockSink` offers a block to a queue of this process: the offer stands in the queue's line of enqueues.  A
  consumer that makes room lets elements in, while the loop's thread reads and computes the next block.
* `RemoteBlockSink` sends a block into room that a queue of another process reserves for the loop.

Names that may be confused:

* `Block` is a block of computed elements.  `Block` in `readers/records.py` is a buffer of bytes with records in it.
* `Rows`, from `ops/rules/batching.py`, holds the arrays of one component if their shapes differ.  `ReservedRows` is
  `Rows` of `reserved_room.py`: elements that go into reserved room together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Any, Protocol

from dflow.compile import Instruction, LoopSpec
from dflow.errors import OpError, OpInfo
from dflow.machines.queue.attempts import BulkEnqueue
from dflow.machines.queue.checks import ComponentCheck
from dflow.ops.rules.batching import Rows
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.loop.reserved_room import ReservedRoom
from dflow.runtime.loop.reserved_room import Rows as ReservedRows
from dflow.runtime.loop.stage import Stage
from dflow.runtime.resources.shared_queue import SharedQueue
from dflow.runtime.resources.shared_reader import RecordDelivery
from dflow.runtime.step.process import Process


class Block:
    """The elements that were computed from a block of records.

    A record is committed when its element is in the queue.  Records that are not committed can be rolled back.

    delivery: of the records.  count: the number of records.
    elements: the components of the elements, each an array [count, ...] or `Rows` of different shapes.
    entered: called with a number of elements that are in the queue, in the thread that let them in.
    """

    def __init__(
        self, delivery: RecordDelivery, count: int, elements: tuple[Any, ...], entered: Callable[[int], None]
    ) -> None:
        self.left = count  # elements that are not put yet
        self.uncommitted = count
        self._delivery = delivery
        self._count = count
        self._elements = elements
        self._entered = entered

    def take(self, limit: int) -> tuple[int, tuple[Any, ...]]:
        """Take the next elements that have one shape, at most `limit`.  Returns their number and their components."""
        start = self._count - self.left
        ends = [component.alike(start) for component in self._elements if isinstance(component, Rows)]
        stop = min([start + limit, self._count, *ends])
        self.left = self._count - stop
        return stop - start, tuple(_part(component, start, stop) for component in self._elements)

    def put_back(self, count: int) -> None:
        """Undo `take` for its last `count` elements."""
        self.left += count

    def in_queue(self, count: int) -> None:
        """Commit the records of the next `count` elements, which are in the queue, and count their iterations."""
        self.lost(count)
        self._entered(count)

    def lost(self, count: int) -> None:
        """Commit the records of the next `count` elements, which may or may not be in the queue."""
        self.uncommitted -= count
        self._delivery.commit(count)

    def roll_back(self) -> None:
        """Return the uncommitted records to the reader, which reads them again."""
        if self.uncommitted:
            self.uncommitted = 0
            self._delivery(False)


def _part(component: Any, start: int, stop: int) -> Any:
    return component.stacked(start, stop) if isinstance(component, Rows) else component[start:stop]


class BlockSink(Protocol):
    """The sink of a loop's blocks."""

    @property
    def waited_s(self) -> float:
        """Seconds that the loop has waited in this sink."""

    @property
    def pending(self) -> int:
        """The number of elements that were put and are not known to be in the queue."""

    def put(self, block: Block) -> None:
        """Put a block, when at most one earlier block is still on its way.

        Raises the error of an element that cannot enter the queue.
        """

    def drain(self) -> None:
        """Wait until all blocks are in the queue.  Raises the error of an element that cannot enter it."""

    def finish(self) -> None: ...

    def stop(self, error: OpError) -> None: ...

    def close(self, failed: bool) -> None: ...


def block_sink(process: Process, spec: LoopSpec, enqueue: Instruction) -> BlockSink:
    """The sink for the queue of the loop's enqueue."""
    op, queue = enqueue.op, enqueue.attrs["queue"]
    executor = process.executors.get(op.device)
    if executor is not None:
        return LocalBlockSink(spec.owner, op, lambda: executor.resource_of(queue, spec.session))
    call_queue = partial(process.call_queue, spec.session, op.device, spec.call.addresses[op.device], queue)
    return RemoteBlockSink(ReservedRoom(spec.owner, op, call_queue, lambda: None), ComponentCheck(queue))


class Offer:
    """The next elements of one shape of a block, in the queue's line of enqueues."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.count, components = block.take(block.left)
        self.bulk = BulkEnqueue(components, self.count, progress=self.note)
        self._noted = 0  # elements in the queue that were counted
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        return self.count - self._noted

    def note(self) -> None:
        """Count the elements that have entered the queue since the last call.  Called from any thread."""
        with self._lock:
            new = self.bulk.done - self._noted
            if new:
                self.block.in_queue(new)
                self._noted += new  # after they count as iterations, see `LoopRun._go`


class LocalBlockSink(Stage):
    """Offers elements to a queue of this process, one stretch of one shape at a time.

    op: the enqueue.  find_queue: returns the queue.
    """

    def __init__(self, owner: str, op: OpInfo, find_queue: Callable[[], SharedQueue]) -> None:
        self.waited_s = 0.0
        self._owner = owner
        self._op = op
        self._find_queue = find_queue
        self._queue: SharedQueue | None = None  # looked up again only after it was detached, as a lookup takes long
        self._inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # attempts that were answered; None: a stop
        self._offer: Offer | None = None
        self._attempt: Attempt | None = None
        self._stopped: OpError | None = None
        self._finishing = False

    @property
    def pending(self) -> int:
        offer = self._offer
        return 0 if offer is None else offer.left + offer.block.left

    def put(self, block: Block) -> None:
        self.drain()
        self._put(block)

    def drain(self) -> None:
        while (offer := self._offer) is not None:
            self._await(offer)
            self._offer = self._attempt = None
            block = offer.block
            block.put_back(offer.left)  # after a close or `finish`, only one more element enters
            if block.left:
                self._put(block)

    def finish(self) -> None:
        """Let only the element in that waits now."""
        self._finishing = True
        offer = self._offer
        if offer is not None:
            offer.bulk.stop_early()

    def stop(self, error: OpError) -> None:
        self._stopped = error
        self._inbox.put(None)

    def close(self, failed: bool) -> None:
        """Withdraw the offer that is still in the line."""
        offer, self._offer = self._offer, None
        if offer is not None and self._attempt is not None:
            self._attempt.withdraw()
            offer.note()

    def _put(self, block: Block) -> None:
        if self._finishing:
            return
        offer = self._offer = Offer(block)
        if self._finishing:  # `finish` may have run before the offer was made
            offer.bulk.stop_early()
        attempt = self._attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        if attempt.start(partial(self._begin, offer)):
            self._inbox.put(attempt)
        offer.note()

    def _begin(self, offer: Offer, attempt: Attempt) -> Callable[[], None]:
        if self._queue is None or self._queue.detached:
            self._queue = self._find_queue()
        return self._queue.attempt(attempt, "bulk_enqueue", offer.bulk)

    def _await(self, offer: Offer) -> None:
        """Wait for the end of an offer.  Some of its elements may not be in the queue then."""
        started = monotonic()
        try:
            while (attempt := self._inbox.get()) is not self._attempt:
                if self._stopped is not None:
                    raise self._stopped
        finally:
            self.waited_s += monotonic() - started
        assert attempt is not None
        ((outcome, _),) = attempt.take()
        offer.note()
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, self._op)


class RemoteBlockSink(Stage):
    """Sends elements into room that a queue of another process reserves.  check: of the queue's dtypes and shapes."""

    def __init__(self, room: ReservedRoom, check: ComponentCheck) -> None:
        self._room = room
        self._check = check
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
            if (error := self._check.batch(components)) is not None:
                raise error
            self._room.put(ReservedRows(count, components, partial(block.in_queue, count), partial(block.lost, count)))

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

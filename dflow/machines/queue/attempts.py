"""The attempts in a queue's lines, their replies, and the counts of a queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dflow.errors import OpError
from dflow.machines.queue.store import Batch


@dataclass(slots=True)
class Reply:
    """The end of one attempt."""

    ticket: int
    value: Batch | None = None  # of a dequeue: one array per component; of the others: None
    error: OpError | None = None
    progress: bool = False  # this is no end: elements of a bulk enqueue are in, and the others wait


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """A queue in numbers."""

    size: int  # elements stored
    capacity: int  # of elements; negative: no bound
    enqueued: int  # elements ever put in
    dequeued: int  # elements handed out and not returned, unacknowledged ones included
    unacknowledged: int  # elements handed out, but not acknowledged
    gathered: int  # elements that the first dequeue in the line has so far, and that no size includes
    waiting_enqueues: int  # attempts; a close that waits is one
    waiting_dequeues: int  # attempts
    closed: bool


@dataclass(slots=True, eq=False)
class Put:
    """An enqueue in its line."""

    ticket: int
    components: Batch  # of one element, or with a first axis over `count` of them
    many: bool
    count: int
    done: int = 0  # elements that are in already


@dataclass(slots=True, eq=False)
class RoomRequest:
    """A request for room for elements that are still being computed, in the line of enqueues."""

    ticket: int
    n: int  # elements, at most
    unit: int = 1  # elements that come together


@dataclass(slots=True, eq=False)
class BulkEnqueue:
    """Elements that are ready, in the line of enqueues: they go in by and by, and others have their turn in between.

    Its maker may read `done` at any time, and lower `count`.
    """

    components: Batch  # with a first axis over `count` elements or more
    count: int  # elements, at most
    done: int = 0  # elements that are in already
    ticket: int = -1
    progress: Callable[[], None] = lambda: None  # called, without a lock, when some elements are in, before the end

    def stop_early(self) -> None:
        """End after one more element, as a loop would that enqueues one element at a time and waits for each."""
        self.count = min(self.count, self.done + 1)


@dataclass(slots=True, eq=False)
class Close:
    """A close that waits in the line of enqueues."""

    ticket: int


@dataclass(slots=True, eq=False)
class Take:
    """A dequeue in its line."""

    ticket: int
    n: int
    many: bool
    ack: bool
    partly: bool = False  # may end with fewer than n once the queue is closed

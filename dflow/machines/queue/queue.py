"""The algorithm of all queues: two lines of attempts, which are served in order.

Enqueues and closes wait in one line, dequeues in the other.  Only the head of a line may make progress.  After every
change both lines are tried, enqueues first, until neither can go on.

A `dequeue_many` that waits gathers elements as they come.  They stay in the store, and `size` does not include them.
So to complete it is one copy, and to withdraw it leaves the elements at the front, in their old order.

The elements of a reply to another process are a *delivery*: the queue keeps them until the receiver acknowledges them
or is gone.  Delivered elements are not stored, but hold their room.  A closed queue does not report its end while a
delivery is unacknowledged, as its elements may be returned, nor while room is reserved, as elements may still come.
"""

from __future__ import annotations

import copy
import sys
from collections import deque

import numpy as np

from dflow.errors import CancelledError, InvalidArgumentError, OpError, OutOfRangeError
from dflow.machines.queue.attempts import BulkEnqueue, Close, Put, QueueCounts, Reply, RoomRequest, Take
from dflow.machines.queue.checks import ComponentCheck
from dflow.machines.queue.deliveries import Deliveries
from dflow.machines.queue.store import Batch, Element, Store
from dflow.specs import QueueSpec

__all__ = ["Queue", "QueueCounts", "Reply"]


class Queue:
    """A queue of any kind.

    spec: the description of the queue.
    store: holds the elements.
    reserve: the number of elements that stay while the queue is open.
    gathers: whether a `dequeue_many` takes elements as they come; if not, it takes none until all are there.

    A ticket is a number that the caller chooses, another one for each attempt.  Each call returns all attempts that
    ended because of it, its own too if it could be served at once, in the order in which they ended.  An attempt that
    is not among them waits.  An attempt with invalid arguments ends with InvalidArgumentError and changes nothing.
    """

    def __init__(self, spec: QueueSpec, store: Store, *, reserve: int = 0, gathers: bool = True) -> None:
        self.spec = spec
        self._store = store
        self._reserve = reserve
        self._gathers = gathers
        self._check = ComponentCheck(spec)
        self._owner = f"{spec.kind} {spec.name!r}"  # the name of the queue in messages
        self._closed = False
        self._aborted: OpError | None = None
        self._puts: deque[Put | RoomRequest | BulkEnqueue | Close] = deque()
        self._takes: deque[Take] = deque()
        self._deliveries = Deliveries(store)
        self._reserved: dict[int, int] = {}  # reserved room, by the ticket of its request
        self._enqueued = 0
        self._dequeued = 0

    @property
    def size(self) -> int:
        """Elements that are stored, without those that a waiting dequeue_many has taken."""
        return self._store.count - self._gathered()

    @property
    def closed(self) -> bool:
        """Whether a close has taken effect."""
        return self._closed

    def counts(self) -> QueueCounts:
        """The queue in numbers."""
        return QueueCounts(
            size=self.size,
            capacity=self.spec.capacity,
            enqueued=self._enqueued,
            dequeued=self._dequeued,
            unacknowledged=self._deliveries.unacknowledged,
            gathered=self._gathered(),
            waiting_enqueues=len(self._puts),
            waiting_dequeues=len(self._takes),
            closed=self._closed,
        )

    def enqueue(self, ticket: int, components: Element) -> list[Reply]:
        """Put in one element, one array per component; waits while the queue is full.

        CancelledError if the queue is closed.  The arrays are copied, but must stay as they are while this waits.
        """
        error = self._check.element(components)
        if error is not None:
            return [Reply(ticket, error=error)]
        self._puts.append(Put(ticket, components, many=False, count=1))
        return self._serve()

    def enqueue_many(self, ticket: int, components: Batch) -> list[Reply]:
        """Put in the rows of the components, [m, *component shape], one after the other, as room appears.

        Waits until all are in; no other enqueue comes between.  Nothing to put in ends at once, even on a closed queue.
        CancelledError if the queue is closed; rows that were in by then stay.
        """
        error = self._check.batch(components)
        if error is not None:
            return [Reply(ticket, error=error)]
        count = len(components[0])
        if count == 0 and self._aborted is None:
            return [Reply(ticket)]
        self._puts.append(Put(ticket, components, many=True, count=count))
        return self._serve()

    def bulk_enqueue(self, ticket: int, bulk: BulkEnqueue) -> list[Reply]:
        """Put in the rows as a sequence of enqueues would, each made when the one before it ended.

        Attempts behind it have a turn in between; a close that comes later waits for one more row only.
        A reply with `progress` means that some rows are in.  CancelledError if the queue is closed; rows that were in
        stay.
        """
        error = self._check.batch(bulk.components)
        if error is not None:
            return [Reply(ticket, error=error)]
        bulk.ticket = ticket
        self._puts.append(bulk)
        return self._serve()

    def reserve_room(self, ticket: int, n: int, unit: int = 1) -> list[Reply]:
        """Reserve room for up to n elements, which `enqueue_reserved` will bring; waits for room as an enqueue does.

        The value is (reserved room, the ticket).  The room is a multiple of `unit`, the number of elements that come
        together, and not much more than half of the free room, so that other producers have some too; it is 0 if there
        is room, but not for a unit.
        Room is reserved until `acknowledge` or `take_back`.  Its elements count as put in when the room was reserved: a
        close waits for them; a close that cancels does not wait, but lets them in, and dequeues wait for them.
        CancelledError if the queue is closed.
        """
        self._puts.append(RoomRequest(ticket, n, unit))
        return self._serve()

    def enqueue_reserved(self, ticket: int, reserved: int, n: int, unit: int, *batches: Batch) -> list[Reply]:
        """Put the rows of the batches, one after the other, into the room that `reserved` has; never waits.

        n, unit: as `reserve_room`, for more room under the same ticket; none is reserved while other attempts wait for
        room.
        The value is (number of rows put in, further reserved room).  The first is 0 if the room was not reserved any
        more.
        """
        error = self._aborted or next(filter(None, map(self._check.batch, batches)), None)
        if error is not None:
            return [Reply(ticket, error=copy.copy(error))]
        count = sum(len(components[0]) for components in batches)
        if self._reserved.get(reserved, 0) < count:
            return [Reply(ticket, (np.asarray(0), np.asarray(0)))]
        self._reserved[reserved] -= count
        for components in batches:
            self._store.put_many(components, 0, len(components[0]))
        self._enqueued += count
        replies = self._serve()
        further = 0 if self._puts or self._closed else self._reserve_for(reserved, n, unit, self._room())
        return [Reply(ticket, (np.asarray(count), np.asarray(further))), *replies]

    def dequeue(self, ticket: int, *, ack: bool = False) -> list[Reply]:
        """Take one element; waits while there is none to give.

        The value is one array per component, of its shape.  OutOfRangeError if the queue is closed and empty.
        ack: the queue keeps the element, until `acknowledge` or `take_back`; its arrays must not be changed before.
        """
        self._takes.append(Take(ticket, 1, many=False, ack=ack))
        return self._serve()

    def dequeue_many(self, ticket: int, n: int, *, ack: bool = False) -> list[Reply]:
        """Take n elements, as they come; waits until there are so many.

        The value is one array per component, [n, *component shape].  OutOfRangeError if the queue is closed and has
        fewer than n, which then stay.  InvalidArgumentError if the queue has no shapes.
        ack: see `dequeue`.
        """
        return self._dequeue_batch(Take(ticket, n, many=True, ack=ack))

    def dequeue_up_to(self, ticket: int, n: int, *, ack: bool = False) -> list[Reply]:
        """As `dequeue_many`, but once the queue is closed, takes the remaining m elements, 1 <= m <= n."""
        return self._dequeue_batch(Take(ticket, n, many=True, ack=ack, partly=True))

    def close(self, ticket: int, cancel_pending_enqueues: bool = False) -> list[Reply]:
        """Close the queue: it takes no more elements.

        Waits until the enqueues before it have ended, or, with `cancel_pending_enqueues`, cancels all that wait
        (CancelledError) and does not wait.
        CancelledError if the queue is closed already, unless this close cancels.
        """
        if not cancel_pending_enqueues or self._aborted is not None:
            for put in self._puts:
                if isinstance(put, BulkEnqueue):
                    put.stop_early()
            self._puts.append(Close(ticket))
            return self._serve()
        replies = [Reply(put.ticket, error=_cancelled(put)) for put in self._puts]
        self._puts.clear()
        self._shut()
        replies.append(Reply(ticket))
        return replies + self._serve()

    def withdraw(self, ticket: int, error: OpError) -> list[Reply]:
        """End an attempt that waits, with `error`.  Nothing happens if it does not wait (any more).

        Elements that a dequeue_many had taken go back to the front; those that an enqueue_many had put in stay.
        """
        for line in (self._puts, self._takes):
            for i, attempt in enumerate(line):
                if attempt.ticket == ticket:
                    del line[i]
                    return [Reply(ticket, error=error), *self._serve()]
        return []

    def acknowledge(self, ticket: int) -> list[Reply]:
        """End a delivery whose receiver has the elements: their room is free.  Nothing happens if there is no delivery.

        Room that is reserved under the ticket is free again.
        """
        reserved = self._reserved.pop(ticket, None)
        return self._serve() if reserved is not None or self._deliveries.acknowledge(ticket) else []

    def take_back(self, ticket: int) -> list[Reply]:
        """End a delivery whose receiver is gone: the elements go back to the front, even if the queue is closed.

        Returned elements are in the order in which they came to the queue, regardless of the order of their return.
        Nothing happens if there is no delivery.  Room that is reserved under the ticket is free again.
        """
        if ticket in self._reserved:
            return self.acknowledge(ticket)
        count = self._deliveries.take_back(ticket)
        self._dequeued -= count
        return self._serve() if count else []

    def abort(self, error: OpError) -> list[Reply]:
        """Reset the queue: drop all elements and deliveries, and end all attempts, now and later, with `error`."""
        self._aborted = error
        self._store.clear()
        self._deliveries.clear()
        self._reserved.clear()
        return self._serve()

    # -- the algorithm

    def _dequeue_batch(self, take: Take) -> list[Reply]:
        if take.n < 0:
            return [Reply(take.ticket, error=self._invalid(f"requested {take.n} < 0 elements"))]
        if self.spec.shapes is None:
            message = "DequeueMany and DequeueUpTo require the components to have specified shapes"
            return [Reply(take.ticket, error=self._invalid(message))]
        if take.n == 0 and self._aborted is None:
            return [Reply(take.ticket, self._store.value_of(self._store.take_many(0)))]
        self._takes.append(take)
        return self._serve()

    def _serve(self) -> list[Reply]:
        """Serve both lines until neither can go on."""
        replies: list[Reply] = []
        if self._aborted is not None:
            self._end_all(self._aborted, replies)
            return replies
        self._serve_puts(replies)
        while self._serve_takes(replies):
            self._serve_puts(replies)
        return replies

    def _serve_puts(self, replies: list[Reply]) -> None:
        """Serve enqueues and closes, until the head of their line has to wait."""
        share = 0  # the part of the present room that a bulk enqueue may take in its turn
        while self._puts:
            head = self._puts[0]
            if self._closed:
                replies.append(Reply(head.ticket, error=self._closed_error(head)))
            elif isinstance(head, Close):
                if self._promised():  # enqueues that came before it
                    return
                self._shut()
                replies.append(Reply(head.ticket))
            elif isinstance(head, RoomRequest):
                room = self._room()
                if room <= 0:
                    return
                reserved = self._reserve_for(head.ticket, head.n, head.unit, room)
                replies.append(Reply(head.ticket, (np.asarray(reserved), np.asarray(head.ticket))))
            elif isinstance(head, BulkEnqueue):
                room = self._room()
                if room <= 0:
                    return
                share = share or self._share(room)
                self._put_rows(head, min(share, room))
                if head.done < head.count:
                    replies.append(Reply(head.ticket, progress=True))
                    self._puts.rotate(-1)
                    continue
                replies.append(Reply(head.ticket))
            elif self._put_in(head):
                replies.append(Reply(head.ticket))
            else:
                return
            self._puts.popleft()

    def _reserve_for(self, ticket: int, n: int, unit: int, room: int) -> int:
        """Reserve some of the room under a ticket; returns the number of elements."""
        if n <= 0 or room < unit:
            return 0
        elements = max(1, min(n, (room + 1) // 2) // unit) * unit
        self._reserved[ticket] = self._reserved.get(ticket, 0) + elements
        return elements

    def _promised(self) -> int:
        """The elements for which room is reserved."""
        return sum(self._reserved.values()) if self._reserved else 0

    def _put_in(self, put: Put) -> bool:
        """Put in as many elements as fit; true if all of them are in.

        Elements of one attempt stay together: none enters as long as reserved elements could come between them.
        """
        fits = min(self._room(), put.count - put.done)
        if fits <= 0 or (fits < put.count - put.done and self._promised()):
            return False
        if put.many:
            self._store.put_many(put.components, put.done, put.done + fits)
        else:
            self._store.put(put.components)
        put.done += fits
        self._enqueued += fits
        return put.done == put.count

    def _share(self, room: int) -> int:
        """The room that a bulk enqueue may take in its turn: an equal share for each attempt, so that elements mix.

        A queue that keeps a reserve mixes by itself.  There a turn is at least a quarter of the reserve: else five
        loops that feed a queue would put five small parts into the room of each batch, which takes longer than to draw
        the batch.
        """
        sharers = len(self._puts)
        if self._reserve:
            sharers = min(sharers, max(1, 4 * room // self._reserve))
        return -(-room // sharers)

    def _put_rows(self, bulk: BulkEnqueue, most: int) -> None:
        stop = min(bulk.count, bulk.done + most)
        self._store.put_many(bulk.components, bulk.done, stop)
        self._enqueued += stop - bulk.done
        bulk.done = stop

    def _room(self) -> int:
        """The number of elements that may come in before the dequeues must be tried again.

        Elements that a waiting dequeue gathers need no room, so that it can complete even with a small capacity.
        """
        capacity, count, unacknowledged = self.spec.capacity, self._store.count, self._deliveries.unacknowledged
        if capacity < 0:
            return sys.maxsize
        lacks = self._takes[0].n + self._reserve - count if self._takes and self._gathers else 0
        free = max(capacity - unacknowledged - count, lacks if unacknowledged + self._reserve < capacity else 0)
        return free - self._promised()

    def _gathered(self) -> int:
        """Stored elements that belong to the waiting dequeue at the head already."""
        if not self._takes or not self._gathers:
            return 0
        available = self._store.count - self._reserve
        return available if 0 < available < self._takes[0].n else 0

    def _serve_takes(self, replies: list[Reply]) -> bool:
        """Serve dequeues, until the head of their line has to wait; true if any of them ended."""
        ended = len(replies)
        while self._takes:
            head = self._takes[0]
            available = self._store.count - self._reserve
            if available >= head.n:
                reply = self._hand_out(head, head.n)
            elif not self._closed or self._deliveries.unacknowledged or self._promised():
                break
            elif head.partly and available > 0:
                reply = self._hand_out(head, available)
            else:
                reply = Reply(head.ticket, error=self._end_error(head))
            self._takes.popleft()
            replies.append(reply)
        return len(replies) > ended

    def _hand_out(self, take: Take, n: int) -> Reply:
        """The reply with the next n elements, unacknowledged or not."""
        elements = self._store.take_many(n) if take.many else self._store.take()
        self._dequeued += n
        runs = self._deliveries.left_front(n)
        if take.ack:
            self._deliveries.add(take, elements, runs, n)
        return Reply(take.ticket, self._store.value_of(elements) if take.many else elements)

    def _shut(self) -> None:
        """Close: no more elements come in, and the reserve may leave."""
        self._closed = True
        self._reserve = 0

    def _end_all(self, error: OpError, replies: list[Reply]) -> None:
        """End all attempts.  Each gets a copy of the error, as the caller adds the name of its operation to it."""
        replies += [Reply(attempt.ticket, error=copy.copy(error)) for attempt in (*self._puts, *self._takes)]
        self._puts.clear()
        self._takes.clear()

    def _closed_error(self, attempt: Put | RoomRequest | BulkEnqueue | Close) -> CancelledError:
        already = "already " if isinstance(attempt, Close) else ""
        return CancelledError(None, None, f"{self._owner} is {already}closed.")

    def _end_error(self, take: Take) -> OutOfRangeError:
        lack = f"insufficient elements (requested {take.n}, current size {self._store.count})"
        return OutOfRangeError(None, None, f"{self._owner} is closed and has {lack}")

    def _invalid(self, fact: str) -> InvalidArgumentError:
        return InvalidArgumentError(None, None, f"{self._owner}: {fact}")


def _cancelled(attempt: Put | RoomRequest | BulkEnqueue | Close) -> CancelledError:
    what = "Close" if isinstance(attempt, Close) else "Enqueue"
    return CancelledError(None, None, f"{what} operation was cancelled")

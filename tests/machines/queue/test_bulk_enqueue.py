"""Elements that are ready and enter by and by, as those of a loop that enqueues them one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dflow.errors import AbortedError, CancelledError, InvalidArgumentError
from dflow.machines.queue import Queue, Reply
from dflow.machines.queue.attempts import BulkEnqueue
from tests.machines.queue.helpers import DONE, ended, fifo, new_queue, one, shuffle
from tests.machines.queue.kinds import KINDS


def bulk(*values: int) -> BulkEnqueue:
    return BulkEnqueue(one(values), len(values))


def ends(replies: list[Reply]) -> dict[int, Any]:
    """What ended; what only goes on is left out."""
    return ended([reply for reply in replies if not reply.progress])


def test_what_fits_is_in_at_once_and_the_rest_as_room_appears() -> None:
    queue, offered = fifo(3), bulk(1, 2, 3, 4, 5)
    (reply,) = queue.bulk_enqueue(0, offered)
    assert reply.progress
    assert (offered.done, queue.size) == (3, 3)
    replies = queue.dequeue(1)
    assert ends(replies) == {1: 1}
    assert [reply.ticket for reply in replies if reply.progress] == [0]
    assert ends(queue.dequeue_many(2, 2)) == {2: [2, 3], 0: DONE}
    assert (offered.done, queue.size) == (5, 2)


def test_what_waits_behind_a_bulk_enqueue_has_its_turn_before_it_is_through() -> None:
    queue, offered = fifo(2), bulk(1, 2, 3, 4, 5)
    queue.bulk_enqueue(0, offered)
    queue.enqueue(1, one(9))
    assert ends(queue.dequeue(2)) == {2: 1}
    assert ends(queue.dequeue(3)) == {3: 2, 1: DONE}
    assert offered.done == 3


def test_several_bulk_enqueues_share_the_room_and_each_keeps_its_order() -> None:
    queue, first, second = fifo(6), bulk(*range(10)), bulk(*range(100, 110))
    queue.enqueue_many(0, one([-1] * 6))
    queue.bulk_enqueue(1, first)
    queue.bulk_enqueue(2, second)
    assert ends(queue.dequeue_many(3, 6)) == {3: [-1] * 6}
    assert (first.done, second.done) == (3, 3)
    assert ends(queue.dequeue_many(4, 6)) == {4: [0, 1, 2, 100, 101, 102]}


def test_a_close_waits_for_one_more_row_as_for_an_enqueue() -> None:
    queue, offered = fifo(1), bulk(1, 2, 3, 4)
    queue.bulk_enqueue(0, offered)
    assert ends(queue.close(1)) == {}
    assert ends(queue.dequeue(2)) == {2: 1, 0: DONE, 1: DONE}
    assert (offered.done, queue.size, queue.closed) == (2, 1, True)
    assert ends(queue.bulk_enqueue(3, bulk(7))) == {3: CancelledError}


def test_a_close_that_cancels_ends_a_bulk_enqueue_and_what_is_in_stays() -> None:
    queue, offered = fifo(1), bulk(1, 2, 3)
    queue.bulk_enqueue(0, offered)
    assert ends(queue.close(1, True)) == {0: CancelledError, 1: DONE}
    assert (offered.done, queue.size) == (1, 1)


def test_a_bulk_enqueue_can_be_withdrawn_and_stopped_early() -> None:
    queue, withdrawn, stopped_early = fifo(1), bulk(1, 2, 3), bulk(4, 5, 6)
    queue.bulk_enqueue(0, withdrawn)
    assert ends(queue.withdraw(0, AbortedError(None, None, "withdrawn"))) == {0: AbortedError}
    queue.bulk_enqueue(1, stopped_early)
    stopped_early.stop_early()
    assert ends(queue.dequeue(2)) == {2: 1, 1: DONE}
    assert (withdrawn.done, stopped_early.done) == (1, 1)


def test_a_bulk_enqueue_that_does_not_fit_changes_nothing() -> None:
    queue = fifo(4)
    assert ends(queue.bulk_enqueue(0, BulkEnqueue((np.zeros(2, np.float64),), 2))) == {0: InvalidArgumentError}
    assert queue.size == 0


def test_a_reset_ends_a_bulk_enqueue() -> None:
    queue = fifo(1)
    queue.bulk_enqueue(0, bulk(1, 2))
    assert ends(queue.abort(AbortedError(None, None, "reset"))) == {0: AbortedError}


class Loop:
    """Enqueues values one after the other, the next one when the last one is in."""

    def __init__(self, queue: Queue, kind: str, values: list[int]) -> None:
        self.queue, self.element, self.values = queue, KINDS[kind].element, values
        self.done = -1

    def after(self, replies: list[Reply]) -> list[Reply]:
        """What happens once the loop has heard of these replies, too."""
        heard = list(replies)
        while any(reply.ticket == 0 for reply in replies) and self.done + 1 < len(self.values):
            self.done += 1
            replies = []
            if self.done < len(self.values):
                replies = self.queue.enqueue(0, self.element(self.values[self.done]))
            heard += replies
        return [reply for reply in heard if reply.ticket]


TAKES = st.lists(st.integers(1, 4), max_size=9)


@given(st.sampled_from(["FIFOQueue", "PriorityQueue"]), st.integers(1, 5), st.integers(0, 12), TAKES)
def test_a_bulk_enqueue_is_what_a_loop_of_enqueues_is(kind: str, capacity: int, count: int, takes: list[int]) -> None:
    offered, looped = (new_queue(kind, capacity, **KINDS[kind].arguments) for _ in range(2))
    values = list(range(1, count + 1))
    loop = Loop(looped, kind, values)
    loop.after([Reply(0)])
    if values:
        offered.bulk_enqueue(0, BulkEnqueue(KINDS[kind].batch(values), count))
    for ticket, n in enumerate(takes, 1):
        many = ends(offered.dequeue(ticket) if n == 1 else offered.dequeue_up_to(ticket, n))
        many.pop(0, None)
        single = ended(loop.after(looped.dequeue(ticket) if n == 1 else looped.dequeue_up_to(ticket, n)))
        assert many == single
        assert offered.size == looped.size


def test_a_turn_in_a_queue_that_mixes_is_a_quarter_of_what_stays_there_or_more() -> None:
    queue = shuffle(100, min_after_dequeue=40)
    queue.enqueue_many(0, one([-1] * 100))
    offers = [bulk(*range(100 * i, 100 * i + 50)) for i in range(1, 4)]
    for ticket, offered in enumerate(offers, 1):
        queue.bulk_enqueue(ticket, offered)
    counts = []
    for ticket, n in ((4, 8), (5, 8), (6, 20)):
        queue.dequeue_many(ticket, n)
        counts.append([offered.done for offered in offers])
    assert counts == [[8, 0, 0], [8, 8, 0], [18, 8, 10]]

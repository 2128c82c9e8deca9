"""The queues: one algorithm, `queue.Queue`, and a file for each kind, which says where the elements are kept.

Why pure: a queue is told of attempts and answers with those that ended.  It knows no threads, no locks, no event loop,
no clock and no Dask, so every order of events is a plain sequence of calls.  The caller holds one lock around each
call and wakes whoever the replies are for.

A new kind is a file with a function from a `QueueSpec` to a `Queue`, and a line in the table below.
"""

from __future__ import annotations

from collections.abc import Callable

from dflow.errors import InvalidArgumentError
from dflow.queues.attempts import QueueCounts, Reply
from dflow.queues.fifo import fifo_queue
from dflow.queues.padding import padding_fifo_queue
from dflow.queues.priority import priority_queue
from dflow.queues.queue import Queue
from dflow.queues.shuffle import random_shuffle_queue
from dflow.specs import QueueSpec

__all__ = ["Queue", "QueueCounts", "Reply", "make_queue"]

_KINDS: dict[str, Callable[[QueueSpec], Queue]] = {
    "FIFOQueue": fifo_queue,
    "PaddingFIFOQueue": padding_fifo_queue,
    "PriorityQueue": priority_queue,
    "RandomShuffleQueue": random_shuffle_queue,
}


def make_queue(spec: QueueSpec) -> Queue:
    """A new, empty queue.  InvalidArgumentError if `spec` names no kind, or says what its kind cannot be."""
    if spec.kind not in _KINDS:
        raise InvalidArgumentError(
            None, None, f"queue {spec.name!r}: there is no kind {spec.kind!r}; the kinds are {', '.join(_KINDS)}"
        )
    return _KINDS[spec.kind](spec)

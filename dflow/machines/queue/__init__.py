"""The queues: one algorithm, `queue.Queue`, and a file for each kind, with the store of its elements.

Each call to a queue adds or ends attempts, and returns the attempts that ended because of it.
A new kind is a file with a function from a `QueueSpec` to a `Queue`, and a line in the table below.
"""

from __future__ import annotations

from collections.abc import Callable

from dflow.errors import InvalidArgumentError
from dflow.machines.queue.attempts import QueueCounts, Reply
from dflow.machines.queue.fifo import fifo_queue
from dflow.machines.queue.padding import padding_fifo_queue
from dflow.machines.queue.priority import priority_queue
from dflow.machines.queue.queue import Queue
from dflow.machines.queue.shuffle import random_shuffle_queue
from dflow.specs import QueueSpec

__all__ = ["Queue", "QueueCounts", "Reply", "make_queue"]

_KINDS: dict[str, Callable[[QueueSpec], Queue]] = {
    "FIFOQueue": fifo_queue,
    "PaddingFIFOQueue": padding_fifo_queue,
    "PriorityQueue": priority_queue,
    "RandomShuffleQueue": random_shuffle_queue,
}


def make_queue(spec: QueueSpec) -> Queue:
    """A new, empty queue.  InvalidArgumentError if `spec` names no kind, or has values that its kind does not allow."""
    if spec.kind not in _KINDS:
        raise InvalidArgumentError(
            None, None, f"queue {spec.name!r}: there is no kind {spec.kind!r}; the kinds are {', '.join(_KINDS)}"
        )
    return _KINDS[spec.kind](spec)

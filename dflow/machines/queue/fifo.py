"""FIFOQueue: elements leave in the order in which they came."""

from __future__ import annotations

from dflow.machines.queue.queue import Queue
from dflow.machines.queue.store import make_store
from dflow.specs import QueueSpec


def fifo_queue(spec: QueueSpec) -> Queue:
    """An empty FIFOQueue.  InvalidArgumentError if a shape of `spec` is not fully defined."""
    return Queue(spec, make_store(spec))

"""Short words for queue tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow import dtypes
from dflow.machines.queue import Queue, Reply, make_queue
from dflow.shapes import TensorShape
from dflow.specs import QueueSpec

DONE = "done"  # how `ended` shows an attempt without a value


def new_queue(kind: str, capacity: int, *, types: Any = (dtypes.int32,), shapes: Any = ((),), **more: Any) -> Queue:
    """A queue named "q", of int32 scalars if nothing else is said; shapes=None leaves the shapes open."""
    known = None if shapes is None else tuple(TensorShape(shape) for shape in shapes)
    return make_queue(QueueSpec(kind=kind, node="q", capacity=capacity, dtypes=tuple(types), shapes=known, **more))


def fifo(capacity: int, **more: Any) -> Queue:
    return new_queue("FIFOQueue", capacity, **more)


def shuffle(capacity: int, **more: Any) -> Queue:
    return new_queue("RandomShuffleQueue", capacity, **more)


def one(value: Any) -> tuple[np.ndarray]:
    """An int32 component: a scalar for `enqueue`, or several in a list for `enqueue_many`."""
    return (np.array(value, np.int32),)


def text(*values: bytes) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def ended(replies: list[Reply]) -> dict[int, Any]:
    """{ticket: value as Python lists, or class of error, or DONE}, of the attempts that ended."""
    assert len({reply.ticket for reply in replies}) == len(replies)
    return {reply.ticket: _outcome(reply) for reply in replies}


def error(replies: list[Reply]) -> str:
    """The message of the only reply's error."""
    (reply,) = replies
    assert reply.error is not None
    return str(reply.error)


def _outcome(reply: Reply) -> Any:
    if reply.error is not None:
        assert reply.value is None
        return type(reply.error)
    if reply.value is None:
        return DONE
    assert all(type(array) is np.ndarray for array in reply.value)
    values = tuple(array.tolist() for array in reply.value)
    return values[0] if len(values) == 1 else values

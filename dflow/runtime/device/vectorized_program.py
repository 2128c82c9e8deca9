"""Vectorized programs: the body of a loop, ready to run for many records at once.

`Rows` here are arrays of different shapes, from `ops/rules/batching.py`.  The `Rows` of `runtime/loop/reserved_room.py`
are another class: elements that go into a queue together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from dflow.compile import VectorizedBody
from dflow.ops.rules.batching import Rows
from dflow.registry import OpDef
from dflow.runtime.device.binding import vectorized
from dflow.runtime.device.context import Context
from dflow.runtime.device.device import Device
from dflow.runtime.device.program import Program


class VectorizedProgram:
    """A read of many records, and a program over a leading axis of records.

    read: starts a read of up to `block` records, `read(reply, block=n)`; returns the function that withdraws it.
    """

    def __init__(
        self,
        body: VectorizedBody,
        kernels: Mapping[str, OpDef],
        executor: Device,
        session: str,
        addresses: Mapping[str, str],
        inter_op: AbstractContextManager[Any],
    ) -> None:
        self.body = body
        self._context = Context(executor, body.read.op, session, addresses)
        kernel = kernels[body.read.op.kind].kernel
        self.read: Callable[..., Callable[[], None]] = partial(kernel, self._context, **body.read.attrs)
        batched = set(body.read.outputs)
        self._program = Program(body.line, executor, vectorized(kernels, batched), inter_op)
        self._batched = [slot in batched for slot in body.enqueue.inputs]

    @property
    def reader(self) -> Any:
        """The reader of the loop."""
        return self._context.resource_of(self.body.read.attrs["reader"])

    def run(self, records: Sequence[Any], n: int) -> tuple[Any, ...]:
        """The components of n elements, [n, ...], from n keys and n values."""
        values = self._program.run(dict(enumerate(records)))
        return tuple(_rows(values[i], n, is_batched) for i, is_batched in enumerate(self._batched))


def _rows(value: Any, n: int, is_batched: bool) -> Any:
    """A component of n elements.  If it does not depend on the record, it is the same for all elements."""
    if isinstance(value, Rows):
        return value
    array = np.asarray(value)
    return array if is_batched else np.broadcast_to(array, (n, *array.shape))

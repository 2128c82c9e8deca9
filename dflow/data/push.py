"""Pushing one partition into a queue, in the process that computed it.

Its rows are sent in batches of about a megabyte, so that neither a message nor the rows that wait at the queue are
large.  Each batch is a step of a plan that the client has installed on the queue's device: neither the scheduler nor
the client sees it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.compile import CallPlan
from dflow.data.rows import Array, Component, Rows
from dflow.errors import InvalidArgumentError, OpError, UnavailableError
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers

BATCH_BYTES = 1 << 20  # of rows in one message; one row is never split


@dataclass(frozen=True, slots=True)
class Push:
    """The description of one feeding, for the pushes of all its partitions."""

    session: str
    label: str  # of the feeding, unique in its session
    call: CallPlan
    rows: Rows
    components: tuple[Component, ...]
    queue: str  # its name, for errors
    partitions: int

    def arrays(self, number: int, parts: Sequence[Any]) -> list[Array]:
        """A partition's rows; InvalidArgumentError if they cannot be the queue's elements."""
        try:
            return self.rows.arrays(parts, self.components)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(None, None, f"{self.name_of(number)}: {error}") from error

    def name_of(self, number: int) -> str:
        """The name of a partition in errors."""
        return f"partition {number} (of {self.partitions}) for the queue {self.queue!r}"


class Attempt:
    """One attempt to push a partition."""

    def __init__(self, process: Process, push: Push, number: int) -> None:
        self.rows = 0  # in the queue
        self._process = process
        self._push = push
        self._number = number
        self._id = f"{process.name} {uuid.uuid4().hex[:8]}"  # with the worker's address, which a later attempt reports
        self._steps = StepNumbers(f"{push.session}/{push.label}-{number}-{self._id.rpartition(' ')[2]}")
        self._step: Step | None = None
        self._cancelled: OpError | None = None

    def run(self, arrays: Sequence[Array]) -> int:
        """Put all rows in; gives their number.  Waits for room.

        UnavailableError if another attempt has put in rows: its worker was lost.  CancelledError for a closed queue.
        """
        total = len(arrays[0]) if arrays else 0
        try:
            for batch, last in batches_of(arrays, BATCH_BYTES):
                holder, rows, complete = self._put(batch, last)
                if holder[()] == self._id.encode():
                    self.rows = int(rows)
                elif complete and rows == total:  # all rows were in, and only the reply was lost
                    return total
                else:
                    raise self._lost(holder[()].decode().rpartition(" ")[0], int(rows), total)
        except OpError as error:
            progress = f"{self.rows} of its {total} rows are in the queue for certain"
            error.message = f"{self._push.name_of(self._number)}: {error.message}; {progress}"
            raise
        return total

    def cancel(self, error: OpError) -> None:
        """End the push, from any thread: the enqueue that it waits for is withdrawn."""
        self._cancelled = error
        step = self._step
        if step is not None:
            step.cancel(error)

    def _put(self, batch: Sequence[Array], last: bool) -> list[Any]:
        step = self._step = Step(self._process, self._push.session, self._push.call, self._steps)
        if self._cancelled is not None:
            step.cancel(self._cancelled)
        about = (np.array(self._number), np.array(self._id.encode(), dtype=object), np.array(last))
        return step.run((*about, *batch))

    def _lost(self, worker: str, rows: int, total: int) -> OpError:
        self.rows = rows
        fact = f"the worker {worker} was lost while it pushed the partition, which is not pushed a second time"
        return UnavailableError(None, None, fact)


def batches_of(arrays: Sequence[Array], limit: int) -> Iterator[tuple[list[Array], bool]]:
    """Slices of the rows, of `limit` bytes at most where a row is not larger, and whether each is the last."""
    total = len(arrays[0]) if arrays else 0
    if not total:
        return
    rows = max(1, limit * total // max(1, sum(_bytes(array) for array in arrays)))
    for start in range(0, total, rows):
        yield [array[start : start + rows] for array in arrays], start + rows >= total


def _bytes(array: Array) -> int:
    return sum(len(text) for text in array.flat) if array.dtype == object else array.nbytes


def push_partition(push: Push, number: int, *parts: Any) -> int | OpError:
    """The Dask task: the number of rows that it put in.

    It returns an error of the push.  So an exception of the task always comes from computing the partition; besides, a
    Dask task that raises writes a traceback to its worker's log.
    """
    from distributed import secede

    from dflow.runtime.dask.worker import current_plugin

    plugin = current_plugin()
    attempt = Attempt(plugin.process, push, number)
    with plugin.task(attempt.cancel) as task:
        arrays = push.arrays(number, parts)
        secede()  # it may wait for long: the worker's thread is free for others
        return attempt.run(arrays)
    return task.failure

"""Blocks of records: read together, computed together, and put into a queue as so many elements."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import OpError
from dflow.machines.queue.checks import ComponentCheck
from dflow.ops.rules.batching import Rows
from dflow.runtime.device.vectorized_program import VectorizedProgram
from dflow.runtime.loop.stage import Stage
from dflow.runtime.resources.uncommitted import UncommittedRecords
from dflow.runtime.step.process import Process

FIRST = 16  # records of the first block
AGAIN = 256  # records at most of a block that the queue may be waiting for
MOST = 1 << 14  # records of any block
BLOCK_S = 0.005  # seconds that a block may take: so long a stop waits for it


class Block:
    """Records that were read together, and the elements that were computed with them.

    elements: the components, [n, ...] or rows of different shapes.
    in_queue: called with a number of elements that are in the queue, in whichever thread let them in.
    """

    def __init__(self, records: UncommittedRecords, elements: tuple[Any, ...], in_queue: Callable[[int], None]) -> None:
        self.records = records
        self.left = records.left  # elements that are still to be put
        self._elements = elements
        self._count = records.left
        self._in_queue = in_queue

    def take(self, limit: int) -> tuple[int, tuple[Any, ...]]:
        """The next elements that are of one shape, `limit` at most: how many, and their components."""
        start = self._count - self.left
        ends = [component.alike(start) for component in self._elements if isinstance(component, Rows)]
        stop = min([start + limit, self._count, *ends])
        self.left = self._count - stop
        return stop - start, tuple(_part(component, start, stop) for component in self._elements)

    def put_back(self, count: int) -> None:
        """The last `count` elements that were taken are still to be put."""
        self.left += count

    def check(self, check: ComponentCheck) -> None:
        """Raises InvalidArgumentError if an element does not fit its queue."""
        while self.left:
            error = check.batch(self.take(self.left)[1])
            if error is not None:
                raise error
        self.left = self._count

    def in_queue(self, count: int) -> None:
        """The next `count` elements are in: their records are read, and so many iterations were made."""
        self.records.commit(count)
        self._in_queue(count)

    def lost(self, count: int) -> None:
        """Nobody will know whether the next `count` elements are in: their records are not read again."""
        self.records.commit(count)


def _part(component: Any, start: int, stop: int) -> Any:
    return component.stacked(start, stop) if isinstance(component, Rows) else component[start:stop]


class BlockSource(Stage):
    """Reads records that nobody has to wait for: of the open file, never of the next one.

    Loops with the same reader and the same queue take turns.
    """

    def __init__(self, process: Process, spec: LoopSpec, program: VectorizedProgram) -> None:
        self.waited_s = 0.0
        self._executor = process.executors[spec.driver]
        self._session = spec.session
        self._reader = program.body.read.attrs["reader"]
        enqueue = program.body.enqueue
        queue = enqueue.attrs["queue"]
        self._queue = (enqueue.op.device, queue.container, queue.name)
        self._found: Any = None
        self._size = FIRST
        self._its_turn = threading.Event()
        self._ending = False

    def wait_turn(self) -> bool:
        """Wait until it is this loop's turn; False if the loop is to end."""
        if not self._resource().turns(self._queue).take(self, self._its_turn.set):
            started = monotonic()
            self._its_turn.wait()
            self.waited_s += monotonic() - started
        self._its_turn.clear()
        return not self._ending

    def leave_turn(self) -> None:
        """Let others have their turn.  None of its records may be uncommitted."""
        self._resource().turns(self._queue).leave(self)

    def read(self, limit: int, idle: bool) -> UncommittedRecords | None:
        """The next records that are there, up to `limit`; None if there are none.

        idle: none of the loop's elements are on their way: the queue may be waiting for this block.
        """
        if idle:
            self._size = min(self._size, AGAIN)
        found: UncommittedRecords | None = self._resource().read_uncommitted(min(limit, self._size))
        return found

    def took(self, count: int, seconds: float) -> None:
        """Choose the size of the next block: to read `count` records and to compute with them took so many seconds."""
        if count < self._size:
            return
        if seconds > BLOCK_S:
            self._size = max(FIRST, self._size // 2)
        elif seconds < BLOCK_S / 2:
            self._size = min(MOST, self._size * 2)

    def finish(self) -> None:
        self._ending = True
        self._its_turn.set()

    def stop(self, error: OpError) -> None:
        self.finish()

    def _resource(self) -> Any:
        """The reader; found again when it was dropped, as to find it takes long."""
        if self._found is None or self._found.dropped:
            self._found = self._executor.resource_of(self._reader, self._session)
        return self._found

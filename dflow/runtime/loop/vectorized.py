"""A loop that goes many records at once: a source of blocks, a vectorized program, a sink for blocks.

    read     records that nobody has to wait for: of the open file, never of the next one
    compute  one straight line of kernel calls, each over all records
    put      the elements enter as the queue has room for them, and with each the reader counts its record

Reading is uncommitted until the elements are in: up to then the reader's counts and state do not move, and whatever
goes wrong, the records are rolled back.  If a kernel fails, the records go through the plain body one by one: those
before the bad one are delivered, and the error is the plain body's own.  So no kernel has to say which record it failed
at.  To open a file, or to wait for its name, is left to the plain body too.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from dflow.compile import LoopSpec
from dflow.errors import OpError
from dflow.machines.queue.checks import ComponentCheck
from dflow.runtime.device.vectorized_program import VectorizedProgram
from dflow.runtime.loop.block_sinks import block_sink
from dflow.runtime.loop.blocks import Block, BlockSource
from dflow.runtime.loop.stage import Stage
from dflow.runtime.resources.uncommitted import UncommittedRecords
from dflow.runtime.step.process import Process

logger = logging.getLogger("dflow.loops")


class VectorizedLoop(Stage):
    """Many iterations of one loop at once.

    advanced: called with a number of iterations that were made, in whichever thread let their elements in.
    """

    def __init__(
        self, process: Process, spec: LoopSpec, program: VectorizedProgram, advanced: Callable[[int], None]
    ) -> None:
        self.records = 0  # that went many at once
        self._label = spec.label
        self._program = program
        self._source = BlockSource(process, spec, program)
        self._sink = block_sink(process, spec.session, spec.owner, program.body.enqueue, spec.call)
        self._check = ComponentCheck(program.body.enqueue.attrs["queue"])
        self._advanced = advanced
        self._blocks: deque[Block] = deque()  # that are not in yet: two at most
        self._by_itself = 0  # so many iterations go one by one
        self._failed: Exception | None = None  # why a block failed whose records go one by one now
        self._off = False  # records go one by one from now on
        self._closed = False

    @property
    def waited_s(self) -> float:  # type: ignore[override]
        return self._source.waited_s + self._sink.waited_s

    def run(self, left: int, iterate: Callable[[], None]) -> None:
        """Make up to `left` iterations, or begin them.

        iterate: makes one iteration by itself.  That is when there are no records, or when something is wrong with
        them: this iteration says it then.
        """
        limit = left - self._sink.pending
        if limit <= 0:
            self._try(self._sink.drain)
        elif self._source.wait_turn() and not self._run_block(limit) and self._try(self._sink.drain):
            try:
                iterate()
            finally:
                self._source.leave_turn()

    def _run_block(self, limit: int) -> bool:
        """Make, or begin, up to `limit` iterations; False if the next one has to be made by itself."""
        block = self._next_block(limit) if self._goes_on() else None
        if block is not None:
            self._blocks.append(block)
            self._try(partial(self._sink.put, block))
            while self._blocks and not self._blocks[0].records.left:
                self._blocks.popleft()
        return block is not None

    def _goes_on(self) -> bool:
        """Whether records go many at once now."""
        if self._by_itself:
            self._by_itself -= 1
            return False
        if self._failed is not None and not self._off:  # its records went well one by one: it was not they
            self._off = True
            logger.warning("the loop %s goes record by record: many at once failed: %s", self._label, self._failed)
        return not (self._off or self._closed)

    def _try(self, put: Callable[[], None]) -> bool:
        """Whether all goes well.  If not, a single iteration will find the error."""
        try:
            if not self._closed:
                put()
        except OpError:
            self._roll_back()
            return False
        return True

    def finish(self) -> None:
        self._source.finish()
        self._sink.finish()

    def stop(self, error: OpError) -> None:
        self._source.stop(error)
        self._sink.stop(error)

    def close(self, failed: bool) -> None:
        if not failed and not self._closed:
            with suppress(OpError):  # a stop, or the end of the queue: what is not in is read again
                self._sink.drain()
        self._roll_back()
        self._source.leave_turn()

    def _roll_back(self) -> None:
        """What is not in the queue is read again; from now on, all goes one by one."""
        if self._closed:
            return
        self._closed = True
        self._sink.close(failed=True)
        for block in self._blocks:
            block.records.roll_back()
        self._blocks.clear()

    def _next_block(self, limit: int) -> Block | None:
        """None if there are no records now, or if they have to go one by one."""
        started = time.thread_time()  # other threads of this process may run, too, and are not to be counted
        records = self._source.read(limit, idle=not self._sink.pending)
        block = None if records is None else self._computed(records)
        if block is not None:
            self._source.took(block.left, time.thread_time() - started)
        return block

    def _computed(self, records: UncommittedRecords) -> Block | None:
        try:
            block = Block(records, self._program.run(records.records), self._in_queue)
            block.check(self._check)
        except Exception as error:
            self._by_itself, self._failed = records.left, error
            records.roll_back()
            return None
        return block

    def _in_queue(self, count: int) -> None:
        self.records += count
        self._advanced(count)

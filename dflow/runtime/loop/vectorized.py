"""Loop batching: a loop that makes many iterations at once, with a block of records for them.

It has a source of blocks (`BlockSource`), a vectorized program (`device/vectorized_program.py`) and a sink for blocks
(`blocks.py`).  For each block, it does three things:

    read     one read of the loop's reader takes a block of records
    compute  one straight line of kernel calls, each over all records of the block
    put      the elements enter the queue as it has room for them, and each commits its record

A record does not count as read before its commit.  If anything fails, it is rolled back.  If a kernel fails, the
records of the block go through the plain body one by one: those before the bad record are delivered, and the error is
the plain body's own.  So a kernel need not tell which record it failed at.

    state       meaning                                        event      next state
    AT_ONCE     iterations go many at once                     fail       CHECKING
                                                               roll back  ONE_BY_ONE
    CHECKING    the records of a block that failed go one      roll back  ONE_BY_ONE
                by one; if they go well, the operations
                fail for many records at once
    ONE_BY_ONE  iterations go one by one from now on           roll back  ONE_BY_ONE

Why: 20 to 70 times the records a second, see benchmarks/csv_pipeline.py and benchmarks/repeat.py.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

from dflow.compile import LoopSpec
from dflow.errors import AbortedError, OpError
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.states import States
from dflow.runtime.device.vectorized_program import VectorizedProgram
from dflow.runtime.loop.blocks import Block, block_sink
from dflow.runtime.loop.stage import Stage
from dflow.runtime.resources.loop_turns import LoopTurns
from dflow.runtime.resources.shared_reader import RecordDelivery
from dflow.runtime.step.process import Process

logger = logging.getLogger("dflow.loops")

FIRST = 16  # records of the first block
AGAIN = 256  # records, at most, of a block that the queue may be waiting for
MOST = 1 << 14  # records, at most, of any block
BLOCK_S = 0.005  # seconds that a block takes, about: a stop waits for them

Records = tuple[Any, Any]  # keys and values, two vectors of one length


class State(Enum):
    """The state of a loop that may make many iterations at once."""

    AT_ONCE = "at once"
    CHECKING = "checking"
    ONE_BY_ONE = "one by one"


TABLE: dict[State, dict[str, State]] = {
    State.AT_ONCE: {"fail": State.CHECKING, "roll back": State.ONE_BY_ONE},
    State.CHECKING: {"roll back": State.ONE_BY_ONE},
    State.ONE_BY_ONE: {"roll back": State.ONE_BY_ONE},
}


class VectorizedLoop(Stage):
    """Makes many iterations of one loop at once.

    advanced: called with a number of iterations that were made, in the thread that let their elements into the queue.
    sink: takes the blocks.
    """

    def __init__(
        self, process: Process, spec: LoopSpec, program: VectorizedProgram, advanced: Callable[[int], None]
    ) -> None:
        self._label = spec.label
        self._program = program
        self._source = BlockSource(spec, program)
        self.sink = block_sink(process, spec, program.body.enqueue)
        self._advanced = advanced
        self._blocks: deque[Block] = deque()  # not all in the queue yet: two at most
        self._state = States(f"the blocks of {spec.owner}", TABLE, State.AT_ONCE)
        self._unchecked = 0  # CHECKING: records of the failed block that have not gone one by one yet
        self._error: Exception | None = None  # CHECKING: the error of the block

    @property
    def waited_s(self) -> float:  # type: ignore[override]
        return self._source.waited_s + self.sink.waited_s

    def run(self, left: int, pending: int, iterate: Callable[[], None]) -> None:
        """Make or begin iterations.

        left: iterations to make, `pending` ones included.
        pending: elements that are not known to be in the queue.  Read it before `left`: an element that enters in
        between makes the loop do less then, not too much.
        iterate: makes one iteration with the plain body.  If a record is bad, it raises the error.
        """
        others_wait = pending and self._source.contended  # for as long as elements are pending
        if others_wait or pending >= left:
            self._drain()
        elif not self._source.wait_turn(idle=not pending):
            return
        elif self._goes_at_once():
            self._run_block(left - pending, idle=not pending)
        elif self._drain() and not self._source.finishing:  # while it finishes, a drain may leave records behind
            try:
                iterate()
            finally:
                self._source.leave_turn()

    def _goes_at_once(self) -> bool:
        """Whether the next records are computed many at once."""
        if self._unchecked:
            self._unchecked -= 1
        elif self._state.now is State.CHECKING:
            logger.warning("the loop %s goes record by record: many at once failed: %s", self._label, self._error)
            self._roll_back()
        return self._state.now is State.AT_ONCE

    def _run_block(self, limit: int, idle: bool) -> None:
        """Make or begin up to `limit` iterations, with one block."""
        started = time.thread_time()  # without the time of other threads of this process
        block = self._read(limit, idle)
        if block is None:
            return
        self._source.took(block.left, time.thread_time() - started)
        self._blocks.append(block)
        self._try(partial(self.sink.put, block))
        while self._blocks and not self._blocks[0].uncommitted:
            self._blocks.popleft()

    def _read(self, limit: int, idle: bool) -> Block | None:
        """The next block; None if there is none now, or if its records have to go one by one.

        Raises the error of the read, or of a stop, when all elements before it are in the queue.
        """
        if not self._source.request(limit, idle) and not self._drain():
            return None
        try:
            records = self._source.take()
        except OpError:
            if self._drain():
                raise
            return None
        if records is None:  # the file is at its end: the next one is opened when all elements are in the queue
            self._drain()
            return None
        return self._compute(*records)

    def _compute(self, records: Records, delivery: RecordDelivery) -> Block | None:
        count = len(records[0])
        try:
            return Block(delivery, count, self._program.run(records, count), self._advanced)
        except Exception as error:
            self._state.change("fail")
            self._unchecked, self._error = count, error
            delivery(False)
            return None

    def _drain(self) -> bool:
        """Wait until all blocks are in the queue; see `_try`."""
        return self._try(self.sink.drain)

    def _try(self, put: Callable[[], None]) -> bool:
        """Whether `put` succeeds.  If not, records are rolled back, and a single iteration will raise the error."""
        try:
            if self._state.now is not State.ONE_BY_ONE:
                put()
        except OpError as error:
            self._roll_back()
            if isinstance(error, AbortedError):  # the queue was reset: a single iteration would find the new one
                raise
            return False
        return True

    def finish(self) -> None:
        self._source.finish()
        self.sink.finish()

    def stop(self, error: OpError) -> None:
        self._source.stop(error)
        self.sink.stop(error)

    def release(self) -> None:
        if not self.sink.pending:
            self._source.leave_turn()

    def close(self, failed: bool) -> None:
        try:
            if not failed:  # else records without an element in the queue are read again, as after a stop
                self._drain()
        finally:
            self._roll_back()
            self._source.leave_turn()

    def _roll_back(self) -> None:
        """Roll back the records whose elements are not in the queue.  From now on, records go one by one."""
        if self._state.now is State.ONE_BY_ONE:
            return
        self._state.change("roll back")
        self.sink.close(failed=True)
        self._source.withdraw()
        while self._blocks:
            self._blocks.pop().roll_back()


class BlockSource(Stage):
    """Reads blocks of records.  Loops with the same reader and the same queue take turns (`resources/loop_turns.py`).

    A block has records of one file that the reader's format finds easily.  The loop waits only where a read of one
    record would wait.
    """

    def __init__(self, spec: LoopSpec, program: VectorizedProgram) -> None:
        self.waited_s = 0.0
        self.finishing = False
        self._owner = spec.owner
        self._program = program
        self._op = program.body.read.op
        enqueue = program.body.enqueue
        queue = enqueue.attrs["queue"]
        session = "" if queue.shared_name else spec.session
        self._queue = (enqueue.op.device, queue.container, queue.name, session)
        self._reader: Any = None
        self._turns: LoopTurns | None = None  # of the reader and the queue
        self._has_turn = False
        self._its_turn = threading.Event()
        self._attempt: Attempt | None = None
        self._inbox: SimpleQueue[Attempt | None] = SimpleQueue()  # attempts that were answered; None: an end
        self._size = FIRST
        self._stopped: OpError | None = None

    # -- turns

    @property
    def contended(self) -> bool:
        """Whether other loops wait for this loop's turn to end."""
        return self._turns is not None and self._turns.contended

    def wait_turn(self, idle: bool) -> bool:
        """Wait for this loop's turn; False if the loop is to end.

        idle: none of the loop's elements are on their way, so it lets other loops go first.
        """
        turns = self._turns
        if turns is None or self._reader.detached:
            self.leave_turn()
            self._reader = self._program.reader
            turns = self._turns = self._reader.turns(self._queue)
        elif idle and turns.contended:
            self.leave_turn()
        if not self._has_turn and not turns.take(self, self._its_turn.set):
            started = time.monotonic()
            self._its_turn.wait()
            self.waited_s += time.monotonic() - started
        self._its_turn.clear()
        self._has_turn = True
        return not self.finishing

    def leave_turn(self) -> None:
        """End this loop's turn.  None of its records may be uncommitted."""
        self._has_turn = False
        if self._turns is not None:
            self._turns.leave(self)

    # -- records

    def request(self, limit: int, idle: bool) -> bool:
        """Begin to read the next block, of up to `limit` records; True if `take` will not wait.

        idle: none of the loop's elements are on their way: the queue may be waiting for this block, and the read may
        open the next file, or wait for one.
        """
        if idle:
            self._size = min(self._size, AGAIN)
        attempt = self._attempt = Attempt(self._owner, self._op.name, self._inbox.put)
        if not attempt.start(partial(self._program.read, block=min(limit, self._size), opens=idle)):
            return False
        self._inbox.put(attempt)
        return True

    def take(self) -> tuple[Records, RecordDelivery] | None:
        """Wait for the block; None if there is none without another file, or if the loop is to end.

        Raises the error of the read, or of a stop.
        """
        started = time.monotonic()
        try:
            while (attempt := self._inbox.get()) is not self._attempt:
                if self._stopped is not None:
                    raise self._stopped
                if self.finishing:
                    return None
        finally:
            self.waited_s += time.monotonic() - started
        assert attempt is not None
        self._attempt = None
        ((outcome, delivery),) = attempt.take()
        if isinstance(outcome, BaseException):
            raise as_op_error(outcome, self._op)
        return None if outcome is None else (outcome, cast(RecordDelivery, delivery))

    def withdraw(self) -> None:
        """Withdraw the read that was requested.  Its records are read again."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.withdraw()

    def took(self, count: int, seconds: float) -> None:
        """Choose the size of the next block: this one, of `count` records, took `seconds` to read and to compute."""
        if count < self._size:
            return
        if seconds > BLOCK_S:
            self._size = max(FIRST, self._size // 2)
        elif seconds < BLOCK_S / 2:
            self._size = min(MOST, self._size * 2)

    # -- the end

    def finish(self) -> None:
        self.finishing = True
        self._its_turn.set()
        self._inbox.put(None)

    def stop(self, error: OpError) -> None:
        self._stopped = error
        self.finish()

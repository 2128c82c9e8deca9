"""Loop batching where it runs: the body of a loop for many records at once.

A program with one loop for each reader sees no difference.  The records of several loops mix by blocks, see
docs/settings.md.

    read     records that nobody has to wait for: of the open file, never of the next one
    compute  one straight line of kernel calls, each over all records
    put      the elements enter as the queue has room for them, and with each the reader counts its record

To a queue of this process the elements are offered: they stand in its line of enqueues, and whoever makes room for
some of them lets these in, without this thread.  It reads and computes the next ones meanwhile.  In a queue of another
process it has room kept for some of them, sends so many, and asks again.

Reading is on trial until the elements are in: up to then the reader's counts and state do not move, and whatever goes
wrong, it takes the records back.  If a kernel fails, the records go through the plain body one by one: those before the
bad one are delivered, and the error is the plain body's own.  So no kernel has to say which record it failed at.
To open a file, or to wait for its name, is left to the plain body too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import AbortedError, InvalidArgumentError, OpError
from dflow.machines.queue.attempts import Offer
from dflow.ops.rules.batching import Rows
from dflow.runtime.base import timeouts
from dflow.runtime.base.answers import GOES_ON, Answering, Withdraw, no_loan, no_withdraw
from dflow.runtime.device.vectorized_program import BatchProgram
from dflow.runtime.resources.shared_reader import OnTrial
from dflow.runtime.step.process import Process

logger = logging.getLogger("dflow.loops")

FIRST = 16  # records of the first block
AGAIN = 256  # records at most of a block that the queue may be waiting for
MOST = 1 << 14  # records of any block
BLOCK_S = 0.005  # seconds that a block may take: so long a stop waits for it


@dataclass(slots=True)
class Block:
    """Records that were read together, and what was computed with them."""

    elements: tuple[Any, ...]  # the components, [n, ...] or `Rows`
    count: int  # n
    on_trial: OnTrial  # the records, at their reader
    done: int = 0  # so many are in the queue

    @property
    def left(self) -> int:
        """How many elements are not in the queue."""
        return self.count - self.done

    def next(self, limit: int) -> tuple[int, tuple[Any, ...]]:
        """The next elements that are of one shape, `limit` at most: how many, and their components."""
        start = self.done
        ends = [component.alike(start) for component in self.elements if isinstance(component, Rows)]
        stop = min([start + limit, *ends])
        return stop - start, tuple(_part(component, start, stop) for component in self.elements)


def _part(component: Any, start: int, stop: int) -> Any:
    return component.stacked(start, stop) if isinstance(component, Rows) else component[start:stop]


class Offering:
    """The next elements of a block, of one shape, which are offered to a queue of this process.

    advanced: is called with the number of elements that count from now on.
    """

    def __init__(self, block: Block, advanced: Callable[[int], None]) -> None:
        count, components = block.next(block.left)
        self.offer = Offer(components, count)
        self.counted = 0  # elements that are in, and count
        self._block = block
        self._advanced = advanced
        self._lock = threading.Lock()  # each element counts once, whoever says that it is in

    def count(self) -> None:
        """The elements that are in by now are records that were read, and iterations that went."""
        with self._lock:
            new = self.offer.done - self.counted
            if new:
                self.counted += new
                self._block.done += new
                self._block.on_trial.commit(new)
                self._advanced(new)


class BatchedBody:
    """The body of one running loop, for many records at once.

    advanced: is called with a number of iterations that went, in whichever thread let their elements in.
    """

    def __init__(
        self, process: Process, spec: LoopSpec, program: BatchProgram, advanced: Callable[[int], None]
    ) -> None:
        self.records = 0  # that went many at once
        self.waited_s = 0.0  # for the queue
        self._process = process
        self._spec = spec
        self._program = program
        self._advanced = advanced
        self._block: Block | None = None  # its elements go into the queue
        self._ahead: Block | None = None  # the next ones
        self._size = FIRST
        self._alone = 0  # so many iterations go one by one
        self._failed: Exception | None = None  # why a block failed whose records go one by one now
        self._off = False
        self._lock = threading.Lock()  # of what `stop` and answers, in other threads, change
        self._answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        self._late: SimpleQueue[Any] = SimpleQueue()  # what comes after a stop, and lends nothing
        self._stopped: OpError | None = None
        self._offering: Offering | None = None
        self._finishing = False

    def run(self, most: int) -> int:
        """Up to `most` iterations at once; gives how many.  0: the next iteration goes by itself.

        Waits while the queue is full.  Whatever is wrong, the plain body will say.
        """
        if self._block is None:
            self._block, self._ahead = self._ahead, None
        if self._block is None:
            self._size = min(self._size, AGAIN)
            self._block = self._next_block(most)
        if self._block is None:
            return 0
        block, before = self._block, self._block.done
        is_here = self._program.body.enqueue.op.device in self._process.hosts
        if not (self._put_here(block, most) if is_here else self._put_there(block)):
            self.close()
        elif not block.left:
            self._block = None
        return block.done - before

    def close(self) -> None:
        """The reader takes back what is not in the queue."""
        blocks, self._block, self._ahead = (self._ahead, self._block), None, None
        for block in blocks:
            if block is not None:
                block.on_trial.take_back()

    def finish(self) -> None:
        """Let no more than the element in that waits now."""
        self._finishing = True
        if self._offering is not None:
            self._offering.offer.curtail()

    def stop(self, error: OpError) -> None:
        """Wait for no answer any more; what comes is given back."""
        with self._lock:
            self._stopped = error
            self._answers.put((error, None))

    # -- read and compute

    def _next_block(self, most: int) -> Block | None:
        """None if there are no records now, or if they have to go one by one."""
        if self._alone or self._off:
            self._alone -= 1
            return None
        if self._failed is not None:  # its records went well one by one: it was not they
            self._turn_off(self._failed)
            return None
        return self._read_block(min(most, self._size))

    def _read_block(self, size: int) -> Block | None:
        started = time.thread_time()  # other threads of this process may run, too, and are not to be counted
        reader = self._process.hosts[self._spec.home].machine(
            self._program.body.read.attrs["reader"], self._spec.session
        )
        on_trial = reader.read_more(size)
        if on_trial is None:
            return None
        count = len(on_trial.records[0])
        try:
            elements = self._program.run(on_trial.records)
        except Exception as error:
            on_trial.take_back()
            self._alone, self._failed = count, error
            return None
        if count == self._size:
            self._adapt(time.thread_time() - started)
        return Block(elements, count, on_trial)

    def _adapt(self, took_s: float) -> None:
        if took_s > BLOCK_S:
            self._size = max(FIRST, self._size // 2)
        elif took_s < BLOCK_S / 2:
            self._size = min(MOST, self._size * 2)

    def _turn_off(self, error: Exception) -> None:
        self._off = True
        logger.warning("the loop %s goes record by record: many at once failed: %s", self._spec.label, error)

    # -- put

    def _put_here(self, block: Block, most: int) -> bool:
        """Put in the next elements of a block, and read the next one meanwhile; False if it takes nothing more."""
        most -= block.left
        self._offering = offering = Offering(block, self._went)
        if self._finishing:
            offering.offer.curtail()
        withdraw, error = self._begin(partial(self._offered, offering), "offer", offering.offer)
        if error is not None:
            return False
        try:
            offering.count()
            goes_on = not (self._alone or self._off or self._failed or self._ahead) and most > 0
            if goes_on and self._stopped is None:
                self._ahead = self._read_block(min(most, self._size))
            outcome, _ = self._next_answer()
        finally:
            withdraw()
            offering.count()
        if isinstance(outcome, InvalidArgumentError):
            self._alone, self._failed = block.left, outcome
        return not isinstance(outcome, OpError)

    def _offered(self, offering: Offering, outcome: Any, settle: Any = None) -> None:
        if outcome is GOES_ON:
            offering.count()
        else:
            self._answer(outcome, settle)

    def _went(self, iterations: int) -> None:
        self.records += iterations
        self._advanced(iterations)

    def _put_there(self, block: Block) -> bool:
        """Put in what a queue of another process has room for; False if it takes nothing more of this block."""
        before = block.done
        room, free = self._ask("keep_room", block.left)
        if isinstance(room, OpError):
            return False
        count, kept = int(room[0]), int(room[1])
        until = before + count
        more = True
        while more and block.done < until:
            more = self._put_alike(block, until - block.done, kept)
        free(True)
        if block.done > before:
            self._went(block.done - before)
        return more

    def _put_alike(self, block: Block, limit: int, kept: int) -> bool:
        """Put in the next elements that are of one shape, into room that is kept."""
        count, components = block.next(limit)
        outcome = self._send(kept, components)
        if isinstance(outcome, InvalidArgumentError):
            self._alone, self._failed = block.left, outcome
        if isinstance(outcome, (InvalidArgumentError, AbortedError)):
            return False
        if isinstance(outcome, OpError):  # lost on the way: they belong to the loop, and are not sent again
            block.on_trial.commit(count)
            return False
        count = int(outcome[0])
        block.on_trial.commit(count)
        block.done += count
        return count > 0

    def _send(self, kept: int, components: tuple[Any, ...]) -> Any:
        """What the queue says of elements for room that it keeps, which never wait there.

        A stop waits a moment for that: else elements that are in would not count.
        """
        _, error = self._begin(self._answer, "put_kept", kept, 0, 1, components)
        if error is not None:
            return error
        outcome, _ = self._next_answer()
        if outcome is self._stopped:
            with suppress(Empty):
                return self._late.get(timeout=timeouts.STOP_GRACE)
        return outcome

    def _ask(self, method: str, *arguments: Any) -> tuple[Any, Callable[[bool], None]]:
        """What the queue answers, and what settles it."""
        withdraw, error = self._begin(self._answer, method, *arguments)
        if error is not None:
            return error, no_loan
        outcome, settle = self._next_answer()
        if outcome is self._stopped:
            withdraw()
        return outcome, settle or no_loan

    def _begin(self, reply: Callable[..., None], method: str, *arguments: Any) -> tuple[Withdraw, OpError | None]:
        """Start an attempt on the queue; gives what withdraws it, or why it did not start."""
        if self._stopped is not None:
            return no_withdraw, AbortedError(None, None, "the loop is stopped: nothing was asked")
        instruction = self._program.body.enqueue
        device, queue = instruction.op.device, instruction.attrs["queue"]
        answer = Answering(reply, self._spec.owner, instruction.op.name)
        address = self._spec.call.addresses[device]
        try:
            return self._process.ask(self._spec.session, device, address, queue, method, answer, *arguments), None
        except OpError as error:
            return no_withdraw, error

    def _next_answer(self) -> tuple[Any, Any]:
        try:
            return self._answers.get_nowait()
        except Empty:
            started = time.monotonic()
            try:
                return self._answers.get()
            finally:
                self.waited_s += time.monotonic() - started

    def _answer(self, outcome: Any, settle: Callable[[bool], None] | None = None) -> None:
        with self._lock:
            if self._stopped is None:
                self._answers.put((outcome, settle))
                return
        if settle is not None:
            settle(False)
        else:
            self._late.put(outcome)

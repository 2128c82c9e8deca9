"""Loop batching where it runs: the body of a loop for many records at once, and nobody sees the difference.

    read     records that nobody has to wait for: of the open file, never of the next one
    compute  one straight line of kernel calls, each over all records
    room     wait in the queue's line until it keeps places for some of them
    put      these elements enter, and the reader counts their records; again, until all are in

Reading is on trial until the elements are in: up to then the reader's counts and state do not move, and whatever goes
wrong, it takes the records back.  If a kernel fails, the records go through the plain body one by one: those before the
bad one are delivered, and the error is the plain body's own.  So no kernel has to say which record it failed at.
To open a file, or to wait for its name, is left to the plain body too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from dflow.compile import BatchBody
from dflow.errors import AbortedError, InvalidArgumentError, OpError, OpInfo
from dflow.ops.batching import Rows, each
from dflow.registry import OpDef
from dflow.runtime.attempts import Answering
from dflow.runtime.failures import as_op_error

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost
    from dflow.runtime.loops import LoopSpec
    from dflow.runtime.process import Process
    from dflow.runtime.shared import OnTrial

logger = logging.getLogger("dflow.loops")

FIRST = 16  # records of the first block
MOST = 1 << 14  # records of any block
BLOCK_S = 0.005  # seconds that a block may take: so long a stop waits for it


class BatchProgram:
    """What a loop computes, ready to run over a leading axis of records."""

    def __init__(
        self, body: BatchBody, kernels: Mapping[str, OpDef], host: DeviceHost, turn: AbstractContextManager[Any]
    ) -> None:
        self.body = body
        self._turn = turn
        self._template: list[Any] = [None] * body.line.slots
        for slot, value in body.line.literals:
            self._template[slot] = host.asarray(value)
        batched = set(body.read.outputs)
        self._steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], OpInfo]] = []
        for instruction in body.line.instructions:
            definition = kernels[instruction.op.kind]
            flags = tuple(slot in batched for slot in instruction.inputs)
            bind = partial(_batched, flags=flags) if any(flags) else _once
            call = bind(definition, instruction.attrs)
            self._steps.append((call, instruction.inputs, instruction.outputs, instruction.op))
            if any(flags):
                batched.update(instruction.outputs)
        self._elements = [(slot, slot in batched) for slot in body.enqueue.inputs]

    def run(self, records: Sequence[Any]) -> tuple[Any, ...]:
        """The components of n elements, [n, ...], from n keys and n values."""
        slots = list(self._template)
        for slot, value in zip(self.body.read.outputs, records, strict=True):
            slots[slot] = value
        with self._turn, np.errstate(all="ignore"):
            for call, inputs, outputs, op in self._steps:
                try:
                    found = call(*[slots[i] for i in inputs])
                except Exception as error:
                    raise as_op_error(error, op) from error
                for slot, value in zip(outputs, (found,) if len(outputs) == 1 else found, strict=True):
                    slots[slot] = value
        n = len(records[0])
        return tuple(_rows(slots[slot], n, is_batched) for slot, is_batched in self._elements)


def _batched(definition: OpDef, attrs: dict[str, Any], flags: tuple[bool, ...]) -> Callable[..., Any]:
    rule, kernel = definition.batch, definition.kernel
    assert rule is not None  # the compiler has seen to it

    def call(*arrays: Any) -> Any:
        has_rows = any(isinstance(array, Rows) for array in arrays)
        return (each if has_rows else rule)(kernel, arrays, flags, attrs)

    return call


def _once(definition: OpDef, attrs: dict[str, Any]) -> Callable[..., Any]:
    return partial(definition.kernel, **attrs)


def _rows(value: Any, n: int, is_batched: bool) -> Any:
    """A component of n elements; one that does not depend on the record is the same for all."""
    if isinstance(value, Rows):
        return value
    array = np.asarray(value)
    return array if is_batched else np.broadcast_to(array, (n, *array.shape))


@dataclass(slots=True)
class Block:
    """Records that were read together, and what was computed with them."""

    elements: tuple[Any, ...]  # the components, [n, ...] or `Rows`
    count: int  # n
    on_trial: OnTrial  # the records, at their reader
    done: int = 0  # so many are in the queue

    def next(self, limit: int) -> tuple[int, tuple[Any, ...]]:
        """The next elements that are of one shape, `limit` at most: how many, and their components."""
        start = self.done
        ends = [component.alike(start) for component in self.elements if isinstance(component, Rows)]
        stop = min([start + limit, *ends])
        return stop - start, tuple(_part(component, start, stop) for component in self.elements)


def _part(component: Any, start: int, stop: int) -> Any:
    return component.stacked(start, stop) if isinstance(component, Rows) else component[start:stop]


class BatchedBody:
    """The body of one running loop, for many records at once."""

    def __init__(self, process: Process, spec: LoopSpec, program: BatchProgram) -> None:
        self.records = 0  # that went many at once
        self.waited_s = 0.0  # for the queue
        self._process = process
        self._spec = spec
        self._program = program
        self._block: Block | None = None
        self._size = FIRST
        self._alone = 0  # so many iterations go one by one
        self._failed: Exception | None = None  # why a block failed whose records go one by one now
        self._off = False
        self._lock = threading.Lock()  # of what `stop` and answers, in other threads, change
        self._answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        self._stopped: OpError | None = None

    def run(self, most: int) -> int:
        """Up to `most` iterations at once; gives how many.  0: the next iteration goes by itself.

        Waits while the queue is full.  Whatever is wrong, the plain body will say.
        """
        if self._block is None and not self._next_block(most):
            return 0
        block = self._block
        assert block is not None
        before = block.done
        if not self._put(block) or block.done == block.count:
            self.close()
        self.records += block.done - before
        return block.done - before

    def close(self) -> None:
        """The reader takes back what is not in the queue."""
        block, self._block = self._block, None
        if block is not None:
            block.on_trial.take_back()

    def stop(self, error: OpError) -> None:
        """Wait for no answer any more; what comes is given back."""
        with self._lock:
            self._stopped = error
            self._answers.put((error, None))

    # -- read and compute

    def _next_block(self, most: int) -> bool:
        """False if there are no records now, or if they have to go one by one."""
        if self._alone or self._off:
            self._alone -= 1
            return False
        if self._failed is not None:  # its records went well one by one: it was not they
            self._turn_off(self._failed)
            return False
        started, size = time.monotonic(), min(most, self._size)
        reader = self._process.hosts[self._spec.home].machine(
            self._program.body.read.attrs["reader"], self._spec.session
        )
        on_trial = reader.read_more(size)
        if on_trial is None:
            return False
        count = len(on_trial.records[0])
        try:
            elements = self._program.run(on_trial.records)
        except Exception as error:
            on_trial.take_back()
            self._alone, self._failed = count, error
            return False
        self._block = Block(elements, count, on_trial)
        if count == self._size:
            self._adapt(time.monotonic() - started)
        return True

    def _adapt(self, took_s: float) -> None:
        if took_s > BLOCK_S:
            self._size = max(FIRST, self._size // 2)
        elif took_s < BLOCK_S / 2:
            self._size = min(MOST, self._size * 2)

    def _turn_off(self, error: Exception) -> None:
        self._off = True
        logger.warning("the loop %s goes record by record: many at once failed: %s", self._spec.label, error)

    # -- put

    def _put(self, block: Block) -> bool:
        """Put in what the queue has room for; False if it takes nothing more of this block."""
        room, free = self._ask("keep_room", block.count - block.done)
        if isinstance(room, OpError):
            return False
        count, kept = int(room[0]), int(room[1])
        until = block.done + count
        more = True
        while more and block.done < until:
            more = self._put_alike(block, until - block.done, kept)
        free(True)
        return more

    def _put_alike(self, block: Block, limit: int, kept: int) -> bool:
        """Put in the next elements that are of one shape, into room that is kept."""
        count, components = block.next(limit)
        outcome, _ = self._ask("put_kept", kept, components)
        if isinstance(outcome, InvalidArgumentError):
            self._alone, self._failed = block.count - block.done, outcome
        if isinstance(outcome, (InvalidArgumentError, AbortedError)):
            return False
        if isinstance(outcome, OpError):  # lost on the way: they belong to the loop, and are not sent again
            block.on_trial.commit(count)
            return False
        count = int(outcome[0])
        block.on_trial.commit(count)
        block.done += count
        return count > 0

    def _ask(self, method: str, *arguments: Any) -> tuple[Any, Callable[[bool], None]]:
        """What the queue answers, and what settles it."""
        if self._stopped is not None:
            return AbortedError(None, None, "the loop is stopped: nothing was asked"), _nothing
        instruction = self._program.body.enqueue
        device, queue = instruction.op.device, instruction.attrs["queue"]
        answer = Answering(self._answer, self._spec.owner, instruction.op.name)
        address = self._spec.call.addresses[device]
        try:
            withdraw = self._process.ask(self._spec.session, device, address, queue, method, answer, *arguments)
        except OpError as error:
            return error, _nothing
        outcome, settle = self._next_answer()
        if outcome is self._stopped:
            withdraw()
        return outcome, settle or _nothing

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


def _nothing(accepted: bool) -> None:
    pass

"""Loop batching where it runs: the body of a loop for many records at once, and nobody sees the difference.

    room     ask the queue for room, without waiting: it keeps so many places
    read     records that nobody has to wait for: of the open file, never of the next one
    compute  one straight line of kernel calls, each over all records
    put      in one call: the elements enter, the unused places are free again, the reader counts what it read

Reading is tentative until the elements are in: up to then the reader's counts and state do not move, and whatever goes
wrong, it takes the records back.  If a kernel fails, the records go through the plain body one by one: those before the
bad one are delivered, and the error is the plain body's own.  So no kernel has to say which record it failed at.
What may wait, a file name, room in the queue, is left to the plain body too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from dflow.compile import BatchBody
from dflow.errors import AbortedError, InvalidArgumentError, OpError
from dflow.registry import OpDef

if TYPE_CHECKING:
    from dflow.runtime.host import DeviceHost
    from dflow.runtime.loops import LoopSpec
    from dflow.runtime.process import Process

logger = logging.getLogger("dflow.loops")

FIRST = 16  # records of the first block
MOST = 1 << 14  # records of any block
BLOCK_S = 0.005  # seconds that a block may take: so long a stop waits for it
PATIENCE = 8  # iterations one by one, after which a queue that had no room is asked again


class BatchProgram:
    """What a loop computes, ready to run over a leading axis of records."""

    def __init__(self, body: BatchBody, kernels: Mapping[str, OpDef], host: DeviceHost) -> None:
        self.body = body
        self._template: list[Any] = [None] * body.line.slots
        for slot, value in body.line.literals:
            self._template[slot] = host.asarray(value)
        batched = set(body.read.outputs)
        self._steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]] = []
        for instruction in body.line.instructions:
            definition = kernels[instruction.op.kind]
            flags = tuple(slot in batched for slot in instruction.inputs)
            bind = partial(_batched, flags=flags) if any(flags) else _once
            call = bind(definition, instruction.attrs)
            self._steps.append((call, instruction.inputs, instruction.outputs))
            if any(flags):
                batched.update(instruction.outputs)
        self._elements = [(slot, slot in batched) for slot in body.enqueue.inputs]

    def run(self, records: Sequence[Any]) -> tuple[Any, ...]:
        """The components of n elements, [n, ...], from n keys and n values."""
        slots = list(self._template)
        for slot, value in zip(self.body.read.outputs, records, strict=True):
            slots[slot] = value
        with np.errstate(all="ignore"):
            for call, inputs, outputs in self._steps:
                found = call(*[slots[i] for i in inputs])
                for slot, value in zip(outputs, (found,) if len(outputs) == 1 else found, strict=True):
                    slots[slot] = value
        n = len(records[0])
        return tuple(_rows(slots[slot], n, is_batched) for slot, is_batched in self._elements)


def _batched(definition: OpDef, attrs: dict[str, Any], flags: tuple[bool, ...]) -> Callable[..., Any]:
    rule, kernel = definition.batch, definition.kernel
    assert rule is not None  # the compiler has seen to it
    return lambda *arrays: rule(kernel, arrays, flags, attrs)


def _once(definition: OpDef, attrs: dict[str, Any]) -> Callable[..., Any]:
    return partial(definition.kernel, **attrs)


def _rows(value: Any, n: int, is_batched: bool) -> Any:
    """A component of n elements; one that does not depend on the record is the same for all."""
    array = np.asarray(value)
    return array if is_batched else np.broadcast_to(array, (n, *array.shape))


class BatchedBody:
    """The body of one running loop, for many records at once."""

    def __init__(self, process: Process, spec: LoopSpec, program: BatchProgram) -> None:
        self._process = process
        self._spec = spec
        self._program = program
        self._lock = threading.Lock()  # of what `stop` and answers, in other threads, change
        self._answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
        self._stopped: OpError | None = None
        self._size = FIRST
        self._alone = 0  # so many iterations go one by one
        self._no_room = 0  # times in a row
        self._failed: Exception | None = None  # why a block failed whose records go one by one now
        self._off = False
        self.records = 0  # that went many at once

    def run(self, most: int) -> int:
        """Up to `most` iterations at once; gives how many.  0: the next iteration goes by itself.

        Waits for nothing but the process that holds the queue.  Whatever is wrong, the plain body will say.
        """
        if self._alone or self._off:
            self._alone -= 1
            return 0
        if self._failed is not None:  # its records went well one by one: it was not they
            self._turn_off(self._failed)
            return 0
        room, free = self._ask("keep_room", min(most, self._size))
        if isinstance(room, OpError):
            return 0
        try:
            done = self._through(int(room[0]), int(room[1]))
        finally:
            free(True)
        self._no_room = 0 if room[0] else min(self._no_room + 1, PATIENCE)
        self._alone = max(self._alone, self._no_room)
        self.records += done
        return done

    def stop(self, error: OpError) -> None:
        """Wait for no answer any more; what comes is given back."""
        with self._lock:
            self._stopped = error
            self._answers.put((error, None))

    def _through(self, most: int, kept: int) -> int:
        host = self._process.hosts[self._spec.home]
        reader = host.machine(self._program.body.read.attrs["reader"], self._spec.session)
        started = time.monotonic()
        found = reader.read_more(most) if most else None
        if found is None:
            return 0
        records, settle = found
        n = len(records[0])
        try:
            elements = self._program.run(records)
        except Exception as error:
            settle(False)
            self._alone, self._failed = n, error
            return 0
        if n == self._size:
            self._adapt(time.monotonic() - started)
        outcome, _ = self._ask("put_kept", kept, elements)
        refused = isinstance(outcome, (InvalidArgumentError, AbortedError)) or (
            not isinstance(outcome, OpError) and int(outcome[0]) == 0
        )
        settle(not refused)  # lost on the way: they belong to the loop, and are not sent again
        if isinstance(outcome, InvalidArgumentError):
            self._alone, self._failed = n, outcome
        return 0 if refused or isinstance(outcome, OpError) else n

    def _ask(self, method: str, *arguments: Any) -> tuple[Any, Callable[[bool], None]]:
        """What the queue answers, and what settles it."""
        instruction = self._program.body.enqueue
        device = instruction.op.device
        address = self._spec.call.addresses[device]
        queue = instruction.attrs["queue"]
        if self._stopped is not None:
            return self._stopped, _nothing
        try:
            self._process.ask(self._spec.session, device, address, queue, method, self._answer, *arguments)
        except OpError as error:
            return error, _nothing
        outcome, settle = self._answers.get()
        return outcome, settle or _nothing

    def _answer(self, outcome: Any, settle: Callable[[bool], None] | None = None) -> None:
        with self._lock:
            if self._stopped is None:
                self._answers.put((outcome, settle))
                return
        if settle is not None:
            settle(False)

    def _adapt(self, took_s: float) -> None:
        if took_s > BLOCK_S:
            self._size = max(FIRST, self._size // 2)
        elif took_s < BLOCK_S / 2:
            self._size = min(MOST, self._size * 2)

    def _turn_off(self, error: Exception) -> None:
        self._off = True
        logger.warning("the loop %s goes record by record: many at once failed: %s", self._spec.label, error)


def _nothing(accepted: bool) -> None:
    pass

"""Programs: a segment ready to run on its device, with its kernels bound and its constants in place.

A program is a straight line of kernel calls over slots.  Large values are dropped after their last use, so that later
values get their memory.  An operation of a branch has guards: slots whose values are dead if the branch is not taken.
Then it does not run, and its outputs are dead, too.  The binder (`binding.py`) decides how kernels are called: for one
step, or for many records at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dflow.compile import LOOP, Instruction, Segment
from dflow.dead import DEAD
from dflow.errors import USER_ERRORS, OpError, OpInfo
from dflow.runtime.base.attempt import Attempt
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.device.binding import Binder, Call
from dflow.runtime.device.device import Device

QUICK_S = 1e-4  # seconds: a faster program runs in the thread that reads its message, without handing the lead on


class Line:
    """The bound kernel calls of instructions."""

    def __init__(self, instructions: Sequence[Instruction], bind: Binder) -> None:
        bound = [(_inplace(bind(it), it.inplace), it) for it in instructions]
        self.calls = [(call, it.inputs, it.outputs, it.op, it.frees) for call, it in bound]
        self._guarded: list[tuple[Call, Instruction]] = []
        if any(it.guards or it.alive is not None for it in instructions):
            self._guarded = bound

    def run(self, slots: list[Any]) -> None:
        """Make the calls: fill the slots of their outputs.  An OpError names the operation that failed."""
        if self._guarded:
            self._run_guarded(slots)
            return
        for call, inputs, outputs, info, frees in self.calls:
            try:
                result = call(*[slots[i] for i in inputs])
                if len(outputs) == 1:
                    slots[outputs[0]] = result if hasattr(result, "dtype") else as_array(result)
                else:
                    for slot, value in zip(outputs, result, strict=True):
                        slots[slot] = value if hasattr(value, "dtype") else as_array(value)
            except OpError as error:
                error.placed(info)
                raise
            except USER_ERRORS as error:
                raise as_op_error(error, info) from error
            for slot in frees:
                slots[slot] = None

    def _run_guarded(self, slots: list[Any]) -> None:
        for call, it in self._guarded:
            if is_dead(slots, it.guards):
                for slot in it.outputs:
                    slots[slot] = DEAD
                if it.alive is not None:
                    slots[it.alive] = DEAD
            else:
                try:
                    result = call(*[slots[i] for i in it.inputs])
                    if len(it.outputs) == 1:
                        slots[it.outputs[0]] = result if hasattr(result, "dtype") else as_array(result)
                    else:
                        for slot, value in zip(it.outputs, result, strict=True):
                            slots[slot] = value if hasattr(value, "dtype") else as_array(value)
                except OpError as error:
                    error.placed(it.op)
                    raise
                except USER_ERRORS as error:
                    raise as_op_error(error, it.op) from error
                if it.alive is not None:
                    slots[it.alive] = None
            for slot in it.frees:
                slots[slot] = None


def is_dead(slots: Sequence[Any], guards: Sequence[int]) -> bool:
    """Whether one of the guards is dead."""
    for slot in guards:  # noqa: SIM110  (a generator takes three times as long)
        if slots[slot] is DEAD:
            return True
    return False


def _skip(reply: Callable[..., None]) -> None:
    """Answer for a blocking operation that is dead."""
    reply(DEAD)


def _inplace(call: Call, place: int | None) -> Call:
    """The call, which may write its output to the memory of one of its inputs."""
    return call if place is None else lambda *arrays: call(*arrays, out=arrays[place])


def as_array(value: Any) -> Any:
    """A plain Python value of a kernel as an array: mostly text, which NumPy returns as bytes."""
    if isinstance(value, (bytes, str)):
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    return np.asarray(value)


class Program:
    """A segment on its device.

    info: the one operation of a blocking segment; other segments do not have it.
    inter_op: a semaphore that it holds while it runs, but not while its operation waits.
    """

    info: OpInfo

    def __init__(self, segment: Segment, executor: Device, bind: Binder, inter_op: AbstractContextManager[Any]) -> None:
        self.segment = segment
        self.blocks = segment.blocks
        self.arguments = segment.arguments
        self.results = segment.results
        self._scope = executor.scope
        self._inter_op = inter_op
        self._template: list[Any] = [None] * segment.slots
        for slot, value in segment.literals:
            self._template[slot] = executor.asarray(value)
        self._line = Line(segment.instructions, bind)
        self.loops = LOOP in segment.kinds  # whether it may run for long, and hears of interrupts
        self.quick = False  # whether the next run is expected to take less than QUICK_S, by the last runs
        self._was_slow = False  # whether the last run was slow
        self._waits = self.reads = False
        if segment.blocks:
            self.info = segment.op
            self._waits = not self.info.kind.startswith("Queue")  # its start may wait for a file or user code
            self.reads = self.info.kind.startswith("ReaderRead")  # the first output is the keys of records

    def run(self, values: Mapping[int, Any]) -> dict[int, Any]:
        """Compute the results, edge -> value, from the values of the edges.  An OpError names the operation."""
        started = time.perf_counter()
        # 1 / 0 is inf and log(-1) is nan, without a warning, as in TensorFlow
        with self._inter_op, np.errstate(all="ignore"), self._scope():
            results = self._run(values)
        self._note_time(time.perf_counter() - started)
        return results

    def _run(self, values: Mapping[int, Any]) -> dict[int, Any]:
        slots = self._slots(values)
        self._line.run(slots)
        return {edge: slots[slot] for edge, slot in self.results}

    def start(self, values: Mapping[int, Any], attempt: Attempt) -> bool:
        """Start the attempt of the one blocking operation.  True if it has ended already."""
        slots = self._slots(values)
        call, inputs, *_ = self._line.calls[0]
        if is_dead(slots, self.segment.instructions[0].guards):
            return attempt.start(_skip)
        started = time.perf_counter()
        with self._scope():
            ended = attempt.start(call, *[slots[i] for i in inputs])
        if not self._waits:
            self._note_time(time.perf_counter() - started)
        return ended

    def _note_time(self, seconds: float) -> None:
        """Note the time of a run.  One slow run may be chance: another thread or process had the core."""
        slow = seconds >= QUICK_S
        self.quick = not slow or (self.quick and not self._was_slow)
        self._was_slow = slow

    def answered(self, outcome: Any) -> dict[int, Any]:
        """The results, edge -> value, of an attempt's outcome: one array per output, or DEAD if none was made."""
        outputs, alive = self._line.calls[0][2], self.segment.instructions[0].alive
        dead = outcome is DEAD
        by_slot = dict(zip(outputs, (DEAD,) * len(outputs) if dead else outcome or (), strict=True))
        if alive is not None:
            by_slot[alive] = DEAD if dead else None
        return {edge: by_slot[slot] for edge, slot in self.results}

    def _slots(self, values: Mapping[int, Any]) -> list[Any]:
        slots = list(self._template)
        for slot, edge in self.arguments:
            slots[slot] = values[edge]
        return slots

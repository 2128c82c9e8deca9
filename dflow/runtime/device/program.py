"""A segment made ready to run on its device: kernels bound, constants in place.

Running one is a straight line of kernel calls over slots.  Large values go after their last use, so that later ones
get their memory.  How a kernel is called, for one step or for many records at once, is up to the binder
(`binding.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dflow.compile import Segment
from dflow.errors import USER_ERRORS, OpError, OpInfo
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.device.binding import Binder, Call
from dflow.runtime.device.device import Device

QUICK_S = 1e-4  # seconds: a program that takes less runs in the thread that reads the message which starts it


class Program:
    """A segment on its device.

    inter_op: a semaphore that it holds while it runs, but not while an operation of it waits.
    """

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
        self._steps = [
            (_inplace(bind(it), it.inplace), it.inputs, it.outputs, it.op, it.frees) for it in segment.instructions
        ]
        self.quick = False  # whether it is likely to be done at once, by the last times
        self._was_slow = False  # the last time
        kind = segment.instructions[0].op.kind if segment.blocks else ""
        self._waits = segment.blocks and not kind.startswith("Queue")  # for a file, for the user's function
        self.reads = kind.startswith("ReaderRead")  # the first output is the keys of records

    @property
    def info(self) -> OpInfo:
        """The operation of a blocking segment."""
        return self._steps[0][3]

    def run(self, values: Mapping[int, Any]) -> dict[int, Any]:
        """Compute the results, edge -> value, from the values of the edges.  An OpError names the operation."""
        started = time.perf_counter()
        # 1 / 0 is inf, log(-1) is nan, without a word, as in TensorFlow
        with self._inter_op, np.errstate(all="ignore"), self._scope():
            results = self._run(values)
        self._took(time.perf_counter() - started)
        return results

    def _run(self, values: Mapping[int, Any]) -> dict[int, Any]:
        slots = self._slots(values)
        for call, inputs, outputs, info, frees in self._steps:
            try:
                found = call(*[slots[i] for i in inputs])
                if len(outputs) == 1:
                    slots[outputs[0]] = found if hasattr(found, "dtype") else _as_array(found)
                else:
                    for slot, value in zip(outputs, found, strict=True):
                        slots[slot] = value if hasattr(value, "dtype") else _as_array(value)
            except OpError as error:
                error.placed(info)
                raise
            except USER_ERRORS as error:
                raise as_op_error(error, info) from error
            for slot in frees:
                slots[slot] = None
        return {edge: slots[slot] for edge, slot in self.results}

    def attempt(self, values: Mapping[int, Any], reply: Callable[..., None]) -> Callable[[], None] | None:
        """Start the one blocking operation; `reply(outcome, settle=None)` comes once.  Gives what withdraws it."""
        slots = self._slots(values)
        call, inputs, _, info, _ = self._steps[0]
        started = time.perf_counter()
        try:
            with self._scope():
                withdraw: Callable[[], None] | None = call(reply, *[slots[i] for i in inputs])
        except OpError as error:
            error.placed(info)
            raise
        except USER_ERRORS as error:
            raise as_op_error(error, info) from error
        if not self._waits:
            self._took(time.perf_counter() - started)
        return withdraw

    def _took(self, seconds: float) -> None:
        """Note how long it took.  Once may be chance: another thread or process had the core."""
        slow = seconds >= QUICK_S
        self.quick = not slow or (self.quick and not self._was_slow)
        self._was_slow = slow

    def answered(self, outcome: Any) -> dict[int, Any]:
        """The results, edge -> value, of an attempt's outcome: one array per output."""
        outputs = self._steps[0][2]
        by_slot = dict(zip(outputs, outcome or (), strict=True))
        return {edge: by_slot[slot] for edge, slot in self.results}

    def _slots(self, values: Mapping[int, Any]) -> list[Any]:
        slots = list(self._template)
        for slot, edge in self.arguments:
            slots[slot] = values[edge]
        return slots


def _inplace(call: Call, place: int | None) -> Call:
    """The call, which may write its output to the memory of one of its inputs."""
    return call if place is None else lambda *arrays: call(*arrays, out=arrays[place])


def _as_array(value: Any) -> Any:
    """A plain Python value of a kernel: text, above all, which NumPy hands out as bytes."""
    if isinstance(value, (bytes, str)):
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    return np.asarray(value)

"""A line: the kernel calls of a segment, in their order, over slots.

An operation of a branch has guards: slots whose values are dead if the branch is not taken.  Then it does not run, and
its outputs are dead, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.compile import Instruction
from dflow.dead import DEAD
from dflow.errors import USER_ERRORS, OpError
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.device.binding import Binder, Call


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

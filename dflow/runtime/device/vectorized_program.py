"""What a loop computes, ready to run for many records at once: each kernel works on a leading axis of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from dflow.compile import VectorizedBody
from dflow.errors import USER_ERRORS, OpInfo
from dflow.ops.rules.batching import Rows, each
from dflow.registry import OpDef
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.device.device import Device


class VectorizedProgram:
    """What a loop computes, ready to run over a leading axis of records."""

    def __init__(
        self, body: VectorizedBody, kernels: Mapping[str, OpDef], executor: Device, turn: AbstractContextManager[Any]
    ) -> None:
        self.body = body
        self._turn = turn
        self._template: list[Any] = [None] * body.line.slots
        for slot, value in body.line.literals:
            self._template[slot] = executor.asarray(value)
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
                except USER_ERRORS as error:
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

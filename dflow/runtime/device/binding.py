"""Binders: they turn an instruction of a program into a call of its kernel.

plain       the kernel as it is, with its attributes, and its context if it has state
vectorized  the kernel over a leading axis of records, by the batch rule of its operation
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dflow.compile import LOOP, Instruction, LoopCode
from dflow.ops.rules.batching import Rows, each
from dflow.registry import OpDef
from dflow.runtime.device.context import Context
from dflow.runtime.device.device import Device

Call = Callable[..., Any]
Binder = Callable[[Instruction], Call]


def plain(
    executor: Device,
    kernels: Mapping[str, OpDef],
    session: str,
    addresses: Mapping[str, str],
    make_loop: Callable[[LoopCode, Binder], Call],
    observed: Callable[[Instruction, Call, bool], Call] | None = None,
) -> Binder:
    """Bind instructions for one step at a time.

    make_loop: makes the call of a `while_loop`.
    observed: makes, of an instruction, its call, and whether it blocks, the call that is used in its place.
    """

    def bind(instruction: Instruction) -> Call:
        call = bind_kernel(instruction)
        if observed is None:
            return call
        return observed(instruction, call, instruction.op.kind != LOOP and kernels[instruction.op.kind].blocks)

    def bind_kernel(instruction: Instruction) -> Call:
        if instruction.op.kind == LOOP:
            return make_loop(instruction.attrs["code"], bind)
        definition = kernels[instruction.op.kind]
        call = definition.kernel
        if definition.stateful:
            call = partial(call, Context(executor, instruction.op, session, addresses))
        if instruction.attrs:
            call = partial(call, **instruction.attrs)
        return call

    return bind


def vectorized(kernels: Mapping[str, OpDef], batched: set[int]) -> Binder:
    """Bind instructions for many records at once.  The binder must be called with the instructions in their order.

    batched: the slots whose values have a leading axis of records.  The binder adds the slots of outputs.
    """

    def bind(instruction: Instruction) -> Call:
        definition = kernels[instruction.op.kind]
        flags = tuple(slot in batched for slot in instruction.inputs)
        if not any(flags):
            return partial(definition.kernel, **instruction.attrs)
        batched.update(instruction.outputs)
        return partial(_call_batched, definition, instruction.attrs, flags)

    return bind


def _call_batched(definition: OpDef, attrs: dict[str, Any], flags: tuple[bool, ...], *arrays: Any) -> Any:
    rule = definition.batch
    assert rule is not None  # the compiler has checked it
    has_rows = any(isinstance(array, Rows) for array in arrays)
    return (each if has_rows else rule)(definition.kernel, arrays, flags, attrs)

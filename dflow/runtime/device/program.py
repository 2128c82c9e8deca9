"""A segment made ready to run on its device: kernels looked up, constants in place, contexts bound.

Running one is a straight line of kernel calls over slots.  Large values go after their last use, so that later ones
get their memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from dflow.compile import Instruction, Segment
from dflow.errors import USER_ERRORS, OpError, OpInfo
from dflow.registry import OpDef
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.device.device import Device

QUICK_S = 1e-4  # seconds: what takes less is done by whoever reads the message that starts it


class Context:
    """What a stateful kernel may use: its device, its session, and the state there."""

    __slots__ = ("_addresses", "_executor", "_known", "device", "op", "session", "xp")

    def __init__(self, executor: Device, op: OpInfo, session: str, addresses: Mapping[str, str]) -> None:
        self._executor = executor
        self._addresses = addresses
        self._known: dict[int, tuple[Any, Any]] = {}  # id of a spec -> the spec, and its state
        self.device = executor.name
        self.op = op.name
        self.session = session
        self.xp = executor.xp

    def asarray(self, value: Any) -> Any:
        """A host array as an array of the device."""
        return self._executor.asarray(value)

    def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        """The state of the device under `key`; made by `make()` if it is not there yet."""
        return self._executor.state.resource(key, make)

    def resource_of(self, spec: Any) -> Any:
        """The queue or the reader that `spec` describes; made if it is not there yet."""
        return self.cached(spec, lambda: self._executor.resource_of(spec, self.session))

    def cached(self, spec: Any, find: Callable[[], Any]) -> Any:
        """The state that `spec` describes, found by `find()` at first, and again when it was dropped.

        Why: to look it up takes as long as an enqueue, and takes locks that all steps on the device share.
        """
        known = self._known.get(id(spec))
        if known is None or known[1].dropped:
            known = self._known[id(spec)] = (spec, find())  # with the spec, so that its id stays its own
        return known[1]

    def dequeue_from(self, device: str, queue: Any, reply: Callable[..., None]) -> Callable[[], None]:
        """Take one element of a queue on any device, outside of the step; gives what withdraws the request."""
        return self._executor.process.ask(
            self.session, device, self._addresses.get(device, ""), queue, "dequeue", reply
        )

    def per_session(self, make: Callable[[], Any]) -> Any:
        """State of this operation in this session on this device, such as its random generator."""
        return self._executor.session(self.session).op_state(self.op, make)

    def spawn(self, work: Callable[[], None]) -> None:
        """Do something that may take long or wait, on a thread of its own."""
        self._executor.spawn(work, self.op)


class Program:
    """A segment on its device.  turn: held while it runs, but not while an operation of it waits."""

    def __init__(
        self,
        segment: Segment,
        kernels: Mapping[str, OpDef],
        executor: Device,
        session: str,
        addresses: Mapping[str, str],
        turn: AbstractContextManager[Any],
    ) -> None:
        self.segment = segment
        self.blocks = segment.blocks
        self.arguments = segment.arguments
        self.results = segment.results
        self._scope = executor.scope
        self._turn = turn
        self._template: list[Any] = [None] * segment.slots
        for slot, value in segment.literals:
            self._template[slot] = executor.asarray(value)
        self._steps = [
            _bind(instruction, kernels, executor, session, addresses) for instruction in segment.instructions
        ]
        self.info = self._steps[0][3]  # of a blocking segment: its operation
        self.quick = False  # is it likely to be done at once?  Known from the last times
        self._was_slow = False  # the last time
        self._waits = segment.blocks and not self.info.kind.startswith("Queue")  # for a file, for the user's function
        self.reads = self.info.kind.startswith("ReaderRead")  # the first output is the keys of records

    def run(self, values: Mapping[int, Any]) -> dict[int, Any]:
        """Compute the results, edge -> value, from the values of the edges.  An OpError names the operation."""
        started = time.perf_counter()
        # 1 / 0 is inf, log(-1) is nan, without a word, as in TensorFlow
        with self._turn, np.errstate(all="ignore"), self._scope():
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
        """Once may be chance: another thread or process had the core."""
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


def _bind(
    instruction: Instruction,
    kernels: Mapping[str, OpDef],
    executor: Device,
    session: str,
    addresses: Mapping[str, str],
) -> tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], OpInfo, tuple[int, ...]]:
    definition = kernels[instruction.op.kind]
    call = definition.kernel
    if definition.stateful:
        call = partial(call, Context(executor, instruction.op, session, addresses))
    if instruction.attrs:
        call = partial(call, **instruction.attrs)
    if instruction.inplace is not None:
        call = _inplace(call, instruction.inplace)
    return call, instruction.inputs, instruction.outputs, instruction.op, instruction.frees


def _inplace(kernel: Callable[..., Any], place: int) -> Callable[..., Any]:
    """The kernel, which may write its output to the memory of one of its inputs."""
    return lambda *arrays: kernel(*arrays, out=arrays[place])


def _as_array(value: Any) -> Any:
    """A plain Python value of a kernel: text, above all, which NumPy hands out as bytes."""
    if isinstance(value, (bytes, str)):
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    return np.asarray(value)

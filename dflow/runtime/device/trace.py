"""Traces: the times of the kernel calls of a traced run on one device.

A run with a `trace_level` has a plan of its own, whose kernel calls are timed.  Other runs are not slowed down.
An operation that waits takes from its start to its answer.  A `while_loop` of one device is a call like the others, and
so is each operation of each of its iterations, up to `KEPT` calls a device and run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dflow.compile import Instruction
from dflow.runtime.base.answers import Answering, NamedAnswer, Settle
from dflow.runtime.device.binding import Call

KEPT = 100_000  # calls that a trace keeps; the later ones of a run are dropped


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One kernel call.  started_ns: since 1970.  bytes: of its outputs, 0 for those that are not numbers."""

    op: str
    kind: str
    thread: int
    started_ns: int
    took_ns: int
    bytes: int


class Trace:
    """The kernel calls of the runs of a plan on a device.

    synchronize: waits until the device has computed what it was asked for.
    """

    def __init__(self, synchronize: Callable[[], None]) -> None:
        self._synchronize = synchronize
        self._calls: list[KernelCall] = []

    def take(self) -> list[KernelCall]:
        """The calls since the last `take`, in the order of their ends."""
        taken, self._calls = self._calls, []
        return taken

    def observed(self, instruction: Instruction, call: Call, blocks: bool) -> Call:
        """The call of an instruction, timed."""
        if blocks:
            return self._until_answered(instruction, call)

        def timed(*inputs: Any, **options: Any) -> Any:
            started_ns, started = time.time_ns(), time.perf_counter_ns()
            result = call(*inputs, **options)
            self._synchronize()
            self._note(instruction, started_ns, started, result)
            return result

        return timed

    def _until_answered(self, instruction: Instruction, call: Call) -> Call:
        def timed(reply: NamedAnswer, *inputs: Any) -> Any:
            started_ns, started = time.time_ns(), time.perf_counter_ns()

            def answer(outcome: Any, settle: Settle | None) -> None:
                self._note(instruction, started_ns, started, outcome)
                reply(outcome, settle)  # type: ignore[operator]  # an attempt

            return call(Answering(answer, reply.owner, reply.op), *inputs)

        return timed

    def _note(self, instruction: Instruction, started_ns: int, started: int, result: Any) -> None:
        if len(self._calls) < KEPT:
            took_ns = time.perf_counter_ns() - started
            outputs = result if isinstance(result, (tuple, list)) else (result,)
            size = sum(getattr(output, "nbytes", 0) for output in outputs)
            op = instruction.op
            self._calls.append(KernelCall(op.name, op.kind, threading.get_native_id(), started_ns, took_ns, size))

"""A `while_loop` of one device: its program, called like a kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from dflow.compile import LoopCode
from dflow.dead import DEAD
from dflow.runtime.base import interrupts
from dflow.runtime.device.binding import Binder
from dflow.runtime.device.program import Line

LOOK_S = 0.01  # seconds between two looks whether the step was cancelled


class WhileLoop:
    """A loop, ready to run: `loop(*operands)` gives the values that leave it.

    asarray: a host array as an array of the device.
    """

    def __init__(self, code: LoopCode, bind: Binder, asarray: Callable[[Any], Any]) -> None:
        self._test: int | None = None
        tests = 0
        if code.test is not None:
            self._test, tests = code.test
        self._to_test = Line(code.segment.instructions[:tests], bind)
        self._line = Line(code.segment.instructions[tests:], bind)
        self._template: list[Any] = [None] * code.segment.slots
        for slot, value in code.segment.literals:
            self._template[slot] = asarray(value)
        self._constants = code.constants
        self._firsts = [firsts for _, firsts, _ in code.variables]
        self._places = [slot for slot, _, _ in code.variables]
        self._nexts = [slot for _, _, slot in code.variables]
        self._results = code.results

    def __call__(self, *operands: Any) -> Any:
        slots = self._template.copy()
        for slot, place in self._constants:
            slots[slot] = operands[place]
        for slot, firsts in zip(self._places, self._firsts, strict=True):
            slots[slot] = _alive(operands[place] for place in firsts)
        results = self._until_dead(slots) if self._test is None else self._while(slots, self._test)
        return results[0] if len(results) == 1 else results

    def _while(self, slots: list[Any], test: int) -> list[Any]:
        """Repeat while the condition is true."""
        run_test, run_body, places, nexts = self._to_test.run, self._line.run, self._places, self._nexts
        look_at = time.monotonic() + LOOK_S
        while True:
            run_test(slots)
            if not slots[test]:
                return [slots[slot] for slot in self._results]
            run_body(slots)
            values = [slots[slot] for slot in nexts]  # type: ignore[index]
            for slot, value in zip(places, values, strict=True):
                slots[slot] = value
            if time.monotonic() >= look_at:
                interrupts.check()
                look_at = time.monotonic() + LOOK_S

    def _until_dead(self, slots: list[Any]) -> list[Any]:
        """Repeat until no variable has a next value."""
        results: list[Any] = [DEAD] * len(self._results)
        while True:
            self._line.run(slots)
            for i, slot in enumerate(self._results):
                if slots[slot] is not DEAD:
                    results[i] = slots[slot]
            values = [DEAD if slot is None else slots[slot] for slot in self._nexts]
            if all(value is DEAD for value in values):
                return results
            for slot, value in zip(self._places, values, strict=True):
                slots[slot] = value
            interrupts.check()


def _alive(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not DEAD), DEAD)

"""Whether the sides agree on a program, and the shortest program on which they disagree in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.fuzz_graphs.differences import reason
from tests.fuzz_graphs.interpret import DIED, HANGS, Outcomes, Program
from tests.fuzz_graphs.sides import Side, all_outcomes
from tests.oracle.compare import differences

PATIENCE_MS = 300  # a run that has not ended then waits
MORE_PATIENCE_MS = 2000  # if that makes a difference: the machine may be busy


@dataclass(frozen=True)
class Disagreement:
    """Two sides differ in a line.  on_purpose: why that is right; "" if it is not."""

    sides: tuple[str, str]
    line: int
    expected: Any
    got: Any
    on_purpose: str = ""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What stays when lines that do not matter are left out."""
        return (*self.sides, _kind(self.expected), _kind(self.got), self.on_purpose)


def _kind(outcome: Any) -> str:
    """The class of an error, or that it is a value."""
    return str(outcome["error"]) if isinstance(outcome, dict) and "error" in outcome else type(outcome).__name__


def disagreements(names: Sequence[str], program: Program, found: Sequence[Outcomes]) -> list[Disagreement]:
    """The first of each other side with the first side."""
    said = []
    for name, outcomes in zip(names[1:], found[1:], strict=True):
        for line, (expected, got) in enumerate(_pairs(outcomes, found[0], len(program))):
            if list(differences(expected, got)):
                why = reason(name, program, line, outcomes, got)
                said.append(Disagreement((name, names[0]), line, expected, got, why))
                break
    return said


def _pairs(one: Outcomes, other: Outcomes, lines: int) -> list[tuple[Any, Any]]:
    """What two sides give for each line; one that hangs or dies does that in the last line."""
    if len(one) == len(other) == lines:
        return list(zip(one, other, strict=True))
    return [(None, None)] * (lines - 1) + [(one[-1], other[-1])]


def judged(sides: Sequence[Side], program: Program) -> list[Disagreement]:
    """How the sides disagree on a program, each time that they run it."""
    said = _judged_once(sides, program, PATIENCE_MS)
    if not unintended(said):
        return said
    kinds = {it.kind for it in said}
    return [it for it in _judged_once(sides, program, MORE_PATIENCE_MS) if it.kind in kinds]


def _judged_once(sides: Sequence[Side], program: Program, patience_ms: int) -> list[Disagreement]:
    names = [side.name for side in sides]
    return disagreements(names, program, all_outcomes(sides, program, patience_ms))


def unintended(said: Sequence[Disagreement]) -> list[Disagreement]:
    return [it for it in said if not it.on_purpose]


def minimised(sides: Sequence[Side], program: Program, wanted: Disagreement) -> Program:
    """The program without the lines that the disagreement does not need."""
    if wanted.expected in (*HANGS, *DIED) or wanted.got in (*HANGS, *DIED):
        return program  # it would take too long
    both = [side for side in sides if side.name in wanted.sides]
    program = program[: wanted.line + 1]
    length = len(program) // 2
    while length:
        for start in range(len(program) - length, -1, -length):
            shorter = program[:start] + program[start + length :]
            if shorter and wanted.kind in {it.kind for it in _judged_once(both, shorter, PATIENCE_MS)}:
                program = shorter
        length //= 2
    return program

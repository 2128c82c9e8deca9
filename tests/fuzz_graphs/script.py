"""A program as a script, to run by hand on either library, with what its lines gave on each side.

from tests.fuzz_graphs.script import show
show('''...''')                              # on dflow; show('''...''', "tensorflow") with a Python that has it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.fuzz_graphs.interpret import Program, outcomes
from tests.fuzz_graphs.judge import MORE_PATIENCE_MS
from tests.fuzz_graphs.sides import CLUSTER_PLACES, LOCAL_PLACES, Side, all_outcomes
from tests.oracle.run import the_library


def script(sides: Sequence[Side], program: Program) -> str:
    found = all_outcomes(sides, program, MORE_PATIENCE_MS)
    lines = ["from tests.fuzz_graphs.script import show", "", "show(r'''"]
    for i, line in enumerate(program):
        lines.append(line)
        gave = [it[i] if i < len(it) else it[-1] for it in found]
        if any(it is not None for it in gave):
            lines += [f"#   {side.name:10} {_short(it)}" for side, it in zip(sides, gave, strict=True)]
    return "\n".join([*lines, "''')"])


def show(text: str, library: str = "dflow", target: str = "") -> None:
    """Run a program, and print what each of its lines gives."""
    program = [line for line in text.splitlines() if line and not line.startswith("#")]
    places = CLUSTER_PLACES if target else LOCAL_PLACES
    found = outcomes(the_library(library), program, places, MORE_PATIENCE_MS, target)
    for line, outcome in zip(program, found, strict=True):
        print(line)
        if outcome is not None:
            print(f"    {json.dumps(outcome)}")


def _short(outcome: Any) -> str:
    text = json.dumps(outcome)
    return text if len(text) <= 300 else f"{text[:297]}..."

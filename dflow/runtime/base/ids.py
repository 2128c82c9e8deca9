"""Names of steps, and the form in which tensors travel between the parts of a step."""

from __future__ import annotations

from typing import Any

StepId = tuple[str, int]  # who owns the step (a session, a loop of it), and its number there
Edges = list[tuple[int, Any]]  # edges of the plan with their values


def session_of(step: StepId) -> str:
    """The session of a step's owner, which is the session itself or one of its loops."""
    return step[0].partition("/")[0]

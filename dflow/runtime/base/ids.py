"""Names of steps, and the form in which tensors travel between the parts of a step."""

from __future__ import annotations

from typing import Any

StepId = tuple[str, int]  # the owner of the step, such as a session or one of its loops, and its number there
Edges = list[tuple[int, Any]]  # edges of the plan with their values


def session_of(step: StepId) -> str:
    """The session of a step's owner, which is called "session", or "session/name" for one of its loops or pushes."""
    return step[0].partition("/")[0]

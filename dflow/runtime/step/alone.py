"""Steps that are one segment of this process: they need no inbox and no parts, and nobody can tell.

Nothing brings such a step a tensor and nothing waits for its results but its own thread.  If its segment never waits,
it is one call; if it is an operation that may wait, it is one attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dflow.compile import CallPlan
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.turns import Turns
from dflow.runtime.device.lone_attempt import LoneAttempt
from dflow.runtime.device.program import Program
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers, late


def run_step(
    process: Process,
    session: str,
    call: CallPlan,
    numbers: StepNumbers,
    turns: Turns,
    feeds: Sequence[Any],
    deadline: Deadline = NEVER,
) -> list[Any]:
    """Run a step to its end, as `Step.run` says, then let other threads have their turn."""
    program = only_program(process, session, call)
    if program is None:
        step = Step(process, session, call, numbers)
        values = step.run(feeds, deadline)
        turns.ended(step.waited_s > 0)
    elif program.blocks:
        attempt = LoneAttempt(session, program.info.name)
        values = attempt_alone(process, attempt, call, program, feeds, deadline)
        turns.ended(attempt.waited)
    else:
        values = run_alone(process, call, program, feeds)
        turns.ended(waited=False)
    return values


def only_program(process: Process, session: str, call: CallPlan) -> Program | None:
    """The one program of such steps; None if there is more to them."""
    if len(call.addresses) != 1:
        return None
    host = process.hosts.get(next(iter(call.addresses)))
    return None if host is None else host.installed(session, call.number).only


def run_alone(process: Process, call: CallPlan, program: Program, feeds: Sequence[Any]) -> list[Any]:
    """Run such a step whose segment never waits: nobody could end it before its end."""
    fed = dict(zip(call.feeds, feeds, strict=True))
    try:
        values = program.run(_on_device(process, call, program, fed))
    except Exception as error:
        raise as_op_error(error) from None
    return _fetched(call, fed, values)


def attempt_alone(
    process: Process, attempt: LoneAttempt, call: CallPlan, program: Program, feeds: Sequence[Any], deadline: Deadline
) -> list[Any]:
    """Run such a step whose segment is an operation that may wait.  It can be cancelled, see `Process.attempts`."""
    fed = dict(zip(call.feeds, feeds, strict=True))
    session = attempt.owner
    process.attempts.add(attempt)
    try:
        process.hosts[program.segment.device].session(session)  # still: whoever ends it looks for attempts afterwards
        values = _on_device(process, call, program, fed)
        begin = partial(program.attempt, values, attempt)
        outcome = attempt.run(begin, program.info, deadline.left(), partial(late, process, session, deadline))
    except Exception as error:
        raise as_op_error(error) from None
    finally:
        process.attempts.discard(attempt)
    return _fetched(call, fed, program.answered(outcome))


def run_with(brought: dict[int, Any], call: CallPlan, program: Program) -> list[Any]:
    """Run such a step of a loop, whose segment never waits, with the values that the loop brings."""
    try:
        values = program.run(brought)
    except Exception as error:
        raise as_op_error(error) from None
    return _fetched(call, brought, values)


def _on_device(process: Process, call: CallPlan, program: Program, fed: dict[int, Any]) -> dict[int, Any]:
    host = process.hosts[program.segment.device]
    return {edge: host.asarray(fed[edge]) for edge in call.feeds_of[host.name]}


def _fetched(call: CallPlan, fed: dict[int, Any], values: dict[int, Any]) -> list[Any]:
    values.update(fed)  # a fed tensor may be fetched
    return [None if edge is None else values[edge] for edge in call.fetches]

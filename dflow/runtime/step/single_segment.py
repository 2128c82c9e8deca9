"""Steps that are one segment of this process: they need no inbox and no parts.

Nothing brings such a step a tensor and nothing waits for its results but its own thread.  If its segment never waits,
it is one call; if it is an operation that may wait, it is one attempt.

benchmarks/local_run.py shows what this is worth: a run takes half as long as with parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dflow.compile import CallPlan
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.turns import Turns
from dflow.runtime.device.blocking_attempt import BlockingAttempt
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
        attempt = BlockingAttempt(session, program.info.name)
        values = run_attempt(process, attempt, call, program, feeds, deadline)
        turns.ended(attempt.waited)
    else:
        values = run_program(process, call, program, feeds)
        turns.ended(waited=False)
    return values


def only_program(process: Process, session: str, call: CallPlan) -> Program | None:
    """The program of a step that is one segment of this process; None for other steps."""
    if len(call.addresses) != 1:
        return None
    executor = process.executors.get(next(iter(call.addresses)))
    return None if executor is None else executor.installed(session, call.number).only


def run_program(process: Process, call: CallPlan, program: Program, feeds: Sequence[Any]) -> list[Any]:
    """Run a step whose one segment never waits; nothing can end it before its end."""
    fed = dict(zip(call.feeds, feeds, strict=True))
    try:
        values = program.run(_on_device(process, call, program, fed))
    except Exception as error:
        raise as_op_error(error) from None
    return _fetched(call, fed, values)


def run_attempt(
    process: Process,
    attempt: BlockingAttempt,
    call: CallPlan,
    program: Program,
    feeds: Sequence[Any],
    deadline: Deadline,
) -> list[Any]:
    """Run a step whose one segment is an operation that may wait; `Process.attempts` can stop it."""
    fed = dict(zip(call.feeds, feeds, strict=True))
    session = attempt.owner
    process.attempts.add(attempt)
    try:
        process.executors[program.segment.device].session(
            session
        )  # still: whoever ends it looks for attempts afterwards
        values = _on_device(process, call, program, fed)
        outcome = attempt.run(
            partial(program.attempt, values), program.info, deadline.left(), partial(late, process, session, deadline)
        )
    except Exception as error:
        raise as_op_error(error) from None
    finally:
        process.attempts.discard(attempt)
    return _fetched(call, fed, program.answered(outcome))


def _on_device(process: Process, call: CallPlan, program: Program, fed: dict[int, Any]) -> dict[int, Any]:
    executor = process.executors[program.segment.device]
    return {edge: executor.asarray(fed[edge]) for edge in call.feeds_of[executor.name]}


def _fetched(call: CallPlan, fed: dict[int, Any], values: dict[int, Any]) -> list[Any]:
    values.update(fed)  # a fed tensor may be fetched
    return [None if edge is None else values[edge] for edge in call.fetches]

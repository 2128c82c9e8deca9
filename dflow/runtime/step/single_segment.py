"""Steps that consist of one segment in the process of their owner: they need no inbox and no parts.

Local sessions run their steps with `run_step`; loops use `only_program` and `run_program`.

* If the segment never waits, the step is one call of its program (`run_program`).
* If the segment is an operation that may wait, the step is one attempt (`run_attempt`).
* All other steps have parts (`Step` in `step.py`).

No other part sends tensors to such a step, and only the step's own thread waits for its results.

Why: a run takes half as long as with parts, see benchmarks/local_run.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dflow.compile import CallPlan
from dflow.errors import OpError
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.interrupts import NO_INTERRUPTS, interruptible
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
    """Run a step to its end, as `Step.run` does, then let other threads have their turn."""
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
        ended = partial(_ended, process, session, program, deadline) if program.loops else None
        values = run_program(process, call, program, feeds, ended)
        turns.ended(waited=False)
    return values


def only_program(process: Process, session: str, call: CallPlan) -> Program | None:
    """The program of a step that is one segment of this process; None for other steps."""
    if len(call.addresses) != 1:
        return None
    executor = process.executors.get(next(iter(call.addresses)))
    return None if executor is None else executor.installed(session, call.number).only


def _ended(process: Process, session: str, program: Program, deadline: Deadline) -> OpError | None:
    """The error of a step that has not ended in time, or whose session has ended."""
    left = deadline.left()
    if left is not None and left <= 0:
        return late(process, session, deadline)
    try:
        process.executors[program.segment.device].session(session)
    except OpError as error:
        return error
    return None


def run_program(
    process: Process,
    call: CallPlan,
    program: Program,
    feeds: Sequence[Any],
    ended: Callable[[], OpError | None] | None = None,
) -> list[Any]:
    """Run a step whose one segment never waits.

    ended: the error with which the step has to end, which only a `while_loop` asks for; nothing else is interrupted.
    """
    fed = dict(zip(call.feeds, feeds, strict=True))
    try:
        with NO_INTERRUPTS if ended is None else interruptible(ended):
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
    """Run a step whose one segment is an operation that may wait.  Its attempt is in `Process.attempts` meanwhile."""
    fed = dict(zip(call.feeds, feeds, strict=True))
    session = attempt.owner
    process.attempts.add(attempt)
    try:
        # Raises if the session has ended.  A session that ends after this line stops the attempt.
        process.executors[program.segment.device].session(session)
        values = _on_device(process, call, program, fed)
        outcome = attempt.run(
            partial(program.start, values), program.info, deadline.left(), partial(late, process, session, deadline)
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

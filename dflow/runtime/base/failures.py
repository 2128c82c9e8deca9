"""Errors of dflow for exceptions of Python and of distributed, and for lost processes and sessions.

This is the only file that maps the classes.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable

from dflow import errors
from dflow.compile import Plan
from dflow.errors import OpError, OpInfo, text_of

_BY_TYPE: tuple[tuple[type[BaseException], type[OpError]], ...] = (
    (FileNotFoundError, errors.NotFoundError),
    (PermissionError, errors.PermissionDeniedError),
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
    (ValueError, errors.InvalidArgumentError),
    (TypeError, errors.InvalidArgumentError),
    (IndexError, errors.InvalidArgumentError),
    (ZeroDivisionError, errors.InvalidArgumentError),
    (OSError, errors.UnknownError),
)


def as_op_error(error: BaseException, info: OpInfo | None = None) -> OpError:
    """`error` as an OpError that names the operation `info`, unless it names one already."""
    if isinstance(error, OpError):
        return error if info is None else error.placed(info)
    kind = next((mapped for python, mapped in _BY_TYPE if isinstance(error, python)), errors.UnknownError)
    result = kind(info, None, f"{type(error).__name__}: {text_of(error)}")
    result.__cause__ = error
    if kind is errors.UnknownError:
        result.add_note("".join(traceback.format_exception(error)).rstrip())
    return result


def unknown_session(session: str, where: str) -> OpError:
    """The error of a request of a session that a process or device (`where`) does not know, or knows no longer."""
    fact = f"session {session} is not known on {where}: it has ended, or its target was reset; open a new session"
    return errors.AbortedError(None, None, fact)


def lost(address: str, devices: list[str], what: str) -> OpError:
    """The error of a lost process.  devices: its devices.  what: the activity that was lost with it."""
    with_devices = f" with {', '.join(devices)}" if devices else ""
    return errors.UnavailableError(None, None, f"the worker {address}{with_devices} was lost, and {what} with it")


def with_operations(error: OpError, plan: Plan) -> OpError:
    """The error of a run.  If it names lost devices, it lists the first operations of the plan there, and their lines.

    The devices are taken from its text: the error may come from another process, which knows only its own part of the
    plan.
    """
    if isinstance(error, errors.UnavailableError) and error.node_def is None:
        devices = set(re.findall(r"/job:\S+/device:\w+:\d+", error.message))
        error.message += of_the_step([i.op for s in plan.segments if s.device in devices for i in s.instructions])
    return error


def of_the_step(ops: Iterable[OpInfo]) -> str:
    """Lines about the operations that a step has on lost devices."""
    lost_ops = [op for op in ops if op.kind != "NoOp"]
    if not lost_ops:
        return ""
    lines = "".join(f"\n    {op.name} ({op.kind}), made at {op.made_at}" for op in lost_ops[:2])
    rest = f"\n    and {len(lost_ops) - 2} more" if len(lost_ops) > 2 else ""
    return f"\n  of the step there: {lines}{rest}"

"""Python exceptions and distributed's, as errors of dflow: the one place that knows how they map."""

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
    """Something is wanted of a session that a process or a device does not know (any more)."""
    fact = f"session {session} is not known on {where}: it has ended, or its target was reset; open a new session"
    return errors.AbortedError(None, None, fact)


def lost(address: str, devices: list[str], what: str) -> OpError:
    """A process that was lost, with its devices, and what was going on there."""
    there = f" with {', '.join(devices)}" if devices else ""
    return errors.UnavailableError(None, None, f"the worker {address}{there} was lost, and {what} with it")


def with_operations(error: OpError, plan: Plan) -> OpError:
    """The error of a run; if it names lost devices, with the first operations that the plan has there, and their lines.

    By the names in its text, since it may have crossed processes, which know their own part of the plan only.
    """
    if isinstance(error, errors.UnavailableError) and error.node_def is None:
        devices = set(re.findall(r"/job:\S+/device:\w+:\d+", error.message))
        error.message += of_the_step([i.op for s in plan.segments if s.device in devices for i in s.instructions])
    return error


def of_the_step(ops: Iterable[OpInfo]) -> str:
    """Lines about the operations that a step has on lost devices."""
    there = [op for op in ops if op.kind != "NoOp"]
    if not there:
        return ""
    said = "".join(f"\n    {op.name} ({op.kind}), made at {op.made_at}" for op in there[:2])
    more = f"\n    and {len(there) - 2} more" if len(there) > 2 else ""
    return f"\n  of the step there: {said}{more}"

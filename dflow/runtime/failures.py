"""Python exceptions and distributed's, as errors of dflow: the one place that knows how they map."""

from __future__ import annotations

import traceback

from dflow import errors
from dflow.errors import OpError, OpInfo

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
    result = kind(info, None, f"{type(error).__name__}: {error}")
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

"""The exceptions of file systems and formats, as errors of dflow that name the file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from dflow.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    OpError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    UnknownError,
    text_of,
)

_CLASSES: tuple[tuple[type[OSError], Callable[[None, None, str], OpError]], ...] = (
    (FileNotFoundError, NotFoundError),
    (PermissionError, PermissionDeniedError),
    (IsADirectoryError, FailedPreconditionError),
    (NotADirectoryError, FailedPreconditionError),
    (TimeoutError, DeadlineExceededError),
    (ConnectionError, UnavailableError),
)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)


def read_error(error: BaseException, path: str) -> OpError:
    """An exception of a format, as an OpError that names the file; an OpError is left as it is."""
    if isinstance(error, OpError):
        return error
    if not isinstance(error, OSError):
        op_error: OpError = UnknownError(None, None, f"{path}; {type(error).__name__}: {text_of(error)}")
    else:
        relative = isinstance(error, FileNotFoundError) and not os.path.isabs(path) and "://" not in path
        where = f" in the folder {os.getcwd()}" if relative else ""  # of the worker, which may differ from the user's
        op_error = file_error(error)(None, None, f"{path}; {error.strerror or error}{where}")
    op_error.__cause__ = error
    return op_error


def file_error(error: OSError) -> Callable[[None, None, str], OpError]:
    """The class of OpError for an exception of a file system."""
    if error.errno in _EXHAUSTED:
        return ResourceExhaustedError
    return next((own for foreign, own in _CLASSES if isinstance(error, foreign)), UnknownError)

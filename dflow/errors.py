"""The errors of dflow: TensorFlow 1's classes, each with the operation, its device and the user's line.

    Exception
      ShapeError(ValueError)      shapes that do not fit, found while the graph was built
      DTypeError(TypeError)       dtypes that do not fit, found while the graph was built
      OpError                     something failed while a step ran
        CancelledError            1   closed queue on enqueue; a cancelled step
        UnknownError              2
        InvalidArgumentError      3   a wrong value, shape or dtype at run time
        DeadlineExceededError     4   a time-out
        NotFoundError             5   a file, a device or a name that is not there
        AlreadyExistsError        6
        PermissionDeniedError     7
        ResourceExhaustedError    8
        FailedPreconditionError   9   a variable that is not initialized
        AbortedError             10   the state was reset
        OutOfRangeError          11   a queue that is closed and drained; a counter at its limit
        UnimplementedError       12
        InternalError            13   a bug of dflow
        UnavailableError         14   a worker was lost
        DataLossError            15   a broken record
        UnauthenticatedError     16

Why one constructor: TensorFlow's signature `(node_def, op, message)` stays, so that programs which raise these
classes themselves go on working.  `node_def` holds an `OpInfo`, plain text that crosses processes; `op` is the live
operation of the user's graph, which the session fills in when the error arrives there.
Source: tf.errors of TensorFlow 1.15.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
DATA_LOSS = 15
UNAUTHENTICATED = 16


class ShapeError(ValueError):
    """Shapes that do not fit, found while the graph was built.

    of_op: what TensorFlow says of the inputs of an operation, if it has other words for them than for shapes.
    """

    def __init__(self, fact: str = "", of_op: str = "") -> None:
        super().__init__(fact)
        self.of_op = of_op


class DTypeError(TypeError):
    """Dtypes that do not fit, found while the graph was built."""


@dataclass(frozen=True, slots=True)
class OpInfo:
    """The operation in which an error happened, as text that crosses from a worker to the user's program."""

    name: str  # the operation's name in the graph
    kind: str  # the operation's type, such as "MatMul"
    device: str = ""  # the device that it ran on; "" if it was not placed
    made_at: str = ""  # the user's line that made it: "file.py:12, in main"

    def __str__(self) -> str:
        place = f", on {self.device}" if self.device else ""
        return f"{self.name} ({self.kind}{place})"


class OpError(Exception):
    """Something failed in one operation, or in a step as a whole.

    node_def: an `OpInfo`, or None for an error without an operation.
    op: the operation of the user's graph, where it is known.
    message: the bare fact.  `str(error)` adds the operation, its device and the line that made it.
    error_code: an integer, such as `OUT_OF_RANGE`.
    """

    def __init__(self, node_def: OpInfo | None, op: Any, message: str, error_code: int = UNKNOWN) -> None:
        super().__init__(message)
        self.node_def = node_def
        self.op = op
        self.message = message
        self.error_code = error_code

    def __str__(self) -> str:
        if self.node_def is None:
            return self.message
        made_at = f"\n  made at {self.node_def.made_at}" if self.node_def.made_at else ""
        return f"{self.node_def}: {self.message}{made_at}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the live operation, whose graph stays in its process, and as a class that both ends have."""
        notes = list(getattr(self, "__notes__", ()))
        kind = next(kind for kind in type(self).__mro__ if kind.__module__ == __name__)
        return _rebuild, (kind, self.node_def, self.message, self.error_code, notes)

    def portable(self) -> OpError:
        """A copy that any process can unpickle: without causes and traceback, which may hold anything."""
        rebuild, arguments = self.__reduce__()
        copy: OpError = rebuild(*arguments)
        return copy

    def placed(self, info: OpInfo) -> OpError:
        """This error, naming `info` if it names no operation yet."""
        if self.node_def is None:
            self.node_def = info
        return self


def _rebuild(kind: type[OpError], info: OpInfo | None, message: str, code: int, notes: list[str]) -> OpError:
    error = kind(info, None, message) if kind is not OpError else OpError(info, None, message, code)
    for note in notes:
        error.add_note(note)
    return error


class _CodedError(OpError):
    code = UNKNOWN

    def __init__(self, node_def: OpInfo | None, op: Any, message: str) -> None:
        super().__init__(node_def, op, message, self.code)


class CancelledError(_CodedError):
    """The operation or its step was cancelled, or an element was put into a closed queue."""

    code = CANCELLED


class UnknownError(_CodedError):
    """An exception that no other class describes; a Python exception of a kernel is its `__cause__` where known."""

    code = UNKNOWN


class InvalidArgumentError(_CodedError):
    """A value, a shape, a dtype or a device that the operation cannot take."""

    code = INVALID_ARGUMENT


class DeadlineExceededError(_CodedError):
    """The time that the caller allowed ran out."""

    code = DEADLINE_EXCEEDED


class NotFoundError(_CodedError):
    """A file, a name or a device does not exist."""

    code = NOT_FOUND


class AlreadyExistsError(_CodedError):
    """A thing that was to be made exists already."""

    code = ALREADY_EXISTS


class PermissionDeniedError(_CodedError):
    """The caller may not do this."""

    code = PERMISSION_DENIED


class ResourceExhaustedError(_CodedError):
    """Memory, disk or another resource is used up."""

    code = RESOURCE_EXHAUSTED


class FailedPreconditionError(_CodedError):
    """The state does not allow this: above all, a variable that is not initialized."""

    code = FAILED_PRECONDITION


class AbortedError(_CodedError):
    """The state that the operation worked on was reset."""

    code = ABORTED


class OutOfRangeError(_CodedError):
    """The end: a queue that is closed and has too few elements, a counter at its limit."""

    code = OUT_OF_RANGE


class UnimplementedError(_CodedError):
    """The operation exists, but not in this form."""

    code = UNIMPLEMENTED


class InternalError(_CodedError):
    """An invariant of dflow is broken: a bug."""

    code = INTERNAL


class UnavailableError(_CodedError):
    """A worker, and the state on it, was lost."""

    code = UNAVAILABLE


class DataLossError(_CodedError):
    """Data is broken or cut off."""

    code = DATA_LOSS


class UnauthenticatedError(_CodedError):
    """The caller is not known."""

    code = UNAUTHENTICATED


_BY_CODE: dict[int, type[OpError]] = {kind.code: kind for kind in _CodedError.__subclasses__()}


# The exceptions that count as the error of a kernel or a format, which users write too.  SystemExit would end a worker,
# and KeyboardInterrupt is Ctrl-C in a local session.
USER_ERRORS = (Exception, SystemExit)


def text_of(error: BaseException) -> str:
    """The text of an error of any class, also of one whose `__str__` fails."""
    try:
        return str(error)
    except BaseException as another:
        return f"<its text cannot be made: {type(another).__name__}>"


def exception_type_from_error_code(error_code: int) -> type[OpError]:
    """The class of an error code; KeyError if there is none."""
    return _BY_CODE[error_code]


def error_code_from_exception_type(cls: type[OpError]) -> int:
    """The code of an error class; warns and gives `UNKNOWN` for a class that has none."""
    code = getattr(cls, "code", None)
    if not isinstance(code, int):
        warnings.warn(f"unknown class exception {cls!r}", stacklevel=2)
        return UNKNOWN
    return code

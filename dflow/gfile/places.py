"""Where a name lies, and TensorFlow's errors for those of a file system."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from dflow.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from dflow.machines.reader.file_errors import file_error

_local = fsspec.filesystem("file")


def text_of_path(path: Any) -> str:
    """A path, bytes or an object of pathlib as text."""
    text: Any = os.fspath(path)
    return text.decode() if isinstance(text, bytes) else str(text)


def is_local(path: str) -> bool:
    return "://" not in path


def system_of(path: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it; a local path as it is, also a relative one."""
    if is_local(path):
        return _local, path
    system, inner = fsspec.core.url_to_fs(path)
    return system, inner


@contextmanager
def tensorflow_errors(path: str) -> Iterator[None]:
    """Raise the OpError that TensorFlow raises for an exception of a file system."""
    try:
        yield
    except OSError as error:
        reason = f"{path}; {error.strerror or error}"
        if isinstance(error, FileExistsError):
            raise AlreadyExistsError(None, None, reason) from error
        if error.errno in (errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR):
            raise FailedPreconditionError(None, None, reason) from error
        raise file_error(error)(None, None, reason) from error


def not_found(path: str, what: str = "No such file or directory") -> NotFoundError:
    return NotFoundError(None, None, f"{path}; {what}")

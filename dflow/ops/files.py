"""Operations on whole files: their names, their content, and the time.  Readers of records are in `ops/readers.py`.

Source: io_ops.matching_files, read_file and write_file, and logging_ops.timestamp of TensorFlow 1.15.
"""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
import numpy as np

from dflow.dtypes import float64, string
from dflow.errors import FailedPreconditionError, NotFoundError, PermissionDeniedError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.rules.building import scoped
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["matching_files", "read_file", "timestamp", "write_file"]


def matching_files(pattern: Any, name: str | None = None) -> Tensor:
    """The names of the files that match when it is run, sorted: a string vector.

    pattern: a string, or a vector of them: a local path, or a URL of any file system that fsspec knows, in which `*`,
    `?` and `[...]` stand for characters of one name, not for `/`.  Names are relative where the pattern is.
    A file that two patterns match is there twice.
    """
    tensor: Tensor = add_op("MatchingFiles", convert_to_tensor(pattern, string, name="pattern"), name=name)
    return tensor


def _matching_spec(pattern: TensorSpec) -> TensorSpec:
    if pattern.dtype != string or (pattern.shape.ndims or 0) > 1:
        raise ShapeError(f"a pattern is a scalar string or a vector of strings, got {pattern}")
    return TensorSpec(TensorShape([None]), string)


def _matching_kernel(context: KernelContext, pattern: Any) -> Any:
    matches = sorted(name for one in np.asarray(pattern).reshape(-1) for name in _matches(one.decode()))
    names = np.empty(len(matches), dtype=object)
    names[:] = [name.encode() for name in matches]
    return names


def _matches(pattern: str) -> list[str]:
    if "://" not in pattern:
        return glob.glob(pattern, include_hidden=True)  # keeps relative names, which fsspec makes absolute
    system, path = fsspec.core.url_to_fs(pattern)
    return [str(system.unstrip_protocol(name)) for name in system.glob(path)]


define(
    "MatchingFiles",
    spec=_matching_spec,
    kernel=_matching_kernel,
    gradient=no_gradient("a name is text"),
    stateful=True,
    host_only=True,
)


def read_file(filename: Any, name: str | None = None) -> Tensor:
    """The content of a file, each time that it is run: a scalar string.

    filename: a scalar string, a local path or a URL of any file system that fsspec knows, on the device that reads.
    The run raises NotFoundError without the file, and FailedPreconditionError for a folder.
    """
    with scoped("ReadFile", name, filename) as scope:
        tensor: Tensor = add_op("ReadFile", convert_to_tensor(filename, string, name="filename"), name=scope)
    return tensor


def write_file(filename: Any, contents: Any, name: str | None = None) -> Operation:
    """An operation that writes a file, in place of an older one; it makes the folders of its path.

    filename, contents: scalar strings; a name as for `read_file`.
    """
    with scoped("WriteFile", name, filename, contents) as scope:
        path = convert_to_tensor(filename, string, name="filename")
        content = convert_to_tensor(contents, string, name="contents")
        operation: Operation = add_op("WriteFile", path, content, name=scope)
    return operation


def timestamp(name: str | None = None) -> Tensor:
    """The time when it is run, in seconds since 1970: a scalar float64."""
    tensor: Tensor = add_op("Timestamp", name=name)
    return tensor


def _read_spec(filename: TensorSpec) -> TensorSpec:
    _one_text(filename)
    return TensorSpec(TensorShape([]), string)


def _write_spec(filename: TensorSpec, contents: TensorSpec) -> tuple[()]:
    _one_text(filename)
    _one_text(contents)
    return ()


def _one_text(spec: TensorSpec) -> None:
    if spec.shape.ndims not in (None, 0):
        raise ShapeError(f"Shape must be rank 0 but is rank {spec.shape.ndims}")


def _read_kernel(context: KernelContext, filename: Any) -> Any:
    path = _path(filename)
    content = np.empty((), dtype=object)
    with _errors(path), fsspec.open(path, "rb") as file:
        content[()] = file.read()
    return content


def _write_kernel(context: KernelContext, filename: Any, contents: Any) -> tuple[()]:
    path = _path(filename)
    with _errors(path), fsspec.open(path, "wb", auto_mkdir=True) as file:
        file.write(np.asarray(contents).item())
    return ()


def _path(filename: Any) -> str:
    return os.fsdecode(np.asarray(filename).item())


@contextmanager
def _errors(path: str) -> Iterator[None]:
    """An exception of a file system as the OpError that TensorFlow raises."""
    try:
        yield
    except OSError as error:
        reason = f"{path}; {error.strerror or error}"
        if isinstance(error, FileNotFoundError):
            raise NotFoundError(None, None, reason) from error
        if isinstance(error, PermissionError):
            raise PermissionDeniedError(None, None, reason) from error
        raise FailedPreconditionError(None, None, reason) from error


define(
    "ReadFile",
    spec=_read_spec,
    kernel=_read_kernel,
    gradient=no_gradient("the content of a file is text"),
    stateful=True,
    host_only=True,
)
define(
    "WriteFile",
    spec=_write_spec,
    kernel=_write_kernel,
    gradient=no_gradient("it has no outputs"),
    stateful=True,
    host_only=True,
)
define(
    "Timestamp",
    spec=lambda: TensorSpec(TensorShape([]), float64),
    kernel=lambda context: np.float64(time.time()),
    gradient=no_gradient("the time depends on no tensor"),
    stateful=True,
    host_only=True,
)

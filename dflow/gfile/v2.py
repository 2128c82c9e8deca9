"""The functions of `df.gfile` under the names of `df.io.gfile`.  Source: tf.io.gfile of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dflow.gfile import file_io
from dflow.gfile.file import GFile
from dflow.gfile.file_io import FileStatistics

__all__ = [
    "GFile",
    "copy",
    "exists",
    "glob",
    "isdir",
    "join",
    "listdir",
    "makedirs",
    "mkdir",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]


def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copy a file.  NotFoundError without it; AlreadyExistsError if the target exists, unless `overwrite`."""
    file_io.copy(src, dst, overwrite)


def exists(path: Any) -> bool:
    """Whether there is a file or a folder of this name."""
    return file_io.file_exists(path)


def glob(pattern: Any) -> list[str]:
    """The names that match a pattern, or one of several patterns, sorted; no match: []."""
    return file_io.get_matching_files(pattern)


def isdir(path: Any) -> bool:
    """Whether there is a folder of this name."""
    return file_io.is_directory(path)


def join(path: Any, *paths: Any) -> Any:
    """The parts of a path, joined by slashes as `os.path.join` does."""
    return file_io.join(path, *paths)


def listdir(path: Any) -> list[str]:
    """The names in a folder, without the folder's; NotFoundError if there is none."""
    return file_io.list_directory(path)


def makedirs(path: Any) -> None:
    """Make a folder and its parents; those that exist stay."""
    file_io.recursive_create_dir(path)


def mkdir(path: Any) -> None:
    """Make a folder, if there is none.  NotFoundError if its parent does not exist."""
    file_io.create_dir(path)


def remove(path: Any) -> None:
    """Delete a file; NotFoundError if there is none."""
    file_io.delete_file(path)


def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Rename a file or a folder.  AlreadyExistsError if the new name exists, unless `overwrite`."""
    file_io.rename(src, dst, overwrite)


def rmtree(path: Any) -> None:
    """Delete a folder with all that is in it; NotFoundError if there is none."""
    file_io.delete_recursively(path)


def stat(path: Any) -> FileStatistics:
    """The length of a file in bytes, its time in nanoseconds, and whether it is a folder; NotFoundError without it."""
    return file_io.stat(path)


def walk(
    top: Any, topdown: bool = True, onerror: Callable[[Exception], Any] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, names of folders in it, names of files in it) of a folder and all below it.

    topdown: a folder comes before those in it; else after them.
    onerror: is called with the NotFoundError of a folder that does not exist, which is left out otherwise.
    """
    return file_io.walk(top, topdown, onerror)

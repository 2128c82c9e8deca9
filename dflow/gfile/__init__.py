"""Files of any file system, local paths and URLs alike: `df.gfile`.

    with df.gfile.GFile("s3://bucket/labels.txt") as file:
        labels = file.readlines()

`v2` has the same functions under the names of `df.io.gfile`; `file.py` has the files, `file_io.py` the functions.
A file system is found by fsspec.  Errors are those of `df.errors`, as in TensorFlow.
Source: tf.gfile of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dflow.gfile import file_io, v2
from dflow.gfile.file import GFile
from dflow.gfile.file_io import FileStatistics

__all__ = [
    "Copy",
    "DeleteRecursively",
    "Exists",
    "FastGFile",
    "GFile",
    "Glob",
    "IsDirectory",
    "ListDirectory",
    "MakeDirs",
    "MkDir",
    "Open",
    "Remove",
    "Rename",
    "Stat",
    "Walk",
    "v2",
]

Open = GFile


class FastGFile(GFile):
    """The same as GFile."""

    def __init__(self, name: Any, mode: str = "r") -> None:
        super().__init__(name, mode)


def Copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copy a file.  NotFoundError without it; AlreadyExistsError if the target exists, unless `overwrite`."""
    file_io.copy(oldpath, newpath, overwrite)


def DeleteRecursively(dirname: Any) -> None:
    """Delete a folder with all that is in it; NotFoundError if there is none."""
    file_io.delete_recursively(dirname)


def Exists(filename: Any) -> bool:
    """Whether there is a file or a folder of this name."""
    return file_io.file_exists(filename)


def Glob(filename: Any) -> list[str]:
    """The names that match a pattern, or one of several patterns, sorted; no match: []."""
    return file_io.get_matching_files(filename)


def IsDirectory(dirname: Any) -> bool:
    """Whether there is a folder of this name."""
    return file_io.is_directory(dirname)


def ListDirectory(dirname: Any) -> list[str]:
    """The names in a folder, without the folder's; NotFoundError if there is none."""
    return file_io.list_directory(dirname)


def MkDir(dirname: Any) -> None:
    """Make a folder, if there is none.  NotFoundError if its parent does not exist."""
    file_io.create_dir(dirname)


def MakeDirs(dirname: Any) -> None:
    """Make a folder and its parents; those that exist stay."""
    file_io.recursive_create_dir(dirname)


def Remove(filename: Any) -> None:
    """Delete a file; NotFoundError if there is none."""
    file_io.delete_file(filename)


def Rename(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Rename a file or a folder.  AlreadyExistsError if the new name exists, unless `overwrite`."""
    file_io.rename(oldname, newname, overwrite)


def Stat(filename: Any) -> FileStatistics:
    """The length of a file in bytes, its time in nanoseconds, and whether it is a folder; NotFoundError without it."""
    return file_io.stat(filename)


def Walk(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """(folder, names of folders in it, names of files in it) of a folder and all below it.

    in_order: a folder comes before those in it; else after them.  Nothing for a folder that does not exist.
    """
    return file_io.walk(top, in_order)

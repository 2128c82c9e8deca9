"""Files of checkpoints: on this machine, or on any file system that fsspec knows (`s3://`, `gs://`, `memory://`).

What is written is on the disk when the function returns, but for names: see `write`.  Errors are OpErrors that name the
file.
"""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import fsspec

from dflow.machines.reader.file_errors import read_error

_LOCAL = "file://"


def _remote(path: str) -> tuple[Any, str] | None:
    """The file system of a path and its name there; None for a path on this machine."""
    return fsspec.core.url_to_fs(path) if "://" in path and not path.startswith(_LOCAL) else None


def _local(path: str) -> str:
    return path.removeprefix(_LOCAL)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Turn the errors of a file system into OpErrors that name the file."""
    try:
        yield
    except OSError as error:
        raise read_error(error, path) from error


# -- reading


def read(path: str) -> bytes:
    """The bytes of a small file."""
    with open_to_read(path) as file, _named(path):
        return file.read()


def open_to_read(path: str) -> IO[bytes]:
    """The file, for `seek` and `readinto`."""
    with _named(path):
        remote = _remote(path)
        if remote is None:
            return open(_local(path), "rb", buffering=0)
        file: IO[bytes] = remote[0].open(remote[1], "rb")
        return file


def exists(path: str) -> bool:
    remote = _remote(path)
    return os.path.exists(_local(path)) if remote is None else bool(remote[0].exists(remote[1]))


def is_directory(path: str) -> bool:
    remote = _remote(path)
    return os.path.isdir(_local(path) or ".") if remote is None else bool(remote[0].isdir(remote[1]))


def modified(path: str) -> float:
    """The time of the last change, in seconds since 1970."""
    with _named(path):
        remote = _remote(path)
        if remote is None:
            return os.stat(_local(path)).st_mtime
        return float(remote[0].modified(remote[1]).timestamp())


def matching(pattern: str) -> list[str]:
    """The files that match, sorted; `*`, `?` and `[...]` stand for characters of one name."""
    remote = _remote(pattern)
    if remote is None:
        prefix = _LOCAL if pattern.startswith(_LOCAL) else ""
        return sorted(prefix + name for name in glob.glob(_local(pattern), include_hidden=True))
    system, inner = remote
    return sorted(str(system.unstrip_protocol(name)) for name in system.glob(inner))


# -- writing


def make_directory(path: str) -> None:
    """Make a folder, not those above it; one that is there is left as it is."""
    with _named(path), suppress(FileExistsError):
        remote = _remote(path)
        if remote is None:
            os.mkdir(_local(path))
        else:
            remote[0].makedirs(remote[1], exist_ok=True)


def make_directories(path: str) -> None:
    """Make a folder and those above it; one that is there is left as it is."""
    with _named(path):
        remote = _remote(path)
        if remote is None:
            os.makedirs(_local(path) or ".", exist_ok=True)
        else:
            remote[0].makedirs(remote[1], exist_ok=True)


def write(path: str, fill: Callable[[IO[bytes]], Any]) -> Any:
    """Write a file that nobody reads yet: `fill(file)` writes it, and its result is given.

    Its name is on the disk after `sync_directory`.  If it fails, no file is left behind.
    """
    with _named(path):
        try:
            remote = _remote(path)
            if remote is not None:
                with remote[0].open(remote[1], "wb") as file:
                    return fill(file)
            with open(_local(path), "wb") as file:
                found = fill(file)
                file.flush()
                os.fsync(file.fileno())
            return found
        except BaseException:
            with suppress(OSError):
                remove(path)
            raise


def replace(path: str, data: bytes) -> None:
    """Write a small file, at once: a reader finds the old file or the new one, and so it is after a crash."""
    new = f"{path}.tempstate{uuid.uuid4().hex[:16]}"
    write(new, lambda file: file.write(data))
    try:
        rename(new, path)
    except BaseException:
        remove(new)
        raise


def rename(source: str, target: str) -> None:
    """Move a file; one that is there is replaced."""
    with _named(source):
        remote, there = _remote(source), _remote(target)
        if remote is None or there is None:
            os.replace(_local(source), _local(target))
            sync_directory(target)
        else:
            remote[0].mv(remote[1], there[1])


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with suppress(FileNotFoundError), _named(path):
        remote = _remote(path)
        if remote is None:
            os.remove(_local(path))
        elif remote[0].exists(remote[1]):
            remote[0].rm_file(remote[1])


def remove_directory(path: str) -> None:
    """Remove a folder with all in it, if it is there."""
    remote = _remote(path)
    if remote is None:
        shutil.rmtree(_local(path), ignore_errors=True)
    else:
        with suppress(OSError):
            remote[0].rm(remote[1], recursive=True)


def sync_directory(path: str) -> None:
    """Have the disk keep the names of the files in the folder of a file."""
    if _remote(path) is not None:
        return
    with suppress(OSError):  # some file systems cannot
        folder = os.open(os.path.dirname(_local(path)) or ".", os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

"""What a file system does with names, copy, list, delete and the like, and with the contents of whole files.

A local path goes to the operating system, which keeps relative names relative; a URL to its file system of fsspec.
Source: file_io of TensorFlow 1.15.
"""

from __future__ import annotations

import glob as _glob
import os
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dflow.compat.text import as_bytes
from dflow.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError
from dflow.gfile.places import is_local, not_found, system_of, tensorflow_errors, text_of_path


@dataclass(frozen=True)
class FileStatistics:
    """What is known of a file: its length in bytes, when it was changed, whether it is a folder."""

    length: int
    mtime_nsec: int
    is_directory: bool


def file_exists(path: Any) -> bool:
    path = text_of_path(path)
    system, inner = system_of(path)
    return bool(path) and bool(os.path.exists(inner) if is_local(path) else system.exists(inner))


def is_directory(path: Any) -> bool:
    path = text_of_path(path)
    system, inner = system_of(path)
    return bool(os.path.isdir(inner) if is_local(path) else system.isdir(inner))


def stat(path: Any) -> FileStatistics:
    path = text_of_path(path)
    system, inner = system_of(path)
    with tensorflow_errors(path):
        if is_local(path):
            found = os.stat(inner)
            return FileStatistics(found.st_size, found.st_mtime_ns, os.path.isdir(inner))
        info = system.info(inner)
        return FileStatistics(info.get("size") or 0, _nanoseconds(system, inner, info), info["type"] == "directory")


def _nanoseconds(system: Any, path: str, info: dict[str, Any]) -> int:
    """When a file was changed; 0 for a file system that does not tell."""
    try:
        return int(system.modified(path).timestamp() * 1e9)
    except (NotImplementedError, AttributeError, KeyError, OSError):
        return int(info.get("mtime", 0) * 1e9)


def list_directory(path: Any) -> list[str]:
    path = text_of_path(path)
    system, inner = system_of(path)
    if not is_directory(path):
        raise not_found(path, "Could not find directory")
    with tensorflow_errors(path):
        if is_local(path):
            return os.listdir(inner)
        names = [entry["name"].rstrip("/") for entry in system.ls(inner, detail=True)]
    folder = inner.rstrip("/")
    return [name.rpartition("/")[2] for name in names if name != folder]


def get_matching_files(pattern: Any) -> list[str]:
    if not isinstance(pattern, (str, bytes, os.PathLike)):
        return [name for one in pattern for name in get_matching_files(one)]
    text = text_of_path(pattern)
    if is_local(text):
        return sorted(_glob.glob(text, include_hidden=True))
    system, inner = system_of(text)
    with tensorflow_errors(text):
        return sorted(str(system.unstrip_protocol(name)) for name in system.glob(inner))


def create_dir(path: Any) -> None:
    path = text_of_path(path)
    system, inner = system_of(path)
    if is_directory(path):
        return
    with tensorflow_errors(path):
        if is_local(path):
            os.mkdir(inner)
        elif file_exists(path):
            raise AlreadyExistsError(None, None, f"{path}; File exists")
        else:
            system.mkdir(inner, create_parents=False)


def recursive_create_dir(path: Any) -> None:
    path = text_of_path(path)
    system, inner = system_of(path)
    with tensorflow_errors(path):
        system.makedirs(inner, exist_ok=True)


def delete_file(path: Any) -> None:
    path = text_of_path(path)
    system, inner = system_of(path)
    with tensorflow_errors(path):
        if is_local(path):
            os.remove(inner)
        else:
            if not system.exists(inner):
                raise not_found(path)
            system.rm_file(inner)


def delete_recursively(path: Any) -> None:
    path = text_of_path(path)
    system, inner = system_of(path)
    if not file_exists(path):
        raise not_found(path)
    with tensorflow_errors(path):
        if not is_local(path):
            system.rm(inner, recursive=True)
        elif os.path.isdir(inner):
            shutil.rmtree(inner)
        else:
            os.remove(inner)


def copy(source: Any, target: Any, overwrite: bool = False) -> None:
    source, target = text_of_path(source), text_of_path(target)
    _check_free(source, target, overwrite)
    with tensorflow_errors(source):
        if is_local(source) and is_local(target):
            shutil.copyfile(source, target)
            return
        (system, inner), (other, other_inner) = system_of(source), system_of(target)
        if system is other:
            system.copy(inner, other_inner)
            return
        with system.open(inner, "rb") as reading, other.open(other_inner, "wb") as writing:
            shutil.copyfileobj(reading, writing)


def rename(source: Any, target: Any, overwrite: bool = False) -> None:
    source, target = text_of_path(source), text_of_path(target)
    _check_free(source, target, overwrite, folders=True)
    (system, inner), (other, other_inner) = system_of(source), system_of(target)
    with tensorflow_errors(source):
        if is_local(source) and is_local(target):
            os.replace(inner, other_inner)
        elif system is other:
            system.mv(inner, other_inner, recursive=True)
        else:
            copy(source, target, overwrite)
            delete_file(source)


def _check_free(source: str, target: str, overwrite: bool, folders: bool = False) -> None:
    if not file_exists(source):
        raise not_found(source)
    if not folders and is_directory(source):
        raise FailedPreconditionError(None, None, f"{source}; Is a directory")
    if not overwrite and file_exists(target):
        raise AlreadyExistsError(None, None, f"file already exists: {target}")


def has_atomic_move(path: Any) -> bool:
    """Whether a rename on this file system is seen completely or not at all: that of the operating system is."""
    return is_local(text_of_path(path))


# -- the contents of whole files


def read_file_to_string(filename: Any, binary_mode: bool = False) -> Any:
    """The contents of a file as text, or as bytes."""
    data = _opened(filename, "rb", lambda file: file.read())
    return data if binary_mode else data.decode()


def write_string_to_file(filename: Any, file_content: str | bytes) -> None:
    """Write a file: text as UTF-8, or bytes."""
    _opened(filename, "wb", lambda file: file.write(as_bytes(file_content)))


def atomic_write_string_to_file(filename: Any, contents: str | bytes, overwrite: bool = True) -> None:
    """Write a file under another name, and rename it: nobody sees a part of it.

    AlreadyExistsError if the file exists, unless `overwrite`.
    """
    path = text_of_path(filename)
    if not has_atomic_move(path):
        write_string_to_file(path, contents)
        return
    temporary = f"{path}.tmp{uuid.uuid4().hex}"
    write_string_to_file(temporary, contents)
    try:
        rename(temporary, path, overwrite)
    except BaseException:
        delete_file(temporary)
        raise


def filecmp(filename_a: Any, filename_b: Any) -> bool:
    """Whether two files have the same contents."""
    same_size = stat(filename_a).length == stat(filename_b).length
    return same_size and read_file_to_string(filename_a, True) == read_file_to_string(filename_b, True)


def file_crc32(filename: Any, block_size: int = 1 << 24) -> str:
    """The CRC-32 of a file, in hexadecimal.  block_size: has no effect on the result."""
    return f"0x{zlib.crc32(read_file_to_string(filename, binary_mode=True)):08x}"


def _opened(filename: Any, mode: str, work: Callable[[Any], Any]) -> Any:
    path = text_of_path(filename)
    system, inner = system_of(path)
    with tensorflow_errors(path), open(inner, mode) if is_local(path) else system.open(inner, mode) as file:
        return work(file)


# -- all folders below one


def walk(
    top: Any, in_order: bool = True, on_error: Callable[[Exception], Any] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    top = text_of_path(top)
    try:
        names = sorted(list_directory(top))
    except NotFoundError as error:
        if on_error is not None:
            on_error(error)
        return
    folders = [name for name in names if is_directory(join(top, name))]
    here = (top, folders, [name for name in names if name not in set(folders)])
    if in_order:
        yield here
    for folder in folders:
        yield from walk(join(top, folder), in_order, on_error)
    if not in_order:
        yield here


def join(path: Any, *paths: Any) -> Any:
    """The parts of a path; bytes stay bytes."""
    parts = [os.fspath(part) for part in (path, *paths)]
    return os.path.join(*parts)

"""The keys and values of a table in a text file: whole lines, the numbers of lines, or columns of lines.

Source: the kernel of InitializeTableFromTextFile of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import fsspec
import numpy as np

from dflow.dtypes import DType, string
from dflow.errors import NotFoundError
from dflow.ops.lookup.table_state import invalid

__all__ = ["LINE_NUMBER", "WHOLE_LINE", "entries_of"]

WHOLE_LINE = -2
LINE_NUMBER = -1

Array = np.ndarray[Any, Any]


def entries_of(
    path: str, key: tuple[int, DType], value: tuple[int, DType], vocab_size: int, delimiter: str
) -> tuple[Array, Array]:
    """The keys and the values in a file, each from what its number says, as its dtype: two vectors.

    path: a local path, or a URL of any file system that fsspec knows.  vocab_size: the lines to read; -1: all.
    NotFoundError for a file that is not there; InvalidArgumentError for a line that does not fit, and if there are
    fewer lines.
    """
    lines = _lines(path)
    if vocab_size > len(lines):
        raise invalid(f"Invalid vocab_size in {path}: expected {vocab_size} but got {len(lines)}.")
    if vocab_size >= 0:
        lines = lines[:vocab_size]
    last = max(key[0], value[0])
    rows = [line.split(delimiter.encode()) for line in lines] if last >= 0 else []
    for i, row in enumerate(rows):
        if last >= len(row):
            shown = lines[i].decode(errors="backslashreplace")
            fact = f"Invalid number of columns in {path} line {i} ({shown}) : expected {last} got {len(row)}"
            raise invalid(fact)
    keys, values = (_column(lines, rows, index, dtype) for index, dtype in (key, value))
    return keys, values


def _lines(path: str) -> list[bytes]:
    try:
        with fsspec.open(path, "rb") as file:
            data: bytes = file.read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFoundError(None, None, f"{path}; No such file or directory") from error
    lines = data.replace(b"\r", b"").split(b"\n")
    return lines[:-1] if not lines[-1] else lines


def _column(lines: list[bytes], rows: list[list[bytes]], index: int, dtype: DType) -> Array:
    if index == LINE_NUMBER:
        return np.arange(len(lines), dtype=np.int64)
    items = lines if index == WHOLE_LINE else [row[index] for row in rows]
    result = np.empty(len(items), dtype.numpy_dtype)
    result[:] = items if dtype == string else [_number(item, i, dtype) for i, item in enumerate(items)]
    return result


def _number(text: bytes, line: int, dtype: DType) -> Any:
    try:
        return dtype.numpy_dtype.type(int(text) if dtype.is_integer else float(text))
    except (ValueError, OverflowError):
        shown = text.decode(errors="backslashreplace")
        raise invalid(f"Field {shown} in line {line} is not a valid {dtype.name}.") from None

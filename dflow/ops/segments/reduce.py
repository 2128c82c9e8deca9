"""Common functions of segments: rows reduced by their segment numbers, and the rules of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import as_dtype
from dflow.errors import InvalidArgumentError
from dflow.ops.rules.arrays import is_integral, namespace, zeros
from dflow.ops.rules.ranks import require
from dflow.ops.rules.scatter import scatter

__all__ = ["counts", "divided", "identity_of", "reduce_rows", "sorted_rows"]

_HOW = {"sum": "add", "prod": "mul", "min": "min", "max": "max"}


def identity_of(how: str, dtype: Any) -> Any:
    """The value that changes no other one: what a segment without rows has."""
    name = getattr(dtype, "name", str(dtype).rpartition(".")[2])
    if how in ("min", "max"):
        kind = as_dtype(name)
        return kind.max if how == "min" else kind.min
    return 1 if how == "prod" else 0


def reduce_rows(how: str, data: Any, ids: Any, rows: int) -> Any:
    """[rows, ...]: the rows of `data` [n, ...] with one number in `ids` [n] together.  how: sum, prod, min or max."""
    xp = namespace(data)
    shape = (rows, *data.shape[1:])
    start = identity_of(how, data.dtype)
    if not start:
        result = zeros(data, shape)
    else:
        result = xp.full(shape, _plain(start), dtype=data.dtype, device=device(data))
    if 0 in data.shape:
        return result
    return scatter(result, ids, data, _HOW[how])


def _plain(number: Any) -> Any:
    return number.item() if isinstance(number, np.generic) and number.dtype.kind in "iufb" else number


def counts(ids: Any, rows: int) -> Any:
    """[rows]: how often each number is in `ids`."""
    xp = namespace(ids)
    if type(ids) is np.ndarray:
        return np.bincount(ids, minlength=rows)
    ones = xp.ones(ids.shape, dtype=xp.int64, device=device(ids))
    return scatter(xp.zeros((rows,), dtype=xp.int64, device=device(ids)), ids, ones, "add")


def divided(total: Any, number: Any) -> Any:
    """Rows divided by one number each; integers are cut off, as C does."""
    xp = namespace(total)
    below = xp.astype(xp.reshape(number, (-1, *(1,) * (total.ndim - 1))), total.dtype)
    if not is_integral(total):
        return total / below
    size = xp.abs(total) // below
    return xp.where(total < 0, -size, size)


def sorted_rows(ids: Any, rows: int | None, stray: str) -> int:
    """The number of segments of sorted numbers: the last one and one more, or `rows`.

    stray: names the argument in the message of a number out of range.  InvalidArgumentError for numbers that are not
    sorted, or out of range.
    """
    if not ids.shape[0]:
        return rows or 0
    last = int(ids[-1])
    require(last >= 0, "segment ids must be >= 0")
    total = last + 1 if rows is None else rows
    require(rows is None or last < rows, "segment ids must be < num_segments")
    xp = namespace(ids)
    falls = ids[1:] < ids[:-1]
    fall, out = _first(falls), _first(xp.logical_or(ids < 0, ids >= total))
    if out is not None and (fall is None or (out <= fall and int(ids[out]) != int(ids[fall]))):
        raise InvalidArgumentError(
            None,
            None,
            f"Segment id {int(ids[out])} out of range [0, {total}), possibly because {stray} input is not sorted.",
        )
    require(fall is None, "segment ids are not increasing")
    return total


def _first(marks: Any) -> int | None:
    """The place of the first mark."""
    xp = namespace(marks)
    return int(xp.argmax(xp.astype(marks, xp.int8))) if marks.shape[0] and bool(xp.any(marks)) else None

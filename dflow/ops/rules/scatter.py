"""Rows of an array changed at indices: for kernels of scatters and segments.

The indices were checked.  One that comes several times counts each time; for "update", the last time wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from dflow.ops.rules.row_sums import can_sum_rows, row_sums

__all__ = ["scatter"]

_FUNCTIONS = {"add": "add", "sub": "subtract", "mul": "multiply", "min": "minimum", "max": "maximum"}


def scatter(result: Any, indices: Any, updates: Any, how: str) -> Any:
    """`result` [rows, ...], which is changed in place at the rows `indices` [n] by `updates` [n, ...].

    result: in row-major order; how: "update", "add", "sub", "mul", "min" or "max".
    """
    xp = array_namespace(updates, indices)
    at = getattr(xp.add, "at", None)
    if at is None:
        return _one_by_one(result, indices, updates, how)
    if how == "update":
        result[indices] = updates
    elif type(result) is np.ndarray and result.ndim > 1 and updates.size:
        _scatter_rows(result, indices, updates, how)
    else:
        getattr(xp, _FUNCTIONS[how]).at(result, indices, updates)
    return result


# -- rows of NumPy arrays, for which `ufunc.at` is slow


def _scatter_rows(result: Any, indices: Any, updates: Any, how: str) -> None:
    flat = updates.reshape(len(indices), -1)
    rows = result.reshape(len(result), -1)  # a view: the caller made it
    if how in ("add", "sub") and len(rows) < 4 * len(indices) and can_sum_rows(flat):
        getattr(np, _FUNCTIONS[how])(rows, row_sums(len(rows), indices, flat), out=rows)
        return
    if not (indices[1:] >= indices[:-1]).all():
        order = np.argsort(indices, kind="stable")
        indices, flat = indices[order], flat[order]
    starts = np.flatnonzero(np.concatenate([[True], indices[1:] != indices[:-1]]))
    places = indices[starts]
    function = getattr(np, _FUNCTIONS[how])
    reduced = _reduced(np.add if how == "sub" else function, flat, starts)
    rows[places] = function(rows[places], reduced)


def _reduced(function: Any, rows: Any, starts: Any) -> Any:
    """Runs of rows, each of which begins at one of `starts`, reduced to one row.

    Short runs together, all first rows with all second ones and so on: NumPy reduces a single run slowly.
    """
    counts = np.diff(starts, append=len(rows))
    longest = int(counts.max())
    if longest == 1:
        return rows
    if longest * len(starts) > 8 * len(rows) + 1000:
        return function.reduceat(rows, starts, axis=0)
    order = np.argsort(-counts, kind="stable")  # the longest runs first
    starts, counts = starts[order], counts[order]
    total = rows[starts]
    for k in range(1, longest):
        still = int(np.searchsorted(-counts, -k))
        total[:still] = function(total[:still], rows[starts[:still] + k])
    result = np.empty_like(total)
    result[order] = total
    return result


def _one_by_one(result: Any, indices: Any, updates: Any, how: str) -> Any:
    """For namespaces without `ufunc.at`."""
    xp = array_namespace(updates, indices)
    function = None if how == "update" else getattr(xp, _FUNCTIONS[how])
    if updates.dtype == xp.bool and how == "add":
        function = xp.logical_or
    for place in range(indices.shape[0]):
        row = int(indices[place])
        new = updates[place, ...]
        result[row, ...] = new if function is None else function(result[row, ...], new)
    return result

"""Rows of an array changed at indices: for kernels of scatters and segments.

The indices were checked.  One that comes several times counts each time; for "update", the last time wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

__all__ = ["scatter"]

_FUNCTIONS = {"add": "add", "sub": "subtract", "mul": "multiply", "min": "minimum", "max": "maximum"}


def scatter(result: Any, indices: Any, updates: Any, how: str) -> Any:
    """`result` [rows, ...], which is changed in place at the rows `indices` [n] by `updates` [n, ...].

    how: "update", "add", "sub", "mul", "min" or "max".
    """
    xp = array_namespace(updates, indices)
    at = getattr(xp.add, "at", None)
    if at is None:
        return _one_by_one(result, indices, updates, how)
    if how == "update":
        result[indices] = updates
    elif type(result) is np.ndarray and result.ndim > 1 and indices.shape[0]:
        _in_runs(result, indices, updates, getattr(np, _FUNCTIONS[how]))
    else:
        getattr(xp, _FUNCTIONS[how]).at(result, indices, updates)
    return result


def _in_runs(result: Any, indices: Any, updates: Any, function: Any) -> None:
    """Rows of one index are reduced together: `ufunc.at` is slow for rows.

    What is subtracted is added up first.
    """
    if not (indices[1:] >= indices[:-1]).all():
        order = np.argsort(indices, kind="stable")
        indices, updates = indices[order], updates[order]
    starts = np.flatnonzero(np.concatenate([[True], indices[1:] != indices[:-1]]))
    inner = np.add if function is np.subtract else function
    rows = updates if len(starts) == len(indices) else inner.reduceat(updates, starts, axis=0)
    places = indices[starts]
    result[places] = function(result[places], rows)


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

"""The sum of rows that have the same index."""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.ops.rules.arrays import namespace, scatter_add

__all__ = ["sum_by_index"]


def sum_by_index(indices: Any, values: Any) -> tuple[Any, Any]:
    """The distinct indices, in the order of their first appearance, and the sum of the rows of `values` at each.

    indices: [n], values: [n, ...].
    Why NumPy sorts: `add.at` with rows takes many times as long as a sum of neighbours.
    """
    xp = namespace(values, indices)
    if type(values) is not np.ndarray:
        distinct, places = xp.unique_inverse(indices)
        return distinct, scatter_add(distinct.shape[0], places, values)
    order = np.argsort(indices, kind="stable")
    in_order = indices[order]
    starts = np.flatnonzero(np.concatenate([[True], in_order[1:] != in_order[:-1]])[: len(order)])
    if len(starts) == len(order):
        return indices, values
    first = order[starts]  # of each index, the place where it comes first
    sums = np.add.reduceat(values[order], starts, axis=0, dtype=values.dtype)
    by_appearance = np.argsort(first)
    return indices[first[by_appearance]], sums[by_appearance]

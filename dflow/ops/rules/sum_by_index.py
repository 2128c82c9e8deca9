"""The sum of rows that have the same index."""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.ops.rules.arrays import namespace, scatter_add

__all__ = ["sum_by_index"]


def sum_by_index(indices: Any, values: Any) -> tuple[Any, Any]:
    """The distinct indices, in the order of their first appearance, and the sum of the rows of `values` at each.

    indices: [n], values: [n, ...].
    """
    xp = namespace(values, indices)
    if type(values) is not np.ndarray:
        distinct, places = xp.unique_inverse(indices)
        return distinct, scatter_add(distinct.shape[0], places, values)
    _, first, places = np.unique(indices, return_index=True, return_inverse=True)
    if len(first) == len(indices):
        return indices, values
    order = np.argsort(first)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return indices[first[order]], scatter_add(len(first), ranks[places], values)

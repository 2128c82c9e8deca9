"""Indexed slices without some of their rows.

Source: tf.sparse_mask of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import scopes
from dflow.ops.array.gather import gather
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.array.unique import setdiff1d
from dflow.ops.rules.static import graph_of

__all__ = ["sparse_mask"]


def sparse_mask(a: Any, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """Indexed slices without those whose index is one of `mask_indices`, a vector."""
    graph = graph_of((a.values, mask_indices))
    with scopes.building_in(graph), graph.name_scope(name or "sparse_mask") as scope:
        indices, places = setdiff1d(a.indices, mask_indices)
        return IndexedSlices(gather(a.values, places, name=scope), indices, a.dense_shape)

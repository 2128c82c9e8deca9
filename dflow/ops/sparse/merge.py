"""Ids and values that stand at the same places, as one sparse tensor whose last axes are the ids.

Source: tf.sparse_merge of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from dflow.dtypes import int64
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import expand_dims
from dflow.ops.array.stack import stack
from dflow.ops.rules.static import graph_of
from dflow.ops.sparse.order import sparse_reorder
from dflow.sparse_tensor import SparseTensor, as_sparse, is_sparse

__all__ = ["sparse_merge"]


def sparse_merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """A sparse tensor [..., vocab_size] with each value at the place that its id says.

    sp_ids: a sparse tensor [..., n] of integers in [0, vocab_size); or a list of them, with as many `vocab_size`, for
    several axes.  sp_values: a sparse tensor with entries at the same places.
    already_sorted: whether the ids of each row ascend, so that the result needs no sorting.
    """
    ids, sizes = _as_lists(sp_ids, vocab_size)
    graph = graph_of((*ids, sp_values, *sizes))
    with scopes.building_in(graph), graph.name_scope(name or "SparseMerge"):
        sparse_ids, values = [as_sparse(one) for one in ids], as_sparse(sp_values)
        columns = [expand_dims(cast(one.values, int64), axis=1) for one in sparse_ids]
        first = sparse_ids[0]
        indices = concat([first.indices[:, :-1], *columns], 1)
        tail = stack([cast(convert_to_tensor(size), int64) for size in sizes])
        shape = concat([first.dense_shape[:-1], tail], 0)
        merged = SparseTensor(indices, values.values, shape)
        if already_sorted:
            return merged
        ordered = sparse_reorder(merged)
        return SparseTensor(ordered.indices, ordered.values, shape)


def _as_lists(sp_ids: Any, vocab_size: Any) -> tuple[list[Any], list[Any]]:
    """The ids and the sizes of each axis; TypeError for other things, ValueError if their numbers differ."""
    if is_sparse(sp_ids):
        if not isinstance(vocab_size, (Tensor, Integral)):
            raise TypeError(f"vocab_size has to be a Tensor or Python int. Found {type(vocab_size)}")
        return [sp_ids], [vocab_size]
    if not isinstance(sp_ids, Iterable):
        raise TypeError(f"sp_ids has to be a SparseTensor or list thereof. Found {type(sp_ids)}")
    if not isinstance(vocab_size, Iterable) or isinstance(vocab_size, Tensor):
        raise TypeError(f"vocab_size has to be a list of Tensors or Python ints. Found {type(vocab_size)}")
    ids, sizes = list(sp_ids), list(vocab_size)
    for size in sizes:
        if not isinstance(size, (Tensor, Integral)):
            raise TypeError(f"vocab_size has to be a list of Tensors or Python ints. Found {type(size)}")
    if len(ids) != len(sizes):
        raise ValueError("sp_ids and vocab_size have to have equal lengths.")
    return ids, sizes

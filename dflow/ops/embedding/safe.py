"""Rows of a table combined to one for each row of a sparse tensor, of which rows may be empty and numbers invalid.

Source: tf.nn.safe_embedding_lookup_sparse of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int32, int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.shape import rank, reshape, shape
from dflow.ops.array.slice import slice as slice_
from dflow.ops.array.stack import stack
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.tile import tile
from dflow.ops.embedding.lookup import parts_of
from dflow.ops.embedding.sparse import embedding_lookup_sparse
from dflow.ops.math.compare import greater, greater_equal, logical_and, where
from dflow.ops.math.reduction import reduce_prod
from dflow.ops.rules.blocks import named
from dflow.ops.sparse.fill_empty_rows import sparse_fill_empty_rows
from dflow.ops.sparse.parts import sparse_retain
from dflow.ops.sparse.shape import sparse_reshape
from dflow.sparse_tensor import SparseTensor

__all__ = ["safe_embedding_lookup_sparse"]


def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str = "mean",
    default_id: int | None = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
) -> Tensor:
    """One row for each row of `sparse_ids`, without its negative numbers and those whose weights are not above 0.

    embedding_weights: the table, a partitioned variable, or the list of its parts; sparse_ids: [..., m] -> [..., *row].
    default_id: the number in the place of a row that is empty; None: its result is 0.  Other arguments and errors: as
    `embedding_lookup_sparse`.
    """
    parts = [convert_to_tensor(part) for part in parts_of(embedding_weights)]
    with named(name, "embedding_lookup", (*parts, sparse_ids.values)) as scope:
        given = sparse_ids.dense_shape
        axes = sparse_ids.shape.ndims
        last = rank(sparse_ids) - 1 if axes is None else axes - 1
        rows = reduce_prod(slice_(given, [0], convert_to_tensor([last], int32)))
        flat = stack([cast(rows, int64), get_item(given, -1)])
        ids = sparse_reshape(sparse_ids, flat)
        weights = None
        if sparse_weights is not None:
            weights = SparseTensor(ids.indices, sparse_weights.values, ids.dense_shape)
        ids, weights = _pruned(ids, weights, combiner != "sum")
        ids, is_empty = sparse_fill_empty_rows(ids, default_id or 0)
        if weights is not None:
            weights, _ = sparse_fill_empty_rows(weights, 1.0)
        result = embedding_lookup_sparse(
            parts,
            ids,
            weights,
            combiner=combiner,
            partition_strategy=partition_strategy,
            name=None if default_id is None else scope,
            max_norm=max_norm,
        )
        if default_id is None:
            result = _without(result, is_empty, scope)
        first = slice_(cast(given, int32), [0], convert_to_tensor([last], int32))
        final = reshape(result, concat([first, get_item(shape(result), slice(1, None))], 0))
        if axes is not None:
            known = [None] * (axes - 1) if sparse_ids.shape.ndims is None else sparse_ids.shape.as_list()[:-1]
            final.set_shape([*known, *(result.shape[1:].as_list() if result.shape.ndims is not None else [])])
        return final


def _pruned(ids: SparseTensor, weights: SparseTensor | None, prune: bool) -> tuple[SparseTensor, SparseTensor | None]:
    """Without negative numbers, and without weights that are not above 0 if they would count as numbers."""
    valid = greater_equal(ids.values, zeros_like(ids.values))
    if weights is not None and prune:
        valid = logical_and(valid, greater(weights.values, zeros_like(weights.values)))
    kept = sparse_retain(ids, valid)
    return kept, None if weights is None else sparse_retain(weights, valid)


def _without(rows: Tensor, is_empty: Tensor, name: str) -> Tensor:
    """Rows of zeros where a row of numbers was empty."""
    others = stack([1, *[get_item(shape(rows), axis) for axis in range(1, len(rows.shape))]])
    mask = tile(reshape(is_empty, [-1, *(1,) * (len(rows.shape) - 1)]), others)
    return where(mask, zeros_like(rows), rows, name=name)

"""Rows of a table combined to one for each row of a sparse tensor of numbers.

Source: tf.nn.embedding_lookup_sparse of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int32
from dflow.graph import Tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import fill
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import expand_dims, rank, reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.unique import unique
from dflow.ops.embedding.lookup import embedding_lookup, parts_of
from dflow.ops.math.arithmetic import multiply, subtract
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import sqrt, square
from dflow.ops.rules.blocks import named, same_shape
from dflow.ops.segments.sorted import segment_sum
from dflow.ops.segments.sparse import sparse_segment_mean, sparse_segment_sqrt_n, sparse_segment_sum
from dflow.sparse_tensor import SparseTensor

__all__ = ["embedding_lookup_sparse"]

_COMBINERS = {"mean": sparse_segment_mean, "sqrtn": sparse_segment_sqrt_n, "sum": sparse_segment_sum}


def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
) -> Tensor:
    """One row for each row of `sp_ids`: its rows of the table, combined.  [n, m] -> [n, *row].

    params, partition_strategy, max_norm: as of `embedding_lookup`.  sp_ids: a SparseTensor of int32 or int64 with at
    least one number in each row; sp_weights: a SparseTensor of the same indices, floating; None: ones.
    combiner: "sum", of rows times weights; "mean" (the default), by the sum of the weights; "sqrtn", by the root of the
    sum of their squares.  ValueError for another one; TypeError for what is no SparseTensor.
    """
    how = "mean" if combiner is None else combiner
    if how not in _COMBINERS:
        raise ValueError("combiner must be one of 'mean', 'sqrtn' or 'sum'")
    if not isinstance(sp_ids, SparseTensor):
        raise TypeError("sp_ids must be SparseTensor")
    if sp_weights is not None:
        if not isinstance(sp_weights, SparseTensor):
            raise TypeError("sp_weights must be either None or SparseTensor")
        same_shape(sp_ids.values, sp_weights.values)
        same_shape(sp_ids.indices, sp_weights.indices)
        same_shape(sp_ids.dense_shape, sp_weights.dense_shape)
    parts = parts_of(params)
    with named(name, "embedding_lookup_sparse", (*parts, sp_ids.values)) as scope:
        segments = cast(get_item(sp_ids.indices, (slice(None), 0)), int32)
        ids, places = unique(sp_ids.values)
        rows = embedding_lookup(parts, ids, partition_strategy=partition_strategy, max_norm=max_norm)
        if sp_weights is None:
            result: Tensor = _COMBINERS[how](rows, places, segments, name=scope)
            return result
        return _weighted(gather(rows, places), sp_weights.values, segments, how, scope)


def _weighted(rows: Tensor, weights: Tensor, segments: Tensor, how: str, name: str) -> Tensor:
    weights = _broadcastable(cast(weights, rows.dtype), rows)
    rows = multiply(rows, weights)
    if how == "sum":
        return segment_sum(rows, segments, name=name)
    total = segment_sum(rows, segments)
    if how == "mean":
        return realdiv(total, segment_sum(weights, segments), name=name)
    return realdiv(total, sqrt(segment_sum(square(weights), segments)), name=name)


def _broadcastable(weights: Tensor, rows: Tensor) -> Tensor:
    """The weights with axes of size 1 at their end, for the rank of the rows."""
    if rows.shape.ndims is not None:
        return reshape(weights, [-1, *(1,) * (rows.shape.ndims - 1)])
    ones = fill(expand_dims(subtract(rank(rows), 1), 0), 1)
    return reshape(weights, concat([shape(weights), ones], 0))

"""An entry in each row of a sparse matrix.

Source: tf.sparse_fill_empty_rows of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import bool_, int64
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.static import graph_of, same_dtype
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, invalid
from dflow.registry import define, no_gradient
from dflow.shapes import SCALAR, TensorShape
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_fill_empty_rows"]


def sparse_fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple[SparseTensor, Tensor]:
    """A sparse matrix with `default_value` at the beginning of each row that had no entry; and which rows these are.

    The entries are ordered by rows, and stay in their order in each.  The second result is bool [rows].
    InvalidArgumentError at run time for an entry outside of the rows.
    """
    sparse = as_sparse(sp_input)
    graph = graph_of((sparse, default_value))
    with scopes.building_in(graph), graph.name_scope(name or "SparseFillEmptyRows"):
        default = convert_to_tensor(default_value, sparse.dtype)
        parts = sparse.indices, sparse.values, sparse.dense_shape, default
        indices, values, empty, _ = add_op("SparseFillEmptyRows", *parts)
        return SparseTensor(indices, values, sparse.dense_shape), empty


def _spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, default: TensorSpec) -> list[TensorSpec]:
    check_sparse(indices, values, dense_shape)
    same_dtype(values, default)
    default.shape.with_rank(0)
    return [
        TensorSpec(TensorShape([None, indices.shape.with_rank(2).known[1]]), int64),
        TensorSpec(TensorShape([None]), values.dtype),
        TensorSpec(TensorShape([None]), bool_),
        TensorSpec(TensorShape([values.shape.with_rank(1).known[0]]), int64),
    ]


def _kernel(indices: Array, values: Array, dense_shape: Array, default: Array) -> tuple[Array, Array, Array, Array]:
    """The last output says where each entry of the input is in the result."""
    check_parts(indices, values, dense_shape)
    if default.ndim:
        raise invalid("default_value must be a scalar.")
    count = int(dense_shape[0])
    rows = indices[:, 0]
    outside = (rows < 0) | (rows >= count)
    if outside.any():
        place = int(np.argmax(outside))
        raise invalid(f"indices({place}, 0) is invalid: {rows[place]} >= {count}")
    empty = np.bincount(rows, minlength=count)[:count] == 0
    added = np.flatnonzero(empty)
    filled = np.zeros((len(added), indices.shape[1]), np.int64)
    filled[:, 0] = added
    together = np.concatenate([indices, filled])
    order = np.argsort(together[:, 0], kind="stable")
    all_values = np.concatenate([values, np.full(len(added), default[()], values.dtype)])
    place_of = np.empty(len(order), np.int64)
    place_of[order] = np.arange(len(order))
    return together[order], all_values[order], empty, place_of[: len(values)]


def _gradient(op: Operation, _: Any, dy: Tensor, *__: Any) -> list[Tensor | None]:
    values, default = add_op("SparseFillEmptyRowsGrad", op.outputs[3], dy)
    return [None, values, None, default]


def _grad_spec(place_of: TensorSpec, dy: TensorSpec) -> list[TensorSpec]:
    return [TensorSpec(place_of.shape, dy.dtype), TensorSpec(SCALAR, dy.dtype)]


def _grad_kernel(place_of: Array, dy: Array) -> tuple[Array, Array]:
    added = np.ones(len(dy), bool)
    added[place_of] = False
    return dy[place_of], np.asarray(dy[added].sum(), dy.dtype)


define("SparseFillEmptyRows", spec=_spec, kernel=_kernel, gradient=_gradient, host_only=True)
define(
    "SparseFillEmptyRowsGrad",
    spec=_grad_spec,
    kernel=_grad_kernel,
    gradient=no_gradient("it is the gradient of sparse_fill_empty_rows"),
    host_only=True,
)

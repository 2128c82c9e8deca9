"""The entries of a sparse tensor in row-major order, and its axes in another order.

Source: tf.sparse_reorder, tf.sparse_transpose of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, add_op, scopes
from dflow.ops.array.gather import gather
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank as rank_
from dflow.ops.array.shape import shape
from dflow.ops.array.transpose import invert_permutation, transpose
from dflow.ops.control import identity
from dflow.ops.rules.static import static_value
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, order_of
from dflow.registry import define
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_reorder", "sparse_transpose"]


def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """A sparse tensor with its entries in row-major order, as most operations need them."""
    sparse = as_sparse(sp_input)
    with scopes.building_in(sparse.graph):
        indices, values = add_op("SparseReorder", sparse.indices, sparse.values, sparse.dense_shape, name=name)
        static = sparse.shape
        if static.is_fully_defined():
            return SparseTensor(indices, values, static.as_list())
        return SparseTensor(indices, values, identity(sparse.dense_shape))


def _spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> list[TensorSpec]:
    check_sparse(indices, values, dense_shape)
    return [indices, values]


def _kernel(indices: Array, values: Array, dense_shape: Array) -> tuple[Array, Array]:
    check_parts(indices, values, dense_shape)
    order = order_of(indices, dense_shape.tolist())
    return indices[order], values[order]


def _gradient(op: Operation, _: Tensor, dy: Tensor) -> tuple[Tensor | None, ...]:
    indices, _, sizes = op.inputs
    places = range_(shape(indices)[0])
    _, order = add_op("SparseReorder", indices, places, sizes)
    return None, gather(dy, invert_permutation(order)), None


define("SparseReorder", spec=_spec, kernel=_kernel, gradient=_gradient, host_only=True)


def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with its axes in another order, and its entries in row-major order.

    perm: which axis of the input each one of the result is, numbers or a tensor; None: all in reverse.
    """
    sparse = as_sparse(sp_input)
    graph = sparse.graph
    with scopes.building_in(graph), graph.name_scope(name or "SparseTranspose"):
        order = _reversed_axes(sparse) if perm is None else perm
        indices = transpose(gather(transpose(sparse.indices), order))
        known, static = static_value(order), sparse.shape
        if known is not None and static.is_fully_defined():
            sizes: Any = [static.known[axis] for axis in known.tolist()]
        else:
            sizes = gather(sparse.dense_shape, order)
        return sparse_reorder(SparseTensor(indices, sparse.values, sizes))


def _reversed_axes(sparse: SparseTensor) -> Any:
    count = sparse.shape.ndims
    if count is not None:
        return np.arange(count - 1, -1, -1)
    last = rank_(sparse) - 1
    return range_(last, -1, -1)

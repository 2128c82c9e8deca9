"""Sparse tensors put together along an axis.

Source: tf.sparse_concat of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.graph import Tensor, add_op, scopes
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import reshape
from dflow.ops.math.reduction import reduce_max
from dflow.ops.rules.static import same_dtype
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, invalid, order_of, rank_of, sparse_specs
from dflow.registry import define, not_differentiable
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_concat"]


def sparse_concat(
    axis: int,
    sp_inputs: Sequence[Any],
    name: str | None = None,
    expand_nonconcat_dim: bool | None = None,
    concat_dim: int | None = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """Sparse tensors of one rank put together along an axis; the entries of each are in row-major order.

    expand_nonconcat_dims: whether the sizes of the other axes may differ; each is then the largest one.  Else a run
    raises InvalidArgumentError for sizes that differ.  expand_nonconcat_dim: its older name; concat_dim: that of axis.
    """
    axis = _either("axis", axis, "concat_dim", concat_dim)
    expand = _either("expand_nonconcat_dims", expand_nonconcat_dims, "expand_nonconcat_dim", expand_nonconcat_dim)
    sparse = [as_sparse(one) for one in sp_inputs]
    if len(sparse) == 1:
        return sparse[0]
    with scopes.building_in(sparse[0].graph):
        shapes = [one.dense_shape for one in sparse]
        if expand:
            shapes = _expanded(shapes, axis)
        parts = [*(one.indices for one in sparse), *(one.values for one in sparse), *shapes]
        indices, values, sizes = add_op("SparseConcat", *parts, name=name, concat_dim=int(axis), N=len(sparse))
        result = SparseTensor(indices, values, sizes)
        result.set_shape(_static([one.shape for one in sparse], axis, bool(expand)))
        return result


def _either(name: str, value: Any, older: str, older_value: Any) -> Any:
    if value is not None and older_value is not None:
        raise ValueError(f"Cannot specify both '{older}' and '{name}'")
    return older_value if value is None else value


def _expanded(shapes: Sequence[Tensor], axis: int) -> list[Tensor]:
    """The shapes with the largest size of each axis but one."""
    largest = reduce_max(concat([reshape(sizes, [1, -1]) for sizes in shapes], 0), 0)
    behind = largest[axis + 1 :] if axis != -1 else None
    return [concat([largest[:axis], sizes[axis:][:1], *(() if behind is None else (behind,))], 0) for sizes in shapes]


def _static(shapes: Sequence[TensorShape], axis: int, expand: bool) -> TensorShape:
    """What is known of the shape of the result: all, or only its rank."""
    ranks = {shape.ndims for shape in shapes} - {None}
    if not ranks:
        return TensorShape(None)
    rank = max(rank for rank in ranks if rank is not None)
    if not all(shape.is_fully_defined() for shape in shapes) or not -rank <= axis < rank or len(ranks) > 1:
        return TensorShape([None] * rank)
    sizes = np.array([shape.as_list() for shape in shapes])
    total = sizes.max(axis=0)
    total[axis] = sizes[:, axis].sum()
    return TensorShape(total.tolist())


def _spec(*inputs: TensorSpec, concat_dim: int, N: int) -> list[TensorSpec]:
    rank = TensorShape([None])
    for i in range(N):
        parts = inputs[i], inputs[N + i], inputs[2 * N + i]
        check_sparse(*parts)
        same_dtype(inputs[N], parts[1])
        rank = rank.merge_with([rank_of(parts[0], parts[2])])
    return sparse_specs(rank.known[0], inputs[N].dtype)


def _kernel(*arrays: Array, concat_dim: int, N: int) -> tuple[Array, Array, Array]:
    indices, values, shapes = arrays[:N], arrays[N : 2 * N], arrays[2 * N :]
    for parts in zip(indices, values, shapes, strict=True):
        check_parts(*parts)
    axis = _checked_axis(shapes, concat_dim)
    sizes = np.array([shape[axis] for shape in shapes])
    starts = np.cumsum(sizes) - sizes
    total = shapes[0].copy()
    total[axis] = sizes.sum()
    rows = np.concatenate(indices)
    rows[:, axis] += np.repeat(starts, [len(one) for one in indices])
    together = np.concatenate(values)
    if axis == 0:
        return rows, together, total.astype(np.int64, copy=False)
    order = order_of(rows, total.tolist())
    return rows[order], together[order], total.astype(np.int64, copy=False)


def _checked_axis(shapes: Sequence[Array], axis: int) -> int:
    first = shapes[0]
    rank = len(first)
    if not -rank <= axis < rank:
        raise invalid(f"Concat dimension must be in range [{-rank}, {rank}), got {axis}")
    for i, shape in enumerate(shapes):
        if len(shape) != rank:
            raise invalid(
                f"Ranks of all input tensors must match: expected {rank} but got {len(shape)} at position {i}"
            )
        for dim in range(rank):
            if dim != axis % rank and shape[dim] != first[dim]:
                raise invalid(
                    f"Input shapes must match: expected {first[dim]} for dimension {dim} but got {shape[dim]} "
                    f"at position {i}"
                )
    return axis % rank


define("SparseConcat", spec=_spec, kernel=_kernel, gradient=not_differentiable, host_only=True)

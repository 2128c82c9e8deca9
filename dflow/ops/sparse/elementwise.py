"""Arithmetic of a sparse and a dense tensor, and the larger and smaller one of two sparse tensors.

Source: SparseTensor's operators, tf.sparse_maximum, tf.sparse_minimum of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.math.arithmetic import multiply, negative
from dflow.ops.math.division import truediv
from dflow.ops.math.powers import square
from dflow.ops.rules.arrays import is_integral, namespace
from dflow.ops.rules.static import graph_of, only, same_dtype
from dflow.ops.sparse.at_indices import add_at, flat_places, values_at
from dflow.ops.sparse.rules import Array, check_parts, check_sparse, distinct, invalid, rank_of
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = [
    "sparse_dense_cwise_add",
    "sparse_dense_cwise_div",
    "sparse_dense_cwise_mul",
    "sparse_maximum",
    "sparse_minimum",
]


# -- a sparse and a dense tensor: only the entries of the sparse one are computed, the dense one is broadcast to it


def sparse_dense_cwise_add(sparse: Any, dense: Any, name: str | None = None) -> SparseTensor:
    """Each entry of a sparse tensor plus the value of a dense one at its place; other places stay empty."""
    return _with_dense("SparseDenseCwiseAdd", sparse, dense, name)


def sparse_dense_cwise_mul(sparse: Any, dense: Any, name: str | None = None) -> SparseTensor:
    """Each entry of a sparse tensor times the value of a dense one at its place."""
    return _with_dense("SparseDenseCwiseMul", sparse, dense, name)


def sparse_dense_cwise_div(sparse: Any, dense: Any, name: str | None = None) -> SparseTensor:
    """Each entry of a sparse tensor divided by the value of a dense one at its place; integers as in C."""
    return _with_dense("SparseDenseCwiseDiv", sparse, dense, name)


def _with_dense(kind: str, sparse: Any, dense: Any, name: str | None) -> SparseTensor:
    x = as_sparse(sparse)
    with scopes.building_in(graph_of((x, dense))):
        y = convert_to_tensor(dense, None if isinstance(dense, Tensor) else x.dtype, name="y")
        values = add_op(kind, x.indices, x.values, x.dense_shape, y, name=name)
        return SparseTensor(x.indices, values, x.dense_shape)


def _dense_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, dense: TensorSpec) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    same_dtype(values, dense)
    only(values, values.dtype.is_numeric, "numbers")
    return TensorSpec(TensorShape([values.shape.merge_with([indices.shape.with_rank(2).known[0]]).known[0]]),
                      values.dtype)  # fmt: skip


def _at_entries(indices: Any, values: Any, dense_shape: Any, dense: Any) -> Any:
    """The values of the dense operand at the entries; an error if it does not broadcast to the sparse one."""
    check_parts(indices, values, dense_shape)
    sizes, smaller = [int(size) for size in dense_shape], list(dense.shape)
    fits = len(smaller) <= len(sizes) and all(
        size in (1, whole) for size, whole in zip(reversed(smaller), reversed(sizes), strict=False)
    )
    if not fits:
        raise invalid(
            "SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: "
            f"[{','.join(map(str, sizes))}] vs. [{','.join(map(str, smaller))}]"
        )
    xp = namespace(dense, indices)
    return xp.take(xp.reshape(dense, (-1,)), flat_places(indices, tuple(smaller)), axis=0)


def _add_kernel(indices: Any, values: Any, dense_shape: Any, dense: Any) -> Any:
    return values + _at_entries(indices, values, dense_shape, dense)


def _mul_kernel(indices: Any, values: Any, dense_shape: Any, dense: Any) -> Any:
    return values * _at_entries(indices, values, dense_shape, dense)


def _div_kernel(indices: Any, values: Any, dense_shape: Any, dense: Any) -> Any:
    divisor = _at_entries(indices, values, dense_shape, dense)
    if not is_integral(values):
        return values / divisor
    xp = namespace(values)
    if xp.any(divisor == 0):
        raise invalid("Integer division by zero")
    down = values // divisor
    return xp.astype(down + xp.astype((down < 0) & (down * divisor != values), down.dtype), values.dtype)


def _mul_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    indices, values, _, dense = op.inputs
    return [None, multiply(dy, values_at(dense, indices)), None, add_at(multiply(dy, values), indices, dense)]


def _div_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    indices, values, _, dense = op.inputs
    divisor = values_at(dense, indices)
    of_dense = multiply(dy, truediv(negative(values), square(divisor)))
    return [None, truediv(dy, divisor), None, add_at(of_dense, indices, dense)]


def _add_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    return [None, dy, None, add_at(dy, op.inputs[0], op.inputs[3])]


for _kind, _kernel, _gradient in (
    ("SparseDenseCwiseAdd", _add_kernel, _add_gradient),
    ("SparseDenseCwiseMul", _mul_kernel, _mul_gradient),
    ("SparseDenseCwiseDiv", _div_kernel, _div_gradient),
):
    define(_kind, spec=_dense_spec, kernel=_kernel, gradient=_gradient)


# -- two sparse tensors; a place without an entry is 0


def sparse_maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The larger one of the entries of two sparse tensors of one shape at each place where either has one."""
    return _of_two("SparseSparseMaximum", sp_a, sp_b, name)


def sparse_minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The smaller one of the entries of two sparse tensors of one shape at each place where either has one."""
    return _of_two("SparseSparseMinimum", sp_a, sp_b, name)


def _of_two(kind: str, sp_a: Any, sp_b: Any, name: str | None) -> SparseTensor:
    a, b = as_sparse(sp_a), as_sparse(sp_b)
    graph = a.graph
    with scopes.building_in(graph), graph.name_scope(name or kind) as scope:
        parts = a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape
        indices, values = add_op(kind, *parts, name=scope)
        return SparseTensor(indices, values, a.dense_shape)


def _two_spec(*inputs: TensorSpec) -> list[TensorSpec]:
    check_sparse(*inputs[:3])
    check_sparse(*inputs[3:])
    same_dtype(inputs[1], inputs[4])
    only(inputs[1], inputs[1].dtype.is_numeric and not inputs[1].dtype.is_complex, "real numbers")
    rank = rank_of(inputs[0], inputs[2])
    return [TensorSpec(TensorShape([None, rank]), inputs[0].dtype), TensorSpec(TensorShape([None]), inputs[1].dtype)]


def _two_kernel(function: Any) -> Any:
    def kernel(
        a_indices: Array, a: Array, a_shape: Array, b_indices: Array, b: Array, b_shape: Array
    ) -> tuple[Array, Array]:
        check_parts(a_indices, a, a_shape)
        check_parts(b_indices, b, b_shape)
        if len(a_shape) != len(b_shape):
            raise invalid(f"Operands do not have the same ranks; got ranks: {len(a_shape)} and {len(b_shape)}")
        if (a_shape != b_shape).any():
            i = int(np.argmax(a_shape != b_shape))
            raise invalid(f"Operands' shapes do not match: got {a_shape[i]} and {b_shape[i]} for dimension {i}")
        indices = np.concatenate([a_indices, b_indices])
        count, first, which = distinct(indices)
        sides = np.zeros((2, count), a.dtype)
        sides[0, which[: len(a)]] = a
        sides[1, which[len(a) :]] = b
        return indices[first], function(*sides)

    return kernel


def _no_gradient_yet(kind: str) -> Any:
    def gradient(op: Operation, *_: Tensor) -> Any:
        raise NotImplementedError(f"Gradients for {kind} is currently not implemented yet.")

    return gradient


for _kind, _function in (("SparseSparseMaximum", np.maximum), ("SparseSparseMinimum", np.minimum)):
    define(
        _kind,
        spec=_two_spec,
        kernel=_two_kernel(_function),
        gradient=_no_gradient_yet(_kind),
        host_only=True,
    )

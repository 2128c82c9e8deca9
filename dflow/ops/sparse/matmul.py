"""Products of a sparse and a dense matrix, and of dense matrices with many zeros.

Source: tf.sparse_tensor_dense_matmul, tf.sparse_matmul of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import bfloat16, float32
from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.gather import gather
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.linalg import matmul
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import is_complex, namespace, scatter_add
from dflow.ops.rules.static import graph_of, only, same_dtype, spec_of
from dflow.ops.sparse.rules import check_parts, check_sparse, invalid
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.sparse_tensor import as_sparse
from dflow.specs import TensorSpec

__all__ = ["sparse_matmul", "sparse_tensor_dense_matmul"]


def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """The product of a sparse matrix and a dense one: [n, m] of [n, k] and [k, m].

    adjoint_a, adjoint_b: whether the matrix is transposed, and conjugated, before.
    InvalidArgumentError at run time for sizes that do not fit, and for an entry out of bounds.
    """
    sparse = as_sparse(sp_a)
    graph = graph_of((sparse, b))
    with scopes.building_in(graph), graph.name_scope(name or "SparseTensorDenseMatMul") as scope:
        dense = convert_to_tensor(b, None if isinstance(b, Tensor) else sparse.dtype, name="b")
        parts = sparse.indices, sparse.values, sparse.dense_shape, dense
        attrs = {"adjoint_a": bool(adjoint_a), "adjoint_b": bool(adjoint_b)}
        result: Tensor = add_op("SparseTensorDenseMatMul", *parts, name=scope, **attrs)
        rows, inner = sparse.shape.with_rank(2).known[:: -1 if adjoint_a else 1]
        _check_equal(inner, dense.shape.with_rank(2).known[1 if adjoint_b else 0])
        result.set_shape([rows, None])
        return result


def _check_equal(inner: int | None, other: int | None) -> None:
    if inner is not None and other is not None and inner != other:
        raise ShapeError(f"Dimensions must be equal, but are {inner} and {other}")


def _spec(
    indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, b: TensorSpec, adjoint_a: bool, adjoint_b: bool
) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    TensorShape([2]).merge_with(dense_shape.shape.with_rank(1))
    same_dtype(values, b)
    only(values, values.dtype.is_numeric, "numbers")
    return spec_of([None, b.shape.with_rank(2).known[0 if adjoint_b else 1]], values.dtype)


def _kernel(indices: Any, values: Any, dense_shape: Any, b: Any, adjoint_a: bool, adjoint_b: bool) -> Any:
    check_parts(indices, values, dense_shape)
    if b.ndim != 2:
        raise invalid(f"Tensor 'b' is not a matrix: its shape is {list(b.shape)}")
    if tuple(dense_shape.shape) != (2,):
        raise invalid(f"Tensor 'a_shape' must have 2 elements, got a shape of {list(dense_shape.shape)}")
    sizes = tuple(int(size) for size in dense_shape)
    rows, columns = (1, 0) if adjoint_a else (0, 1)
    inner, other = b.shape[1 if adjoint_b else 0], sizes[columns]
    if inner != other:
        raise invalid(
            f"Cannot multiply A and B because inner dimension does not match: {other} vs. {inner}.  Did you forget a "
            f"transpose?  Dimensions of A: [{sizes[0]}, {sizes[1]}).  Dimensions of B: {list(b.shape)}"
        )
    _check_bounds(indices, sizes)
    a, dense = _conjugated(values, adjoint_a), _conjugated(b, adjoint_b)
    dense = dense.T if adjoint_b else dense
    return _product(indices[:, rows], indices[:, columns], a, (sizes[rows], other), dense)


def _product(rows: Any, columns: Any, values: Any, sizes: tuple[int, int], dense: Any) -> Any:
    if type(values) is np.ndarray and values.dtype.char in "fdFDil":  # dtypes that SciPy has
        from scipy.sparse import csr_array  # takes long to import

        matrix = csr_array((values, (rows, columns)), shape=sizes)
        return np.ascontiguousarray(matrix @ dense)
    xp = namespace(values, rows, dense)
    return scatter_add(sizes[0], rows, xp.take(dense, columns, axis=0) * values[:, None])


def _check_bounds(indices: Any, sizes: tuple[int, ...]) -> None:
    xp = namespace(indices)
    for axis, letter in enumerate("mk"):
        bad = xp.logical_or(indices[:, axis] < 0, indices[:, axis] >= sizes[axis])
        if bool(xp.any(bad)):
            place = int(xp.argmax(xp.astype(bad, xp.int32)))
            fact = f"{letter} ({int(indices[place, axis])}) from index[{place},{axis}] out of bounds (>={sizes[axis]})"
            raise invalid(fact)


def _conjugated(array: Any, conjugate: bool) -> Any:
    return namespace(array).conj(array) if conjugate and is_complex(array) else array


def _gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    indices, values, sizes, b = op.inputs
    adjoint_a, adjoint_b = op.attrs["adjoint_a"], op.attrs["adjoint_b"]
    of_b = add_op("SparseTensorDenseMatMul", indices, values, sizes, dy, adjoint_a=not adjoint_a, adjoint_b=False)
    if adjoint_b:
        of_b = transpose(of_b, conjugate=True)
    rows, columns = indices[:, 0], indices[:, 1]
    left = gather(dy, columns if adjoint_a else rows)
    right = gather(transpose(b) if adjoint_b else b, rows if adjoint_a else columns)
    return [None, reduce_sum(multiply(left, right), 1), None, of_b]


define("SparseTensorDenseMatMul", spec=_spec, kernel=_kernel, gradient=_gradient)


def sparse_matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of two dense matrices, as float32.

    a, b: matrices of float32 or bfloat16.  transpose_a, transpose_b: whether each is transposed before.
    a_is_sparse, b_is_sparse: that a matrix has many zeros; the result is the same.
    """
    graph = graph_of((a, b))
    with scopes.building_in(graph), graph.name_scope(name or "SparseMatMul") as scope:
        left, right = convert_to_tensor(a, name="a"), convert_to_tensor(b, name="b")
        attrs = {
            "transpose_a": bool(transpose_a),
            "transpose_b": bool(transpose_b),
            "a_is_sparse": bool(a_is_sparse),
            "b_is_sparse": bool(b_is_sparse),
        }
        result: Tensor = add_op("SparseMatMul", left, right, name=scope, **attrs)
    return result


def _dense_spec(a: TensorSpec, b: TensorSpec, transpose_a: bool, transpose_b: bool, **_: bool) -> TensorSpec:
    for operand in (a, b):
        only(operand, operand.dtype in (float32, bfloat16), "float32 or bfloat16")
    rows, inner = a.shape.with_rank(2).known[:: -1 if transpose_a else 1]
    other, columns = b.shape.with_rank(2).known[:: -1 if transpose_b else 1]
    TensorShape([inner]).merge_with([other])
    return spec_of([rows, columns], float32)


def _dense_kernel(a: Any, b: Any, transpose_a: bool, transpose_b: bool, **_: bool) -> Any:
    xp = namespace(a, b)
    left, right = (xp.astype(x, xp.float32) for x in (a, b))
    if left.ndim != 2 or right.ndim != 2:
        raise invalid(f"a and b are matrices, got shapes {list(a.shape)} and {list(b.shape)}")
    left, right = left.T if transpose_a else left, right.T if transpose_b else right
    if left.shape[1] != right.shape[0]:
        raise invalid(f"Matrix size incompatible: a: {list(a.shape)}, b: {list(b.shape)}")
    return xp.matmul(left, right)


def _dense_gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    a, b = (cast(x, float32) for x in op.inputs)
    of_a = matmul(dy, b, transpose_b=not op.attrs["transpose_b"])
    of_b = matmul(a, dy, transpose_a=not op.attrs["transpose_a"])
    if op.attrs["transpose_a"]:
        of_a = transpose(of_a)
    if op.attrs["transpose_b"]:
        of_b = transpose(of_b)
    return [cast(of_a, op.inputs[0].dtype), cast(of_b, op.inputs[1].dtype)]


define("SparseMatMul", spec=_dense_spec, kernel=_dense_kernel, gradient=_dense_gradient)

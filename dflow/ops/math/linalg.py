"""Products of matrices.

Source: math_ops.matmul of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.math.arithmetic import conj
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.static import only, operands, same_dtype, spec_of
from dflow.registry import define
from dflow.shapes import TensorShape, bracket, broadcast
from dflow.specs import TensorSpec

__all__ = ["matmul"]


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """`c[i, k] = sum_j a[i, j] * b[j, k]`.  a: [..., n, m], b: [..., m, k] -> c: [..., n, k], of their dtype.  Numbers.

    transpose_a, transpose_b: exchange the last two axes first; adjoint_a, adjoint_b: and conjugate.  Axes before the
    last two broadcast.  a_is_sparse and b_is_sparse are hints, of no effect.
    ValueError for both transpose and adjoint of one operand; ShapeError, or InvalidArgumentError at run time, for inner
    sizes that differ.
    """
    if transpose_a and adjoint_a:
        raise ValueError("Only one of transpose_a and adjoint_a can be True.")
    if transpose_b and adjoint_b:
        raise ValueError("Only one of transpose_b and adjoint_b can be True.")
    a, b = operands((a, b), ("a", "b"), "MatMul")
    return _product(
        conj(a) if adjoint_a else a,
        conj(b) if adjoint_b else b,
        transpose_a or adjoint_a,
        transpose_b or adjoint_b,
        name,
    )


def _product(a: Tensor, b: Tensor, transpose_a: bool, transpose_b: bool, name: str | None = None) -> Tensor:
    result: Tensor = add_op("MatMul", a, b, name=name, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))
    return result


def _matmul_spec(a: TensorSpec, b: TensorSpec, transpose_a: bool, transpose_b: bool) -> TensorSpec:
    same_dtype(a, b)
    only(a, a.dtype.is_numeric, "numbers")
    for spec in (a, b):
        if spec.shape.ndims is not None and spec.shape.ndims < 2:
            raise ShapeError(
                f"Shape must be rank 2 but is rank {spec.shape.ndims}: a matrix has rank 2 or more, "
                f"got shapes {a.shape} and {b.shape}"
            )
    rows_a, columns_a = _matrix(a, transpose_a)
    rows_b, columns_b = _matrix(b, transpose_b)
    if columns_a is not None and rows_b is not None and columns_a != rows_b:
        raise ShapeError(
            f"Dimensions must be equal, but are {columns_a} and {rows_b}: inner sizes differ: "
            f"a is {a.shape}{', transposed' if transpose_a else ''}, "
            f"b is {b.shape}{', transposed' if transpose_b else ''}"
        )
    outer = broadcast(_outer(a), _outer(b))
    return spec_of(outer.concatenate([rows_a, columns_b]), a.dtype)


def _matrix(spec: TensorSpec, transposed: bool) -> tuple[int | None, int | None]:
    if spec.shape.ndims is None:
        return None, None
    rows, columns = spec.shape.known[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _outer(spec: TensorSpec) -> TensorShape:
    return TensorShape(None) if spec.shape.ndims is None else TensorShape(spec.shape.known[:-2])


def _matmul_kernel(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    xp = namespace(a, b)
    if a.ndim < 2 or b.ndim < 2:
        raise InvalidArgumentError(
            None,
            None,
            f"In[0] is not a matrix, or In[1] is not: they have 2 axes or more, got {bracket(a.shape)} and "
            f"{bracket(b.shape)}",
        )
    left = xp.matrix_transpose(a) if transpose_a else a
    right = xp.matrix_transpose(b) if transpose_b else b
    try:
        product = xp.matmul(left, right)
    except ValueError:
        raise InvalidArgumentError(
            None, None, f"Matrix size-incompatible: In[0]: {bracket(a.shape)}, In[1]: {bracket(b.shape)}"
        ) from None
    return xp.astype(product, a.dtype, copy=False)  # of bfloat16, NumPy makes float32


def _matmul_gradient(op: Operation, dc: Tensor) -> tuple[Tensor, Tensor]:
    a, b = conj(op.inputs[0]), conj(op.inputs[1])
    transpose_a, transpose_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
    da = _product(b, dc, transpose_b, True) if transpose_a else _product(dc, b, False, not transpose_b)
    db = _product(dc, a, True, transpose_a) if transpose_b else _product(a, dc, not transpose_a, False)
    return sum_like(da, op.inputs[0]), sum_like(db, op.inputs[1])


define(
    "MatMul", spec=_matmul_spec, kernel=_matmul_kernel, gradient=_matmul_gradient, batch=elementwise, owns_outputs=True
)

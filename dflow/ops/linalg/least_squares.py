"""Least squares solutions of systems of linear equations.

Source: linalg_ops.matrix_solve_ls of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import float64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.grid import eye
from dflow.ops.linalg.cholesky import cholesky
from dflow.ops.linalg.solve import cholesky_solve, conjugate_transposed
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.math.arithmetic import add, multiply, negative, subtract
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, merged_size, stack
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import only, operands, same_dtype
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["matrix_solve_ls"]


def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: Any = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """The x with the smallest norm(matrix @ x - rhs)**2 + l2_regularizer * norm(x)**2, the shortest of several.

    matrix: [..., n, m], rhs: [..., n, k] -> x: [..., m, k].  Floating or complex.
    fast: by the Cholesky decomposition, which needs a matrix of full rank or a regularizer; False: by the singular
    values, for which the regularizer has no effect and there is no gradient.
    InvalidArgumentError at run time for a matrix that is not of full rank, with fast=True.
    """
    with scope_of((matrix, rhs, l2_regularizer), name, "MatrixSolveLs") as scope:
        matrix, rhs = operands((matrix, rhs), ("matrix", "rhs"), "MatrixSolveLs")
        weight = convert_to_tensor(l2_regularizer, float64, name="l2_regularizer")
        result: Tensor = add_op("MatrixSolveLs", matrix, rhs, weight, name=scope, fast=bool(fast))
        return result


def _spec(matrix: TensorSpec, rhs: TensorSpec, weight: TensorSpec, fast: bool) -> TensorSpec:
    same_dtype(matrix, rhs)
    only(matrix, floating_or_complex(matrix), "floating and complex numbers")
    only(weight, weight.dtype == float64, "float64 as its regularizer")
    weight.shape.with_rank(0)
    left, right = stack(matrix), stack(rhs)
    merged_size(left.rows, right.rows, "the rows of matrix and rhs")
    return TensorSpec(left.outer.merge_with(right.outer).concatenate([left.columns, right.columns]), matrix.dtype)


def _kernel(matrix: Any, rhs: Any, weight: Any, fast: bool) -> Any:
    xp, a, b = namespace(matrix), widened(matrix), widened(rhs)
    if not fast:
        return narrowed(xp.matmul(xp.linalg.pinv(a), b), matrix)
    rows, columns = a.shape[-2:]
    ah = conjugate_transposed(a)
    square = xp.matmul(ah, a) if rows >= columns else xp.matmul(a, ah)
    size = min(rows, columns)
    square = square + xp.astype(weight, square.dtype) * xp.eye(size, dtype=square.dtype, device=device(a))
    try:
        if rows >= columns:
            return narrowed(_by_cholesky(square, xp.matmul(ah, b)), matrix)
        return narrowed(xp.matmul(ah, _by_cholesky(square, b)), matrix)
    except np.linalg.LinAlgError:
        raise InvalidArgumentError(
            None,
            None,
            "Input matrix was rank deficient or ill-conditioned. Try setting fast=False or provide a larger "
            "l2_regularizer > 0.",
        ) from None


def _by_cholesky(square: Any, rhs: Any) -> Any:
    """The solution for a positive definite matrix; LinAlgError for another one."""
    linalg = namespace(square).linalg
    linalg.cholesky(square)
    return linalg.solve(square, rhs)


# -- the gradient


def _gradient(op: Operation, dx: Tensor) -> tuple[Tensor, Tensor, None]:
    """ValueError for fast=False, and for a matrix of unknown sizes."""
    if not op.attrs["fast"]:
        raise ValueError("Gradient not defined for fast=False")
    found = stack(op.inputs[0].spec)
    if found.rows is None or found.columns is None:
        raise ValueError("Gradient not defined for a matrix of unknown sizes; use set_shape()")
    tall = found.rows >= found.columns
    return *(_of_tall(op, dx) if tall else _of_wide(op, dx)), None


def _factor(a: Tensor, square: Tensor, weight: Tensor) -> Tensor:
    """The Cholesky factor of the square, regularized."""
    size = square.shape[-1]
    return cholesky(add(square, multiply(cast(weight, a.dtype), eye(size, dtype=a.dtype))))


def _of_tall(op: Operation, dx: Tensor) -> tuple[Tensor, Tensor]:
    a, b, weight = op.inputs
    x = op.outputs[0]
    z = cholesky_solve(_factor(a, matmul(a, a, adjoint_a=True), weight), dx)
    xz = matmul(x, z, adjoint_b=True)
    da = subtract(matmul(b, z, adjoint_b=True), matmul(a, add(xz, adjoint(xz))))
    return da, matmul(a, z)


def _of_wide(op: Operation, dx: Tensor) -> tuple[Tensor, Tensor]:
    a, b, weight = op.inputs
    factor = _factor(a, matmul(a, a, adjoint_b=True), weight)
    db = cholesky_solve(factor, matmul(a, dx))
    solution = cholesky_solve(factor, b)
    of_square = negative(matmul(db, matmul(solution, a, adjoint_a=True)))
    rest = subtract(dx, matmul(a, db, adjoint_a=True))
    return add(of_square, matmul(solution, rest, adjoint_b=True)), db


define("MatrixSolveLs", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)

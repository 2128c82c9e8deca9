"""Systems of linear equations, and inverses.

Source: linalg_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.linalg.band_part import matrix_band_part
from dflow.ops.math.arithmetic import negative
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.arrays import is_complex, namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, merged_size, square, stack
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import only, same_dtype
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["cholesky_solve", "matrix_inverse", "matrix_solve", "matrix_triangular_solve"]

# -- common to these


def conjugate_transposed(matrices: Any) -> Any:
    """In a kernel: the adjoint of each matrix."""
    xp = namespace(matrices)
    moved = xp.matrix_transpose(matrices)
    return xp.conj(moved) if is_complex(moved) else moved


def solved(function: Callable[..., Any], *arrays: Any) -> Any:
    """A function of the linear algebra; InvalidArgumentError if a matrix is singular."""
    try:
        found = function(*map(widened, arrays))
    except np.linalg.LinAlgError:
        raise InvalidArgumentError(None, None, "Input matrix is not invertible.") from None
    return narrowed(found, arrays[0])


# -- the inverse


def matrix_inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The inverse of each matrix, or of its adjoint: [..., n, n].  Floating or complex.

    InvalidArgumentError at run time for a matrix that is not invertible.
    """
    tensor: Tensor = named("MatrixInverse", (input,), ("input",), name, adjoint=bool(adjoint))
    return tensor


def _inverse_spec(x: TensorSpec, adjoint: bool) -> TensorSpec:
    only(x, floating_or_complex(x), "floating and complex numbers")
    found = square(x)
    return TensorSpec(x.shape if x.shape.ndims is None else found.of(found.rows, found.rows), x.dtype)


def _inverse_kernel(x: Any, adjoint: bool) -> Any:
    try:
        inverse = narrowed(namespace(x).linalg.inv(widened(x)), x)
    except np.linalg.LinAlgError:
        raise InvalidArgumentError(None, None, "Input is not invertible.") from None
    return conjugate_transposed(inverse) if adjoint else inverse


def _inverse_gradient(op: Operation, dy: Tensor) -> Tensor:
    """-adjoint(y) dy adjoint(y) for y = inverse(x); with the roles of dy exchanged for the inverse of the adjoint."""
    y = op.outputs[0]
    if op.attrs["adjoint"]:
        return negative(matmul(y, matmul(dy, y, adjoint_a=True)))
    return negative(matmul(y, matmul(dy, y, adjoint_b=True), adjoint_a=True))


define("MatrixInverse", spec=_inverse_spec, kernel=checked(_inverse_spec, _inverse_kernel), gradient=_inverse_gradient)

# -- general systems


def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """x of matrix @ x = rhs, or of adjoint(matrix) @ x = rhs.  matrix: [..., n, n], rhs and x: [..., n, k].

    Floating or complex.  InvalidArgumentError at run time for a matrix that is not invertible.
    """
    tensor: Tensor = named("MatrixSolve", (matrix, rhs), ("matrix", "rhs"), name, adjoint=bool(adjoint))
    return tensor


def _solve_spec(matrix: TensorSpec, rhs: TensorSpec, **attrs: bool) -> TensorSpec:
    same_dtype(matrix, rhs)
    only(matrix, floating_or_complex(matrix), "floating and complex numbers")
    left, right = square(matrix), stack(rhs)
    size = merged_size(left.rows, right.rows, "the rows of matrix and rhs")
    outer = left.outer.merge_with(right.outer)
    return TensorSpec(outer.concatenate([size, right.columns]), matrix.dtype)


def _solve_kernel(matrix: Any, rhs: Any, adjoint: bool) -> Any:
    return solved(namespace(matrix).linalg.solve, conjugate_transposed(matrix) if adjoint else matrix, rhs)


def _solve_gradient(op: Operation, dx: Tensor) -> tuple[Tensor, Tensor]:
    is_adjoint = op.attrs["adjoint"]
    db = matrix_solve(op.inputs[0], dx, adjoint=not is_adjoint)
    return _of_matrix(db, op.outputs[0], is_adjoint), db


def _of_matrix(db: Tensor, x: Tensor, is_adjoint: bool) -> Tensor:
    """The gradient of the matrix, from that of the right side and the solution."""
    return negative(matmul(x, db, adjoint_b=True) if is_adjoint else matmul(db, x, adjoint_b=True))


define("MatrixSolve", spec=_solve_spec, kernel=checked(_solve_spec, _solve_kernel), gradient=_solve_gradient)

# -- triangular systems


def matrix_triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """x of matrix @ x = rhs (or of its adjoint), of whose matrix only one triangle is used.

    matrix: [..., n, n], rhs and x: [..., n, k]; lower: whether the lower triangle is used.  Floating or complex.
    InvalidArgumentError at run time for a zero on the diagonal.
    """
    tensor: Tensor = named(
        "MatrixTriangularSolve",
        (matrix, rhs),
        ("matrix", "rhs"),
        name,
        lower=bool(lower),
        adjoint=bool(adjoint),
    )
    return tensor


_SMALL = 64  # rows up to which one call for all matrices is faster than a triangular one for each


def _triangular_kernel(matrix: Any, rhs: Any, lower: bool, adjoint: bool) -> Any:
    xp = namespace(matrix)
    triangle = xp.tril(matrix) if lower else xp.triu(matrix)
    if isinstance(matrix, np.ndarray) and matrix.shape[-1] > _SMALL:
        return narrowed(_one_by_one(widened(triangle), widened(rhs), lower, adjoint), matrix)
    return solved(xp.linalg.solve, conjugate_transposed(triangle) if adjoint else triangle, rhs)


def _one_by_one(triangles: Any, rhs: Any, lower: bool, adjoint: bool) -> Any:
    from scipy.linalg import solve_triangular

    result = np.empty_like(rhs)
    for place in np.ndindex(rhs.shape[:-2]):
        try:
            result[place] = solve_triangular(
                triangles[place], rhs[place], trans="C" if adjoint else "N", lower=lower, check_finite=False
            )
        except np.linalg.LinAlgError:
            raise InvalidArgumentError(None, None, "Input matrix is not invertible.") from None
    return result


def _triangular_gradient(op: Operation, dx: Tensor) -> tuple[Tensor, Tensor]:
    lower, is_adjoint = op.attrs["lower"], op.attrs["adjoint"]
    db = matrix_triangular_solve(op.inputs[0], dx, lower=lower, adjoint=not is_adjoint)
    da = _of_matrix(db, op.outputs[0], is_adjoint)
    return (matrix_band_part(da, -1, 0) if lower else matrix_band_part(da, 0, -1)), db


define(
    "MatrixTriangularSolve",
    spec=_solve_spec,
    kernel=checked(_solve_spec, _triangular_kernel),
    gradient=_triangular_gradient,
)


def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """x of a @ x = rhs, from the Cholesky factor of a.  chol: [..., n, n], as `cholesky` gives it; rhs: [..., n, k]."""
    with scope_of((chol, rhs), name, "cholesky_solve"):
        factor = convert_to_tensor(chol)
        half = matrix_triangular_solve(factor, rhs, adjoint=False, lower=True)
        return matrix_triangular_solve(factor, half, adjoint=True, lower=True)

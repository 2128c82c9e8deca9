"""Lines of the oracle table: matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg as sl

import dflow as df
from tests.ops.cases import Case, real

Array = np.ndarray[Any, Any]


def far_from_singular(*shape: int) -> Array:
    """Square matrices with large numbers on their diagonals."""
    return real(*shape) + 3 * np.eye(shape[-1])


def definite(*shape: int) -> Array:
    """Symmetric positive definite matrices."""
    root = far_from_singular(*shape)
    return root @ np.swapaxes(root, -1, -2)


def matrices(
    build: Callable[..., Any], judge: Callable[..., Any], make: Callable[..., Array], **more: Any
) -> list[Case]:
    """One matrix, and a stack of them."""
    return [Case(build, judge, (make(*shape),), **more) for shape in ((3, 3), (2, 2, 2))]


def of_each(function: Callable[[Array], Any]) -> Callable[[Array], Array]:
    """A function of one matrix, of each one of a stack."""
    return lambda x: function(x) if x.ndim == 2 else np.stack([function(matrix) for matrix in x])


def tensor_diag(x: Array) -> Array:
    return np.diag(x.ravel()).reshape(*x.shape, *x.shape)


def with_diagonal(x: Array, values: Array) -> Array:
    found = x.copy()
    places = np.arange(values.shape[-1])
    found[..., places, places] = values
    return found


def symmetric(x: Any) -> Any:
    """Only the lower triangle is read: the upper one is as it."""
    lower = df.matrix_band_part(x, -1, 0)
    return lower + df.matrix_transpose(lower - df.matrix_band_part(x, 0, 0))


def eigen(x: Array) -> list[Array]:
    """The eigenvalues and, as their signs are arbitrary, the squares of the eigenvectors."""
    e, v = np.linalg.eigh(x)
    return [e, v**2]


def squares(e: Any, v: Any) -> list[Any]:
    return [e, df.square(v)]


def svd(full: bool) -> Callable[[Array], list[Array]]:
    def judge(x: Array) -> list[Array]:
        u, s, vh = np.linalg.svd(x, full_matrices=full)
        return [s, u**2, np.swapaxes(vh, -1, -2) ** 2]

    return judge


def squared_svd(x: Any, full: bool = False) -> list[Any]:
    s, u, v = df.svd(x, full)
    return [s, df.square(u), df.square(v)]


def qr(full: bool) -> Callable[[Array], list[Array]]:
    return lambda x: [it**2 for it in np.linalg.qr(x, "complete" if full else "reduced")]


def lu(x: Array) -> list[Array]:
    places, lower, upper = sl.lu(x, p_indices=True)
    return [np.tril(lower, -1) + upper, np.argsort(places, -1).astype(np.int32)]


def least_squares(a: Array, b: Array, weight: float = 0.0) -> Array:
    ah = np.swapaxes(a, -1, -2)
    if a.shape[-2] >= a.shape[-1]:
        return np.linalg.solve(ah @ a + weight * np.eye(a.shape[-1]), ah @ b)
    return ah @ np.linalg.solve(a @ ah + weight * np.eye(a.shape[-2]), b)


LINALG: dict[str, list[Case]] = {
    # parts
    "MatrixBandPart": [
        Case(lambda x: df.matrix_band_part(x, 1, 0), lambda x: np.tril(np.triu(x, -1), 0), (real(3, 4),)),
        Case(lambda x: df.matrix_band_part(x, -1, 1), lambda x: np.tril(x, 1), (real(2, 3, 3),)),
        Case(df.matrix_band_part, lambda x, lo, up: np.triu(x, -2), (real(3, 3), np.int64(2), np.int64(-1)), (1, 2)),
    ],
    "MatrixDiag": [
        Case(df.matrix_diag, lambda x: x[..., None] * np.eye(3), (real(2, 3),)),
        Case(lambda x: df.matrix_diag(x, k=1, num_cols=4), lambda x: np.eye(3, 4, 1) * np.r_[0, x], (real(3),)),
        Case(
            lambda x: df.matrix_diag(x, k=(-1, 0), padding_value=9, align="LEFT_LEFT"),
            lambda x: np.where(np.eye(3) + np.eye(3, k=-1), np.diag(x[0]) + np.diag(x[1, :2], -1), 9),
            (real(2, 3),),
        ),
        Case(
            lambda x: df.matrix_diag(x, k=(0, 1)),
            lambda x: np.diag(x[1]) + np.diag(x[0, 1:], 1),
            (real(2, 3),),
        ),
    ],
    "MatrixDiagPart": [
        Case(df.matrix_diag_part, lambda x: np.diagonal(x, axis1=-2, axis2=-1), (real(2, 3, 4),)),
        Case(lambda x: df.matrix_diag_part(x, k=1), lambda x: np.diagonal(x, 1), (real(3, 4),)),
        Case(
            lambda x: df.matrix_diag_part(x, k=(-1, 1), padding_value=7, align="LEFT_LEFT"),
            lambda x: np.stack([np.r_[np.diag(x, 1), 7], np.diag(x), np.r_[np.diag(x, -1), 7]]),
            (real(3, 3),),
        ),
        Case(
            lambda x: df.matrix_diag_part(x, k=(-1, 1)),
            lambda x: np.stack([np.r_[0, np.diag(x, 1)], np.diag(x), np.r_[np.diag(x, -1), 0]]),
            (real(3, 3),),
        ),
    ],
    "MatrixSetDiag": [
        Case(df.matrix_set_diag, with_diagonal, (real(2, 3, 4), real(2, 3))),
        Case(
            lambda x, v: df.matrix_set_diag(x, v, k=-1),
            lambda x, v: x - np.diag(np.diag(x, -1), -1) + np.diag(v, -1),
            (real(3, 3), real(2)),
        ),
    ],
    "Diag": [Case(df.diag, tensor_diag, (real(3),)), Case(df.diag, tensor_diag, (real(2, 2),))],
    "DiagPart": [
        Case(df.diag_part, np.diag, (real(3, 3),)),
        Case(df.diag_part, lambda x: np.einsum("ijij->ij", x), (real(2, 3, 2, 3),)),
    ],
    "Cross": [Case(df.cross, np.cross, (real(2, 3), real(2, 3)))],
    # systems of equations
    "MatrixInverse": [
        *matrices(df.matrix_inverse, np.linalg.inv, far_from_singular),
        *matrices(
            lambda x: df.matrix_inverse(x, True), lambda x: np.swapaxes(np.linalg.inv(x), -1, -2), far_from_singular
        ),
    ],
    "MatrixSolve": [
        Case(df.matrix_solve, np.linalg.solve, (far_from_singular(3, 3), real(3, 2))),
        Case(
            lambda a, b: df.matrix_solve(a, b, adjoint=True),
            lambda a, b: np.linalg.solve(np.swapaxes(a, -1, -2), b),
            (far_from_singular(2, 2, 2), real(2, 2, 1)),
        ),
    ],
    "MatrixTriangularSolve": [
        Case(
            df.matrix_triangular_solve,
            lambda a, b: np.linalg.solve(np.tril(a), b),
            (far_from_singular(2, 3, 3), real(2, 3, 2)),
        ),
        Case(
            lambda a, b: df.matrix_triangular_solve(a, b, lower=False, adjoint=True),
            lambda a, b: np.linalg.solve(np.triu(a).T, b),
            (far_from_singular(3, 3), real(3, 2)),
        ),
    ],
    "MatrixSolveLs": [
        Case(df.matrix_solve_ls, least_squares, (real(4, 2), real(4, 1)), unknown=False, second=False),
        Case(
            lambda a, b: df.matrix_solve_ls(a, b, 0.5),
            lambda a, b: least_squares(a, b, 0.5),
            (real(2, 2, 3), real(2, 2, 1)),
            unknown=False,
            second=False,
        ),
    ],
    # decompositions
    "Cholesky": matrices(lambda x: df.cholesky(symmetric(x)), np.linalg.cholesky, definite),
    "MatrixDeterminant": matrices(df.matrix_determinant, np.linalg.det, far_from_singular),
    "LogMatrixDeterminant": matrices(df.linalg.slogdet, lambda x: list(np.linalg.slogdet(x)), far_from_singular),
    "Qr": [
        Case(lambda x: [df.square(it) for it in df.qr(x)], qr(False), (far_from_singular(2, 3, 3),), unknown=False),
        Case(lambda x: [df.square(it) for it in df.qr(x)], qr(False), (real(4, 2),), unknown=False),
        Case(lambda x: [df.square(it) for it in df.qr(x, True)], qr(True), (real(2, 4),), unknown=False),
    ],
    "Lu": matrices(lambda x: df.linalg.lu(x), lu, far_from_singular),
    "SelfAdjointEigV2": [
        *matrices(lambda x: squares(*df.self_adjoint_eig(symmetric(x))), eigen, definite),
        *matrices(lambda x: df.self_adjoint_eigvals(symmetric(x)), np.linalg.eigvalsh, definite),
    ],
    "Svd": [
        Case(squared_svd, svd(False), (far_from_singular(2, 3, 3),), unknown=False),
        Case(squared_svd, svd(False), (real(2, 4),), unknown=False),
        Case(squared_svd, svd(False), (real(4, 2),), unknown=False),
        Case(lambda x: squared_svd(x, True), svd(True), (real(2, 3),), unknown=False),
        Case(
            lambda x: df.svd(x, compute_uv=False),
            lambda x: np.linalg.svd(x, compute_uv=False),
            (real(2, 3),),
            unknown=False,
        ),
    ],
    # functions
    "MatrixExponential": matrices(df.linalg.expm, of_each(sl.expm), real),
    "MatrixSquareRoot": matrices(df.matrix_square_root, of_each(sl.sqrtm), definite),
}

NOT_JUDGED_LINALG: dict[str, str] = {"MatrixLogarithm": "complex: tests/ops/test_linalg.py"}

"""Linear algebra: what the oracle table does not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg as sl

import dflow as df
from dflow import errors
from dflow.gradients import gradients
from dflow.ops.array.constants import placeholder
from tests.ops.evaluate import Evaluator

RNG = np.random.default_rng(11)


def value(fetch: Any, feeds: Any = None) -> Any:
    return Evaluator()(fetch, feeds)


def complex_matrices(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape) + 3 * np.eye(shape[-1])


def slope(function: Any, x: np.ndarray, direction: np.ndarray, weight: np.ndarray) -> float:
    """The derivative of the real part of sum(conj(weight) * function(x)) in a direction, by central differences."""
    step, sides = 1e-6, []
    for sign in (1, -1):
        y = value(function(df.constant(x + sign * step * direction)))
        sides.append(float(np.sum(np.conj(weight) * y).real))
    return (sides[0] - sides[1]) / (2 * step)


@pytest.mark.parametrize(
    "function",
    [
        df.matrix_inverse,
        lambda x: df.matrix_inverse(x, adjoint=True),
        lambda x: df.matrix_solve(x, df.constant(np.ones((2, 3, 1)) * (1 + 2j)), adjoint=True),
        lambda x: df.matrix_triangular_solve(x, df.constant(np.ones((2, 3, 1)) * (1 + 2j)), lower=False, adjoint=True),
        lambda x: df.cholesky(df.matmul(x, x, adjoint_b=True)),
        lambda x: df.cast(df.svd(x, compute_uv=False), df.complex128),
        lambda x: df.self_adjoint_eigvals(df.matmul(x, x, adjoint_b=True)),
        lambda x: df.matrix_determinant(x),
        df.linalg.expm,
        df.linalg.logm,
        df.matrix_square_root,
        lambda x: df.einsum("bij,bjk->bik", x, df.conj(x)),
        lambda x: df.matrix_band_part(df.linalg.adjoint(x), 1, 0),
    ],
)
def test_a_gradient_of_complex_matrices_agrees_with_differences_in_any_direction(function: Any) -> None:
    x, direction = complex_matrices(2, 3, 3), complex_matrices(2, 3, 3)
    if function is df.linalg.logm:
        x = x @ np.conj(np.swapaxes(x, -1, -2))  # without eigenvalues up to 0
    tensor = df.constant(x)
    y = function(tensor)
    weight = RNG.normal(size=y.shape.as_list()) + 1j * RNG.normal(size=y.shape.as_list())
    (dx,) = gradients(y, tensor, df.constant(weight))
    found = float(np.sum(np.conj(value(dx)) * direction).real)
    assert found == pytest.approx(slope(function, x, direction, weight), rel=1e-5, abs=1e-5)


def test_a_singular_matrix_and_one_that_is_not_definite_are_an_invalid_argument() -> None:
    x, right = placeholder("float64", None), np.ones((2, 1))
    large = np.zeros((80, 80))
    for build, matrix, text in [
        (df.matrix_inverse, np.zeros((2, 2)), "Input is not invertible"),
        (lambda x: df.matrix_solve(x, right), np.zeros((2, 2)), "Input matrix is not invertible"),
        (lambda x: df.matrix_triangular_solve(x, right), np.zeros((2, 2)), "Input matrix is not invertible"),
        (lambda x: df.matrix_triangular_solve(x, np.ones((80, 1))), large, "Input matrix is not invertible"),
        (df.cholesky, -np.eye(2), "Cholesky decomposition was not successful"),
        (lambda x: df.linalg.lu(x).lu, np.zeros((2, 2)), "Input is not invertible"),
        (lambda x: df.matrix_solve_ls(x, right), np.zeros((2, 2)), "rank deficient"),
        (df.matrix_inverse, np.zeros((2, 3)), "must be equal"),
        (lambda x: df.matrix_band_part(x, 3, 0), np.zeros((2, 2)), "num_lower must be negative or less or equal"),
    ]:
        with pytest.raises(errors.InvalidArgumentError, match=text):
            value(build(x), {x: matrix})


def test_what_has_no_gradient_in_tensorflow_says_so() -> None:
    a, b = placeholder("float64", [4, 2]), placeholder("float64", [4, 1])
    with pytest.raises(ValueError, match="fast=False"):
        gradients(df.matrix_solve_ls(a, b, fast=False), [a])
    with pytest.raises(NotImplementedError, match="nrows > ncols"):
        gradients(df.qr(a, full_matrices=True).q, [a])
    unknown = placeholder("float64", [None, 2])
    with pytest.raises(NotImplementedError, match="dynamic shapes"):
        gradients(df.qr(unknown).q, [unknown])
    with pytest.raises(NotImplementedError, match="full_matrices"):
        gradients(df.svd(a, full_matrices=True)[1], [a])


def test_large_triangular_systems_are_solved_one_by_one_as_small_ones_are_together() -> None:
    a, b = RNG.normal(size=(2, 70, 70)) + 20 * np.eye(70), RNG.normal(size=(2, 70, 3))
    for lower in (True, False):
        for adjoint in (True, False):
            triangle = np.tril(a) if lower else np.triu(a)
            found = value(df.matrix_triangular_solve(a, b, lower, adjoint))
            product = (np.swapaxes(triangle, -1, -2) if adjoint else triangle) @ found
            np.testing.assert_allclose(product, b, atol=1e-12)


def test_the_logarithm_is_the_inverse_of_the_exponential() -> None:
    x = complex_matrices(2, 3, 3) / 4
    np.testing.assert_allclose(value(df.linalg.logm(df.linalg.expm(x))), x, atol=1e-12)
    with pytest.raises(TypeError, match="complex"):
        df.linalg.logm(np.eye(2))


def test_the_root_of_a_real_matrix_that_is_complex_is_nan() -> None:
    assert np.isnan(value(df.matrix_square_root(df.constant(-np.eye(2))))).all()


def test_least_squares_take_the_shortest_solution_and_a_regularizer() -> None:
    a, b = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 2))
    shortest = np.linalg.lstsq(a, b, rcond=None)[0]
    for fast in (True, False):
        np.testing.assert_allclose(value(df.matrix_solve_ls(a, b, fast=fast)), shortest, atol=1e-10)
    weight = placeholder("float64", [])
    smoothed = np.linalg.solve(a.T @ a + 0.3 * np.eye(5), a.T @ b)
    np.testing.assert_allclose(value(df.matrix_solve_ls(a, b, weight), {weight: 0.3}), smoothed, atol=1e-10)


def test_the_factors_of_lu_give_the_matrix_its_inverse_and_solutions() -> None:
    x, right = RNG.normal(size=(2, 4, 4)), RNG.normal(size=(2, 4, 2))
    factors = df.linalg.lu(x)
    np.testing.assert_allclose(value(df.linalg.lu_reconstruct(*factors)), x, atol=1e-12)
    np.testing.assert_allclose(value(df.linalg.lu_solve(*factors, right)), np.linalg.solve(x, right), atol=1e-10)
    np.testing.assert_allclose(value(df.linalg.lu_matrix_inverse(*factors)), np.linalg.inv(x), atol=1e-10)


def test_pseudo_inverses_leave_small_singular_values_out() -> None:
    x = RNG.normal(size=(4, 2)) @ RNG.normal(size=(2, 3))
    np.testing.assert_allclose(value(df.linalg.pinv(x)), np.linalg.pinv(x), atol=1e-10)
    assert value(df.linalg.matrix_rank(x)) == 2
    np.testing.assert_allclose(value(df.linalg.pinv(x, rcond=2.0)), np.zeros((3, 4)), atol=1e-12)


def test_norms_are_numpys_along_the_axes_that_are_named() -> None:
    x = RNG.normal(size=(2, 3, 4))
    for order in (1, 2, np.inf, 2.5):
        np.testing.assert_allclose(value(df.norm(x, order, axis=1)), np.linalg.norm(x, order, axis=1))
    for order in (1, 2, np.inf, "fro"):
        found = value(df.norm(x, order, axis=[0, 2], keepdims=True))
        np.testing.assert_allclose(found, np.linalg.norm(x, order, axis=(0, 2), keepdims=True))
    np.testing.assert_allclose(value(df.norm(x)), np.sqrt((x**2).sum()))
    with pytest.raises(ValueError, match="'ord' must be a supported matrix norm"):
        df.norm(x, 3, axis=[0, 1])
    with pytest.raises(ValueError, match="'ord' must be a supported vector norm"):
        df.norm(x, -1)
    with pytest.raises(ValueError, match="2 unique integers"):
        df.norm(x, axis=[1, 1])


def test_a_vector_is_scaled_to_length_one() -> None:
    x = RNG.normal(size=(2, 3))
    unit, size = (value(it) for it in df.linalg.normalize(x, axis=1))
    np.testing.assert_allclose(unit * size, x)
    np.testing.assert_allclose(value(df.nn.l2_normalize(x, 1)), unit)
    np.testing.assert_allclose(value(df.nn.l2_normalize(x, dim=[0, 1])), x / np.linalg.norm(x))
    assert df.nn.l2_normalize is df.math.l2_normalize is df.linalg.l2_normalize


def test_modules_have_other_names_for_what_is_there() -> None:
    m, same = df.linalg, df
    pairs = {m.band_part: same.matrix_band_part, m.diag: same.matrix_diag, m.diag_part: same.matrix_diag_part}
    pairs |= {m.set_diag: same.matrix_set_diag, m.tensor_diag: same.diag, m.tensor_diag_part: same.diag_part}
    pairs |= {m.det: same.matrix_determinant, m.inv: same.matrix_inverse, m.solve: same.matrix_solve}
    pairs |= {m.triangular_solve: same.matrix_triangular_solve, m.lstsq: same.matrix_solve_ls}
    pairs |= {m.eigh: same.self_adjoint_eig, m.eigvalsh: same.self_adjoint_eigvals, m.sqrtm: same.matrix_square_root}
    pairs |= {m.transpose: same.matrix_transpose, m.matrix_transpose: same.matrix_transpose}
    assert [name.__name__ for name, other in pairs.items() if name is not other] == []


def test_a_function_of_each_matrix_is_that_of_scipy() -> None:
    x = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)
    found = value(df.linalg.expm(x))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[1, 0], sl.expm(x[1, 0]), rtol=1e-5)


def test_a_band_of_diagonals_is_padded_on_the_side_that_is_asked_for() -> None:
    x = np.arange(12).reshape(3, 4)
    rows = {"LEFT_LEFT": [[1, 6, 11], [4, 9, -1]], "RIGHT_RIGHT": [[1, 6, 11], [-1, 4, 9]]}
    for align, (above, below) in rows.items():
        found = value(df.matrix_diag_part(x, k=(-1, 1), padding_value=-1, align=align))
        np.testing.assert_array_equal(found, [above, [0, 5, 10], below])
        back = value(df.matrix_diag(found, k=(-1, 1), num_rows=3, num_cols=4, align=align))
        np.testing.assert_array_equal(back, np.triu(np.tril(x, 1), -1))
    with pytest.raises(ValueError, match="LEFT_RIGHT"):
        df.matrix_diag([1.0], align="LEFT")
    with pytest.raises(ValueError, match="out of bound"):
        df.matrix_diag_part(x, k=4)
    with pytest.raises(ValueError, match="too small"):
        df.matrix_diag([1.0, 2.0], num_rows=1)
    with pytest.raises(ValueError, match="not consistent"):
        df.matrix_diag([1.0, 2.0], num_rows=3, num_cols=3)

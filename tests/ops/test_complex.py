"""Complex numbers and their parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.gradients import gradients
from tests.ops.evaluate import Evaluator

RNG = np.random.default_rng(2)
Z = RNG.normal(size=(2, 3)) + 1j * RNG.normal(size=(2, 3))


def value(fetch: Any) -> Any:
    return Evaluator()(fetch)


def test_a_complex_number_is_made_of_its_parts_also_of_infinite_ones() -> None:
    x, y = np.array([1.0, np.inf, np.nan]), np.array([[2.0], [-np.inf]])
    found = value(df.complex(x, y))
    np.testing.assert_array_equal(found.real, np.broadcast_to(x, (2, 3)))
    np.testing.assert_array_equal(found.imag, np.broadcast_to(y, (2, 3)))
    assert value(df.complex([1.0], [2.0])).dtype == np.complex64
    with pytest.raises(TypeError, match="incorrect types: float32 float64"):
        df.complex(df.constant([1.0]), np.array([1.0]))


def test_parts_of_complex_and_of_real_numbers() -> None:
    z, x, n = df.constant(Z), df.constant([-1.5, 2.0]), df.constant([-1, 2])
    np.testing.assert_array_equal(value(df.real(z)), Z.real)
    np.testing.assert_array_equal(value(df.imag(z)), Z.imag)
    np.testing.assert_allclose(value(df.angle(z)), np.angle(Z))
    assert df.real(x) is x
    assert value(df.imag(x)).tolist() == [0, 0]
    np.testing.assert_allclose(value(df.angle(x)), [np.pi, 0], rtol=1e-6)
    assert (df.real(n) is n, value(df.angle(n)).tolist()) == (True, [0, 0])


@pytest.mark.parametrize("function", [df.real, df.imag, df.angle, df.abs, lambda z: df.real(df.exp(z) * df.tan(z))])
def test_gradients_of_parts_agree_with_central_differences(function: Any) -> None:
    z = df.constant(Z)
    (dz,) = gradients(function(z), z)
    found, step = value(dz), 1e-6
    for place in np.ndindex(Z.shape):
        for direction in (1, 1j):
            moved = [Z.copy(), Z.copy()]
            moved[0][place] += step * direction
            moved[1][place] -= step * direction
            up, down = (value(function(df.constant(it))).sum() for it in moved)
            part = found[place].real if direction == 1 else found[place].imag
            assert part == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6)


def test_gradients_flow_through_parts_that_are_put_together() -> None:
    x, y = df.constant([1.0, 2.0]), df.constant(3.0)
    z = df.complex(x, y)
    dx, dy = gradients(df.real(z * df.conj(z)), [x, y])
    np.testing.assert_allclose(value(dx), [2, 4])
    np.testing.assert_allclose(value(dy), 12)  # of both, which it was repeated for


def test_norms_and_variances_of_complex_numbers() -> None:
    np.testing.assert_allclose(value(df.math.reduce_euclidean_norm(Z)), np.linalg.norm(Z))
    found = value(df.math.reduce_variance(df.constant(Z), 1))
    np.testing.assert_allclose(found, Z.var(axis=1))
    np.testing.assert_allclose(value(df.math.reduce_std(df.constant(Z))), Z.std())
    with pytest.raises(TypeError, match="real or complex"):
        df.math.reduce_variance([1, 2])

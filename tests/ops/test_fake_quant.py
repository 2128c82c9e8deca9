"""Numbers rounded to few bits, and the gradients of a clipped identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.gradients import gradients
from dflow.ops.array.constants import placeholder
from tests.ops.evaluate import Evaluator

X = np.linspace(-3, 3, 25, dtype=np.float32)


def value(fetch: Any, feeds: Any = None) -> Any:
    return Evaluator()(fetch, feeds)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize(("low", "high", "bits"), [(-1.0, 2.0, 2), (-1.2, 1.7, 4), (0.5, 2.0, 8), (-2.0, -1.0, 3)])
def test_numbers_are_among_those_that_can_be_stored_and_the_nearest_of_them(
    low: float, high: float, bits: int, narrow: bool
) -> None:
    found = value(df.fake_quant_with_min_max_args(X, low, high, bits, narrow))
    steps = 2**bits - 1 - narrow
    scale = (high - low) / steps
    zero = np.clip(np.floor(-low / scale + 0.5), 0, steps)  # 0 is stored exactly
    stored = (np.arange(steps + 1) - zero) * scale
    assert np.abs(stored).min() == 0
    nearest = np.abs(found[:, None] - stored).min(1)
    np.testing.assert_allclose(nearest, 0, atol=1e-5)
    inside = np.clip(X, stored[0], stored[-1])
    assert np.abs(found - inside).max() <= scale / 2 + 1e-5
    np.testing.assert_array_equal(value(df.fake_quant_with_min_max_vars(X, low, high, bits, narrow)), found)


def test_gradients_flow_inside_the_bounds_and_to_the_bound_that_clips() -> None:
    x, low, high = df.constant(X), df.constant(-1.0), df.constant(2.0)
    dx, dlow, dhigh = gradients(df.fake_quant_with_min_max_vars(x, low, high, 8) * X, [x, low, high])
    is_low, is_high = X < -1.01, X > 2.01
    np.testing.assert_allclose(value(dx), np.where(is_low | is_high, 0, X))
    np.testing.assert_allclose(value(dlow), X[is_low].sum(), rtol=1e-6)
    np.testing.assert_allclose(value(dhigh), X[is_high].sum(), rtol=1e-6)
    (fixed,) = gradients(df.fake_quant_with_min_max_args(x, -1, 2) * X, [x])
    np.testing.assert_array_equal(value(fixed), value(dx))


def test_each_channel_has_bounds_of_its_own() -> None:
    x, low, high = df.constant(np.stack([X, X], 1)), df.constant([-1.0, 0.0]), df.constant([2.0, 0.0])
    y = df.fake_quant_with_min_max_vars_per_channel(x, low, high)
    first = value(df.fake_quant_with_min_max_vars(X, -1.0, 2.0))
    np.testing.assert_array_equal(
        value(y), np.stack([first, np.zeros_like(first)], 1)
    )  # bounds of 0: nothing is stored
    dx, dlow, dhigh = (value(it) for it in gradients(y, [x, low, high]))
    assert (dx[:, 1].sum(), dlow[1], dhigh[1]) == (25, 0, 0)
    assert (dlow[0], dhigh[0]) == ((X < -1.01).sum(), (X > 2.01).sum())


def test_bits_and_bounds_are_checked() -> None:
    with pytest.raises(ValueError, match="between 2 and 16"):
        df.fake_quant_with_min_max_args(X, num_bits=1)
    with pytest.raises(ValueError, match="min has to be smaller than max"):
        df.fake_quant_with_min_max_args(X, 1.0, 1.0)
    low = placeholder("float32", [])
    with pytest.raises(errors.InvalidArgumentError, match="min has to be smaller than max"):
        value(df.fake_quant_with_min_max_vars(X, low, 0.0), {low: 1.0})
    with pytest.raises(TypeError, match="float32"):
        df.fake_quant_with_min_max_args(df.constant(X, "float64"))
    with pytest.raises(ValueError, match="must be equal, but are 1 and 3"):
        df.fake_quant_with_min_max_vars_per_channel(df.constant(np.ones((2, 3), np.float32)), [0.0], [1.0])

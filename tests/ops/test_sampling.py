"""Random values of many distributions: the generator's numbers, moments, frequencies, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors
from dflow.dtypes import float32, float64
from dflow.ops.sampling.philox import Philox, truncated_normal
from dflow.ops.sampling.truncated import parameterized_truncated_normal
from dflow.tensor_util import constant_value
from tests.ops.evaluate import Evaluator


def sample(tensor: Any) -> Any:
    return Evaluator()(tensor)


# -- the generator


@pytest.mark.parametrize(
    ("counter", "key", "numbers"),
    [
        ("00000000000000000000000000000000", "0000000000000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffffffffffffffffffffffffffff", "ffffffffffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("0370734413198a2e85a308d3243f6a88", "299f31d0a4093822", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_the_generator_gives_the_numbers_of_its_authors(counter: str, key: str, numbers: str) -> None:
    found = Philox(int(key, 16), int(counter, 16)).calls(1)[0]
    assert [f"{number:08x}" for number in found] == numbers.split()


def test_a_counter_goes_on_beyond_64_bits() -> None:
    start = Philox(7, (5 << 64) + (1 << 64) - 2)
    assert start.calls(4).tolist() == [start.skip(i).calls(1)[0].tolist() for i in range(4)]
    last = Philox(7, (1 << 128) - 1)
    assert last.calls(2)[1].tolist() == Philox(7, 0).calls(1)[0].tolist()


def test_parts_of_a_sequence_are_those_of_the_whole() -> None:
    start = Philox.of_seeds(3, 4)
    assert start.calls(40000)[39990:].tolist() == start.skip(39990).calls(10).tolist()
    few, many = (truncated_normal(start, count, float32) for count in (10, 1000))
    assert few.tolist() == many[:10].tolist()


@pytest.mark.parametrize("dtype", [float32, float64])
def test_a_truncated_normal_has_no_values_beyond_two_deviations(dtype: Any) -> None:
    values = truncated_normal(Philox.of_seeds(1, 2), 50000, dtype)
    assert np.abs(values).max() < 2
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 0.8796) < 0.01


# -- distributions


def test_gamma_values_have_their_moments() -> None:
    alpha = np.array([0.5, 2.0, 9.0])
    values = sample(df.random_gamma([20000], alpha, 2.0, "float64", seed=1))
    assert values.shape == (20000, 3)
    np.testing.assert_allclose(values.mean(0), alpha / 2, rtol=0.05)
    np.testing.assert_allclose(values.var(0), alpha / 4, rtol=0.1)


def test_the_gradient_of_a_gamma_value_keeps_its_quantile() -> None:
    alpha = df.constant([0.3, 1.0, 4.0, 50.0], df.float64)
    drawn = df.random_gamma([2], alpha, seed=3, dtype="float64")
    slope = df.gradients(drawn, alpha)[0]
    values, found = Evaluator()([drawn, slope])
    from scipy import stats

    step = 1e-5
    quantiles = stats.gamma.cdf(values, alpha.op.attrs["value"])
    above, below = (stats.gamma.ppf(quantiles, alpha.op.attrs["value"] + sign * step) for sign in (1, -1))
    np.testing.assert_allclose(found, ((above - below) / (2 * step)).sum(0), rtol=1e-4)


def test_poisson_values_have_their_moments() -> None:
    values = sample(df.random_poisson([1.0, 30.0], [20000], "int64", seed=1))
    assert values.dtype == np.int64
    np.testing.assert_allclose(values.mean(0), [1, 30], rtol=0.05)
    np.testing.assert_allclose(values.var(0), [1, 30], rtol=0.1)


@pytest.mark.parametrize(("rows", "samples"), [(1, 20000), (20000, 1)])
@pytest.mark.parametrize("seed", [None, 5])
def test_classes_come_as_often_as_their_probabilities_say(rows: int, samples: int, seed: int | None) -> None:
    logits = np.tile(np.log([[0.1, 0.2, 0.7]]), (rows, 1))
    found = sample(df.multinomial(logits, samples, seed=seed))
    assert found.shape == (rows, samples)
    np.testing.assert_allclose(np.bincount(found.ravel(), minlength=3) / found.size, [0.1, 0.2, 0.7], atol=0.02)


def test_a_class_that_is_impossible_is_never_drawn() -> None:
    found = sample(df.random.categorical([[-np.inf, 0.0, np.nan, 0.0, -np.inf]], 1000))
    assert set(found.ravel().tolist()) == {1, 3}


def test_normal_values_between_bounds_follow_their_distribution() -> None:
    """Also far from the mean, where the distribution function is near 0 or 1."""
    from scipy import stats

    drawn = parameterized_truncated_normal(
        [3, 5000], [0.0, 0.0, 1.0], [1.0, 1.0, 2.0], [-1.0, 6.0, -30.0], [2.0, 8.0, -20.0], "float64", seed=1
    )
    assert drawn.shape == [3, 5000]
    values = sample(drawn)
    for row, (low, high, mean, width) in zip(values, [(-1, 2, 0, 1), (6, 8, 0, 1), (-30, -20, 1, 2)], strict=True):
        wanted = stats.truncnorm((low - mean) / width, (high - mean) / width, mean, width)
        assert row.min() >= low
        assert row.max() <= high
        assert abs(row.mean() - wanted.mean()) < 0.05 * (high - low)
    with pytest.raises(errors.InvalidArgumentError, match="not positive"):
        sample(parameterized_truncated_normal([2], stddevs=-1.0))


def test_a_crop_is_a_part_of_the_tensor() -> None:
    whole = np.arange(60).reshape(5, 4, 3)
    crop = df.random_crop(whole, [2, 4, 2], seed=1)
    assert crop.shape == [2, 4, 2]
    run = Evaluator()
    corners = {int(run(crop)[0, 0, 0]) for _ in range(50)}
    assert corners == {12 * i + k for i in range(4) for k in range(2)}
    with pytest.raises(errors.InvalidArgumentError, match="Need value"):
        sample(df.random_crop(whole, [6, 1, 1]))


def test_equal_seeds_give_equal_values_and_others_do_not() -> None:
    seed = df.placeholder("int64", [2])
    drawn = df.random.stateless_normal([4], seed)
    run = Evaluator()
    values = [run(drawn, {seed: key}).tolist() for key in ([0, 0], [0, 1], [1, 0], [0, 0], [-1, 1 << 40])]
    assert values[0] == values[3]
    assert len({str(it) for it in values}) == 4


def test_the_value_of_a_size_is_known_where_its_parts_are() -> None:
    x = df.placeholder("float32", [None, 3])
    assert constant_value(df.shape(x)[1]) == 3
    assert constant_value(df.shape(x)[0]) is None
    assert constant_value(df.stack([df.shape(x)[0], 7])) is None
    assert constant_value(df.stack([df.shape(x)[0], 7]), partial=True).tolist() == [None, 7]
    assert constant_value(df.equal([1, 2], [1, 3])).tolist() == [True, False]

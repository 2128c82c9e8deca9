"""Moving averages and learning rates.  `tests/oracle/programs/learning_rates.py` compares them with TensorFlow's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.train.moving_averages import assign_moving_average, weighted_moving_average

train = df.train


@pytest.fixture
def sess() -> Any:
    with df.Graph().as_default(), df.Session() as session:
        yield session


@pytest.mark.parametrize(("num_updates", "decay"), [(None, 0.25), (1, 2 / 11), (100, 0.25)])
def test_an_average_moves_towards_its_value(sess: Any, num_updates: int | None, decay: float) -> None:
    v = df.Variable([10.0, 20.0], name="v")
    x = df.multiply(v, 2.0, name="x")
    average = train.ExponentialMovingAverage(0.25, num_updates)
    names = [average.average_name(v), average.average_name(x)]
    update = average.apply([v, x])
    of_v, of_x = average.average(v), average.average(x)
    assert names == [of_v.op.name, of_x.op.name] == ["v/ExponentialMovingAverage", "x/ExponentialMovingAverage"]
    sess.run(df.global_variables_initializer())
    sess.run(v.assign([0.0, 0.0]))
    sess.run(v.assign([1.0, 2.0]))
    at, of_tensor = np.array([10.0, 20.0]), np.zeros(2)
    for _ in range(3):
        sess.run(update)
        at = at * decay + np.array([1, 2]) * (1 - decay)
        of_tensor = of_tensor * decay + np.array([2, 4]) * (1 - decay)
    np.testing.assert_allclose(sess.run(of_v), at, rtol=1e-5)
    np.testing.assert_allclose(sess.run(of_x), of_tensor, rtol=1e-5)
    assert df.moving_average_variables() == [v]
    assert not of_v.trainable


def test_a_corrected_average_of_one_value_is_that_value(sess: Any) -> None:
    v, value = df.Variable([0.0, 0.0], name="v"), df.placeholder(df.float32, [2])
    update = assign_moving_average(v, value, 0.9)
    sess.run(df.global_variables_initializer())
    for _ in range(3):
        np.testing.assert_allclose(sess.run(update, {value: [3, -4]}), [3, -4], rtol=1e-5)
    np.testing.assert_allclose(
        sess.run(update, {value: [0, 0]}), np.array([3, -4]) * (0.9 - 0.9**4) / (1 - 0.9**4), rtol=1e-4
    )
    assert sorted(it.op.name for it in df.global_variables()) == ["v", "v/biased", "v/local_step"]


def test_an_average_by_weights_is_the_ratio_of_two_averages(sess: Any) -> None:
    value, weight = df.placeholder(df.float32, []), df.placeholder(df.float32, [])
    average = weighted_moving_average(value, 0.5, weight)
    sess.run(df.global_variables_initializer())
    assert sess.run(average, {value: 3.0, weight: 4.0}) == pytest.approx(3)
    assert sess.run(average, {value: 11.0, weight: 22.0}) == pytest.approx((3 * 4 / 2 + 11 * 22) / (4 / 2 + 22))


def test_averages_are_restored_in_the_place_of_their_variables() -> None:
    with df.Graph().as_default():
        v, w = df.Variable(1.0, name="v"), df.Variable(1.0, name="w", trainable=False)
        average = train.ExponentialMovingAverage(0.5, name="mean")
        assert average.name == "mean"
        average.apply()
        assert average.variables_to_restore() == {"v/mean": v, "w": w}
        assert average.variables_to_restore([w]) == {"w/mean": w, "v": v, "v/mean": average.average(v)}
        with pytest.raises(TypeError, match="half, float, or double"):
            average.apply([df.Variable(1)])


# -- learning rates


STEP = 7


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [
        (lambda t: train.exponential_decay(0.1, t, 5, 0.5), 0.1 * 0.5 ** (7 / 5)),
        (lambda t: train.exponential_decay(0.1, t, 5, 0.5, staircase=True), 0.05),
        (lambda t: train.natural_exp_decay(0.1, t, 5, 0.5), 0.1 * math.exp(-0.5 * 7 / 5)),
        (lambda t: train.inverse_time_decay(0.1, t, 5, 0.5, staircase=True), 0.1 / 1.5),
        (lambda t: train.polynomial_decay(0.1, t, 10, 0.02, 2.0), 0.08 * 0.3**2 + 0.02),
        (lambda t: train.polynomial_decay(0.1, t, 5, 0.02, cycle=True), 0.08 * 0.3 + 0.02),
        (lambda t: train.polynomial_decay(0.1, t, 5, 0.02), 0.02),
        (lambda t: train.cosine_decay(0.1, t, 14, 0.2), 0.1 * (0.8 * 0.5 + 0.2)),
        (lambda t: train.cosine_decay_restarts(0.1, t, 5, 2.0, 0.5), 0.05 * 0.5 * (1 + math.cos(math.pi * 0.2))),
        (lambda t: train.cosine_decay_restarts(0.1, t, 4, 1.0), 0.1 * 0.5 * (1 + math.cos(math.pi * 0.75))),
        (
            lambda t: train.cosine_decay_restarts(0.1, t, 4, df.constant(1.0)),
            0.1 * 0.5 * (1 + math.cos(math.pi * 0.75)),
        ),
        (lambda t: train.linear_cosine_decay(0.1, t, 14, 0.5, 0.1, 0.01), 0.1 * (0.6 * 0.5 + 0.01)),
        (lambda t: train.noisy_linear_cosine_decay(0.1, t, 14, 0.0, alpha=0.1, beta=0.01), 0.1 * (0.6 * 0.5 + 0.01)),
        (lambda t: train.piecewise_constant(t, [3, 7, 9], [1.0, 2.0, 3.0, 4.0]), 2.0),
        (lambda t: train.piecewise_constant_decay(t, [6], [1.0, 2.0]), 2.0),
    ],
)
def test_a_rate_follows_from_the_step(sess: Any, rate: Any, wanted: float) -> None:
    step = df.Variable(STEP, dtype=df.int64)
    found = rate(step)
    assert found.dtype == df.float32
    sess.run(step.initializer)
    assert sess.run(found) == pytest.approx(wanted, rel=1e-5)


def test_a_rate_needs_a_step_and_one_dtype() -> None:
    with df.Graph().as_default():
        with pytest.raises(ValueError, match="global_step is required for cosine_decay"):
            train.cosine_decay(0.1, None, 10)
        with pytest.raises(ValueError, match="should be 1 less"):
            train.piecewise_constant(1, [1], [1.0])
        with pytest.raises(ValueError, match=r"Boundaries .* must have the same dtype"):
            train.piecewise_constant(1, [1.5], [1.0, 2.0])
        with pytest.raises(ValueError, match="Values must have elements all with the same dtype"):
            train.piecewise_constant(1, [1], [1.0, 2])

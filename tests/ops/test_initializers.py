"""Initializers of variables: moments, orthogonality, arguments."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import ShapeError
from tests.ops.evaluate import Evaluator

SHAPE = [3, 4, 50, 100]
IN, OUT = 3 * 4 * 50, 3 * 4 * 100


def value(tensor: Any) -> Any:
    return Evaluator()(tensor)


VARIANCES: dict[str, tuple[Any, float]] = {
    "he_normal": (df.initializers.he_normal(seed=1), 2 / IN),
    "he_uniform": (df.initializers.he_uniform(seed=1), 2 / IN),
    "lecun_normal": (df.initializers.lecun_normal(seed=1), 1 / IN),
    "lecun_uniform": (df.initializers.lecun_uniform(seed=1), 1 / IN),
    "glorot_uniform": (df.initializers.glorot_uniform(seed=1), 2 / (IN + OUT)),
    "glorot_normal": (df.initializers.glorot_normal(seed=1), 2 / (IN + OUT)),
    "untruncated": (df.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal", seed=1), 3 / OUT),
    "normal": (df.initializers.variance_scaling(3.0, "fan_out", "normal", seed=1), 3 / OUT),
    "unit": (df.uniform_unit_scaling_initializer(2.0, seed=1), 4 / (3 * 4 * 50)),
    "xavier": (df.contrib.layers.xavier_initializer(seed=1), 2 / (IN + OUT)),
}


@pytest.mark.parametrize("name", VARIANCES)
def test_the_variance_follows_from_the_numbers_of_inputs_and_outputs(name: str) -> None:
    initializer, variance = VARIANCES[name]
    drawn = value(initializer(SHAPE, dtype=df.float64))
    assert drawn.shape == tuple(SHAPE)
    np.testing.assert_allclose(drawn.var(), variance, rtol=0.05)
    assert abs(drawn.mean()) < 0.02


def test_a_part_of_a_variable_is_scaled_as_the_whole() -> None:
    info = SimpleNamespace(full_shape=SHAPE, var_offset=[0, 0, 0, 50])
    part = value(df.initializers.he_normal(seed=1)([3, 4, 50, 50], df.float64, info))
    np.testing.assert_allclose(part.var(), 2 / IN, rtol=0.1)
    whole = value(df.initializers.identity(3.0)([4, 4]))
    info = SimpleNamespace(full_shape=[4, 4], var_offset=[2, 0])
    np.testing.assert_array_equal(value(df.initializers.identity(3.0)([2, 4], partition_info=info)), whole[2:])


@pytest.mark.parametrize("shape", [[10, 3], [3, 10], [2, 5, 7], [4, 4]])
def test_an_orthogonal_matrix_has_orthogonal_rows_or_columns(shape: list[int]) -> None:
    drawn = value(df.orthogonal_initializer(gain=2.0, seed=1)(shape, df.float64))
    assert drawn.shape == tuple(shape)
    matrix = drawn.reshape(-1, shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_shapes_and_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least two-dimensional"):
        df.initializers.orthogonal()([5])
    with pytest.raises(ShapeError, match="only be used for 2D"):
        df.initializers.identity()([2, 2, 2])
    wrong: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (df.variance_scaling_initializer, {"scale": 0.0}),
        (df.variance_scaling_initializer, {"mode": "fan"}),
        (df.variance_scaling_initializer, {"distribution": "cauchy"}),
        (df.initializers.random_normal, {"dtype": df.string}),
        (df.initializers.truncated_normal, {"dtype": df.int32}),
        (df.orthogonal_initializer, {"dtype": df.int32}),
    ]
    for make, arguments in wrong:
        with pytest.raises(ValueError):
            make(**arguments)


@pytest.mark.parametrize(
    "initializer",
    [
        df.initializers.zeros(df.int32),
        df.initializers.ones(),
        df.initializers.constant([1.0, 2.0]),
        df.initializers.random_uniform(-1, 1, seed=3),
        df.initializers.random_normal(1.0, 2.0, seed=3, dtype=df.float64),
        df.initializers.truncated_normal(1.0, 2.0, seed=3),
        df.initializers.uniform_unit_scaling(2.0, seed=3),
        df.initializers.variance_scaling(2.0, "fan_avg", "uniform", seed=3),
        df.initializers.glorot_uniform(seed=3),
        df.initializers.orthogonal(2.0, seed=3),
        df.initializers.identity(2.0),
    ],
    ids=lambda it: type(it).__name__,
)
def test_a_config_makes_an_equal_initializer(initializer: Any) -> None:
    other = type(initializer).from_config(initializer.get_config())
    assert other.get_config() == initializer.get_config()
    np.testing.assert_array_equal(value(other([2, 2])), value(initializer([2, 2])))


def test_a_constant_may_be_verified_in_the_call() -> None:
    with pytest.raises(TypeError):
        df.initializers.constant([1.0, 2.0])([3], verify_shape=True)
    np.testing.assert_array_equal(value(df.initializers.constant([1.0, 2.0])([3])), [1, 2, 2])
    np.testing.assert_array_equal(value(df.initializers.ones()([2])), [1, 1])


def test_the_module_initializes_variables_too() -> None:
    v = df.Variable(1.0)
    local = df.Variable(1.0, collections=[df.GraphKeys.LOCAL_VARIABLES])
    with df.Session() as sess:
        sess.run([df.initializers.global_variables(), df.initializers.local_variables()])
        sess.run([df.initializers.variables([v]), df.initializers.tables_initializer()])
        assert sess.run([v, local]) == [1.0, 1.0]

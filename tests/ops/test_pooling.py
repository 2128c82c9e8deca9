"""Pooling by random windows, and pools of integers."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as df
from dflow.ops.pool import gradients
from tests.ops.evaluate import Evaluator

IMAGE = np.random.default_rng(1).normal(size=(2, 11, 17, 3)).astype(np.float32)


@pytest.mark.parametrize("pseudo_random", [False, True])
@pytest.mark.parametrize("overlapping", [False, True])
def test_windows_of_random_sizes_cover_the_image(pseudo_random: bool, overlapping: bool) -> None:
    for function, reduce in ((df.nn.fractional_max_pool, np.max), (df.nn.fractional_avg_pool, np.mean)):
        y = function(IMAGE, [1.0, 1.6, 1.4, 1.0], pseudo_random, overlapping)
        found, rows, columns = Evaluator()(list(y))
        assert (found.shape, rows[0], rows[-1], columns[-1]) == ((2, 6, 12, 3), 0, 11, 17)
        assert set(np.diff(rows)) | set(np.diff(columns)) <= {1, 2}
        for i in range(6):
            for j in range(12):
                down = slice(rows[i], rows[i + 1] + overlapping)
                across = slice(columns[j], columns[j + 1] + overlapping)
                np.testing.assert_allclose(found[:, i, j], reduce(IMAGE[:, down, across], (1, 2)), rtol=1e-5)


def test_the_gradient_goes_to_the_windows_that_were_drawn() -> None:
    x = df.constant(IMAGE)
    for function in (df.nn.fractional_max_pool, df.nn.fractional_avg_pool):
        y = function(x, [1.0, 1.6, 1.4, 1.0], deterministic=True, seed=3)
        (dx,) = df.gradients(y.output, x)
        found, pooled = Evaluator()([dx, y.output])
        np.testing.assert_allclose((found * IMAGE).sum(), pooled.sum(), rtol=1e-4)


def test_a_deterministic_pool_draws_the_same_in_each_run() -> None:
    y = df.nn.fractional_max_pool(IMAGE, [1.0, 1.6, 1.4, 1.0], deterministic=True, seed=5)
    run = Evaluator()
    first, again = run(y.row_pooling_sequence), run(y.row_pooling_sequence)
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="batch nor channel"):
        df.nn.fractional_max_pool(IMAGE, [2.0, 1.0, 1.0, 1.0])


def test_the_largest_of_integers_may_be_negative() -> None:
    x = -np.arange(1, 13, dtype=np.int32).reshape(1, 3, 4, 1)
    y = df.nn.max_pool(x, 2, 2, "SAME")
    assert Evaluator()(y)[0, :, :, 0].tolist() == [[-1, -3], [-9, -11]]
    with pytest.raises(TypeError, match="not in list of allowed values: float16"):
        df.nn.avg_pool(x, 2, 2, "SAME")


def test_pools_along_the_channels_take_each_channel_once() -> None:
    for ksize, strides, said in (
        ([1, 2, 2, 2], [1, 1, 1, 2], "exactly one of pooling across depth"),
        ([1, 1, 1, 2], [1, 1, 1, 1], "depth window to equal the depth stride"),
        ([1, 1, 1, 2], [1, 1, 1, 2], "evenly divide"),
    ):
        with pytest.raises(df.errors.UnimplementedError, match=said):
            Evaluator()(df.nn.max_pool(IMAGE, ksize, strides, "SAME"))


def test_gradients_can_be_called_by_hand() -> None:
    x = np.array([[1, 2], [3, 0]], np.float32).reshape(1, 2, 2, 1)
    four, steps = df.placeholder(df.int32, [4]), [1, 1, 1, 1]
    feeds, run = {four: [1, 2, 2, 1]}, Evaluator()
    y, dy = np.array([[[[3.0]]]], np.float32), np.array([[[[5.0]]]], np.float32)
    places = np.array([[[[2]]]], np.int64)
    for found in (
        gradients.max_pool_grad(x, y, dy, [1, 2, 2, 1], steps, "VALID"),
        gradients.max_pool_grad_v2(x, y, dy, four, steps, "VALID"),
        gradients.max_pool_grad_with_argmax(x, dy, places, [1, 2, 2, 1], steps, "VALID"),
    ):
        assert run(found, feeds)[0, :, :, 0].tolist() == [[0, 0], [5, 0]]
    for found in (
        gradients.max_pool_grad_grad(x, y, 2 * x, [1, 2, 2, 1], steps, "VALID"),
        gradients.max_pool_grad_grad_v2(x, y, 2 * x, four, steps, "VALID"),
        gradients.max_pool_grad_grad_with_argmax(x, 2 * x, places, [1, 2, 2, 1], steps, "VALID"),
    ):
        assert run(found, feeds).tolist() == [[[[6.0]]]]
    mean = gradients.avg_pool_grad([1, 2, 2, 1], dy, [1, 2, 2, 1], steps, "VALID")
    assert run(mean)[0, :, :, 0].tolist() == [[1.25, 1.25], [1.25, 1.25]]

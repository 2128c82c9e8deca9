"""Normalisation of batches: values against NumPy, gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from tests.ops.cases import positive, real
from tests.ops.evaluate import Evaluator
from tests.ops.test_oracle import DEVICES, judge_gradients, loss_of, to_numpy

Array = np.ndarray[Any, Any]
EPSILON = 0.1


def normalised(x: Array, scale: Array, offset: Array, mean: Array, variance: Array) -> Array:
    return (x - mean) / np.sqrt(variance + EPSILON) * scale + offset


def in_training(data_format: str) -> Callable[..., Any]:
    return lambda x, scale, offset: df.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON, data_format=data_format)


MEAN, VARIANCE = real(2), positive(2)


def with_given_moments(x: Any, scale: Any, offset: Any) -> Any:
    return df.nn.fused_batch_norm(x, scale, offset, MEAN, VARIANCE, EPSILON, is_training=False)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_gets_the_mean_and_the_deviation_that_are_asked_for(device: str) -> None:
    x, scale, offset = real(2, 3, 4, 2), real(2), real(2)
    m, v = x.mean((0, 1, 2)), x.var((0, 1, 2))
    wanted = normalised(x, scale, offset, m, v)
    run = DEVICES[device]()
    last = run(list(in_training("NHWC")(x, scale, offset)))
    first = run(list(in_training("NCHW")(np.moveaxis(x, -1, 1), scale, offset)))
    given = run(with_given_moments(x, scale, offset)[0])
    np.testing.assert_allclose(to_numpy(given), normalised(x, scale, offset, MEAN, VARIANCE))
    for found, image in ((last, to_numpy(last[0])), (first, np.moveaxis(to_numpy(first[0]), 1, -1))):
        np.testing.assert_allclose(image, wanted)
        np.testing.assert_allclose(to_numpy(found[1]), m)
        np.testing.assert_allclose(to_numpy(found[2]), v * 24 / 23)


@pytest.mark.parametrize("build", [in_training("NHWC"), in_training("NCHW"), with_given_moments])
@pytest.mark.parametrize("known", [True, False])
def test_gradients_of_both_orders_agree_with_central_differences(build: Callable[..., Any], known: bool) -> None:
    values = [real(2, 2, 2, 2), real(2), real(2)]
    inputs = [df.placeholder(df.float64, value.shape if known else None) for value in values]
    feeds = dict(zip(inputs, values, strict=True))
    y = build(*inputs)[0]
    ys, weights = loss_of([y], Evaluator()([y], feeds))
    judge_gradients(ys, weights, inputs, feeds)
    dy = df.placeholder(df.float64, y.shape)
    feeds[dy] = weights[0]
    first = [dx for dx in df.gradients(y, inputs, dy) if dx is not None]
    again, weights = loss_of(first, Evaluator()(first, feeds))
    judge_gradients(again, weights, [*inputs, dy], feeds)


@pytest.mark.parametrize("dtype", [df.float16, df.bfloat16])
def test_statistics_of_small_floats_are_float32(dtype: Any) -> None:
    x = df.cast(real(2, 3, 4, 2), dtype)
    y, mean, variance = df.nn.fused_batch_norm(x, np.ones(2, np.float32), np.zeros(2, np.float32))
    dx, dscale = df.gradients(y, [x, y.op.inputs[1]])
    assert [it.dtype for it in (y, mean, variance, dx, dscale)] == [dtype, df.float32, df.float32, dtype, df.float32]
    Evaluator()([y, mean, variance, dx, dscale])


def test_moments_are_given_only_where_they_are_used() -> None:
    x, vector = np.zeros((1, 2, 2, 3), np.float32), np.ones(3, np.float32)
    with pytest.raises(ValueError, match="must be None if is_training"):
        df.nn.fused_batch_norm(x, vector, vector, mean=vector, variance=vector)
    with pytest.raises(ValueError, match="must be equal"):
        df.nn.fused_batch_norm(x, vector, np.ones(2, np.float32))
    late = df.placeholder(df.float32)
    with pytest.raises(df.errors.InvalidArgumentError, match="expected 3 values"):
        Evaluator()(df.nn.fused_batch_norm(x, late, vector)[0], {late: np.ones(2, np.float32)})

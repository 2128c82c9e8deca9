"""BatchNormalization: statistics of the batch, moving averages, axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df

X = np.random.default_rng(2).normal(3.0, 2.0, size=(5, 4, 3, 6)).astype(np.float32)


def normalized(x: np.ndarray, axes: tuple[int, ...], epsilon: float = 1e-3) -> np.ndarray:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
@pytest.mark.parametrize("fused", [None, False])
def test_the_batch_is_normalized_in_training_and_the_averages_follow(axis: int, fused: Any) -> None:
    training = df.placeholder(df.bool)
    layer = df.layers.BatchNormalization(axis=axis, momentum=0.5, fused=fused)
    y = layer(df.constant(X), training=training)
    axes = tuple(place for place in range(4) if place != axis % 4)
    correction = (X.size / X.shape[axis]) / (X.size / X.shape[axis] - 1) if layer.fused else 1.0
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        found, *_ = sess.run([y, *layer.updates], {training: True})
        np.testing.assert_allclose(found, normalized(X, axes), rtol=1e-3, atol=1e-4)
        mean, variance = sess.run([layer.moving_mean, layer.moving_variance])
        np.testing.assert_allclose(mean, X.mean(axes) / 2, rtol=1e-4)
        np.testing.assert_allclose(variance, 0.5 + X.var(axes) * correction / 2, rtol=1e-4)
        found, *_ = sess.run([y, *layer.updates], {training: False})
        shape = [-1 if place == axis % 4 else 1 for place in range(4)]
        wanted = (X - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-3)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(sess.run(layer.moving_mean), mean)


def test_variables_updates_and_collections_are_as_in_tensorflow() -> None:
    layer = df.layers.BatchNormalization(name="bn")
    y = layer(df.constant(X[0, 0]), training=True)
    assert [it.op.name for it in layer.variables] == ["bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"]
    assert df.trainable_variables() == layer.trainable_variables == [layer.gamma, layer.beta]
    assert df.get_collection(df.GraphKeys.UPDATE_OPS) == layer.updates
    assert len(layer.updates) == len(layer.get_updates_for(None)) + 2 == 2
    assert y.shape == X[0, 0].shape
    layer(df.constant(X[0, 1]))
    assert len(layer.updates) == 2
    layer.trainable = False
    assert layer.updates == []


@pytest.mark.parametrize("training", [True, False])
def test_gradients_go_through_the_statistics_of_the_batch_only(training: bool) -> None:
    x = df.constant(X)
    y = df.layers.batch_normalization(x, training=training, center=False, scale=False)
    gradient = df.gradients(y, x)[0]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        found = sess.run(gradient)
    np.testing.assert_allclose(found, np.full_like(X, 0.0 if training else 1 / np.sqrt(1.001)), atol=1e-5)


def test_a_function_shares_variables_by_name() -> None:
    x = df.constant(X)
    first = df.layers.batch_normalization(x, training=True, name="bn", gamma_initializer=df.constant_initializer(2.0))
    second = df.layers.batch_normalization(x, training=True, name="bn", reuse=True)
    assert len(df.global_variables()) == 4
    assert len(df.get_collection(df.GraphKeys.UPDATE_OPS)) == 4
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        one, two = sess.run([first, second])
    np.testing.assert_allclose(one, 2 * normalized(X, (0, 1, 2)), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(one, two)


def test_several_axes_and_other_dtypes() -> None:
    layer = df.layers.BatchNormalization(axis=[1, 3], fused=False)
    y = layer(df.constant(X), training=True)
    assert layer.gamma.shape.as_list() == [1, 4, 1, 6]
    wide = df.layers.BatchNormalization(fused=True)
    wide(df.constant(X.astype(np.float64)), training=True)
    assert not wide.fused
    assert wide.gamma.dtype == df.float64
    half = df.layers.BatchNormalization(fused=True)
    z = half(df.constant(X.astype(np.float16)), training=True)
    assert (half.gamma.dtype, z.dtype) == (df.float32, df.float16)
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        np.testing.assert_allclose(sess.run(y), normalized(X, (0, 2)), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(sess.run(z), normalized(X, (0, 1, 2)), rtol=2e-2, atol=2e-2)


def test_what_cannot_be_normalized_is_refused() -> None:
    x = df.placeholder(df.float32, [None, None, 3])
    for arguments, inputs, error in [
        ({"axis": 3}, x, ValueError),
        ({"axis": [1, 1]}, x, ValueError),
        ({"axis": 1}, x, ValueError),
        ({}, df.placeholder(df.float32), ValueError),
        ({"axis": "channels"}, x, TypeError),
        ({"renorm": True, "renorm_clipping": {"rmid": 1.0}}, x, ValueError),
        ({"virtual_batch_size": -1}, x, ValueError),
        ({"virtual_batch_size": 2, "axis": 0}, x, ValueError),
        ({"virtual_batch_size": 2, "adjustment": lambda shape: (1.0, 0.0)}, x, ValueError),
    ]:
        with pytest.raises(error):
            df.layers.batch_normalization(inputs, **arguments)


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("adjusted", [False, True])
def test_outputs_in_training_are_corrected_to_the_averages_before(axis: int, adjusted: bool) -> None:
    axes, sizes = (0, 2, 3) if axis == 1 else (0, 1, 2), [-1, 1, 1] if axis == 1 else [-1]
    factor, summand = (1.5, -0.5) if adjusted else (1.0, 0.0)
    x, training = df.placeholder(df.float32, X.shape), df.placeholder(df.bool)
    layer = df.layers.BatchNormalization(
        axis=axis,
        momentum=0.9,
        renorm=True,
        renorm_momentum=0.8,
        renorm_clipping={"rmax": 1.1, "rmin": 0.9, "dmax": 0.1},
        gamma_initializer=df.constant_initializer(2.0),
        beta_initializer=df.constant_initializer(3.0),
        adjustment=(lambda shape: (df.constant(factor), df.constant(summand))) if adjusted else None,
    )
    y = layer(x, training=training)
    assert [it.op.name.split("/")[1] for it in layer.non_trainable_variables] == [
        "moving_mean",
        "moving_variance",
        "moving_stddev",
        "renorm_mean",
        "renorm_stddev",
    ]
    mean, deviation, old_mean, old_deviation = 0.0, 1.0, 0.0, 1.0
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        for step in range(3):
            batch = X + step
            now, spread = batch.mean(axes), np.sqrt(batch.var(axes) + 1e-3)
            r = (spread / old_deviation).clip(0.9, 1.1).reshape(sizes)
            d = ((now - old_mean) / old_deviation).clip(-0.1, 0.1).reshape(sizes)
            wanted = (((batch - now.reshape(sizes)) / spread.reshape(sizes) * r + d) * factor + summand) * 2 + 3
            old_mean, old_deviation = old_mean * 0.8 + now * 0.2, old_deviation * 0.8 + spread * 0.2
            mean, deviation = mean * 0.9 + now * 0.1, deviation * 0.9 + spread * 0.1
            found, *_ = sess.run([y, *layer.updates], {x: batch, training: True})
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
            found, *_ = sess.run([y, *layer.updates], {x: batch, training: False})
            wanted = (batch - mean.reshape(sizes)) / deviation.reshape(sizes) * 2 + 3
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
        sess.run(y, {x: X, training: True})
        np.testing.assert_allclose(sess.run(layer.renorm_mean), old_mean, rtol=1e-3)


def test_the_correction_is_a_constant_to_the_gradients() -> None:
    x = df.constant(X)
    y = df.layers.batch_normalization(x, training=True, renorm=True, scale=False)
    z = df.layers.batch_normalization(x, training=True, scale=False, fused=False)
    one, two = df.gradients(df.reduce_sum(y**3), x)[0], df.gradients(df.reduce_sum(z**3), x)[0]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        plain, corrected, first, second = sess.run([z, y, one, two])
    spread, mean = np.sqrt(X.var((0, 1, 2)) + 1e-3), X.mean((0, 1, 2))
    np.testing.assert_allclose(corrected, plain * spread + mean, rtol=1e-3, atol=1e-3)
    above = 3 * corrected**2 * spread  # the gradient of the normalized values
    rows = X.size / X.shape[-1]
    centered = above - above.mean((0, 1, 2)) - plain * (above * plain).sum((0, 1, 2)) / rows
    np.testing.assert_allclose(first, centered / spread, rtol=1e-2, atol=1e-2)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(("axis", "axes"), [(1, (0, 3, 4)), (-1, (0, 2, 3))])
def test_parts_of_the_batch_are_normalized_by_themselves(axis: int, axes: tuple[int, ...]) -> None:
    x, training = df.placeholder(df.float32, [None, *X.shape[1:]]), df.placeholder(df.bool)
    layer = df.layers.BatchNormalization(axis=axis, momentum=0.5, virtual_batch_size=2)
    y = layer(x, training=training)
    assert y.shape.as_list() == [None, *X.shape[1:]]
    batch = np.concatenate([X, X[:1] + 2])
    parts = batch.reshape(2, 3, *X.shape[1:])
    wanted = normalized(parts, axes).reshape(batch.shape)
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        found, *_ = sess.run([y, *layer.updates], {x: batch, training: True})
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
        mean, variance = sess.run([layer.moving_mean, layer.moving_variance])
        np.testing.assert_allclose(mean, parts.mean(axes, keepdims=True).mean(1, keepdims=True) / 2, rtol=1e-4)
        wanted = 0.5 + parts.var(axes, keepdims=True).mean(1, keepdims=True) / 2
        np.testing.assert_allclose(variance, wanted, rtol=1e-4)
        found = sess.run(y, {x: batch, training: False})
        wanted = (parts - mean) / np.sqrt(variance + 1e-3)
        np.testing.assert_allclose(found, wanted.reshape(batch.shape), rtol=1e-3, atol=1e-4)

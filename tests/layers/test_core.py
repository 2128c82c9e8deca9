"""Dense, Dropout and Flatten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.errors import ShapeError


def initialized() -> df.Session:
    sess = df.Session()
    sess.run(df.global_variables_initializer())
    return sess


# -- dense


def test_a_dense_layer_multiplies_the_last_axis() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    layer = df.layers.Dense(5, activation=df.nn.relu, bias_initializer=df.ones_initializer(), name="mine")
    flat, high = layer(df.constant(x[0])), layer(df.constant(x))
    with initialized() as sess:
        kernel, found, wide = sess.run([layer.kernel, flat, high])
    np.testing.assert_allclose(found, np.maximum(x[0] @ kernel + 1, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(wide, np.maximum(x @ kernel + 1, 0), rtol=1e-5, atol=1e-6)
    assert [it.name for it in layer.variables] == ["mine/kernel:0", "mine/bias:0"]
    assert (flat.op.name, high.shape.as_list()) == ("mine/Relu", [2, 3, 5])
    assert layer.compute_output_shape((None, 3, 4)).as_list() == [None, 3, 5]


def test_sizes_of_rows_may_be_unknown_but_not_that_of_the_last_axis() -> None:
    for shape in (None, [None, None], [3]):
        with pytest.raises(ValueError):
            df.layers.Dense(4)(df.placeholder(df.float32, shape))
    x = df.placeholder(df.float32, [None, None, 3])
    y = df.layers.dense(x, 2, use_bias=False)
    assert y.shape.as_list() == [None, None, 2]
    with initialized() as sess:
        assert sess.run(y, {x: np.ones((2, 5, 3))}).shape == (2, 5, 2)
    for shape in (None, [], [1]):
        with pytest.raises(ShapeError):
            df.layers.Dense(4).compute_output_shape(df.TensorShape(shape))
    with pytest.raises(TypeError, match="non-floating point dtype"):
        df.layers.Dense(4)(df.zeros([1, 1], df.int32))


def test_variables_of_a_function_are_shared_by_its_name_or_its_scope() -> None:
    x = df.zeros([5, 3])
    df.layers.dense(x, 2, name="mine")
    df.layers.dense(x, 2, name="mine", reuse=True)
    df.layers.dense(x, 2)
    df.layers.dense(x, 2)
    with df.variable_scope("a") as scope:
        df.layers.dense(x, 2, name=scope)
    with df.variable_scope("", reuse=True):
        df.layers.dense(x, 2, name="mine")
    names = {variable.op.name.rpartition("/")[0] for variable in df.trainable_variables()}
    assert names == {"mine", "dense", "dense_1", "a"}
    with pytest.raises(ValueError, match="already exists"):
        df.layers.dense(x, 2, name="mine")


def test_regularizers_initializers_and_constraints_go_to_the_variables() -> None:
    def regularizer(weights: Any) -> Any:
        return df.reduce_sum(weights) * 0.5

    x = df.ones([5, 3])
    with df.variable_scope("scope", initializer=df.ones_initializer()):
        layer = df.layers.Dense(
            2,
            kernel_regularizer=regularizer,
            bias_regularizer=regularizer,
            activity_regularizer=df.reduce_sum,
            kernel_constraint=lambda w: w / 2,
            trainable=False,
        )
        layer(x)
    assert (layer.trainable_variables, df.trainable_variables()) == ([], [])
    with initialized() as sess:
        assert sess.run(layer.losses) == [3.0, 0.0, 6.0]
    assert df.losses.get_regularization_losses() == layer.losses


# -- dropout


def test_dropout_drops_in_training_only() -> None:
    x, training = df.ones([50, 50]), df.placeholder(df.bool)
    layer = df.layers.Dropout(0.5, seed=1)
    always, never, depends = layer(x, training=True), layer(x), layer(x, training=training)
    rate = df.placeholder(df.float32)
    open_rate = df.layers.dropout(x, rate, training=True)
    with df.Session() as sess:
        for found in (sess.run(always), sess.run(depends, {training: True}), sess.run(open_rate, {rate: 0.5})):
            assert set(np.unique(found)) == {0.0, 2.0}
        for found in (sess.run(never), sess.run(depends, {training: False}), sess.run(open_rate, {rate: 0.0})):
            np.testing.assert_array_equal(found, np.ones((50, 50)))
    with pytest.raises(TypeError):
        layer(x, training="yes")


def test_values_are_dropped_together_along_an_axis_of_size_one() -> None:
    found = df.layers.dropout(df.ones([5, 3, 2]), 0.5, [None, 1, None], seed=1, training=True)
    with df.Session() as sess:
        value = sess.run(found)
    np.testing.assert_array_equal(value, np.repeat(value[:, :1], 3, axis=1))


# -- flatten


@pytest.mark.parametrize(
    ("static", "shape", "wanted"),
    [
        ([None, 2, 3], (3, 2, 3), [None, 6]),
        ([1, 2, 3, 2], (1, 2, 3, 2), [1, 12]),
        ([None], (5,), [None, 1]),
        ([5, None, None], (5, 2, 3), [5, None]),
        ([None, None, 2], (5, 3, 2), [None, None]),
        ([None, 0], (5, 0), [None, 0]),
    ],
)
def test_flatten_makes_a_vector_of_each_row(static: Any, shape: Any, wanted: Any) -> None:
    x = df.placeholder(df.float32, static)
    y = df.layers.Flatten()(x)
    assert y.shape.as_list() == df.layers.Flatten().compute_output_shape(static).as_list() == wanted
    value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    with df.Session() as sess:
        np.testing.assert_array_equal(sess.run(y, {x: value}), value.reshape(shape[0], -1 if value.size else 0))


def test_channels_are_flattened_last_wherever_they_are() -> None:
    x = np.arange(24, dtype=np.float32).reshape(1, 4, 3, 2)
    last = df.layers.flatten(df.constant(x))
    first = df.layers.flatten(df.constant(x.transpose(0, 3, 1, 2)), data_format="channels_first")
    with df.Session() as sess:
        np.testing.assert_array_equal(*sess.run([last, first]))
    with pytest.raises(ValueError, match="data_format"):
        df.layers.Flatten(data_format="channels")

"""`df.contrib.layers`: names of variables and operations, values, collections, training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df

C = df.contrib.layers
slim = df.contrib.slim
IMAGES = np.random.default_rng(4).normal(size=(5, 8, 9, 3)).astype(np.float32)


def run(*tensors: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run([df.global_variables_initializer(), df.local_variables_initializer()])
        return sess.run(list(tensors), feeds)


def names(collection: str = df.GraphKeys.GLOBAL_VARIABLES) -> list[str]:
    return [variable.op.name for variable in df.get_collection(collection)]


def test_a_fully_connected_layer_has_weights_biases_and_relu() -> None:
    x = IMAGES[0, 0]
    y = C.fully_connected(df.constant(x), 4, biases_initializer=df.ones_initializer(), outputs_collections="outs")
    found, weights = run(y, df.global_variables()[0])
    np.testing.assert_allclose(found, np.maximum(x @ weights + 1, 0), rtol=1e-5, atol=1e-6)
    assert y.op.name == "fully_connected/Relu"
    assert names() == names(df.GraphKeys.MODEL_VARIABLES) == ["fully_connected/weights", "fully_connected/biases"]
    assert df.get_collection("outs") == [y]
    with pytest.raises(ValueError, match="num_outputs type"):
        C.fully_connected(df.constant(x), "4")


def test_layers_take_regularizers_normalizers_and_collections_by_blocks() -> None:
    x = df.constant(IMAGES)
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_regularizer=slim.l2_regularizer(0.5),
        normalizer_fn=slim.batch_norm,
        normalizer_params={"is_training": True},
        variables_collections={"weights": ["W"]},
    ):
        net = slim.conv2d(x, 4, [3, 3], scope="conv")
        net = slim.fully_connected(slim.flatten(net), 2, activation_fn=None, scope="fc")
    assert names("W") == ["conv/weights", "fc/weights"]
    assert names()[:4] == [
        *("conv/weights", "conv/BatchNorm/beta", "conv/BatchNorm/moving_mean", "conv/BatchNorm/moving_variance"),
    ]
    losses = slim.losses.get_regularization_losses()
    weights = df.get_collection("W")
    assert len(df.get_collection(df.GraphKeys.UPDATE_OPS)) == 4
    loss, weight = run(losses[0], weights[0])
    np.testing.assert_allclose(loss, 0.5 * (weight**2).sum() / 2, rtol=1e-5)


def test_convolutions_are_those_of_layers_under_other_names() -> None:
    x = df.constant(IMAGES)
    y = C.conv2d(x, 4, 3, stride=2, activation_fn=None)
    z = C.conv2d(x, 4, [3, 3], rate=2, padding="VALID", scope="mine")
    up = C.conv2d_transpose(x, 2, [2, 2], stride=2)
    separable, depthwise = C.separable_conv2d(x, 4, 3, depth_multiplier=2), C.separable_conv2d(x, None, 3, stride=2)
    shapes = [it.shape.as_list() for it in (y, z, up, separable, depthwise)]
    assert shapes == [[5, 4, 5, 4], [5, 4, 5, 4], [5, 16, 18, 2], [5, 8, 9, 4], [5, 4, 5, 3]]
    assert [it.op.name for it in (y, z)] == ["Conv/BiasAdd", "mine/Relu"]
    weights, biases = df.global_variables()[:2]
    same = df.layers.conv2d(
        x, 4, 3, 2, "same", kernel_initializer=lambda shape, **kw: weights.initialized_value(), use_bias=False
    )
    np.testing.assert_allclose(*run(y - biases, same), rtol=1e-5, atol=1e-5)
    first = C.conv2d(df.constant(IMAGES.transpose(0, 3, 1, 2)), 4, 3, data_format="NCHW")
    assert first.shape.as_list() == [5, 4, 8, 9]
    assert C.conv1d(df.zeros([5, 7, 3]), 2, 3).shape.as_list() == [5, 7, 2]
    assert C.conv3d(df.zeros([5, 7, 7, 7, 3]), 2, 3, stride=2).shape.as_list() == [5, 4, 4, 4, 2]
    for wrong in (
        lambda: C.conv2d(df.zeros([5, 7, 3]), 2, 3),
        lambda: C.conv2d(x, 2, 3, data_format="CHWN"),
        lambda: C.conv2d_transpose(x, 2, 3, data_format="CHWN"),
        lambda: C.conv2d(df.placeholder(df.float32, [5, 7, 7, None]), 2, 3),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_pools_and_shapes() -> None:
    x = df.constant(IMAGES)
    pools = C.max_pool2d(x, 2), C.avg_pool2d(x, [2, 3], stride=1, padding="SAME")
    assert [it.op.name for it in pools] == ["MaxPool2D/MaxPool", "AvgPool2D/AvgPool"]
    assert [it.shape.as_list() for it in pools] == [[5, 4, 4, 3], [5, 8, 9, 3]]
    volumes = (
        C.max_pool3d(df.zeros([1, 4, 4, 4, 2]), 2),
        C.avg_pool3d(df.zeros([1, 2, 4, 4, 4]), 2, data_format="NCDHW"),
    )
    assert [it.shape.as_list() for it in volumes] == [[1, 2, 2, 2, 2], [1, 2, 2, 2, 2]]
    flat, hot = C.flatten(x), C.one_hot_encoding([1, 0], 3, on_value=2.0)
    assert flat.shape.as_list() == [5, 216]
    soft, largest, codes = run(C.softmax(df.constant([[0.0, 0.0]])), pools[0], hot)
    np.testing.assert_array_equal(soft, [[0.5, 0.5]])
    np.testing.assert_array_equal(codes, [[0, 2, 0], [2, 0, 0]])
    np.testing.assert_array_equal(largest[:, 0, 0], IMAGES[:, :2, :2].max((1, 2)))
    with pytest.raises(ValueError, match="data_format"):
        C.max_pool2d(x, 2, data_format="CHWN")


def test_dropout_and_batch_norm_depend_on_training() -> None:
    training = df.placeholder(df.bool)
    x = df.constant(IMAGES)
    dropped = C.dropout(df.ones([40, 40]), 0.25, is_training=training, seed=1)
    normal = C.batch_norm(x, decay=0.0, is_training=training, updates_collections=None, scale=True, scope="bn")
    assert df.get_collection(df.GraphKeys.UPDATE_OPS) == []
    assert names() == ["bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        some, one = sess.run([dropped, normal], {training: True})
        every, two, mean = sess.run([dropped, normal, df.global_variables()[2]], {training: False})
    assert set(np.unique(some)) == {0.0, 4.0}
    np.testing.assert_array_equal(every, np.ones((40, 40)))
    np.testing.assert_allclose(mean, IMAGES.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one, two, rtol=2e-2, atol=2e-2)


def test_each_row_is_normalized_by_itself() -> None:
    x = IMAGES.reshape(5, -1)
    found, unit = run(C.layer_norm(df.constant(x)), C.unit_norm(df.constant(x), 1))
    wanted = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose((unit**2).sum(1), np.ones(5), rtol=1e-4)
    assert names() == ["LayerNorm/beta", "LayerNorm/gamma"]
    images = C.layer_norm(df.constant(IMAGES), begin_norm_axis=-1, begin_params_axis=1, scope="images")
    assert df.global_variables()[-1].shape == images.shape[1:]
    for wrong in ({"begin_norm_axis": 4}, {"begin_params_axis": 4}):
        with pytest.raises(ValueError):
            C.layer_norm(df.constant(IMAGES), **wrong)


def test_layers_may_be_repeated_and_stacked() -> None:
    x = df.constant(IMAGES)
    slim.repeat(x, 2, slim.conv2d, 4, [3, 3], scope="conv1")
    slim.stack(slim.flatten(x), slim.fully_connected, [3, 2], scope="fc")
    slim.repeat(slim.flatten(x), 1, slim.linear, 3)
    assert names()[::2] == [
        *("conv1/conv1_1/weights", "conv1/conv1_2/weights", "fc/fc_1/weights", "fc/fc_2/weights"),
        "Repeat/fully_connected_1/weights",
    ]


def test_embeddings_of_sequences() -> None:
    ids = df.constant([[0, 2], [2, 1]])
    y = C.embed_sequence(ids, 3, 4, scope="e")
    z = C.embed_sequence(ids, 3, 4, unique=True, scope="e", reuse=True)
    found, again, table = run(y, z, df.global_variables()[0])
    np.testing.assert_array_equal(found, table[[[0, 2], [2, 1]]])
    np.testing.assert_array_equal(found, again)
    with pytest.raises(ValueError, match="Must specify vocab size"):
        C.embed_sequence(ids)


def test_regularizers_are_functions_of_weights() -> None:
    w = df.constant([[1.0, -2.0], [0.0, 3.0]])
    losses = [
        C.l1_regularizer(0.5)(w),
        C.l2_regularizer(0.5)(w),
        C.l1_l2_regularizer(0.5, 1.0)(w),
        C.l1_l2_regularizer(0.0, 1.0)(w),
        C.sum_regularizer([C.l1_regularizer(1.0), None, C.l2_regularizer(0.0)])(w),
        C.apply_regularization(C.l2_regularizer(1.0), [w, w]),
    ]
    assert [float(it) for it in run(*losses)] == [3.0, 3.5, 10.0, 7.0, 6.0, 14.0]
    assert df.losses.get_regularization_losses() == losses[-1:]
    assert C.l1_regularizer(0.0)(w) is None
    assert C.sum_regularizer([None]) is None
    for wrong in (-1.0, 1):
        with pytest.raises(ValueError):
            C.l2_regularizer(wrong)
    with pytest.raises(ValueError, match="No weights to regularize"):
        C.apply_regularization(C.l2_regularizer(1.0))


def test_initializers_of_layers_refuse_what_is_not_floating() -> None:
    for wrong in ({"mode": "FAN"}, {"dtype": df.int32}):
        with pytest.raises(TypeError):
            C.variance_scaling_initializer(**wrong)
    with pytest.raises(TypeError):
        C.xavier_initializer()([2, 2], dtype=df.int32)
    drawn = run(C.variance_scaling_initializer(factor=3.0, seed=1)([100, 200]))[0]
    np.testing.assert_allclose(drawn.var(), 3.0 / 100, rtol=0.1)


@pytest.mark.parametrize("optimizer", ["SGD", df.train.GradientDescentOptimizer, lambda rate: df.train.Optimizer])
def test_a_loss_is_optimized(optimizer: Any) -> None:
    x = df.get_variable("x", initializer=10.0)
    step = df.train.get_or_create_global_step()
    if callable(optimizer) and not isinstance(optimizer, type):
        with pytest.raises(ValueError, match="should return subclass of Optimizer"):
            C.optimize_loss(x * x, step, 0.1, optimizer)
        return
    loss = C.optimize_loss(x * x, step, 0.1, optimizer, clip_gradients=5.0, gradient_multipliers={x: 2.0})
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        sess.run(loss)
        np.testing.assert_allclose(sess.run([x, step]), [9.5, 1])
    for wrong in ({"optimizer": "Best"}, {"learning_rate": "fast"}, {"loss": df.ones([2])}, {"optimizer": 3}):
        arguments = {"loss": x * x, "global_step": step, "learning_rate": 0.1, "optimizer": "SGD", **wrong}
        with pytest.raises(ValueError):
            C.optimize_loss(**arguments, name="wrong")


def test_names_for_one_thing_are_one_thing() -> None:
    pairs = {
        C.conv1d: C.convolution1d,
        C.conv2d: C.convolution2d,
        C.conv3d: C.convolution3d,
        C.conv2d_transpose: C.convolution2d_transpose,
        C.separable_conv2d: C.separable_convolution2d,
        C.xavier_initializer: C.xavier_initializer_conv2d,
    }
    assert all(short is long for short, long in pairs.items())
    x = df.constant(IMAGES[:2])
    outputs = C.convolution(x, 2, 3, scope="c"), C.bias_add(x, activation_fn=df.nn.relu), C.relu(C.flatten(x), 3)
    assert [it.op.type for it in outputs] == ["Relu"] * 3
    named = C.collect_named_outputs("ends", "alias", outputs[0])
    assert (named.aliases, df.get_collection("ends")) == (["alias"], [outputs[0]])
    assert {"SGD", "Adam"} <= C.OPTIMIZER_CLS_NAMES.keys()

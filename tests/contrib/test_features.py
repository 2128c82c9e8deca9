"""`df.contrib.layers`: places, order and groups of features; convolutions in planes and of volumes, pooling by rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df

C = df.contrib.layers
X = np.random.default_rng(6).normal(size=(4, 5, 6, 8)).astype(np.float32)


def run(*tensors: Any, feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        return sess.run(list(tensors), feeds)


def test_images_are_a_sequence_of_columns_and_back() -> None:
    sequence = C.images_to_sequence(df.constant(X), outputs_collections="ends")
    first = C.images_to_sequence(df.constant(X.transpose(0, 3, 1, 2)), data_format="NCHW")
    fed = df.placeholder(df.float32, [None, None, None, 8])
    images = C.sequence_to_images(C.images_to_sequence(fed), 5)
    channels_first = C.sequence_to_images(sequence, 5, "channels_first")
    assert (sequence.shape.as_list(), channels_first.shape.as_list()) == ([6, 20, 8], [4, 8, 5, 6])
    assert (sequence.aliases, df.get_collection("ends")) == (["ImagesToSequence"], [sequence])
    found = run(sequence, first, images, channels_first, feeds={fed: X})
    wanted = X.transpose(2, 0, 1, 3).reshape(6, 20, 8)
    for one, other in zip(found, (wanted, wanted, X, X.transpose(0, 3, 1, 2)), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="either NCHW or NHWC"):
        C.images_to_sequence(X, data_format="CHWN")


def test_the_largest_of_each_group_of_features_is_left() -> None:
    y, z = C.maxout(df.constant(X), 2), C.maxout(df.constant(X), 3, axis=2)
    fed = df.placeholder(df.float32, [None, 8])
    rows = C.maxout(fed, 4)
    assert (y.shape.as_list(), z.shape.as_list(), rows.shape.as_list()) == ([4, 5, 6, 2], [4, 5, 3, 8], [None, 4])
    found, _, few = run(y, z, rows, feeds={fed: X[0, 0]})
    np.testing.assert_array_equal(found, X.reshape(4, 5, 6, 2, 4).max(-1))
    np.testing.assert_array_equal(few, X[0, 0].reshape(6, 4, 2).max(-1))
    with pytest.raises(ValueError, match="number of features"):
        C.maxout(df.constant(X), 3)


@pytest.mark.parametrize("known", [True, False])
def test_the_places_of_the_largest_features_are_found(known: bool) -> None:
    x = df.placeholder(df.float32, X.shape if known else [None, None, None, 8])
    y = C.spatial_softmax(x, variables_collections=["variables", df.GraphKeys.GLOBAL_VARIABLES])
    z = C.spatial_softmax(df.transpose(x, [0, 3, 1, 2]), temperature=0.5, data_format="NCHW")
    (temperature,) = df.get_collection("variables")
    assert (y.shape.as_list()[1], temperature.op.name) == (16, "spatial_softmax/temperature")
    found = run(y, z, feeds={x: X})
    grid = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 6), indexing="ij")
    for got, scale in zip(found, (1.0, 2.0), strict=True):
        weights = np.exp(X * scale)
        weights /= weights.sum((1, 2), keepdims=True)
        means = [np.einsum("nhwc,hw->nc", weights, place) for place in grid]
        wanted = np.stack(means, -1).reshape(4, 16)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="either NCHW or NHWC"):
        C.spatial_softmax(x, data_format="CHWN")


def test_gradients_are_scaled_and_values_are_not() -> None:
    x = df.constant(X[0, 0])
    y = C.scale_gradient(x, df.constant(2.0))
    (dx,) = df.gradients(y * 3.0, x)
    same, found = run(y, dx)
    np.testing.assert_array_equal(same, X[0, 0])
    np.testing.assert_array_equal(found, np.full_like(X[0, 0], 6.0))


def test_dense_values_but_the_token_become_sparse() -> None:
    sparse = C.dense_to_sparse(df.constant([[1, 0, 3], [0, 0, 2]]), outputs_collections="ends")
    assert df.get_collection("ends") == [sparse]
    (found,) = run(sparse)
    assert found.indices.tolist() == [[0, 0], [0, 2], [1, 2]]
    assert (found.values.tolist(), found.dense_shape.tolist()) == ([1, 3, 2], [2, 3])


def test_a_plane_has_one_filter_and_pooling_follows_the_rank() -> None:
    assert (C.convolution2d_in_plane, C.convolution3d_transpose) == (C.conv2d_in_plane, C.conv3d_transpose)
    x = df.constant(X)
    edges = C.conv2d_in_plane(
        x, [1, 2], padding="VALID", weights_initializer=df.constant_initializer([1, -1]), activation_fn=None
    )
    volume = C.conv3d_transpose(x[..., None], 2, 3, stride=2)
    mean, most = C.pool(x, [3, 2], "AVG"), C.pool(x[0], 2, "MAX", padding="SAME", stride=2, scope="p")
    assert [it.op.name for it in df.global_variables()] == [
        f"{scope}/{name}" for scope in ("ConvInPlane", "Conv3d_transpose") for name in ("weights", "biases")
    ]
    assert [it.shape.as_list() for it in df.global_variables()] == [[1, 2, 1, 1], [8], [3, 3, 3, 2, 1], [2]]
    assert (volume.shape.as_list(), mean.op.name, most.op.name) == ([4, 10, 12, 16, 2], "avg_pool", "p")
    found, means = run(edges, mean, volume)[:2]
    np.testing.assert_allclose(found, X[:, :, :-1] - X[:, :, 1:], rtol=1e-5, atol=1e-6)
    windows = np.lib.stride_tricks.sliding_window_view(X, (3, 2), (1, 2))
    np.testing.assert_allclose(means, windows.mean((-1, -2)), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="NCDHW or NDHWC"):
        C.conv3d_transpose(x[..., None], 2, 3, data_format="NHWC")
    assert [C.elu(df.constant(X[0, 0]), 2).op.type, C.relu6(df.constant(X[0, 0]), 2).op.type] == ["Elu", "Relu6"]

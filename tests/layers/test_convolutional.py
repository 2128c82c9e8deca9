"""Layers of convolutions and of pools: values against NumPy's windows, shapes, arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import dflow as df

L = df.layers
RNG = np.random.default_rng(5)
SIZES = {1: (7,), 2: (7, 9), 3: (4, 5, 6)}
CONVS: dict[str, tuple[Callable[..., Any], int]] = {
    "conv1d": (L.Conv1D, 1),
    "conv2d": (L.Conv2D, 2),
    "conv3d": (L.Conv3D, 3),
}


def images(axes: int, channels: int = 3) -> np.ndarray:
    return RNG.normal(size=(2, *SIZES[axes], channels)).astype(np.float32)


def first(x: np.ndarray) -> np.ndarray:
    """The same with the channels first."""
    return np.moveaxis(x, -1, 1)


def valid(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """A convolution without padding."""
    axes = tuple(range(1, x.ndim - 1))
    windows = sliding_window_view(x, kernel.shape[: len(axes)], axes)  # [n, *outs, c, *window]
    windows = windows[(slice(None), *(slice(None, None, stride),) * len(axes))]
    windows = np.moveaxis(windows, len(axes) + 1, -1)
    return np.tensordot(windows, kernel, axes=len(axes) + 1)


def run(*tensors: Any) -> Any:
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        return sess.run(list(tensors))


@pytest.mark.parametrize("name", CONVS)
def test_a_convolution_is_a_product_of_windows_and_kernel(name: str) -> None:
    make, axes = CONVS[name]
    x = images(axes)
    layer = make(4, 3, strides=2, activation=df.nn.relu, bias_initializer=df.ones_initializer())
    y = layer(df.constant(x))
    found, kernel = run(y, layer.kernel)
    wanted = np.maximum(valid(x, kernel, 2) + 1, 0)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert y.op.name == f"{name}/Relu"
    assert layer.kernel.shape.as_list() == [*(3,) * axes, 3, 4]
    assert y.shape == layer.compute_output_shape(x.shape) == wanted.shape


@pytest.mark.parametrize("name", CONVS)
def test_channels_may_come_first(name: str) -> None:
    make, axes = CONVS[name]
    x = images(axes)
    layer = make(4, 2, data_format="channels_first", bias_initializer=df.ones_initializer())
    y = layer(df.constant(first(x)))
    found, kernel = run(y, layer.kernel)
    np.testing.assert_allclose(found, first(valid(x, kernel) + 1), rtol=1e-4, atol=1e-5)
    assert y.shape == layer.compute_output_shape(first(x).shape)


def test_padding_and_dilation_give_the_shapes_that_they_say() -> None:
    x = df.placeholder(df.float32, [None, 7, 9, 4])
    shapes = {
        (3, 1, "same", 1): [None, 7, 9, 2],
        (3, 2, "same", 1): [None, 4, 5, 2],
        (3, (2, 1), "SAME", 1): [None, 4, 9, 2],
        (3, 1, "valid", 3): [None, 1, 3, 2],
        (3, 1, "valid", (1, 3)): [None, 5, 3, 2],
    }
    for (kernel, strides, padding, rate), shape in shapes.items():
        layer = L.Conv2D(2, kernel, strides, padding, dilation_rate=rate, use_bias=False)
        assert layer(x).shape.as_list() == layer.compute_output_shape(x.shape).as_list() == shape
        assert layer.bias is None


def test_a_causal_convolution_does_not_see_what_comes_later() -> None:
    kernel = df.constant_initializer(np.array([2.0, 1.0]).reshape(2, 1, 1))
    x = df.constant(np.array([1.0, 2.0, 3.0, 4.0], np.float32).reshape(1, 4, 1))
    ys = [L.Conv1D(1, 2, padding="causal", dilation_rate=r, kernel_initializer=kernel)(x) for r in (1, 2)]
    once, twice = run(*ys)
    np.testing.assert_array_equal(once.reshape(-1), [1, 4, 7, 10])
    np.testing.assert_array_equal(twice.reshape(-1), [1, 2, 5, 8])


def test_wrong_arguments_are_named() -> None:
    x = df.zeros([5, 7, 9, 3])
    for arguments, word in [
        ({"data_format": "invalid"}, "data_format"),
        ({"strides": (1, 2, 3)}, "strides"),
        ({"strides": None}, "strides"),
        ({"kernel_size": (1, 2, 3)}, "kernel_size"),
        ({"kernel_size": None}, "kernel_size"),
        ({"padding": "causal"}, "padding"),
    ]:
        with pytest.raises(ValueError, match=word):
            L.conv2d(x, **{"filters": 2, "kernel_size": 3, **arguments})
    with pytest.raises(ValueError, match="channels_last"):
        L.Conv1D(1, 2, padding="causal", data_format="channels_first")
    with pytest.raises(ValueError, match="channel dimension of the inputs should be defined"):
        L.Conv2D(2, 3)(df.placeholder(df.float32, [5, 7, 9, None]))
    with pytest.raises(ValueError, match="strides"):
        L.max_pooling2d(x, 2, None)


def test_variables_of_convolutions_are_shared_by_name() -> None:
    x = df.zeros([5, 7, 9, 3])
    for reuse in (None, True):
        L.conv2d(x, 4, [3, 3], name="c", reuse=reuse)
        L.separable_conv2d(x, 4, [3, 3], name="s", reuse=reuse)
        L.conv2d_transpose(x, 4, [3, 3], name="t", reuse=reuse)
    L.conv2d(x, 4, 3)
    assert [variable.op.name for variable in df.trainable_variables()] == [
        *("c/kernel", "c/bias", "s/depthwise_kernel", "s/pointwise_kernel", "s/bias", "t/kernel", "t/bias"),
        *("conv2d/kernel", "conv2d/bias"),
    ]


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(
    axes: int, padding: str, channels_first: bool
) -> None:
    small, steps = images(axes), 2
    order = "channels_first" if channels_first else "channels_last"
    x = df.constant(first(small) if channels_first else small)
    make = L.Conv2DTranspose if axes == 2 else L.Conv3DTranspose
    layer = make(4, 3, steps, padding, order, use_bias=False)
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape)
    forwards = L.Conv2D if axes == 2 else L.Conv3D
    large = df.zeros(y.shape)
    conv = forwards(3, 3, steps, padding, order, use_bias=False, kernel_initializer=lambda shape, **kw: df.zeros(shape))
    back = conv(large)
    gradient = df.gradients(back, large, x)[0]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        weights = sess.run(layer.kernel)
        found, wanted = sess.run([y, gradient], {conv.kernel.value(): weights})
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_transposed_convolution_of_unknown_sizes_has_them_in_the_run() -> None:
    x = df.placeholder(df.float32, [None, None, 5, 3])
    y = L.conv2d_transpose(x, 4, 3, 2, "same")
    assert y.shape.as_list() == [None, None, 10, 4]
    with df.Session() as sess:
        sess.run(df.global_variables_initializer())
        assert sess.run(y, {x: np.ones((2, 6, 5, 3))}).shape == (2, 12, 10, 4)


@pytest.mark.parametrize("channels_first", [False, True])
def test_a_separable_convolution_is_one_of_each_channel_and_a_product(channels_first: bool) -> None:
    order = "channels_first" if channels_first else "channels_last"
    for axes, make in ((1, L.SeparableConv1D), (2, L.SeparableConv2D)):
        x = images(axes)
        layer = make(4, 3, depth_multiplier=2, data_format=order)
        y = layer(df.constant(first(x) if channels_first else x))
        found, depthwise, pointwise = run(y, layer.depthwise_kernel, layer.pointwise_kernel)
        each = [valid(x[..., [c]], depthwise[..., [c], :]) for c in range(3)]
        wanted = np.concatenate(each, axis=-1) @ pointwise.reshape(6, 4)
        found = np.moveaxis(found, 1, -1) if channels_first else found
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


POOLS: dict[str, tuple[Callable[..., Any], int, Callable[..., Any]]] = {
    "average_pooling1d": (L.average_pooling1d, 1, np.mean),
    "average_pooling2d": (L.average_pooling2d, 2, np.mean),
    "average_pooling3d": (L.average_pooling3d, 3, np.mean),
    "max_pooling1d": (L.max_pooling1d, 1, np.max),
    "max_pooling2d": (L.max_pooling2d, 2, np.max),
    "max_pooling3d": (L.max_pooling3d, 3, np.max),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("channels_first", [False, True])
def test_a_pool_is_one_value_of_each_window(name: str, channels_first: bool) -> None:
    pool, axes, judge = POOLS[name]
    x = images(axes)
    windows = sliding_window_view(x, (2,) * axes, tuple(range(1, axes + 1)))
    windows = windows[(slice(None), *(slice(None, None, 2),) * axes)]
    wanted = judge(windows, axis=tuple(range(-axes, 0)))
    if channels_first:
        y = pool(df.constant(first(x)), 2, 2, data_format="channels_first")
        wanted = first(wanted)
    else:
        y = pool(df.constant(x), 2, 2)
    np.testing.assert_allclose(run(y)[0], wanted, rtol=1e-5, atol=1e-6)
    assert y.shape == wanted.shape
    assert y.op.name.startswith(f"{name}/")


def test_layers_of_pools_say_their_shapes() -> None:
    classes = [
        L.AveragePooling1D,
        L.AveragePooling2D,
        L.AveragePooling3D,
        L.MaxPooling1D,
        L.MaxPooling2D,
        L.MaxPooling3D,
    ]
    for place, make in enumerate(classes):
        axes = place % 3 + 1
        for padding in ("valid", "same"):
            layer, x = make(2, 2, padding), df.placeholder(df.float32, [None, *SIZES[axes], 3])
            assert layer.compute_output_shape(x.shape).as_list() == layer(x).shape.as_list()


FUNCTIONS: dict[Any, tuple[Any, int, dict[str, Any]]] = {
    L.conv1d: (L.Conv1D, 1, {"padding": "same"}),
    L.conv2d: (L.Conv2D, 2, {"dilation_rate": 2}),
    L.conv3d: (L.Conv3D, 3, {"activation": df.nn.relu}),
    L.separable_conv1d: (L.SeparableConv1D, 1, {"depth_multiplier": 2}),
    L.separable_conv2d: (L.SeparableConv2D, 2, {"strides": 2}),
    L.conv2d_transpose: (L.Conv2DTranspose, 2, {"use_bias": False}),
    L.conv3d_transpose: (L.Conv3DTranspose, 3, {"strides": 2}),
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda it: it.__name__)
def test_functions_are_layers_of_their_arguments(function: Any) -> None:
    make, axes, options = FUNCTIONS[function]
    x = df.constant(images(axes))
    options = {**options, "bias_initializer": df.ones_initializer()}
    y = function(x, 4, 3, **options, name="mine")
    layer = make(4, 3, **options, _scope="mine", _reuse=True)
    one, other = run(y, layer(x))
    np.testing.assert_array_equal(one, other)
    assert {variable.op.name.partition("/")[0] for variable in df.global_variables()} == {"mine"}

"""Lines of the oracle table: convolutions, pooling, normalisation, activations.

The judges compute one value of the result after the other, from the definition of the operation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import dflow as df
from dflow.ops.nn.bias import bias_add_grad
from dflow.ops.pool.avg_pool import avg_pool_grad
from dflow.ops.pool.max_pool import max_pool_v2
from tests.ops.cases import Case, real

Array = np.ndarray[Any, Any]
Pairs = list[tuple[int, int]]


def padding_pairs(padding: Any, sizes: Any, window: Any, strides: Any, rates: Any) -> Pairs:
    """The zeros before and behind each spatial axis."""
    if padding == "VALID":
        return [(0, 0) for _ in sizes]
    if padding != "SAME":
        return padding[1:-1]
    found = []
    for size, taps, stride, rate in zip(sizes, window, strides, rates, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (taps - 1) * rate + 1 - size)
        found.append((total // 2, total - total // 2))
    return found


def windows_of(x: Array, window: Any, strides: Any, rates: Any, padding: Any, fill: float) -> dict[Any, Array]:
    """The values of each window, by its place: [n, *window, c]."""
    pairs = padding_pairs(padding, x.shape[1:-1], window, strides, rates)
    padded = np.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=fill)
    outs = [
        (size - (taps - 1) * rate - 1) // stride + 1
        for size, taps, stride, rate in zip(padded.shape[1:-1], window, strides, rates, strict=True)
    ]
    found = {}
    for place in itertools.product(*map(range, outs)):
        key = tuple(
            slice(at * stride, at * stride + (taps - 1) * rate + 1, rate)
            for at, stride, taps, rate in zip(place, strides, window, rates, strict=True)
        )
        found[place] = padded[(slice(None), *key)]
    return found


def in_places(values: dict[Any, Array]) -> Array:
    """A result from its values, [n, c] at each place."""
    outs = tuple(last + 1 for last in max(values))
    first = next(iter(values.values()))
    y = np.zeros((len(first), *outs, first.shape[-1]), first.dtype)
    for place, value in values.items():
        y[(slice(None), *place)] = value
    return y


def convolved(x: Array, f: Array, strides: Any, padding: Any, rates: Any = None) -> Array:
    rates = rates or [1] * len(strides)
    parts = windows_of(x, f.shape[:-2], strides, rates, padding, 0)
    axes = list(range(1, x.ndim))
    return in_places({at: np.tensordot(w, f, (axes, list(range(f.ndim - 1)))) for at, w in parts.items()})


def each_channel(x: Array, f: Array, strides: Any, padding: Any, rates: Any = (1, 1)) -> Array:
    parts = windows_of(x, f.shape[:2], strides, rates, padding, 0)
    flat = {at: np.einsum("nhwc,hwcm->ncm", w, f).reshape(len(x), -1) for at, w in parts.items()}
    return in_places(flat)


def dilated(x: Array, f: Array, padding: str) -> Array:
    parts = windows_of(x, f.shape[:2], (2, 1), (1, 2), padding, -np.inf)
    return in_places({at: (w + f).max((1, 2)) for at, w in parts.items()})


def largest(x: Array, window: Any, strides: Any, padding: str) -> Array:
    parts = windows_of(x, window, strides, [1] * len(window), padding, -np.inf)
    axes = tuple(range(1, x.ndim - 1))
    return in_places({at: w.max(axes) for at, w in parts.items()})


def mean(x: Array, window: Any, strides: Any, padding: str) -> Array:
    parts = windows_of(x, window, strides, [1] * len(window), padding, np.nan)
    axes = tuple(range(1, x.ndim - 1))
    return in_places({at: np.nanmean(w, axes) for at, w in parts.items()})


def channels_first(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, *others: np.moveaxis(function(np.moveaxis(x, 1, -1), *others), -1, 1)


FOUR = [(0, 0), (2, 1), (0, 3), (0, 0)]


def conv2d(x: tuple[int, ...], f: tuple[int, ...], strides: Any, padding: Any, rates: Any = (1, 1)) -> Case:
    """A filter of as many channels as the image has."""
    return Case(
        lambda x, f: df.nn.conv2d(x, f, strides, padding, dilations=rates),
        lambda x, f: convolved(x, f, strides, padding, list(rates)),
        (real(*x), real(*f)),
    )


def lrn(x: Array) -> Array:
    sums = np.stack([(x[..., max(0, c - 2) : c + 3] ** 2).sum(-1) for c in range(x.shape[-1])], axis=-1)
    return x / (1.5 + 0.3 * sums) ** 0.6


def activation(build: Callable[..., Any], judge: Callable[..., Any]) -> list[Case]:
    return [Case(build, judge, (real(3, 5) * 3,)), Case(build, judge, (np.float64(0.4),))]


CONVOLUTIONS: dict[str, list[Case]] = {
    "Conv2D": [
        conv2d((2, 3, 4, 2), (2, 3, 2, 2), (1, 1), "SAME"),
        conv2d((1, 4, 4, 2), (2, 3, 2, 2), (2, 1), "VALID"),
        conv2d((1, 3, 5, 2), (2, 3, 2, 1), (2, 2), "SAME"),
        conv2d((1, 3, 4, 1), (3, 2, 1, 2), (1, 1), FOUR),
        conv2d((1, 4, 5, 1), (2, 2, 1, 2), (1, 1), "SAME", (2, 2)),
        conv2d((2, 3, 3, 2), (1, 1, 2, 3), (1, 1), "VALID"),
        Case(
            lambda x, f: df.nn.conv2d(x, f, [1, 1, 1, 2], "SAME", data_format="NCHW"),
            channels_first(lambda x, f: convolved(x, f, (1, 2), "SAME")),
            (real(1, 2, 3, 4), real(2, 3, 2, 3)),
        ),
        Case(  # two groups of channels
            lambda x, f: df.nn.conv2d(x, f, 1, "VALID"),
            lambda x, f: np.concatenate(
                [convolved(x[..., 2 * i : 2 * i + 2], f[..., i : i + 1], (1, 1), "VALID") for i in (0, 1)], -1
            ),
            (real(1, 3, 3, 4), real(2, 2, 2, 2)),
        ),
    ],
    "Conv3D": [
        Case(
            lambda x, f: df.nn.conv3d(x, f, [1, 1, 2, 1, 1], "SAME"),
            lambda x, f: convolved(x, f, (1, 2, 1), "SAME"),
            (real(1, 2, 3, 3, 2), real(2, 2, 2, 2, 1)),
        ),
        Case(
            lambda x, f: df.nn.conv3d(x, f, [1] * 5, "VALID", "NCDHW"),
            channels_first(lambda x, f: convolved(x, f, (1, 1, 1), "VALID")),
            (real(1, 1, 2, 3, 3), real(2, 1, 2, 1, 2)),
        ),
    ],
    "DepthwiseConv2dNative": [
        Case(
            lambda x, f: df.nn.depthwise_conv2d_native(x, f, [1, 2, 1, 1], "SAME"),
            lambda x, f: each_channel(x, f, (2, 1), "SAME"),
            (real(1, 4, 4, 2), real(2, 3, 2, 2)),
        ),
        Case(
            lambda x, f: df.nn.depthwise_conv2d(x, f, [1, 1, 1, 1], "VALID", rate=[1, 2]),
            lambda x, f: each_channel(x, f, (1, 1), "VALID", (1, 2)),
            (real(1, 3, 5, 2), real(2, 2, 2, 1)),
        ),
    ],
    "Dilation2D": [
        Case(
            lambda x, f, p=padding: df.nn.dilation2d(x, f, [1, 2, 1, 1], [1, 1, 2, 1], p),
            lambda x, f, p=padding: dilated(x, f, p),
            (real(1, 4, 5, 2), real(2, 2, 2)),
            second=False,
        )
        for padding in ("SAME", "VALID")
    ],
    "MaxPool": [
        Case(
            lambda x, k=window, s=strides, p=padding: df.nn.max_pool(x, k, s, p),
            lambda x, k=window, s=strides, p=padding: largest(x, k, s, p),
            (real(2, 5, 4, 2),),
        )
        for window, strides in (([2, 2], [2, 2]), ([3, 2], [1, 2]))
        for padding in ("SAME", "VALID")
    ]
    + [
        Case(
            lambda x: df.nn.max_pool(x, 2, 2, "SAME", "NCHW"),
            channels_first(lambda x: largest(x, (2, 2), (2, 2), "SAME")),
            (real(1, 2, 3, 4),),
        ),
        Case(
            lambda x: df.nn.max_pool(x, [1, 1, 1, 2], [1, 1, 1, 2], "VALID"),
            lambda x: x.reshape(1, 2, 3, 2, 2).max(-1),
            (real(1, 2, 3, 4),),
        ),
    ],
    "MaxPoolV2": [
        Case(
            lambda x, k, s: max_pool_v2(x, k, s, "SAME"),
            lambda x, k, s: largest(x, k[1:3], s[1:3], "SAME"),
            (real(1, 4, 5, 2), np.array([1, 2, 3, 1], np.int32), np.array([1, 1, 2, 1], np.int32)),
            (1, 2),
        )
    ],
    "MaxPool3D": [
        Case(
            lambda x: df.nn.max_pool3d(x, 2, [1, 2, 1, 2, 1], "SAME"),
            lambda x: largest(x, (2, 2, 2), (2, 1, 2), "SAME"),
            (real(1, 3, 3, 2, 2),),
        )
    ],
    "MaxPoolWithArgmax": [
        Case(
            lambda x: df.nn.max_pool_with_argmax(x, [1, 1, 2, 1], [1, 1, 2, 1], "VALID"),
            lambda x: [
                x.reshape(2, 3, 2, 2, 1).max(3),
                x.reshape(2, 3, 2, 2).argmax(3).reshape(2, 3, 2, 1) + np.arange(0, 12, 2).reshape(1, 3, 2, 1),
            ],
            (real(2, 3, 4, 1),),
        )
    ],
    "AvgPool": [
        Case(
            lambda x, k=window, s=strides, p=padding: df.nn.avg_pool(x, k, s, p),
            lambda x, k=window, s=strides, p=padding: mean(x, k, s, p),
            (real(2, 5, 4, 2),),
        )
        for window, strides in (([2, 2], [2, 2]), ([3, 2], [1, 2]))
        for padding in ("SAME", "VALID")
    ],
    "AvgPool3D": [
        Case(
            lambda x: df.nn.avg_pool3d(x, 2, [1, 2, 1, 2, 1], "SAME"),
            lambda x: mean(x, (2, 2, 2), (2, 1, 2), "SAME"),
            (real(1, 3, 3, 2, 2),),
        )
    ],
    "AvgPoolGrad": [
        Case(
            lambda n, dy: avg_pool_grad(n, dy, 2, 2, "VALID"),
            lambda n, dy: dy.repeat(2, 1).repeat(2, 2) / 4,
            (np.array([1, 4, 2, 3], np.int32), real(1, 2, 1, 3)),
            (0,),
        )
    ],
    "BiasAddGrad": [
        Case(bias_add_grad, lambda x: x.sum((0, 1)), (real(2, 3, 4),)),
        Case(lambda x: bias_add_grad(x, "NCHW"), lambda x: x.sum((0, 2)), (real(2, 3, 4),)),
    ],
    "LRN": [Case(lambda x: df.nn.lrn(x, 2, 1.5, 0.3, 0.6), lrn, (real(1, 2, 2, 6),), second=False)],
    "Relu6": activation(df.nn.relu6, lambda x: np.clip(x, 0, 6)),
    "LeakyRelu": activation(lambda x: df.nn.leaky_relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "Elu": activation(df.nn.elu, lambda x: np.where(x > 0, x, np.exp(x) - 1)),
    "Selu": activation(
        df.nn.selu, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1))
    ),
    "Softsign": activation(df.nn.softsign, lambda x: x / (1 + np.abs(x))),
}

NOT_JUDGED_CONVOLUTIONS: dict[str, str] = {
    **dict.fromkeys(
        ("FusedBatchNormV3", "FusedBatchNormGradV3"),
        "some of its inputs are of another dtype, and empty: tests/ops/test_fused_batch_norm.py",
    ),
    **dict.fromkeys(
        [
            *("Conv2DBackpropFilter", "Conv2DBackpropInput", "Conv3DBackpropFilterV2", "Conv3DBackpropInputV2"),
            *("DepthwiseConv2dNativeBackpropFilter", "DepthwiseConv2dNativeBackpropInput"),
            *("Dilation2DBackpropFilter", "Dilation2DBackpropInput"),
            *("MaxPoolGrad", "MaxPoolGradGrad", "MaxPool3DGrad", "MaxPool3DGradGrad"),
            *("MaxPoolGradV2", "MaxPoolGradGradV2"),
            *("MaxPoolGradWithArgmax", "MaxPoolGradGradWithArgmax", "AvgPool3DGrad"),
            *("LRNGrad", "Relu6Grad", "LeakyReluGrad", "EluGrad", "SeluGrad", "SoftsignGrad"),
        ],
        "part of a gradient, which the gradient's test judges, first and second",
    ),
    **dict.fromkeys(
        ("FractionalMaxPool", "FractionalAvgPool", "FractionalMaxPoolGrad", "FractionalAvgPoolGrad"),
        "random: tests/ops/test_pooling.py",
    ),
}

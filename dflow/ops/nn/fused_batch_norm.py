"""Normalisation of a batch of images by the mean and variance of each channel, in one operation.

In training the statistics are those of the batch; else they are given.  With n values a channel, r = 1 / sqrt(variance
+ epsilon), z = (x - mean) * r and P(v) = v - mean(v) - z * mean(v * z), the gradients in training are

    dx = scale * r * P(dy),  dscale = sum(dy * z),  doffset = sum(dy),

and those of (dx, dscale, doffset) weighted with (a, b, c):

    ddy = scale * r * P(a) + b * z + c,  dscale = r * sum(a * P(dy)),
    dx = r * P(v) - scale * r * r * z * sum(a * P(dy)) / n,
        where v = b * dy - scale * r * (dy * mean(a * z) + a * mean(dy * z)).

Source: nn_impl.fused_batch_norm and nn_grad of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, float32, float64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import ones_like
from dflow.ops.array.shape import expand_dims
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import rsqrt
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import only, spec_of
from dflow.ops.rules.windows import channel_place, channels_last, data_format_of, in_format, narrow, wide
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["fused_batch_norm"]

MIN_EPSILON = 1.001e-5


def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Images with mean `offset` and standard deviation `scale` in each channel, and the mean and variance of each.

    x: floating, [n, height, width, c]; scale, offset: [c], float32.  In training, `mean` and `variance` are None and
    those of the batch are given back, the variance divided by n - 1; else they are given, [c].
    epsilon: 1.001e-5 at least.  Source: tf.nn.fused_batch_norm.
    """
    if is_training and (mean is not None or variance is not None):
        raise ValueError("Both 'mean' and 'variance' must be None if is_training is True")
    with scoped("FusedBatchNormV3", name, x, scale, offset, mean, variance) as scope:
        x = convert_to_tensor(x, name="input")
        kind = float64 if x.dtype == float64 else float32
        scale, offset = convert_to_tensor(scale, name="scale"), convert_to_tensor(offset, name="offset")
        mean = constant([], kind) if mean is None else convert_to_tensor(mean)
        variance = constant([], kind) if variance is None else convert_to_tensor(variance)
        y, batch_mean, batch_variance, *_ = add_op(
            "FusedBatchNormV3",
            *(x, scale, offset, mean, variance),
            name=scope,
            epsilon=max(float(epsilon), MIN_EPSILON),
            data_format=data_format_of(data_format, 5 if x.shape.ndims == 5 else 4),
            is_training=bool(is_training),
        )
    return y, batch_mean, batch_variance


# -- shapes


def _of_channels(x: TensorSpec, data_format: str, vectors: Sequence[TensorSpec]) -> tuple[TensorShape, TensorShape]:
    """The shapes of the image and of a vector with a value for each channel."""
    only(x, x.dtype.is_floating, "floating numbers")
    rank = len(data_format)
    image = x.shape.with_rank(rank)
    channels = TensorShape([image[channel_place(data_format, rank)]])
    for vector in vectors:
        only(vector, vector.dtype == _statistics(x.dtype), f"{_statistics(x.dtype).name} for each channel")
        channels = channels.merge_with(vector.shape)
    known: list[int | None] = [None] * rank
    known[channel_place(data_format, rank)] = channels[0]
    return image.merge_with(known), channels


def _statistics(dtype: DType) -> DType:
    return float64 if dtype == float64 else float32


def _spec(
    x: TensorSpec,
    scale: TensorSpec,
    offset: TensorSpec,
    mean: TensorSpec,
    variance: TensorSpec,
    epsilon: float,
    data_format: str,
    is_training: bool,
) -> list[TensorSpec]:
    vectors = (scale, offset) if is_training else (scale, offset, mean, variance)
    for vector in (mean, variance):
        vector.shape.with_rank(1)
    image, channels = _of_channels(x, data_format, vectors)
    return [TensorSpec(image, x.dtype), *[TensorSpec(channels, scale.dtype)] * 4, spec_of([None], scale.dtype)]


def _grad_spec(dy: TensorSpec, x: TensorSpec, scale: TensorSpec, *kept: TensorSpec, **attrs: Any) -> list[TensorSpec]:
    image, channels = _of_channels(x, attrs["data_format"], (scale, *kept[:2]))
    image = image.merge_with(dy.shape)
    nothing = spec_of([0], scale.dtype)
    return [TensorSpec(image, x.dtype), *[TensorSpec(channels, scale.dtype)] * 2, nothing, nothing]


# -- kernels


def _check(x: Any, data_format: str, vectors: Sequence[Any]) -> None:
    rank = len(data_format)
    if x.ndim != rank:
        raise InvalidArgumentError(None, None, f"input must be {rank}-dimensional, got a shape of {list(x.shape)}")
    channels = x.shape[channel_place(data_format, rank)]
    for vector in vectors:
        if tuple(vector.shape) != (channels,):
            raise InvalidArgumentError(
                None,
                None,
                f"expected {channels} values, one a channel, got a shape of {list(vector.shape)}",
            )


def _rows(x: Any, data_format: str) -> Any:
    """An image as a matrix with a column for each channel."""
    last = wide(channels_last(x, data_format))
    return namespace(x).reshape(last, (-1, last.shape[-1]))


def _as_image(rows: Any, like: Any, data_format: str) -> Any:
    shape = tuple(channels_last(like, data_format).shape)
    return narrow(in_format(namespace(rows).reshape(rows, shape), data_format), like)


def _sum(rows: Any) -> Any:
    """The sum of the rows of a matrix: as a product of BLAS, where that is there."""
    if type(rows) is np.ndarray:
        return np.ones(len(rows), rows.dtype) @ rows
    return namespace(rows).sum(rows, axis=0)


def _kernel(
    x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float, data_format: str, is_training: bool
) -> tuple[Any, ...]:
    _check(x, data_format, (scale, offset) if is_training else (scale, offset, mean, variance))
    if mean.ndim != 1 or variance.ndim != 1:
        raise InvalidArgumentError(None, None, "mean and variance must be 1-dimensional")
    rows = _rows(x, data_format)
    if is_training:
        count = max(1, rows.shape[0])
        mean = _sum(rows) / count
        centered = rows - mean
        variance = _sum(centered * centered) / count
        estimated = variance * (count / max(1, count - 1))
    else:
        centered, estimated = rows - mean, variance
    y = centered * (scale * (variance + epsilon) ** -0.5) + offset
    nothing = zeros(scale, (0,))
    return _as_image(y, x, data_format), mean, estimated, mean, variance, nothing


def _grad_kernel(
    dy: Any,
    x: Any,
    scale: Any,
    mean: Any,
    variance: Any,
    _: Any,
    epsilon: float,
    data_format: str,
    is_training: bool,
) -> tuple[Any, ...]:
    _check(x, data_format, (scale, mean, variance))
    if tuple(dy.shape) != tuple(x.shape):
        raise InvalidArgumentError(
            None, None, f"the gradient has a shape of {list(dy.shape)}, the input {list(x.shape)}"
        )
    grads = _rows(dy, data_format)
    inverse = (variance + epsilon) ** -0.5
    z = (_rows(x, data_format) - mean) * inverse
    doffset, dscale = _sum(grads), _sum(grads * z)
    if is_training:
        count = max(1, grads.shape[0])
        z *= dscale / count
        z += doffset / count
        grads = grads - z
    dx = _as_image(grads * (scale * inverse), x, data_format)
    return dx, dscale, doffset, zeros(scale, (0,)), zeros(scale, (0,))


# -- gradients


def _gradient(op: Operation, dy: Tensor, *others: Tensor | None) -> tuple[Tensor | None, ...]:
    x, scale, _offset, mean, variance = op.inputs
    if op.attrs["is_training"]:
        mean, variance = op.outputs[3], op.outputs[4]
    dx, dscale, doffset, *_ = add_op("FusedBatchNormGradV3", dy, x, scale, mean, variance, op.outputs[5], **op.attrs)
    return dx, dscale, doffset, None, None


class _Columns:
    """The channels of an image: sums and means of each, which broadcast to the image."""

    def __init__(self, x: Tensor, data_format: str) -> None:
        rank = len(data_format)
        place = channel_place(data_format, rank)
        self._kind = _statistics(x.dtype)
        self._axes = [axis for axis in range(rank) if axis != place]
        self._behind = rank - 1 - place
        self._count = reduce_sum(ones_like(self.of(x)), self._axes)

    def of(self, x: Tensor) -> Tensor:
        """An image in the dtype of statistics."""
        return cast(x, self._kind)

    def vector(self, v: Tensor) -> Tensor:
        """A value for each channel, which broadcasts to the image."""
        for _ in range(self._behind):
            v = expand_dims(v, -1)
        return v

    def sum(self, x: Tensor) -> Tensor:
        return reduce_sum(x, self._axes)

    def mean(self, x: Tensor) -> Tensor:
        return self.vector(realdiv(self.sum(x), self._count))


def _second_gradient(op: Operation, *grads: Tensor) -> tuple[Tensor | None, ...]:
    """The gradients of a gradient, see the top of the file."""
    dy, x, scale, mean, variance, _ = op.inputs
    on = _Columns(x, op.attrs["data_format"])
    a, b, c = on.of(grads[0]), on.vector(grads[1]), on.vector(grads[2])
    dy_, r = on.of(dy), on.vector(rsqrt(add(variance, op.attrs["epsilon"])))
    factor = multiply(on.vector(scale), r)
    z = multiply(subtract(on.of(x), on.vector(mean)), r)
    if not op.attrs["is_training"]:
        ddy = add(add(multiply(factor, a), multiply(b, z)), c)
        dscale = on.sum(multiply(multiply(a, dy_), r))
        return cast(ddy, dy.dtype), cast(multiply(multiply(b, dy_), r), x.dtype), dscale, None, None, None

    def project(v: Tensor) -> Tensor:
        return subtract(subtract(v, on.mean(v)), multiply(z, on.mean(multiply(v, z))))

    ddy = add(add(multiply(factor, project(a)), multiply(b, z)), c)
    inner = multiply(a, project(dy_))
    dscale = on.sum(multiply(inner, r))
    both = add(multiply(dy_, on.mean(multiply(a, z))), multiply(a, on.mean(multiply(dy_, z))))
    v = subtract(multiply(b, dy_), multiply(factor, both))
    dx = subtract(multiply(r, project(v)), multiply(multiply(multiply(factor, r), z), on.mean(inner)))
    return cast(ddy, dy.dtype), cast(dx, x.dtype), dscale, None, None, None


define("FusedBatchNormV3", spec=_spec, kernel=_kernel, gradient=_gradient)
define("FusedBatchNormGradV3", spec=_grad_spec, kernel=_grad_kernel, gradient=_second_gradient)

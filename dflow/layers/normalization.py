"""A layer that normalizes each channel by its mean and its variance.

In training these are of the batch, and two moving averages follow them: their updates are in the collection UPDATE_OPS,
which the program has to run.  Afterwards they are the moving averages.
Source: tf.layers.BatchNormalization of TensorFlow 1.15; S. Ioffe, C. Szegedy: Batch Normalization, 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import as_dtype, float32
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec, Layer, static_shape
from dflow.layers.choice import choose, known_bool
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones, zeros
from dflow.ops.array.shape import reshape
from dflow.ops.math.arithmetic import multiply, subtract
from dflow.ops.math.powers import rsqrt
from dflow.ops.nn.fused_batch_norm import fused_batch_norm
from dflow.ops.nn.moments import moments
from dflow.ops.rules.blocks import named
from dflow.ops.state.initializers import ONES, ZEROS
from dflow.ops.state.variables import Variable
from dflow.shapes import TensorShape

__all__ = ["BatchNormalization", "batch_normalization"]


class BatchNormalization(Layer):
    """gamma * (inputs - mean) / sqrt(variance + epsilon) + beta.

    axis: of the channels, or several of them; momentum: how slowly the moving averages follow; center, scale: with
    beta, with gamma.  call(inputs, training=False): training is a bool or a tensor of one.
    fused: accepted for TensorFlow 1 programs; unless it is False, the moving variance of images is of n - 1 values, as
    there.  Variables `gamma`, `beta`, `moving_mean`, `moving_variance`.
    renorm, virtual_batch_size and adjustment are not offered: NotImplementedError.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: Any = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = ZEROS,
        gamma_initializer: Any = ONES,
        moving_mean_initializer: Any = ZEROS,
        moving_variance_initializer: Any = ONES,
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: Any = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Any = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        if renorm:
            raise NotImplementedError("renorm: batch renormalization is not offered; use renorm=False")
        if virtual_batch_size is not None or adjustment is not None:
            raise NotImplementedError("virtual_batch_size, adjustment: the statistics are always of the whole batch")
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"axis must be int or list, type given: {type(axis)}")
        self.axis: Any = axis if isinstance(axis, int) else list(axis)
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = beta_initializer
        self.gamma_initializer = gamma_initializer
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer = beta_regularizer
        self.gamma_regularizer = gamma_regularizer
        self.beta_constraint = beta_constraint
        self.gamma_constraint = gamma_constraint
        self.renorm = renorm
        self.fused = fused
        self.gamma: Any = None
        self.beta: Any = None

    def build(self, input_shape: Any) -> None:
        shape = static_shape(input_shape)
        if shape.ndims is None:
            raise ShapeError(f"Input has undefined rank: {shape}")
        self.axis = _normal_axes(self.axis, shape.ndims)
        sizes = {place: shape[place] for place in self.axis}
        if None in sizes.values():
            raise ShapeError(f"Input has undefined `axis` dimension. Input shape: {shape}")
        self.fused = _can_be_fused(self.fused, shape.ndims, self.axis)
        self.input_spec = InputSpec(ndim=shape.ndims, axes={place: int(it) for place, it in sizes.items()})
        wide = as_dtype(self.dtype or float32)
        params: dict[str, Any] = {
            "shape": [int(it) for it in sizes.values()]
            if len(sizes) == 1
            else [int(sizes[place]) if place in sizes else 1 for place in range(shape.ndims)],
            "dtype": float32 if wide.size == 2 else wide,
        }
        if self.scale:
            self.gamma = self.add_weight(
                "gamma",
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                **params,
            )
        if self.center:
            self.beta = self.add_weight(
                "beta",
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                **params,
            )
        self.moving_mean = self.add_weight(
            "moving_mean", initializer=self.moving_mean_initializer, trainable=False, **params
        )
        self.moving_variance = self.add_weight(
            "moving_variance", initializer=self.moving_variance_initializer, trainable=False, **params
        )
        self.built = True

    def call(self, inputs: Any, training: Any = False) -> Any:
        x = convert_to_tensor(inputs)
        step = self._fused_step if self.fused else self._step
        outputs, mean, variance = choose(training, lambda: step(x, True), lambda: step(x, False))
        if known_bool(training) is not False:
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                self.add_update(_moved(average, value, self.momentum), inputs=True)
        outputs.set_shape(x.shape)
        return outputs

    def _fused_step(self, x: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs for images, and what the averages are to follow: in training, of n - 1 values."""
        dtype = self.moving_mean.dtype
        gamma = ones([self._channels()], dtype) if self.gamma is None else self.gamma
        beta = zeros([self._channels()], dtype) if self.beta is None else self.beta
        mean, variance = (None, None) if training else (self.moving_mean.value(), self.moving_variance.value())
        order = "NCHW" if self.axis == [1] else "NHWC"
        outputs, *found = fused_batch_norm(x, gamma, beta, mean, variance, self.epsilon, order, training)
        if mean is not None and variance is not None:
            return outputs, mean, variance
        return outputs, found[0], found[1]

    def _step(self, x: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs, and what the averages are to follow."""
        mean, variance = self._moments(x) if training else (self.moving_mean.value(), self.moving_variance.value())
        with named(None, "batchnorm", (x,)):
            return self._normalized(x, mean, variance), mean, variance

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the variance of the batch, in the shape and the dtype of the moving averages."""
        axes = [place for place in range(len(x.shape.known)) if place not in self.axis]
        mean, variance = moments(cast(x, self.moving_mean.dtype), axes, keep_dims=len(self.axis) > 1)
        return mean, variance

    def _channels(self) -> int:
        return self.moving_mean.shape.num_elements() or 0

    def _normalized(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        factor = rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = multiply(factor, self.gamma)
        offset = multiply(mean, factor)
        offset = 0 - offset if self.beta is None else subtract(self.beta, offset)
        rank = len(x.shape.known)
        if self.axis != [rank - 1] and len(self.axis) == 1:
            sizes = [-1 if place in self.axis else 1 for place in range(rank)]
            factor, offset = reshape(factor, sizes), reshape(offset, sizes)
        return multiply(x, cast(factor, x.dtype)) + cast(offset, x.dtype)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return static_shape(input_shape)


def _normal_axes(axis: Any, rank: int) -> list[int]:
    axes = [axis] if isinstance(axis, int) else axis
    places = [place + rank if place < 0 else place for place in axes]
    for place in places:
        if not 0 <= place < rank:
            raise ValueError(f"Invalid axis: {place}")
    if len(set(places)) < len(places):
        raise ValueError(f"Duplicate axis: {axis}")
    return places


def _can_be_fused(fused: bool | None, rank: int, axes: Sequence[int]) -> bool:
    if fused and rank != 4:
        raise ValueError("Batch normalization layers with `fused=True` only support 4D input tensors.")
    if fused and list(axes) not in ([1], [3]):
        raise ValueError("Passing fused=True is only supported when axis is 1 or 3.")
    return fused is not False and rank == 4 and list(axes) in ([1], [3])


def _moved(average: Variable, value: Tensor, momentum: Any) -> Any:
    """The update of a moving average, which does nothing if the value is the average itself."""
    with named(None, "AssignMovingAvg", (average,)) as scope, average.graph.colocate_with(average.op):
        decay = subtract(convert_to_tensor(1.0, average.dtype), cast(momentum, average.dtype))
        distance = average.value() - cast(value, average.dtype)
        return average.assign_sub(multiply(distance, decay), name=scope)


def batch_normalization(
    inputs: Any,
    axis: Any = -1,
    momentum: Any = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Any = ZEROS,
    gamma_initializer: Any = ONES,
    moving_mean_initializer: Any = ZEROS,
    moving_variance_initializer: Any = ONES,
    beta_regularizer: Any = None,
    gamma_regularizer: Any = None,
    beta_constraint: Any = None,
    gamma_constraint: Any = None,
    training: Any = False,
    trainable: bool = True,
    name: Any = None,
    reuse: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_momentum: Any = 0.99,
    fused: bool | None = None,
    virtual_batch_size: int | None = None,
    adjustment: Any = None,
) -> Any:
    """The outputs of a `BatchNormalization` layer.  name: of its variable scope; reuse: take the variables there."""
    layer = BatchNormalization(
        axis=axis,
        momentum=momentum,
        epsilon=epsilon,
        center=center,
        scale=scale,
        beta_initializer=beta_initializer,
        gamma_initializer=gamma_initializer,
        moving_mean_initializer=moving_mean_initializer,
        moving_variance_initializer=moving_variance_initializer,
        beta_regularizer=beta_regularizer,
        gamma_regularizer=gamma_regularizer,
        beta_constraint=beta_constraint,
        gamma_constraint=gamma_constraint,
        renorm=renorm,
        renorm_clipping=renorm_clipping,
        renorm_momentum=renorm_momentum,
        fused=fused,
        trainable=trainable,
        virtual_batch_size=virtual_batch_size,
        adjustment=adjustment,
        name=name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs, training=training)

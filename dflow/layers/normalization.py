"""A layer that normalizes each channel by its mean and its variance.

In training these are of the batch, and two moving averages follow them: their updates are in the collection UPDATE_OPS,
which the program has to run.  Afterwards they are the moving averages.
Source: tf.layers.BatchNormalization of TensorFlow 1.15; S. Ioffe, C. Szegedy: Batch Normalization, 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dflow.dtypes import DType, as_dtype, float32
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.layers.base import InputSpec, Layer, static_shape
from dflow.layers.choice import choose, known_bool
from dflow.layers.renormalization import check_bounds, composed, corrections, moved, moved_deviation
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones, zeros
from dflow.ops.array.shape import reshape
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import multiply, subtract
from dflow.ops.math.powers import rsqrt, sqrt
from dflow.ops.math.reduction import reduce_mean
from dflow.ops.nn.fused_batch_norm import fused_batch_norm
from dflow.ops.nn.moments import moments
from dflow.ops.rules.blocks import named
from dflow.ops.state.initializers import ONES, ZEROS
from dflow.shapes import TensorShape

__all__ = ["BatchNormalization", "batch_normalization"]


class BatchNormalization(Layer):
    """gamma * (inputs - mean) / sqrt(variance + epsilon) + beta.

    axis: of the channels, or several of them; momentum: how slowly the moving averages follow; center, scale: with
    beta, with gamma.  call(inputs, training=False): training is a bool or a tensor of one.
    fused: unless it is False, images of up to 32 bits are normalized by one operation if their channels are first or
    last; then the moving variance is of n - 1 values.  Variables `gamma`, `beta`, `moving_mean`, `moving_variance`.

    renorm: in training, correct the outputs to what the averages give: x * r + d, where r and d are constants to the
    gradients.  renorm_clipping: their bounds, by the names `rmin`, `rmax` and `dmax`.  The averages of the correction
    follow by renorm_momentum: variables `moving_stddev`, `renorm_mean`, `renorm_stddev`.
    virtual_batch_size: of parts of the batch that are normalized by themselves; it divides the number of rows.
    adjustment: a function of the dynamic shape of the inputs; gives a factor and an offset of the normalized values,
    in training.  ValueError for it together with virtual_batch_size, and for bounds of other names.
    Source of renorm: S. Ioffe, Batch Renormalization, 2017.
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
        self.virtual_batch_size = virtual_batch_size
        self.adjustment = adjustment
        self.renorm_clipping = renorm_clipping or {}
        self.renorm_momentum = renorm_momentum
        if renorm:
            check_bounds(self.renorm_clipping)
        plain = not renorm and virtual_batch_size is None and adjustment is None
        self.fused = fused if plain else False
        self.gamma: Any = None
        self.beta: Any = None

    def build(self, input_shape: Any) -> None:
        shape = static_shape(input_shape)
        if shape.ndims is None:
            raise ShapeError(f"Input has undefined rank: {shape}")
        self.axis = _normal_axes(self.axis, shape.ndims)
        self._check_virtual_batches()
        sizes = {place: shape[place] for place in self.axis}
        if None in sizes.values():
            raise ShapeError(f"Input has undefined `axis` dimension. Input shape: {shape}")
        self.input_spec = InputSpec(ndim=shape.ndims, axes={place: int(it) for place, it in sizes.items()})
        wide = as_dtype(self.dtype or float32)
        self.fused = _can_be_fused(self.fused, shape.ndims, self.axis, wide)
        params: dict[str, Any] = {
            "shape": self._shape_of_weights(sizes, shape.ndims),
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
        self._add_averages(params)
        self.built = True

    def _check_virtual_batches(self) -> None:
        if self.virtual_batch_size is None:
            return
        if self.virtual_batch_size <= 0:
            raise ValueError(
                "virtual_batch_size must be a positive integer that divides the true batch size of the input Tensor"
            )
        if 0 in self.axis:
            raise ValueError(
                "When using virtual_batch_size, the batch dimension must be 0 and thus axis cannot include 0"
            )
        if self.adjustment is not None:
            raise ValueError("When using virtual_batch_size, adjustment cannot be specified")

    def _shape_of_weights(self, sizes: dict[int, Any], rank: int) -> list[int]:
        """The channels; with several axes or parts of the batch, ones for the other axes."""
        if len(sizes) == 1 and self.virtual_batch_size is None:
            return [int(it) for it in sizes.values()]
        shape = [int(sizes[place]) if place in sizes else 1 for place in range(rank)]
        if self.virtual_batch_size is not None:
            shape.insert(1, 1)
            self.axis = [place + 1 for place in self.axis]
        return shape

    def _add_averages(self, params: dict[str, Any]) -> None:
        """The variables that no optimizer trains, none of which is in parts."""

        def average(name: str, initializer: Any) -> Any:
            return self.add_weight(name, initializer=initializer, trainable=False, **params)

        def deviation(*args: Any, **kwargs: Any) -> Tensor:
            return sqrt(self.moving_variance_initializer(*args, **kwargs))

        scope = self._scope
        partitioner = None if scope is None else scope.partitioner
        if scope is not None:
            scope.set_partitioner(None)
        try:
            self.moving_mean = average("moving_mean", self.moving_mean_initializer)
            self.moving_variance = average("moving_variance", self.moving_variance_initializer)
            if self.renorm:
                self.moving_stddev = average("moving_stddev", deviation)
                self.renorm_mean = average("renorm_mean", self.moving_mean_initializer)
                self.renorm_stddev = average("renorm_stddev", deviation)
        finally:
            if scope is not None:
                scope.set_partitioner(partitioner)

    def call(self, inputs: Any, training: Any = False) -> Any:
        x = given = convert_to_tensor(inputs)
        sizes = None
        if self.virtual_batch_size is not None:
            sizes, x = self._virtual_batches(given)
        change = None if self.adjustment is None else self.adjustment(shape_of(x))
        step = self._fused_step if self.fused else partial(self._step, change=change)
        outputs, mean, variance = choose(training, lambda: step(x, True), lambda: step(x, False))
        if known_bool(training) is not False:
            self.add_update(moved(self.moving_mean, mean, self.momentum), inputs=True)
            self.add_update(self._moved_variance(variance, training), inputs=True)
        if sizes is not None:
            outputs = reshape(outputs, sizes)
        outputs.set_shape(given.shape)
        return outputs

    def _virtual_batches(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The shape, and x in parts: [rows of a part, parts, ...]."""
        sizes = shape_of(x)
        parts = concat([[self.virtual_batch_size, -1], get_item(sizes, slice(1, None))], 0)
        split = reshape(x, parts)
        split.set_shape([self.virtual_batch_size, None, *x.spec.shape[1:]])
        return sizes, split

    def _moved_variance(self, variance: Tensor, training: Any) -> Any:
        if not self.renorm:
            return moved(self.moving_variance, variance, self.momentum)
        return choose(
            training,
            lambda: moved_deviation(self.moving_stddev, self.moving_variance, variance, self.momentum, self.epsilon),
            lambda: identity(self.moving_variance.value()),
        )

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

    def _step(self, x: Tensor, training: bool, change: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs, and what the averages are to follow."""
        scale, offset = self._along(self.gamma, x), self._along(self.beta, x)
        if not training:
            mean, variance = self.moving_mean.value(), self.moving_variance.value()
            return self._normalized(x, mean, variance, scale, offset), mean, variance
        mean, variance = self._moments(x)
        followed: Sequence[Tensor] = (mean, variance)
        if change is not None:
            scale, offset = composed(change[0], change[1], scale, offset)
        if self.virtual_batch_size is not None:
            followed = reduce_mean(mean, 1, keepdims=True), reduce_mean(variance, 1, keepdims=True)
        if self.renorm:
            averages = (self.renorm_mean, self.renorm_stddev)
            r, d, *followed = corrections(
                followed[0], followed[1], averages, self.epsilon, self.renorm_clipping, self.renorm_momentum
            )
            scale, offset = composed(self._along(r, x), self._along(d, x), scale, offset)
        return self._normalized(x, mean, variance, scale, offset), followed[0], followed[1]

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the variance of the batch, in the dtype of the moving averages; of each part, if in parts."""
        parts = [] if self.virtual_batch_size is None else [1]
        axes = [place for place in range(len(x.shape.known)) if place not in [*self.axis, *parts]]
        keep = len(self.axis) > 1 or bool(parts)
        mean, variance = moments(cast(x, self.moving_mean.dtype), axes, keep_dims=keep)
        return mean, variance

    def _channels(self) -> int:
        return self.moving_mean.shape.num_elements() or 0

    def _along(self, weight: Any, x: Tensor) -> Any:
        """A weight of the channels in a shape that broadcasts with x."""
        rank = len(x.shape.known)
        if weight is None or weight.shape.ndims == rank or self.axis == [rank - 1]:
            return weight
        return reshape(weight, [-1 if place in self.axis else 1 for place in range(rank)])

    def _normalized(self, x: Tensor, mean: Tensor, variance: Tensor, scale: Any, offset: Any) -> Tensor:
        mean, variance = self._along(mean, x), self._along(variance, x)
        with named(None, "batchnorm", (x,)):
            factor = rsqrt(variance + self.epsilon)
            if scale is not None:
                factor = multiply(factor, scale)
            shift = multiply(mean, factor)
            shift = 0 - shift if offset is None else subtract(offset, shift)
            return multiply(x, cast(factor, x.dtype)) + cast(shift, x.dtype)

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


def _can_be_fused(fused: bool | None, rank: int, axes: Sequence[int], dtype: DType) -> bool:
    """Whether one operation can do it; fused=True where it cannot is the same as False, as in TensorFlow 1."""
    single = dtype.name in ("float16", "bfloat16", "float32")
    return fused is not False and single and rank == 4 and list(axes) in ([1], [3])


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

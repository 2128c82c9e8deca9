"""Brightness, contrast, hue, saturation and gamma of images.

Images of integers are adjusted as floating ones, and converted back.
Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import shape
from dflow.ops.image.dtype import as_float, back
from dflow.ops.image.hsv import scaled_saturation, shifted_hue
from dflow.ops.image.shapes import check, image_of
from dflow.ops.math.arithmetic import add, maximum, multiply, subtract
from dflow.ops.math.compare import greater_equal
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import pow, rsqrt, sqrt, square
from dflow.ops.math.reduction import reduce_mean, reduce_prod, reduce_sum
from dflow.ops.nn.activations import relu
from dflow.ops.random import random_uniform
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import is_symbolic, only
from dflow.ops.rules.windows import narrow, wide
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "per_image_standardization",
    "random_brightness",
    "random_contrast",
    "random_hue",
    "random_saturation",
]


def per_image_standardization(image: Any) -> Tensor:
    """Images with mean 0 and variance 1, float32.  image: [height, width, c], or a batch.

    The standard deviation counts as 1 / sqrt(number of values) at least.  Source: tf.image.per_image_standardization.
    """
    with scoped("per_image_standardization", None, image) as scope:
        x = image_of(image)
        count = reduce_prod(shape(x)[-3:])
        x = cast(x, "float32")
        axes = [-1, -2, -3]
        mean = reduce_mean(x, axes, keepdims=True)
        variance = relu(subtract(reduce_mean(square(x), axes, keepdims=True), square(mean)))
        deviation = maximum(sqrt(variance), rsqrt(cast(count, "float32")))
        return realdiv(subtract(x, mean), deviation, name=scope)


# -- brightness and gamma


def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """The image plus `delta`, of the range from 0 to 1.  Source: tf.image.adjust_brightness."""
    with scoped("adjust_brightness", None, image, delta) as scope:
        x = convert_to_tensor(image, name="image")
        y = as_float(x)
        amount = cast(convert_to_tensor(delta), y.dtype)
        return back(add(y, amount, name=scope), x.dtype)


def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """`adjust_brightness` by a number in [-max_delta, max_delta).  Source: tf.image.random_brightness."""
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random_uniform([], -max_delta, max_delta, seed=seed))


def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """gain * image ** gamma, of an image in the range from 0 to 1.  ValueError for a negative gamma.

    Source: tf.image.adjust_gamma.
    """
    with scoped("adjust_gamma", None, image, gamma, gain):
        x = convert_to_tensor(image, name="image")
        y = as_float(x)
        condition = greater_equal(gamma, 0) if is_symbolic(gamma) else gamma >= 0
        checks = check(condition, "Gamma should be a non-negative real number.")
        with y.graph.control_dependencies(checks):
            exponent = cast(convert_to_tensor(gamma), y.dtype)
        return back(multiply(pow(y, exponent), cast(convert_to_tensor(gain), y.dtype)), x.dtype)


# -- contrast


def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """(x - mean) * contrast_factor + mean, for each channel of each image.

    images: [..., height, width, c]; contrast_factor: a number or a scalar tensor.  Source: tf.image.adjust_contrast.
    """
    with scoped("adjust_contrast", None, images, contrast_factor) as scope:
        x = convert_to_tensor(images, name="images")
        y = as_float(x)
        adjusted = add_op("AdjustContrastv2", y, _number(contrast_factor), name=scope)
        return back(adjusted, x.dtype)


def _number(value: Any) -> Tensor:
    return cast(convert_to_tensor(value), "float32")


def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """`adjust_contrast` by a factor in [lower, upper).  Source: tf.image.random_contrast."""
    _check_range(lower, upper)
    return adjust_contrast(image, random_uniform([], lower, upper, seed=seed))


def _check_range(lower: float, upper: float) -> None:
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")


def _factor_spec(x: TensorSpec, factor: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    if x.shape.ndims is not None and x.shape.ndims < 3:
        raise ShapeError(f"images have at least three axes, got {x.shape}")
    factor.shape.with_rank(0)
    return x


def _check_factor(x: Any, factor: Any, what: str) -> float:
    if x.ndim < 3:
        raise InvalidArgumentError(None, None, f"input must be at least 3-D, got shape {list(x.shape)}")
    if factor.ndim:
        raise InvalidArgumentError(None, None, f"{what} must be scalar: {list(factor.shape)}")
    return float(factor)


def _contrast_kernel(x: Any, factor: Any) -> Any:
    number = _check_factor(x, factor, "contrast_factor")
    values = wide(x)
    xp = namespace(values)
    pixels = xp.reshape(values, (*x.shape[:-3], -1, x.shape[-1])) if x.size else values[..., 0, :, :]
    share = xp.full((1, pixels.shape[-2]), 1 / max(1, pixels.shape[-2]), dtype=pixels.dtype, device=device(pixels))
    mean = xp.matmul(share, pixels)
    return narrow(xp.reshape(pixels * number + mean * (1 - number), tuple(x.shape)), x)


def _contrast_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    x, factor = op.inputs
    away = subtract(x, reduce_mean(x, [-3, -2], keepdims=True))
    return add_op("AdjustContrastv2", dy, factor), cast(reduce_sum(multiply(dy, away)), factor.dtype)


define("AdjustContrastv2", spec=_factor_spec, kernel=_contrast_kernel, gradient=_contrast_gradient)

# -- hue and saturation


def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """RGB images with `delta` added to their hue, whose range from 0 to 1 is a circle.

    image: [..., height, width, 3]; delta: a number or a scalar tensor.  Source: tf.image.adjust_hue.
    """
    with scoped("adjust_hue", name, image, delta):
        x = convert_to_tensor(image, name="image")
        return back(add_op("AdjustHue", as_float(x), _number(delta)), x.dtype)


def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """`adjust_hue` by a number in [-max_delta, max_delta).  Source: tf.image.random_hue."""
    if max_delta > 0.5:
        raise ValueError("max_delta must be <= 0.5.")
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_hue(image, random_uniform([], -max_delta, max_delta, seed=seed))


def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """RGB images with their saturation multiplied by a factor, at most 1.

    image: [..., height, width, 3]; saturation_factor: a number or a scalar tensor.  Source: tf.image.adjust_saturation.
    """
    with scoped("adjust_saturation", name, image, saturation_factor):
        x = convert_to_tensor(image, name="image")
        return back(add_op("AdjustSaturation", as_float(x), _number(saturation_factor)), x.dtype)


def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """`adjust_saturation` by a factor in [lower, upper).  Source: tf.image.random_saturation."""
    _check_range(lower, upper)
    return adjust_saturation(image, random_uniform([], lower, upper, seed=seed))


def _rgb_spec(x: TensorSpec, factor: TensorSpec) -> TensorSpec:
    _factor_spec(x, factor)
    if x.shape.ndims is not None and x.shape[-1] not in (None, 3):
        raise ShapeError(f"input must have 3 channels but instead has {x.shape[-1]} channels.")
    return x


def _rgb_kernel(function: Any, what: str) -> Any:
    def kernel(x: Any, factor: Any) -> Any:
        number = _check_factor(x, factor, what)
        if x.shape[-1] != 3:
            raise InvalidArgumentError(
                None, None, f"input must have 3 channels but instead has {x.shape[-1]} channels."
            )
        return narrow(function(wide(x), number), x)

    return kernel


_NONE = no_gradient("TensorFlow has no gradient of it either")

define("AdjustHue", spec=_rgb_spec, kernel=_rgb_kernel(shifted_hue, "delta"), gradient=_NONE)
define("AdjustSaturation", spec=_rgb_spec, kernel=_rgb_kernel(scaled_saturation, "scale"), gradient=_NONE)

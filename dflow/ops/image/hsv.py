"""Hue, saturation and value of RGB images.

All three are in the range from 0 to 1; a grey point has hue 0 and saturation 0.
Source: image_ops and the operations RGBToHSV and HSVToRGB of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.static import only
from dflow.ops.rules.windows import narrow, wide
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["hsv_to_rgb", "rgb_to_hsv"]


def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """RGB images, floating, [..., 3], in the range from 0 to 1, as HSV.  Source: tf.image.rgb_to_hsv."""
    result: Tensor = add_op("RGBToHSV", images, name=name)
    return result


def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """HSV images, floating, [..., 3], as RGB in the range from 0 to 1.  Source: tf.image.hsv_to_rgb."""
    result: Tensor = add_op("HSVToRGB", images, name=name)
    return result


def _spec(x: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    if x.shape.ndims == 0:
        raise ShapeError("images have at least one axis")
    if x.shape.ndims is not None and x.shape[-1] not in (None, 3):
        raise ShapeError(f"input must have 3 channels in the last axis, its shape is {x.shape}")
    return x


def _checked(function: Any) -> Any:
    def kernel(x: Any) -> Any:
        if x.ndim < 1 or x.shape[-1] != 3:
            raise InvalidArgumentError(
                None, None, f"input must have 3 channels in the last axis, its shape is {list(x.shape)}"
            )
        return narrow(function(wide(x)), x)

    return kernel


def to_hsv(rgb: Any) -> Any:
    xp = namespace(rgb)
    red, green, blue = (rgb[..., i] for i in range(3))
    value = xp.maximum(xp.maximum(red, green), blue)
    spread = value - xp.minimum(xp.minimum(red, green), blue)
    safe = xp.where(spread > 0, spread, xp.ones_like(spread))
    of_red = (green - blue) / safe / 6
    of_green = (blue - red) / safe / 6 + 2 / 6
    of_blue = (red - green) / safe / 6 + 4 / 6
    hue = xp.where(red == value, of_red, xp.where(green == value, of_green, of_blue))
    nothing = xp.zeros_like(hue)
    hue = xp.where(spread > 0, hue, nothing)
    hue = xp.where(hue < 0, hue + 1, hue)
    saturation = xp.where(value > 0, spread / xp.where(value > 0, value, xp.ones_like(value)), nothing)
    return xp.stack([hue, saturation, value], axis=-1)


def to_rgb(hsv: Any) -> Any:
    xp = namespace(hsv)
    hue, saturation, value = (hsv[..., i] for i in range(3))
    sixths = hue * 6
    parts = [xp.abs(sixths - 3) - 1, 2 - xp.abs(sixths - 2), 2 - xp.abs(sixths - 4)]
    zero, one = xp.zeros_like(hue), xp.ones_like(hue)
    clipped = [xp.minimum(xp.maximum(part, zero), one) for part in parts]
    return xp.stack([((part - 1) * saturation + 1) * value for part in clipped], axis=-1)


def shifted_hue(rgb: Any, delta: float) -> Any:
    """RGB images with another hue."""
    xp, hsv = namespace(rgb), to_hsv(rgb)
    hue = hsv[..., 0] + delta
    return to_rgb(xp.stack([hue - xp.floor(hue), hsv[..., 1], hsv[..., 2]], axis=-1))


def scaled_saturation(rgb: Any, scale: float) -> Any:
    """RGB images with another saturation, in the range from 0 to 1."""
    xp, hsv = namespace(rgb), to_hsv(rgb)
    scaled = hsv[..., 1] * scale
    inside = xp.minimum(xp.maximum(scaled, xp.zeros_like(scaled)), xp.ones_like(scaled))
    return to_rgb(xp.stack([hsv[..., 0], inside, hsv[..., 2]], axis=-1))


_NONE = no_gradient("TensorFlow 1 has no gradient of it either")

define("RGBToHSV", spec=_spec, kernel=_checked(to_hsv), gradient=_NONE)
define("HSVToRGB", spec=_spec, kernel=_checked(to_rgb), gradient=_NONE)

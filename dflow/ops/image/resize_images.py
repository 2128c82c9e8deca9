"""Images of other sizes, by a method that is named.

Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import float32, int32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.image.crops import pad_to_bounding_box
from dflow.ops.image.resize import resize_area, resize_bicubic, resize_bilinear, resize_nearest_neighbor
from dflow.ops.image.shapes import after, at_least, dims
from dflow.ops.math.arithmetic import maximum, minimum
from dflow.ops.math.division import realdiv
from dflow.ops.math.rounding import floor, round
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import is_symbolic, known_shape
from dflow.shapes import TensorShape

__all__ = ["ResizeMethod", "resize", "resize_image_with_pad", "resize_images"]


class ResizeMethod:
    """How images are resized.  Source: tf.image.ResizeMethod."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_FUNCTIONS: dict[Any, Callable[..., Tensor]] = {
    ResizeMethod.BILINEAR: resize_bilinear,
    ResizeMethod.NEAREST_NEIGHBOR: resize_nearest_neighbor,
    ResizeMethod.BICUBIC: resize_bicubic,
    ResizeMethod.AREA: resize_area,
    "bilinear": resize_bilinear,
    "nearest": resize_nearest_neighbor,
    "bicubic": resize_bicubic,
    "area": resize_area,
}


def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another size: float32, or of their own dtype if they have that size already or `method` is "nearest".

    images: real numbers, [height, width, c], or a batch; size: two numbers, or a tensor.  method: one of
    `ResizeMethod`, or "bilinear", "nearest", "bicubic", "area".  preserve_aspect_ratio: the largest size with the
    proportions of the images that is not larger than `size`.  Source: tf.image.resize_images.
    """
    if method not in _FUNCTIONS:
        raise ValueError(f"Resize method is not implemented: {method}")
    with scoped("resize", name, images, size):
        x = convert_to_tensor(images, name="images")
        if x.shape.ndims is None:
            raise ValueError("'images' contains no shape.")
        if x.shape.ndims not in (3, 4):
            raise ValueError("'images' must have either 3 or 4 dimensions.")
        batch = x.shape.ndims == 4
        x = x if batch else expand_dims(x, 0)
        target = _target(size)
        if preserve_aspect_ratio:
            target = _in_proportion(x, target)
        known = known_shape(target)
        if known.is_fully_defined() and TensorShape(x.shape[1:3]) == known:
            return x if batch else squeeze(x, [0])
        y = _FUNCTIONS[method](x, target, align_corners)
        y.set_shape([None, *known, None])
        return y if batch else squeeze(y, [0])


resize = resize_images


def _target(size: Any) -> Tensor:
    try:
        target = convert_to_tensor(size, int32, name="size")
    except (TypeError, ValueError):
        raise ValueError("'size' must be a 1-D int32 Tensor") from None
    if not target.shape.is_compatible_with([2]):
        raise ValueError("'size' must be a 1-D Tensor of 2 elements: new_height, new_width")
    return target


def _in_proportion(x: Tensor, target: Tensor) -> Tensor:
    """The largest size with the proportions of the images that fits into the target."""
    _, height, width, _ = dims(x, 4)
    wanted = known_shape(target)
    if wanted.is_fully_defined() and not is_symbolic(height) and not is_symbolic(width):
        factor = min(np.float32(new) / np.float32(old) for new, old in zip(wanted.known, (height, width), strict=True))
        return convert_to_tensor([int(np.rint(factor * np.float32(old))) for old in (height, width)], int32)
    old = [cast(size, float32) for size in (height, width)]
    ratios = [realdiv(cast(target[i], float32), old[i]) for i in range(2)]
    scale = minimum(ratios[0], ratios[1])
    return convert_to_tensor([cast(round(scale * size), int32) for size in old], int32)


def resize_image_with_pad(
    image: Any, target_height: Any, target_width: Any, method: Any = ResizeMethod.BILINEAR, align_corners: bool = False
) -> Tensor:
    """Images resized in their proportions, with zeros around them up to a target size.

    image: [height, width, c], or a batch.  Source: tf.image.resize_image_with_pad.
    """
    with scoped("resize_image_with_pad", None, image):
        x = convert_to_tensor(image, name="image")
        if x.shape.ndims not in (None, 3, 4):
            raise ValueError(f"'image' (shape {x.shape}) must have either 3 or 4 dimensions.")
        batch = x.shape.ndims == 4
        x = x if batch else expand_dims(x, 0)
        if not batch:
            x.set_shape([1, None, None, None])
        checks = [
            *at_least(target_width, 1, "target_width must be > 0."),
            *at_least(target_height, 1, "target_height must be > 0."),
        ]
        x = after(checks, x)
        _, height, width, _ = dims(x, 4)
        old = [cast(convert_to_tensor(size), float32) for size in (height, width)]
        wanted = [cast(convert_to_tensor(size), float32) for size in (target_height, target_width)]
        ratio = maximum(realdiv(old[1], wanted[1]), realdiv(old[0], wanted[0]))
        exact = [realdiv(size, ratio) for size in old]
        new = [cast(floor(size), int32) for size in exact]
        borders = [maximum(0, cast(floor((w - s) / 2), int32)) for w, s in zip(wanted, exact, strict=True)]
        resized = resize_images(x, new, method, align_corners)
        padded = pad_to_bounding_box(resized, borders[0], borders[1], target_height, target_width)
        return padded if batch else squeeze(padded, [0])

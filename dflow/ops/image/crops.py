"""Parts of images, and images with borders.

Offsets and sizes are numbers, or scalar tensors.
Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.pad import pad
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.array.slice import slice as slice_of
from dflow.ops.image.shapes import Size, after, at_least, dims, image_of, known_size, one_or_batch
from dflow.ops.math.arithmetic import maximum, minimum
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import is_symbolic

__all__ = [
    "central_crop",
    "crop_to_bounding_box",
    "pad_to_bounding_box",
    "resize_image_with_crop_or_pad",
]


def _batch_of(image: Any) -> tuple[Tensor, bool]:
    """The images as a batch, and whether they were one."""
    x = image_of(image)
    batch = one_or_batch(x)
    if batch:
        return x, True
    one = expand_dims(x, 0)
    one.set_shape([1 if x.shape.ndims else None, None, None, None])
    return one, False


def central_crop(image: Any, central_fraction: float) -> Tensor:
    """The central part of images: `central_fraction`, in (0, 1], of their height and width.

    image: [height, width, c], or a batch.  Source: tf.image.central_crop.
    """
    with scoped("central_crop", None, image):
        if not 0 < central_fraction <= 1:
            raise ValueError("central_fraction must be within (0, 1]")
        x = image_of(image)
        rank = x.shape.ndims
        if rank not in (3, 4):
            raise ValueError(f"`image` should either be a Tensor with rank = 3 or rank = 4. Had rank = {rank}.")
        if central_fraction == 1.0:
            return x
        height, width = dims(x, rank)[-3:-1]
        top, left = (_margin(size, central_fraction) for size in (height, width))
        rows, columns = height - top * 2, width - left * 2
        first = [0] * (rank - 3)
        result = slice_of(x, [*first, top, left, 0], [*(-1 for _ in first), rows, columns, -1])
        result.set_shape([*x.shape[:-3], known_size(rows), known_size(columns), x.shape[-1]])
        return result


def _margin(size: Size, fraction: float) -> Size:
    if not is_symbolic(size):
        return int((size - size * fraction) / 2)
    whole = cast(size, "float64")
    return cast((whole - whole * fraction) / 2, "int32")


def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """The part of images of a target size whose upper left corner is at the offset.

    image: [height, width, c], or a batch.  ValueError, or InvalidArgumentError at run time, if it is not inside.
    Source: tf.image.crop_to_bounding_box.
    """
    with scoped("crop_to_bounding_box", None, image):
        x, batch = _batch_of(image)
        count, height, width, depth = dims(x, 4)
        checks = [
            *at_least(offset_width, 0, "offset_width must be >= 0."),
            *at_least(offset_height, 0, "offset_height must be >= 0."),
            *at_least(target_width, 1, "target_width must be > 0."),
            *at_least(target_height, 1, "target_height must be > 0."),
            *at_least(width - (target_width + offset_width), 0, "width must be >= target + offset."),
            *at_least(height - (target_height + offset_height), 0, "height must be >= target + offset."),
        ]
        begin, size = [0, offset_height, offset_width, 0], [-1, target_height, target_width, -1]
        return _finished(slice_of(after(checks, x), begin, size), [count, target_height, target_width, depth], batch)


def _finished(result: Tensor, sizes: list[Size], batch: bool) -> Tensor:
    result.set_shape([known_size(size) for size in sizes])
    return result if batch else squeeze(result, [0])


def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """Images with zeros around them, up to a target size; their upper left corner is at the offset.

    image: [height, width, c], or a batch.  ValueError, or InvalidArgumentError at run time, if it does not fit.
    Source: tf.image.pad_to_bounding_box.
    """
    with scoped("pad_to_bounding_box", None, image):
        x, batch = _batch_of(image)
        count, height, width, depth = dims(x, 4)
        right, below = target_width - offset_width - width, target_height - offset_height - height
        checks = [
            *at_least(offset_height, 0, "offset_height must be >= 0"),
            *at_least(offset_width, 0, "offset_width must be >= 0"),
            *at_least(right, 0, "width must be <= target - offset"),
            *at_least(below, 0, "height must be <= target - offset"),
        ]
        pairs = [[0, 0], [offset_height, below], [offset_width, right], [0, 0]]
        return _finished(pad(after(checks, x), pairs), [count, target_height, target_width, depth], batch)


def resize_image_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Tensor:
    """The central part of images, or images with zeros around them, of a target size.

    image: [height, width, c], or a batch.  Source: tf.image.resize_image_with_crop_or_pad.
    """
    with scoped("resize_image_with_crop_or_pad", None, image):
        x, batch = _batch_of(image)
        checks = [
            *at_least(target_width, 1, "target_width must be > 0."),
            *at_least(target_height, 1, "target_height must be > 0."),
        ]
        x = after(checks, x)
        count, height, width, depth = dims(x, 4)
        wider, higher = target_width - width, target_height - height
        cropped = crop_to_bounding_box(
            x,
            _larger(-higher // 2, 0),
            _larger(-wider // 2, 0),
            _smaller(target_height, height),
            _smaller(target_width, width),
        )
        resized = pad_to_bounding_box(
            cropped, _larger(higher // 2, 0), _larger(wider // 2, 0), target_height, target_width
        )
        return _finished(resized, [count, target_height, target_width, depth], batch)


def _larger(x: Size, y: Size) -> Size:
    return maximum(x, y) if is_symbolic(x) or is_symbolic(y) else max(x, y)


def _smaller(x: Size, y: Size) -> Size:
    return minimum(x, y) if is_symbolic(x) or is_symbolic(y) else min(x, y)

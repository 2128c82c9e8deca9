"""The summary of images: `summary.image`.  PNGs are written by Pillow.

Source: tf.summary.image of TensorFlow 1.15.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, UnimplementedError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.static import only
from dflow.ops.summary.common import MESSAGE, NO_GRADIENT, collected, message, summary_scope, text
from dflow.registry import define
from dflow.shapes import SCALAR
from dflow.specs import TensorSpec
from dflow.summary_proto import Summary

__all__ = ["image", "image_summary"]

Array = np.ndarray[Any, Any]

_BAD_COLOR = (255, 0, 0, 255)  # of a pixel that is not finite
_SMALL = 1e-6  # images up to this are black
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Iterable[Any] | None = None, family: str | None = None
) -> Tensor:
    """A Summary, serialized, with images as PNGs.

    tensor: [images, height, width, channels], with 1 channel for gray, 3 for RGB or 4 for RGBA, of uint8 or floating.
    Floating images are scaled one by one: to 0..255 if they have no negative values, else so that 0 is 128.  Pixels
    that are not finite are red.
    max_outputs: at most so many images are kept, at least 1.  The tags are `<name>/image/0`, `<name>/image/1`, ...;
    only `<name>/image` if max_outputs is 1.  The other arguments: as of `scalar`.
    """
    with summary_scope(name, family, [tensor]) as (tag, scope):
        return collected(image_op(tag, tensor, max_outputs, scope), collections)


def image_summary(
    tag: Any, tensor: Any, max_images: int = 3, collections: Iterable[Any] | None = None, name: str | None = None
) -> Tensor:
    """The old form, whose tag is a tensor."""
    return collected(image_op(tag, tensor, max_images, name), collections)


def image_op(tag: Any, tensor: Any, max_images: int, name: str | None) -> Tensor:
    if max_images < 1:
        raise ValueError(f"Value for attr 'max_images' of {max_images} must be at least minimum 1")
    tag = convert_to_tensor(tag, "string", name="tag")
    images = convert_to_tensor(tensor, name="tensor")
    summary: Tensor = add_op("ImageSummary", tag, images, name=name, max_images=int(max_images))
    return summary


def _spec(tag: TensorSpec, tensor: TensorSpec, max_images: int) -> TensorSpec:
    tag.shape.merge_with(SCALAR)
    accepted = tensor.dtype.name in ("uint8", "float16", "float32", "float64")
    only(tensor, accepted, "uint8, float16, float32 and float64")
    return MESSAGE


def _kernel(tag: Any, tensor: Any, max_images: int) -> Any:
    if tensor.ndim != 4 or tensor.shape[3] not in _MODES:
        raise InvalidArgumentError(None, None, f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(tensor.shape)}")
    name, summary = text(tag), Summary()
    for i, pixels in enumerate(np.asarray(tensor)[:max_images]):
        height, width, depth = pixels.shape
        value = summary.value.add(tag=f"{name}/image/{i}" if max_images > 1 else f"{name}/image")
        value.image.height, value.image.width, value.image.colorspace = height, width, depth
        value.image.encoded_image_string = _png(pixels if pixels.dtype == np.uint8 else _scaled(pixels))
    return message(summary)


def _scaled(pixels: Array) -> Array:
    """A floating image as uint8."""
    values = pixels.astype(np.float32)
    finite = np.isfinite(values).all(axis=-1)
    seen = values[finite]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    largest, offset = (max(abs(low), abs(high)), 128.0) if low < 0 else (high, 0.0)
    scale = 0.0 if largest < _SMALL else (127.0 if low < 0 else 255.0) / largest
    values[~finite] = 0
    result = (values * np.float32(scale) + np.float32(offset)).astype(np.uint8)
    result[~finite] = _BAD_COLOR[: pixels.shape[-1]]
    return result


def _png(pixels: Array) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise UnimplementedError(None, None, "summaries of images need Pillow: pip install pillow") from error
    file = io.BytesIO()
    mode = _MODES[pixels.shape[-1]]
    Image.fromarray(np.ascontiguousarray(pixels if mode != "L" else pixels[..., 0]), mode).save(file, "PNG")
    return file.getvalue()


define("ImageSummary", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, host_only=True)

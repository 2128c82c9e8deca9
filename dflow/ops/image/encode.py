"""Images encoded as PNG and JPEG files in a graph.

Encoding needs Pillow, an extra of dflow: `pip install dflow[images]`.  Without it, a run is an ImportError.
Source: gen_image_ops and image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int32, string, uint8, uint16
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.image import files, png16
from dflow.ops.image.decode import decode_jpeg
from dflow.ops.image.dtype import convert_image_dtype
from dflow.ops.random import random_uniform
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import is_symbolic, only, spec_of
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["adjust_jpeg_quality", "encode_jpeg", "encode_png", "random_jpeg_quality"]


def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Tensor:
    """A PNG file, a scalar string, of an image: uint8 or uint16, [height, width, channels], of 1 to 4 channels.

    compression: from -1 (the usual one), 0 (none) to 9.  Source: tf.image.encode_png.
    """
    with scoped("EncodePng", name, image) as scope:
        x = convert_to_tensor(image, None if is_symbolic(image) or hasattr(image, "dtype") else uint8, name="image")
        result: Tensor = add_op("EncodePng", x, name=scope, compression=int(compression))
    return result


def encode_jpeg(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: Any = "",
    name: str | None = None,
) -> Tensor:
    """A JPEG file, a scalar string, of an image: uint8, [height, width, channels].

    format: "" for that of the channels, "grayscale" or "rgb".  quality: from 0 to 100.  Source: tf.image.encode_jpeg.
    """
    if format not in ("", "grayscale", "rgb"):
        raise ValueError(f"Value for attr 'format' of {format!r} is not in the list of allowed values")
    if density_unit not in ("in", "cm"):
        raise ValueError(f"Value for attr 'density_unit' of {density_unit!r} is not in the list of allowed values")
    with scoped("EncodeJpeg", name, image) as scope:
        result: Tensor = add_op(
            "EncodeJpeg",
            convert_to_tensor(image, None if is_symbolic(image) else uint8, name="image"),
            name=scope,
            format=format,
            quality=int(quality),
            progressive=bool(progressive),
            optimize_size=bool(optimize_size),
            chroma_downsampling=bool(chroma_downsampling),
            density_unit=density_unit,
            x_density=int(x_density),
            y_density=int(y_density),
            xmp_metadata=xmp_metadata,
        )
    return result


def adjust_jpeg_quality(image: Any, jpeg_quality: Any, name: str | None = None) -> Tensor:
    """The image as it is after it was a JPEG file of this quality: a number, or an int32 scalar.

    image: [height, width, c], of 1 or 3 channels.  Source: tf.image.adjust_jpeg_quality.
    """
    with scoped("adjust_jpeg_quality", name, image):
        x = convert_to_tensor(image)
        channels = x.spec.shape.with_rank(3)[2]
        whole = convert_image_dtype(x, uint8)
        number = convert_to_tensor(jpeg_quality, int32)
        file: Tensor = add_op("EncodeJpegVariableQuality", whole, number)
        result = convert_image_dtype(decode_jpeg(file, channels=channels or 0), x.dtype)
        result.set_shape(x.shape)
        return result


def random_jpeg_quality(image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: int | None = None) -> Tensor:
    """`adjust_jpeg_quality` by a number from the smaller bound on, below the larger one.

    Source: tf.image.random_jpeg_quality.
    """
    if min(min_jpeg_quality, max_jpeg_quality) < 0 or max(min_jpeg_quality, max_jpeg_quality) > 100:
        raise ValueError("jpeg encoding range must be between 0 and 100.")
    if min_jpeg_quality >= max_jpeg_quality:
        raise ValueError("`min_jpeg_quality` must be less than `max_jpeg_quality`.")
    quality = random_uniform([], min_jpeg_quality, max_jpeg_quality, seed=seed, dtype=int32)
    return adjust_jpeg_quality(image, quality)


# -- rules


def _png_spec(image: TensorSpec, compression: int) -> TensorSpec:
    only(image, image.dtype in (uint8, uint16), "uint8 and uint16 images")
    if image.shape.ndims is not None and image.shape.ndims < 3:
        image.shape.with_rank(3)
    return spec_of([] if image.shape.ndims in (None, 3) else image.shape.known[:-3], string)


def _png_kernel(image: Any, compression: int) -> Any:
    if image.ndim < 3 or image.shape[-1] not in files.MODES:
        raise InvalidArgumentError(
            None,
            None,
            f"image must have 3 axes or more, and 1, 2, 3, or 4 channels: its shape is {list(image.shape)}",
        )
    level = 6 if compression < 0 else min(compression, 9)
    found = np.empty(image.shape[:-3], object)
    for place in np.ndindex(found.shape):
        one = image[place]
        wide = one.dtype == np.uint16
        found[place] = png16.write(one, level) if wide else files.written(one, "PNG", compress_level=level)
    return found


def _jpeg_spec(image: TensorSpec, *quality: TensorSpec, **attrs: Any) -> TensorSpec:
    only(image, image.dtype == uint8, "uint8 images")
    image.shape.with_rank(3)
    for number in quality:
        number.shape.with_rank(0)
    return spec_of([], string)


def _file(image: Any, channels: int, quality: int, **options: Any) -> Any:
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise InvalidArgumentError(
            None, None, f"image must be 3-dimensional, of 1 or 3 channels, got a shape of {list(image.shape)}"
        )
    if channels and image.shape[2] != channels:
        raise InvalidArgumentError(None, None, f"format expects {channels} channels, got {image.shape[2]}")
    if not 0 <= quality <= 100:
        raise InvalidArgumentError(None, None, f"quality must be in [0,100], got {quality}")
    text = files.written(image, "JPEG", quality=max(1, quality), **options)
    found = np.empty((), object)
    found[()] = text
    return found


def _jpeg_kernel(
    image: Any,
    format: str,
    quality: int,
    progressive: bool,
    optimize_size: bool,
    chroma_downsampling: bool,
    density_unit: str,
    x_density: int,
    y_density: int,
    xmp_metadata: Any,
) -> Any:
    channels = {"": 0, "grayscale": 1, "rgb": 3}[format]
    inches = 1 if density_unit == "in" else 2.54
    return _file(
        image,
        channels,
        quality,
        progressive=progressive,
        optimize=optimize_size,
        subsampling=2 if chroma_downsampling else 0,
        dpi=(round(x_density * inches), round(y_density * inches)),
    )


_NONE = no_gradient("a file has none")

define("EncodePng", spec=_png_spec, kernel=_png_kernel, gradient=_NONE, host_only=True)
define("EncodeJpeg", spec=_jpeg_spec, kernel=_jpeg_kernel, gradient=_NONE, host_only=True)
define(
    "EncodeJpegVariableQuality",
    spec=_jpeg_spec,
    kernel=lambda image, quality: _file(image, 0, int(quality), subsampling=2),
    gradient=_NONE,
    host_only=True,
)

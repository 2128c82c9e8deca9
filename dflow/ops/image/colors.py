"""Grey images, and colours as luminance and two differences (YIQ, YUV).

Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.image.dtype import convert_image_dtype
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.building import scoped

__all__ = ["grayscale_to_rgb", "rgb_to_grayscale", "rgb_to_yiq", "rgb_to_yuv", "yiq_to_rgb", "yuv_to_rgb"]

Matrix = list[list[float]]

RGB_TO_YIQ = [
    [0.299, 0.59590059, 0.2115],
    [0.587, -0.27455667, -0.52273617],
    [0.114, -0.32134392, 0.31119955],
]
YIQ_TO_RGB = [[1.0, 1.0, 1.0], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]]
RGB_TO_YUV = [
    [0.299, -0.14714119, 0.61497538],
    [0.587, -0.28886916, -0.51496512],
    [0.114, 0.43601035, -0.10001026],
]
YUV_TO_RGB = [[1.0, 1.0, 1.0], [0.0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0.0]]


def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """RGB images, [..., 3], as grey ones, [..., 1], of their dtype.  Source: tf.image.rgb_to_grayscale."""
    with scoped("rgb_to_grayscale", name, images) as scope:
        x = convert_to_tensor(images, name="images")
        grey = matmul(convert_image_dtype(x, float32), np.array([[0.2989], [0.5870], [0.1140]], np.float32))
        return convert_image_dtype(grey, x.dtype, name=scope)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Grey images, [..., 1], as RGB ones, [..., 3], of three equal channels.  ValueError for another shape.

    Source: tf.image.grayscale_to_rgb.
    """
    with scoped("grayscale_to_rgb", name, images) as scope:
        x = convert_to_tensor(images, name="images")
        if x.shape.ndims is not None:
            if x.shape.ndims < 2:
                raise ValueError("A grayscale image must be at least two-dimensional.")
            if x.spec.shape[-1] not in (None, 1):
                raise ValueError("Last dimension of a grayscale image should be size 1.")
        result = concat([x, x, x], -1, name=scope)
        if x.shape.ndims is not None:
            result.set_shape([*x.shape.known[:-1], 3])
        return result


def _transformed(images: Any, matrix: Matrix) -> Tensor:
    x = convert_to_tensor(images, name="images")
    return matmul(x, convert_to_tensor(matrix, dtype=x.dtype, name="kernel"))


def rgb_to_yiq(images: Any) -> Tensor:
    """RGB images, floating, [..., 3], as YIQ.  Source: tf.image.rgb_to_yiq."""
    return _transformed(images, RGB_TO_YIQ)


def yiq_to_rgb(images: Any) -> Tensor:
    """YIQ images, floating, [..., 3], as RGB.  Source: tf.image.yiq_to_rgb."""
    return _transformed(images, YIQ_TO_RGB)


def rgb_to_yuv(images: Any) -> Tensor:
    """RGB images, floating, [..., 3], as YUV.  Source: tf.image.rgb_to_yuv."""
    return _transformed(images, RGB_TO_YUV)


def yuv_to_rgb(images: Any) -> Tensor:
    """YUV images, floating, [..., 3], as RGB.  Source: tf.image.yuv_to_rgb."""
    return _transformed(images, YUV_TO_RGB)

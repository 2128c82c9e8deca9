"""How similar two images are: psnr, ssim, ssim_multiscale.

Source: image_ops_impl of TensorFlow 1.15; Wang et al., "Image quality assessment: from error visibility to structural
similarity" and "Multiscale structural similarity for image quality assessment".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.constants import constant
from dflow.ops.array.pad import pad
from dflow.ops.array.shape import reshape, shape
from dflow.ops.array.stack import stack
from dflow.ops.array.tile import tile
from dflow.ops.control import Assert, identity
from dflow.ops.conv.depthwise import depthwise_conv2d_native
from dflow.ops.image.dtype import convert_image_dtype
from dflow.ops.math.arithmetic import add, multiply, squared_difference, subtract
from dflow.ops.math.compare import equal
from dflow.ops.math.division import floormod, realdiv
from dflow.ops.math.powers import log, pow, square
from dflow.ops.math.reduction import reduce_all, reduce_mean, reduce_prod
from dflow.ops.nn.activations import relu
from dflow.ops.pool.avg_pool import avg_pool
from dflow.ops.rules.building import scoped

__all__ = ["psnr", "ssim", "ssim_multiscale"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales


def _same_shape(a: Tensor, b: Tensor) -> list[Any]:
    """Checks that two images, or two batches of images, have one shape; ValueError for static shapes that differ."""
    for x in (a, b):
        if x.shape.ndims is not None and x.shape.ndims < 3:
            raise ValueError(f"images have at least three axes, got {x.shape}")
    if a.shape.ndims is not None and b.shape.ndims is not None:
        if not a.shape[-3:].is_compatible_with(b.shape[-3:]):
            raise ValueError(f"Shapes {a.shape} and {b.shape} are not compatible")
        for size, other in zip(reversed(a.shape.known[:-3]), reversed(b.shape.known[:-3]), strict=False):
            if None not in (size, other) and 1 not in (size, other) and size != other:
                raise ValueError(f"Two images are not compatible: {a.shape} and {b.shape}")
        if a.shape.is_fully_defined() and b.shape.is_fully_defined():
            return []
    sizes, others = shape(a), shape(b)
    return [Assert(reduce_all(equal(sizes[-3:], others[-3:])), [sizes, others], summarize=10)]


def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """The ratio of the largest possible value to the noise, in decibels, for each pair of images.

    a, b: [..., height, width, c]; max_val: the range of their values -> float32 [...].  Source: tf.image.psnr.
    """
    with scoped("PSNR", name, a, b):
        a, b = convert_to_tensor(a), convert_to_tensor(b)
        most = convert_image_dtype(cast(convert_to_tensor(max_val), a.dtype), float32)
        x, y = convert_image_dtype(a, float32), convert_image_dtype(b, float32)
        mse = reduce_mean(squared_difference(x, y), [-3, -2, -1])
        decibels = subtract(
            realdiv(multiply(log(most), 20.0), math.log(10.0)), multiply(log(mse), 10 / math.log(10.0)), name="psnr"
        )
        with x.graph.control_dependencies(_same_shape(a, b)):
            return identity(decibels)


# -- structural similarity


def _gaussian(size: int, sigma: float) -> np.ndarray[Any, Any]:
    """A window of weights that add up to 1."""
    places = np.arange(size, dtype=np.float64) - (size - 1) / 2
    powers = -0.5 * places**2 / sigma**2
    weights = np.exp(powers[:, None] + powers[None, :])
    window: np.ndarray[Any, Any] = (weights / weights.sum()).astype(np.float32)
    return window


def _similarity(
    x: Tensor, y: Tensor, most: Tensor, size: int, sigma: float, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """The mean, for each channel, of the similarity, and of its part for contrast and structure."""
    if size <= 0:
        raise ValueError(f"filter_size must be positive, got {size}")
    sizes = shape(x)
    window = tile(reshape(constant(_gaussian(size, sigma)), [size, size, 1, 1]), [1, 1, sizes[-1], 1])

    def blurred(image: Tensor) -> Tensor:
        whole = shape(image)
        flat = reshape(image, concat([[-1], whole[-3:]], 0))
        found = depthwise_conv2d_native(flat, window, [1, 1, 1, 1], "VALID")
        return reshape(found, concat([whole[:-3], shape(found)[1:]], 0))

    c1, c2 = square(multiply(most, k1)), square(multiply(most, k2))
    mean_x, mean_y = blurred(x), blurred(y)
    product = multiply(multiply(mean_x, mean_y), 2.0)
    squares = add(square(mean_x), square(mean_y))
    luminance = realdiv(add(product, c1), add(squares, c1))
    crossed = multiply(blurred(multiply(x, y)), 2.0)
    both = blurred(add(square(x), square(y)))
    structure = realdiv(add(subtract(crossed, product), c2), add(subtract(both, squares), c2))
    return reduce_mean(multiply(luminance, structure), [-3, -2]), reduce_mean(structure, [-3, -2])


def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of each pair of images, at most 1.

    img1, img2: [..., height, width, c], at least `filter_size` high and wide; max_val: the range of their values
    -> float32 [...].  Source: tf.image.ssim.
    """
    with scoped("SSIM", None, img1, img2):
        a, b = convert_to_tensor(img1, name="img1"), convert_to_tensor(img2, name="img2")
        checks = _same_shape(a, b)
        most = convert_image_dtype(cast(convert_to_tensor(max_val), a.dtype), float32)
        with a.graph.control_dependencies(checks):
            a = identity(a)
        x, y = convert_image_dtype(a, float32), convert_image_dtype(b, float32)
        similarity, _ = _similarity(x, y, most, filter_size, filter_sigma, k1, k2)
        return reduce_mean(similarity, [-1])


def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Sequence[float] = WEIGHTS,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of each pair of images at several scales, each half of the one before.

    power_factors: the weights of the scales.  Other arguments: as `ssim`.  Source: tf.image.ssim_multiscale.
    """
    with scoped("MS-SSIM", None, img1, img2):
        a, b = convert_to_tensor(img1, name="img1"), convert_to_tensor(img2, name="img2")
        checks = _same_shape(a, b)
        with a.graph.control_dependencies(checks):
            a = identity(a)
        most = convert_image_dtype(cast(convert_to_tensor(max_val), a.dtype), float32)
        images = [convert_image_dtype(a, float32), convert_image_dtype(b, float32)]
        parts: list[Tensor] = []
        similarity: Tensor | None = None
        for k in range(len(power_factors)):
            if k:
                images = [_half(image) for image in images]
            similarity, structure = _similarity(images[0], images[1], most, filter_size, filter_sigma, k1, k2)
            parts.append(relu(structure))
        assert similarity is not None
        parts[-1] = relu(similarity)
        powers = pow(stack(parts, axis=-1), constant(list(power_factors), float32))
        return reduce_mean(reduce_prod(powers, [-1]), [-1])


def _half(image: Tensor) -> Tensor:
    """An image of half the size: the means of two by two values; the last row and column count twice if need be."""
    whole = shape(image)
    flat = reshape(image, concat([[-1], whole[-3:]], 0))
    rest = floormod(whole[-3:-1], 2)
    pairs = [[0, 0], [0, rest[0]], [0, rest[1]], [0, 0]]
    means = avg_pool(pad(flat, pairs, "SYMMETRIC"), [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    return reshape(means, concat([whole[:-3], shape(means)[1:]], 0))

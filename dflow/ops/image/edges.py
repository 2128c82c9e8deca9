"""How images change from point to point: gradients, edges, total variation.

Source: image_ops_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import zeros
from dflow.ops.array.pad import pad
from dflow.ops.array.shape import reshape, shape
from dflow.ops.array.stack import stack
from dflow.ops.array.tile import tile
from dflow.ops.conv.depthwise import depthwise_conv2d_native
from dflow.ops.math.arithmetic import abs, add, subtract
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.building import scoped

__all__ = ["image_gradients", "sobel_edges", "total_variation"]

SOBEL = [[[-1, -2, -1], [0, 0, 0], [1, 2, 1]], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]


def image_gradients(image: Any) -> tuple[Tensor, Tensor]:
    """The differences of each value and the ones below and to the right of it; 0 at the last ones.

    image: [n, height, width, c].  Source: tf.image.image_gradients.
    """
    x = convert_to_tensor(image)
    if x.shape.ndims != 4:
        raise ValueError(f"image_gradients expects a 4D tensor [batch_size, h, w, d], not {x.shape}.")
    n, height, width, depth = (shape(x)[i] for i in range(4))
    below = subtract(x[:, 1:, :, :], x[:, :-1, :, :])
    right = subtract(x[:, :, 1:, :], x[:, :, :-1, :])
    dy = reshape(concat([below, zeros(stack([n, 1, width, depth]), x.dtype)], 1), shape(x))
    dx = reshape(concat([right, zeros(stack([n, height, 1, depth]), x.dtype)], 2), shape(x))
    return dy, dx


def sobel_edges(image: Any) -> Tensor:
    """The edges of each channel along height and width, by the filters of Sobel.

    image: floating, [n, height, width, c] -> [n, height, width, c, 2].  Source: tf.image.sobel_edges.
    """
    x = convert_to_tensor(image)
    static, sizes = x.shape, shape(x)
    filters = np.transpose(np.array(SOBEL), (1, 2, 0))[:, :, None, :]
    taps = tile(constant(filters.astype(np.float32), x.dtype), [1, 1, sizes[-1], 1], name="sobel_filters")
    padded = pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
    edges = depthwise_conv2d_native(padded, taps, [1, 1, 1, 1], "VALID")
    result = reshape(edges, concat([sizes, [2]], 0))
    result.set_shape(static.concatenate([2]))
    return result


def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of the absolute differences of neighbours, for each image.

    images: [height, width, c] -> [], or [n, height, width, c] -> [n].  Source: tf.image.total_variation.
    """
    with scoped("total_variation", name, images):
        x = convert_to_tensor(images)
        if x.shape.ndims == 3:
            axes: list[int] | None = None
            below, right = subtract(x[1:, :, :], x[:-1, :, :]), subtract(x[:, 1:, :], x[:, :-1, :])
        elif x.shape.ndims == 4:
            axes = [1, 2, 3]
            below, right = (
                subtract(x[:, 1:, :, :], x[:, :-1, :, :]),
                subtract(x[:, :, 1:, :], x[:, :, :-1, :]),
            )
        else:
            raise ValueError("'images' must be either 3 or 4-dimensional.")
        return add(reduce_sum(abs(below), axes), reduce_sum(abs(right), axes))

"""Boxes drawn into images.

A box is [y_min, x_min, y_max, x_max] in shares of the height and width.
Source: tf.image.draw_bounding_boxes of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import float32
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import only
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["draw_bounding_boxes"]

COLORS = (  # RGBA of one box after the other: yellow, blue, red, lime, purple, olive, maroon, navy, aqua, fuchsia
    (1, 1, 0, 1),
    (0, 0, 1, 1),
    (1, 0, 0, 1),
    (0, 1, 0, 1),
    (0.5, 0, 0.5, 1),
    (0.5, 0.5, 0, 1),
    (0.5, 0, 0, 1),
    (0, 0, 0.5, 1),
    (0, 1, 1, 1),
    (1, 0, 1, 1),
)


def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """Images with the outlines of boxes.

    images: float32 or float16, [n, height, width, c], of 1, 3 or 4 channels, in the range from 0 to 1;
    boxes: float32, [n, k, 4]; colors: None, or float32, [m, c], which are used one after the other.
    What lies outside is not drawn.  Source: tf.image.draw_bounding_boxes.
    """
    with scoped("DrawBoundingBoxes", name, images, boxes, colors) as scope:
        x, y = convert_to_tensor(images, name="images"), convert_to_tensor(boxes, float32, name="boxes")
        if colors is None:
            result: Tensor = add_op("DrawBoundingBoxes", x, y, name=scope)
        else:
            result = add_op("DrawBoundingBoxesV2", x, y, convert_to_tensor(colors, float32, name="colors"), name=scope)
    return result


def _spec(images: TensorSpec, boxes: TensorSpec, *colors: TensorSpec) -> TensorSpec:
    only(images, images.dtype.name in ("float16", "float32"), "float32 and float16 images")
    n = images.shape.with_rank(4)[0]
    TensorShape([n, None, 4]).merge_with(boxes.shape)
    for table in colors:
        table.shape.with_rank(2)
    return images


def _table(colors: tuple[Any, ...], depth: int) -> Any:
    """The colours, in channels of the image."""
    if colors and colors[0].shape[0]:
        if colors[0].shape[1] < depth:
            raise InvalidArgumentError(None, None, f"colors have {colors[0].shape[1]} channels, the image {depth}")
        return colors[0][:, :depth]
    table = np.array(COLORS, np.float32)
    if depth == 1:  # white
        table[:, 0] = 1
    return table[:, :depth]


def _kernel(images: Any, boxes: Any, *colors: Any) -> Any:
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise InvalidArgumentError(
            None, None, f"Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA): {list(images.shape)}"
        )
    if boxes.ndim != 3 or boxes.shape[0] != images.shape[0] or boxes.shape[2] != 4:
        raise InvalidArgumentError(None, None, f"boxes should be [batch, boxes, 4], got {list(boxes.shape)}")
    if colors and colors[0].ndim != 2:
        raise InvalidArgumentError(None, None, f"colors must be a 2-D matrix, got {list(colors[0].shape)}")
    result = images.copy()
    height, width = images.shape[1:3]
    table = _table(colors, images.shape[3])
    scale = np.array([height - 1, width - 1, height - 1, width - 1], np.float32)
    corners = np.trunc(boxes * scale).astype(np.int64)
    for image, found in zip(result, corners, strict=True):
        for i, box in enumerate(found):
            _draw(image, tuple(int(number) for number in box), table[i % len(table)])
    return result


def _draw(image: Any, box: tuple[int, ...], color: Any) -> None:
    height, width = image.shape[:2]
    top, left, bottom, right = box
    if top > bottom or left > right or top >= height or bottom < 0 or left >= width or right < 0:
        return
    rows = slice(max(top, 0), min(bottom, height - 1) + 1)
    columns = slice(max(left, 0), min(right, width - 1) + 1)
    for row in (top, bottom):
        if 0 <= row < height:
            image[row, columns] = color
    for column in (left, right):
        if 0 <= column < width:
            image[rows, column] = color


_NONE = no_gradient("TensorFlow has no gradient of it either")

define("DrawBoundingBoxes", spec=_spec, kernel=_kernel, gradient=_NONE, host_only=True)
define("DrawBoundingBoxesV2", spec=_spec, kernel=_kernel, gradient=_NONE, host_only=True)

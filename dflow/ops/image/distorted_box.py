"""A random part of an image that holds enough of one of the objects in it.

Source: tf.image.sample_distorted_bounding_box of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import float32
from dflow.errors import InvalidArgumentError
from dflow.graph import add_op, convert_to_tensor, scopes
from dflow.ops.random import get_seed
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import only, spec_of
from dflow.ops.sampling.stream import generator_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["sample_distorted_bounding_box"]

SampleDistortedBoundingBoxV2 = namedtuple("SampleDistortedBoundingBoxV2", ["begin", "size", "bboxes"])
Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels


def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = None,
    seed2: int | None = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Sequence[float] | None = None,
    area_range: Sequence[float] | None = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> Any:
    """A random box in an image: `begin` and `size` for `slice`, [3], and `bboxes`, float32 [1, 1, 4].

    image_size: integers, [3]: height, width, channels; bounding_boxes: float32, [n, k, 4], in shares of the height and
    width.  The box covers the share `min_object_covered` of one of them; its width divided by its height is in
    `aspect_ratio_range` ((0.75, 1.33)), its share of the image in `area_range` ((0.05, 1)).  If `max_attempts` (100)
    find none, it is the image.  InvalidArgumentError without bounding boxes, unless the image may take their place.
    Source: tf.image.sample_distorted_bounding_box.
    """
    ratios, areas = (tuple(map(float, given or default)) for given, default in _ranges(aspect_ratio_range, area_range))
    with scoped("sample_distorted_bounding_box", name, image_size, bounding_boxes, min_object_covered):
        sizes = convert_to_tensor(image_size, name="image_size")
        with scopes.building_in(sizes.graph):
            seeds = get_seed(seed) if not seed2 else (int(seed or 0), int(seed2))
        outputs = add_op(
            "SampleDistortedBoundingBoxV2",
            sizes,
            convert_to_tensor(bounding_boxes, float32, name="bounding_boxes"),
            convert_to_tensor(min_object_covered, float32, name="min_object_covered"),
            seeds=seeds,
            aspect_ratio_range=ratios,
            area_range=areas,
            max_attempts=100 if max_attempts is None else int(max_attempts),
            use_image_if_no_bounding_boxes=bool(use_image_if_no_bounding_boxes),
        )
    return SampleDistortedBoundingBoxV2(*outputs)


def _ranges(ratios: Any, areas: Any) -> tuple[tuple[Any, tuple[float, float]], ...]:
    return (ratios, (0.75, 1.33)), (areas, (0.05, 1.0))


def _spec(sizes: TensorSpec, boxes: TensorSpec, covered: TensorSpec, **attrs: Any) -> list[TensorSpec]:
    only(sizes, sizes.dtype.is_integer, "integers as the image's sizes")
    sizes.shape.merge_with([3])
    boxes.shape.merge_with([None, None, 4])
    covered.shape.with_rank(0)
    return [spec_of([3], sizes.dtype), spec_of([3], sizes.dtype), spec_of([1, 1, 4], float32)]


def _kernel(
    context: KernelContext,
    sizes: Any,
    boxes: Any,
    covered: Any,
    seeds: tuple[int, int],
    aspect_ratio_range: tuple[float, ...],
    area_range: tuple[float, ...],
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> tuple[Any, Any, Any]:
    if tuple(sizes.shape) != (3,) or boxes.ndim != 3 or boxes.shape[2] != 4 or covered.ndim:
        raise InvalidArgumentError(
            None, None, f"image_size is [3], bounding_boxes [n, k, 4]: got {list(sizes.shape)} and {list(boxes.shape)}"
        )
    _check_ranges(aspect_ratio_range, area_range, max_attempts)
    height, width = int(sizes[0]), int(sizes[1])
    objects = _objects(boxes, height, width)
    if not objects:
        if not use_image_if_no_bounding_boxes:
            raise InvalidArgumentError(
                None,
                None,
                "No bounding boxes provided as input. One must enable use_image_if_no_bounding_boxes if you wish to "
                "not provide any bounding boxes.",
            )
        objects = [(0, 0, height, width)]
    generator = generator_of(context, seeds)
    chosen: Box = (0, 0, height, width)
    for _ in range(max_attempts):
        box = _random_box(generator, height, width, area_range, aspect_ratio_range)
        if box is not None and _covers(box, objects, float(covered)):
            chosen = box
            break
    top, left, bottom, right = chosen
    begin = np.array([top, left, 0], sizes.dtype)
    size = np.array([bottom - top, right - left, -1], sizes.dtype)
    shares = np.array([[[top / height, left / width, bottom / height, right / width]]], np.float32)
    return begin, size, shares


def _check_ranges(ratios: tuple[float, ...], areas: tuple[float, ...], attempts: int) -> None:
    for what, pair in (("Aspect ratio", ratios), ("Area", areas)):
        if len(pair) != 2 or min(pair) <= 0 or pair[0] > pair[1]:
            raise InvalidArgumentError(None, None, f"{what} range must be two positive numbers in order, got {pair}")
    if max(areas) > 1:
        raise InvalidArgumentError(None, None, f"Area range must be at most 1, got {areas}")
    if attempts <= 0:
        raise InvalidArgumentError(None, None, f"Max attempts must be non-negative: {attempts}")


def _objects(boxes: Any, height: int, width: int) -> list[Box]:
    """The bounding boxes in pixels; InvalidArgumentError for one that is not inside of the image."""
    flat = boxes.reshape(-1, 4)
    if ((flat < 0) | (flat > 1)).any():
        raise InvalidArgumentError(None, None, "All bounding box coordinates must be in [0.0, 1.0]")
    if (flat[:, :2] >= flat[:, 2:]).any():
        raise InvalidArgumentError(None, None, "Bounding box minima must be smaller than its maxima")
    return [tuple(box) for box in (flat * [height, width, height, width]).astype(np.int64).tolist()]


def _random_box(
    generator: np.random.Generator, height: int, width: int, areas: Sequence[float], ratios: Sequence[float]
) -> Box | None:
    """A box whose size and proportions are in the ranges; None if there is none of the drawn proportions."""
    ratio = generator.uniform(ratios[0], ratios[1])
    smallest, largest = (share * height * width for share in areas)
    rows = round(math.sqrt(smallest / ratio))
    most = min(round(math.sqrt(largest / ratio)), int((width + 0.5 - 1e-7) / ratio), height)
    rows = int(generator.integers(rows, most, endpoint=True)) if rows < most else most
    columns = round(rows * ratio)
    if rows * columns < smallest:  # by rounding
        rows, columns = rows + 1, round((rows + 1) * ratio)
    if rows * columns > largest:
        rows, columns = rows - 1, round((rows - 1) * ratio)
    if not smallest <= rows * columns <= largest or not 0 < columns <= width or not 0 < rows <= height:
        return None
    top, left = (int(generator.integers(0, free, endpoint=True)) for free in (height - rows, width - columns))
    return top, left, top + rows, left + columns


def _covers(box: Box, objects: Sequence[Box], share: float) -> bool:
    """Whether the box covers this share of an object."""
    for other in objects:
        area = (other[2] - other[0]) * (other[3] - other[1])
        rows = min(box[2], other[2]) - max(box[0], other[0])
        columns = min(box[3], other[3]) - max(box[1], other[1])
        if area >= 1 and max(rows, 0) * max(columns, 0) >= share * area:
            return True
    return False


define(
    "SampleDistortedBoundingBoxV2",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a random box does not depend on anything smoothly"),
    stateful=True,
    host_only=True,
)

"""Boxes of images, cut out and resized to one size.

A box is [y1, x1, y2, x2] in shares of the height and width; a point outside of the image has `extrapolation_value`.
Source: tf.image.crop_and_resize and image_grad of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from array_api_compat import device

from dflow.dtypes import DType, float32
from dflow.errors import InvalidArgumentError, OutOfRangeError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.shape import shape
from dflow.ops.rules.arrays import dtype_in, ints, namespace, scatter_add, vector, zeros
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import known_shape, known_value, only, shape_argument, spec_of
from dflow.ops.rules.windows import batches
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["crop_and_resize"]


def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """Boxes of images, each resized to `crop_size`, two positive numbers or a tensor.

    image: real numbers, [n, height, width, c]; boxes: float32, [k, 4]; box_ind: int32, [k], the image of each box
    -> float32, [k, *crop_size, c].  method: "bilinear" or "nearest".  OutOfRangeError for an image that is not there.
    Source: tf.image.crop_and_resize.
    """
    if method not in ("bilinear", "nearest"):
        raise ValueError(
            f'Value for attr \'method\' of {method!r} is not in the list of allowed values: "bilinear", "nearest"'
        )
    places = one_of("box_indices", box_indices, "box_ind", box_ind)
    with scoped("CropAndResize", name, image, boxes, places, crop_size) as scope:
        numbers, inputs = shape_argument(crop_size)
        value = known_value(inputs[0]) if inputs else None
        if value is not None:
            numbers, inputs = ints(value), ()
        result: Tensor = add_op(
            "CropAndResize",
            convert_to_tensor(image, name="image"),
            convert_to_tensor(boxes, float32, name="boxes"),
            convert_to_tensor(places, name="box_ind"),
            *inputs,
            name=scope,
            crop_size=numbers,
            method=method,
            extrapolation_value=float(extrapolation_value),
        )
        if inputs and known_shape(inputs[0]).ndims == 2:
            result.set_shape([None, *known_shape(inputs[0]), None])
    return result


# -- shapes


def _boxes(boxes: TensorSpec, places: TensorSpec) -> int | None:
    """The number of boxes."""
    only(boxes, boxes.dtype == float32, "float32 boxes")
    only(places, places.dtype.name == "int32", "int32 numbers of images")
    count = boxes.shape.merge_with([None, 4])[0]
    number: int | None = TensorShape([count]).merge_with(places.shape)[0]
    return number


def _spec(
    image: TensorSpec, boxes: TensorSpec, places: TensorSpec, *sizes: TensorSpec, crop_size: Any, **attrs: Any
) -> TensorSpec:
    only(image, image.dtype.is_numeric and not image.dtype.is_complex, "real numbers")
    depth, count = image.shape.with_rank(4)[3], _boxes(boxes, places)
    new: list[int | None] = [None, None]
    if crop_size is not None:
        if len(crop_size) != 2:
            raise ShapeError(f"crop_size must have two elements, got {list(crop_size)}")
        new = list(crop_size)
    else:
        sizes[0].shape.merge_with([2])
    return spec_of([count, *new, depth], float32)


# -- points: the four neighbours of each point of each crop


def _check(image_sizes: Any, boxes: Any, places: Any, crop_size: Any) -> None:
    if len(image_sizes) != 4 or boxes.ndim != 2 or boxes.shape[1] != 4 or tuple(places.shape) != (boxes.shape[0],):
        raise InvalidArgumentError(
            None,
            None,
            "input image must be 4-D, boxes [k, 4] and box_index [k]: got shapes "
            f"{list(image_sizes)}, {list(boxes.shape)} and {list(places.shape)}",
        )
    if len(crop_size) != 2 or min(crop_size) <= 0:
        raise InvalidArgumentError(None, None, f"crop dimensions must be two positive numbers, got {list(crop_size)}")
    if min(image_sizes[1:3]) <= 0:
        raise InvalidArgumentError(None, None, "image dimensions must be positive")
    if bool(namespace(places).any((places < 0) | (places >= image_sizes[0]))):
        raise OutOfRangeError(None, None, f"box_index has values outside [0, {image_sizes[0]})")


def _along(low: Any, high: Any, size: int, new: int) -> Any:
    """The place of each point of a crop along one axis: [boxes, new]."""
    xp = namespace(low)
    if new == 1:
        return xp.reshape((low + high) * (0.5 * (size - 1)), (-1, 1))
    steps = (high - low) * ((size - 1) / (new - 1))
    numbers = xp.arange(new, dtype=low.dtype, device=device(low))
    return xp.expand_dims(low * (size - 1), axis=1) + xp.expand_dims(steps, axis=1) * numbers


class _Points:
    """Where the points of crops lie in the images.

    inside: whether, [boxes, new height, new width, 1]; y, x: the places, [boxes, new size].
    """

    def __init__(self, sizes: Any, boxes: Any, places: Any, crop_size: Any) -> None:
        xp = self.xp = namespace(boxes)
        self.sizes, self.places = sizes, xp.astype(places, xp.int64)
        self.y = _along(boxes[:, 0], boxes[:, 2], sizes[1], crop_size[0])
        self.x = _along(boxes[:, 1], boxes[:, 3], sizes[2], crop_size[1])
        rows, columns = ((v >= 0) & (v <= size - 1) for v, size in ((self.y, sizes[1]), (self.x, sizes[2])))
        self.inside = rows[:, :, None, None] & columns[:, None, :, None]

    def rows(self, y: Any, x: Any) -> Any:
        """The numbers of the pixels at these places, in the images as rows of channels, flat."""
        xp, (_, height, width, _) = self.xp, self.sizes
        y, x = (xp.clip(xp.astype(v, xp.int64), 0, size - 1) for v, size in ((y, height), (x, width)))
        numbers = (self.places[:, None, None] * height + y[:, :, None]) * width + x[:, None, :]
        return xp.reshape(numbers, (-1,))

    def corners(self) -> Iterator[tuple[Any, Any, Any, int, int]]:
        """The four neighbours: the pixels, the weights along y and x, and whether they are the lower and right ones."""
        xp = self.xp
        top, left = xp.floor(self.y), xp.floor(self.x)
        down, right = self.y - top, self.x - left
        for below in (0, 1):
            for behind in (0, 1):
                y = xp.ceil(self.y) if below else top
                x = xp.ceil(self.x) if behind else left
                along_y, along_x = down if below else 1 - down, right if behind else 1 - right
                yield self.rows(y, x), along_y[:, :, None, None], along_x[:, None, :, None], below, behind

    def nearest(self) -> Any:
        """The pixels nearest to the points; half is rounded away from zero."""
        return self.rows(self.xp.floor(self.y + 0.5), self.xp.floor(self.x + 0.5))


def _pixels(image: Any, rows: Any, shape: Any) -> Any:
    xp = namespace(image)
    flat = xp.reshape(image, (-1, image.shape[3]))
    found = xp.reshape(xp.take(flat, rows, axis=0), (*shape, image.shape[3]))
    return xp.astype(found, xp.float32, copy=False)


def _kernel(
    image: Any, boxes: Any, places: Any, *sizes: Any, crop_size: Any, method: str, extrapolation_value: float
) -> Any:
    new = ints(sizes[0]) if crop_size is None else crop_size
    _check(image.shape, boxes, places, new)
    crops = zeros(vector(boxes, 0.0, float32), (boxes.shape[0], *new, image.shape[3]))
    for part in batches(boxes.shape[0], math.prod(crops.shape[1:]), crops):
        crops[part, ...] = _crops(image, boxes[part, :], places[part], new, method, extrapolation_value)
    return crops


def _crops(image: Any, boxes: Any, places: Any, new: Any, method: str, outside: float) -> Any:
    xp, shape = namespace(image), (boxes.shape[0], *new)
    points = _Points(image.shape, boxes, places, new)
    if method == "nearest":
        crops = _pixels(image, points.nearest(), shape)
    else:
        crops = sum(_pixels(image, rows, shape) * (y * x) for rows, y, x, _, _ in points.corners())
    if bool(xp.all(points.inside)):
        return crops
    return xp.where(points.inside, crops, xp.full_like(crops, outside))


# -- gradients


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    image, boxes, places = op.inputs[:3]
    known = image.shape.is_fully_defined()
    numbers, inputs = shape_argument(image.shape.as_list() if known else shape(image))
    method = op.attrs["method"]
    into_image = add_op(
        "CropAndResizeGradImage", dy, boxes, places, *inputs, image_size=numbers, dtype=image.dtype, method=method
    )
    if inputs:
        into_image.set_shape(image.shape)
    into_boxes = add_op("CropAndResizeGradBoxes", dy, image, boxes, places)
    return into_image if image.dtype.is_floating else None, into_boxes, *(None for _ in op.inputs[2:])


def _image_kernel(dy: Any, boxes: Any, places: Any, *sizes: Any, image_size: Any, dtype: DType, method: str) -> Any:
    xp, target = namespace(dy), ints(sizes[0]) if image_size is None else image_size
    _check(target, boxes, places, dy.shape[1:3])
    points = _Points(target, boxes, places, dy.shape[1:3])
    grads = xp.where(points.inside, dy, xp.zeros_like(dy))
    pixels = target[0] * target[1] * target[2]
    if method == "nearest":
        total = scatter_add(pixels, points.nearest(), xp.reshape(grads, (-1, target[3])))
    else:
        total = sum(
            scatter_add(pixels, rows, xp.reshape(grads * y * x, (-1, target[3])))
            for rows, y, x, _, _ in points.corners()
        )
    return xp.reshape(xp.astype(total, dtype_in(xp, dtype), copy=False), tuple(target))


def _boxes_kernel(dy: Any, image: Any, boxes: Any, places: Any) -> Any:
    _check(image.shape, boxes, places, dy.shape[1:3])
    xp, new = namespace(dy), dy.shape[1:3]
    points = _Points(image.shape, boxes, places, new)
    grads = xp.where(points.inside, dy, xp.zeros_like(dy))
    along_y = along_x = xp.zeros_like(grads)
    for rows, y, x, below, behind in points.corners():
        pixels = _pixels(image, rows, tuple(grads.shape[:3]))
        along_y = along_y + (2 * below - 1) * pixels * x
        along_x = along_x + (2 * behind - 1) * pixels * y
    of_y = xp.sum(grads * along_y, axis=(2, 3))
    of_x = xp.sum(grads * along_x, axis=(1, 3))
    low_y, high_y = _back_along(of_y, image.shape[1], new[0])
    low_x, high_x = _back_along(of_x, image.shape[2], new[1])
    return xp.stack([low_y, low_x, high_y, high_x], axis=1)


def _back_along(grads: Any, size: int, new: int) -> tuple[Any, Any]:
    """The gradients of both ends of a box along an axis, from those of the places of its points."""
    xp = namespace(grads)
    if new == 1:
        half = xp.sum(grads, axis=1) * (0.5 * (size - 1))
        return half, half
    shares = xp.arange(new, dtype=grads.dtype, device=device(grads)) * ((size - 1) / (new - 1))
    return xp.sum(grads * ((size - 1) - shares), axis=1), xp.sum(grads * shares, axis=1)


def _image_spec(
    dy: TensorSpec,
    boxes: TensorSpec,
    places: TensorSpec,
    *sizes: TensorSpec,
    image_size: Any,
    dtype: DType,
    method: str,
) -> TensorSpec:
    dy.shape.with_rank(4)
    _boxes(boxes, places)
    return spec_of([None] * 4 if image_size is None else TensorShape(image_size).with_rank(4), dtype)


def _boxes_spec(dy: TensorSpec, image: TensorSpec, boxes: TensorSpec, places: TensorSpec) -> TensorSpec:
    dy.shape.with_rank(4)
    image.shape.with_rank(4)
    return spec_of([_boxes(boxes, places), 4], float32)


_NONE = no_gradient("TensorFlow has no second gradient of crop_and_resize either")

define("CropAndResize", spec=_spec, kernel=_kernel, gradient=_gradient)
define("CropAndResizeGradImage", spec=_image_spec, kernel=_image_kernel, gradient=_NONE)
define("CropAndResizeGradBoxes", spec=_boxes_spec, kernel=_boxes_kernel, gradient=_NONE)

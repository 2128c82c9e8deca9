"""Images of other sizes.

An image is resized along one axis after the other: each new value is a weighted sum of a few old ones.
Source: image_ops_impl and gen_image_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from array_api_compat import device

from dflow.dtypes import DType, float32
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.image.interpolation import METHODS, Taps, matrix
from dflow.ops.rules.arrays import dtype_in, ints, namespace, take
from dflow.ops.rules.building import scoped
from dflow.ops.rules.like import Sizes, only_first, shape_input, take_shape
from dflow.ops.rules.static import known_shape, known_value, only, shape_argument, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["resize_area", "resize_bicubic", "resize_bilinear", "resize_nearest_neighbor"]

KINDS = {  # operation -> how it interpolates
    "ResizeBilinear": "bilinear",
    "ResizeBicubic": "bicubic",
    "ResizeArea": "area",
    "ResizeNearestNeighbor": "nearest",
}


def resize_bilinear(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Images of another size, interpolated between the four nearest values.

    images: real numbers, [n, height, width, c]; size: two positive numbers, or a tensor -> float32, [n, *size, c].
    align_corners: the corner values stay where they are.  half_pixel_centers: values lie in the centres of pixels.
    Source: tf.image.resize_bilinear.
    """
    return _resized("ResizeBilinear", images, size, align_corners, half_pixel_centers, name)


def resize_bicubic(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Images of another size, interpolated between the sixteen nearest values.  Arguments: as `resize_bilinear`.

    Source: tf.image.resize_bicubic.
    """
    return _resized("ResizeBicubic", images, size, align_corners, half_pixel_centers, name)


def resize_nearest_neighbor(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Images of another size and of the same dtype, each value the nearest one.  Arguments: as `resize_bilinear`.

    Source: tf.image.resize_nearest_neighbor.
    """
    return _resized("ResizeNearestNeighbor", images, size, align_corners, half_pixel_centers, name)


def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Tensor:
    """Images of another size, each value the mean of the area that it covers.  Arguments: as `resize_bilinear`.

    There is no gradient.  Source: tf.image.resize_area.
    """
    return _resized("ResizeArea", images, size, align_corners, False, name)


def _resized(kind: str, images: Any, size: Any, align: bool, half_pixel: bool, name: str | None) -> Tensor:
    if align and half_pixel:
        raise ValueError("If half_pixel_centers is True, align_corners must be False.")
    with scoped(kind, name, images, size) as scope:
        x = convert_to_tensor(images, name="images")
        numbers, inputs = shape_argument(size)
        value = known_value(inputs[0]) if inputs else None
        if value is not None:
            numbers, inputs = ints(value), ()
        result: Tensor = add_op(
            kind, x, *inputs, name=scope, size=numbers, align_corners=bool(align), half_pixel_centers=bool(half_pixel)
        )
        if inputs:
            sizes = known_shape(inputs[0])
            if sizes.ndims == 2:
                result.set_shape([None, *sizes, None])
    return result


# -- rules


def _spec_of(kind: str) -> Callable[..., TensorSpec]:
    def spec(x: TensorSpec, sizes: TensorSpec | None = None, *, size: Sizes | None, **attrs: Any) -> TensorSpec:
        only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
        n, _, _, c = x.shape.with_rank(4).known
        new: list[int | None] = [None, None]
        if size is not None:
            new = TensorShape(size).merge_with([None, None]).as_list()
        elif sizes is not None:
            only(sizes, sizes.dtype.is_integer, "integers as sizes")
            sizes.shape.merge_with([2])
        return spec_of([n, *new, c], x.dtype if kind == "ResizeNearestNeighbor" else float32)

    return spec


def _taps(method: str, old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> Taps:
    return METHODS[method](old, new, align_corners, half_pixel_centers)


def _kernel_of(kind: str) -> Callable[..., Any]:
    method = KINDS[kind]

    def kernel(x: Any, sizes: Any = None, *, size: Sizes | None, align_corners: bool, half_pixel_centers: bool) -> Any:
        new = ints(sizes) if size is None else size
        if x.ndim != 4 or len(new) != 2 or (sizes is not None and sizes.ndim != 1):
            raise InvalidArgumentError(
                None, None, f"input must be 4-dimensional, and size two numbers, got {list(x.shape)} and {list(new)}"
            )
        if min(new) <= 0:
            raise InvalidArgumentError(None, None, "output dimensions must be positive")
        if 0 in x.shape[1:3]:
            raise InvalidArgumentError(None, None, "input image must be of non-zero size")
        for axis in (1, 2) if new[0] <= x.shape[1] else (2, 1):  # rows are copied faster than columns
            x = _along(x, axis, _taps(method, x.shape[axis], new[axis - 1], align_corners, half_pixel_centers), method)
        return x

    return kernel


def _along(x: Any, axis: int, taps: Taps, method: str) -> Any:
    """The image resized along one axis."""
    xp = namespace(x)
    places, weights = taps
    if method == "nearest":
        return take(x, xp.asarray(places[:, 0], device=device(x)), axis)
    x = xp.astype(x, xp.float32, copy=False)
    shape = (-1, *(1,) * (x.ndim - axis - 1))
    total: Any = None
    for k in range(places.shape[1]):
        if not weights[:, k].any():
            continue
        part = take(x, xp.asarray(places[:, k], device=device(x)), axis)
        part *= xp.reshape(xp.asarray(weights[:, k], device=device(x)), shape)
        if total is None:
            total = part
        else:
            total += part
    return total


def _gradient_of(grad: str) -> Callable[..., Any]:
    def gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
        x = op.inputs[0]
        shape, inputs = shape_input(x)
        attrs = {key: op.attrs[key] for key in ("align_corners", "half_pixel_centers")}
        return only_first(op, add_op(grad, dy, *inputs, shape=shape, dtype=x.dtype, **attrs))

    return gradient


def _grad_kernel_of(kind: str) -> Callable[..., Any]:
    method = KINDS[kind]

    def kernel(
        dy: Any, *like: Any, shape: Sizes | None, dtype: DType, align_corners: bool, half_pixel_centers: bool
    ) -> Any:
        sizes, _ = take_shape(shape, like)
        if dy.ndim != 4 or len(sizes) != 4:
            raise InvalidArgumentError(None, None, f"gradient and image must be 4-dimensional, got {list(dy.shape)}")
        xp = namespace(dy)
        dx = xp.astype(dy, xp.float64 if dtype.name == "float64" else xp.float32, copy=False)
        for axis in (1, 2):
            taps = _taps(method, sizes[axis], dx.shape[axis], align_corners, half_pixel_centers)
            weights = xp.asarray(matrix(taps, sizes[axis]), dtype=dx.dtype, device=device(dx))
            dx = _product_along(weights, dx, axis)
        return xp.astype(dx, dtype_in(xp, dtype), copy=False)

    return kernel


def _product_along(weights: Any, x: Any, axis: int) -> Any:
    """A matrix times an image along one axis."""
    xp = namespace(x)
    if axis == 1:
        rows = xp.reshape(x, (x.shape[0], x.shape[1], -1)) if x.size else x[..., 0]
        return xp.reshape(xp.matmul(weights, rows), (x.shape[0], weights.shape[0], *x.shape[2:]))
    return xp.matmul(weights, x)


def _grad_spec(dy: TensorSpec, *like: TensorSpec, shape: Sizes | None, dtype: DType, **attrs: Any) -> TensorSpec:
    only(dy, dy.dtype.is_floating, "floating numbers")
    dy.shape.with_rank(4)
    sizes = like[0].shape if shape is None else TensorShape(shape)
    return TensorSpec(sizes.with_rank(4), dtype)


def _second_of(kind: str) -> Callable[..., Any]:
    def gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
        attrs = {key: op.attrs[key] for key in ("align_corners", "half_pixel_centers")}
        dy = op.inputs[0]
        size: Any = dy.shape.as_list()[1:3] if dy.shape.ndims == 4 else [None]
        numbers, inputs = shape_argument(shape_of(dy)[1:3] if None in size else size)
        result = add_op(kind, dx, *inputs, size=numbers, **attrs)
        return only_first(op, result)

    return gradient


for _kind in KINDS:
    _grad = f"{_kind}Grad"
    _linear = _kind != "ResizeArea"
    define(
        _kind,
        spec=_spec_of(_kind),
        kernel=_kernel_of(_kind),
        gradient=_gradient_of(_grad) if _linear else no_gradient("TensorFlow has no gradient of it either"),
    )
    if _linear:
        define(_grad, spec=_grad_spec, kernel=_grad_kernel_of(_kind), gradient=_second_of(_kind))

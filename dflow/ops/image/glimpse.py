"""Windows of images at given places, with noise where they reach out of the image.

Source: tf.image.extract_glimpse and the operation ExtractGlimpse of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import float32
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.arrays import ints
from dflow.ops.rules.building import scoped
from dflow.ops.rules.static import known_shape, known_value, only, shape_argument, spec_of
from dflow.ops.sampling.stream import generator_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["extract_glimpse"]


def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
    noise: str = "uniform",
) -> Tensor:
    """A window of each image.

    input: float32, [n, height, width, c]; size: the height and width of the windows, numbers or a tensor;
    offsets: float32, [n, 2], rows and columns -> float32, [n, *size, c].
    centered: offsets are those of the windows' centres from the images' centres; else from the upper left corners.
    normalized: they are shares of the height and width; with centered, -1 and 1 are the borders.
    uniform_noise: between the smallest and the largest value of the image; else normally distributed as its values.
    noise: "zero" for zeros.  Source: tf.image.extract_glimpse.
    """
    with scoped("ExtractGlimpse", name, input, size, offsets) as scope:
        numbers, inputs = shape_argument(size)
        value = known_value(inputs[0]) if inputs else None
        if value is not None:
            numbers, inputs = ints(value), ()
        x, places = (convert_to_tensor(v, float32, name=n) for v, n in ((input, "input"), (offsets, "offsets")))
        result: Tensor = add_op(
            "ExtractGlimpse",
            *(x, places, *inputs),
            name=scope,
            size=numbers,
            centered=bool(centered),
            normalized=bool(normalized),
            uniform_noise=bool(uniform_noise),
            noise=noise,
        )
        if inputs and known_shape(inputs[0]).ndims == 2:
            result.set_shape([None, *known_shape(inputs[0]), None])
    return result


def _spec(x: TensorSpec, offsets: TensorSpec, *sizes: TensorSpec, size: Any, **attrs: Any) -> TensorSpec:
    only(x, x.dtype == float32, "float32")
    n, _, _, c = x.shape.with_rank(4).known
    count = TensorShape([n, 2]).merge_with(offsets.shape)[0]
    new = [None, None] if size is None else TensorShape(size).merge_with([None, None]).as_list()
    return spec_of([count, *new, c], float32)


def _kernel(
    context: KernelContext,
    x: Any,
    offsets: Any,
    *sizes: Any,
    size: Any,
    centered: bool,
    normalized: bool,
    uniform_noise: bool,
    noise: str,
) -> Any:
    new = ints(sizes[0]) if size is None else size
    if x.ndim != 4 or tuple(offsets.shape) != (x.shape[0], 2) or len(new) != 2:
        raise InvalidArgumentError(
            None,
            None,
            f"input must be 4-dimensional, offsets [n, 2], size two numbers: got {list(x.shape)}, "
            f"{list(offsets.shape)} and {list(new)}",
        )
    places: Any = np.asarray(offsets, np.float32)
    image = np.array([x.shape[1], x.shape[2]], np.float32)
    if normalized:
        places = places * image
    if centered:
        places = places / 2 + image / 2
    starts = np.trunc(places - np.array(new, np.float32) / 2).astype(np.int64)
    kind = "zero" if noise == "zero" else "uniform" if uniform_noise else "gaussian"
    result = _noise(context, x, new, kind)
    for i, (top, left) in enumerate(starts):
        rows, there = _overlap(int(top), new[0], x.shape[1])
        columns, across = _overlap(int(left), new[1], x.shape[2])
        result[i, rows, columns] = x[i, there, across]
    return result


def _overlap(start: int, length: int, size: int) -> tuple[slice, slice]:
    """The part of a window that is inside of an axis: its places in the window, and in the axis."""
    first, end = max(start, 0), max(min(start + length, size), max(start, 0))
    return slice(first - start, end - start), slice(first, end)


def _noise(context: KernelContext, x: Any, size: Any, kind: str) -> Any:
    """The windows before anything of the images is in them."""
    shape = (x.shape[0], *size, x.shape[3])
    if kind == "zero" or not x.size:
        return np.zeros(shape, np.float32)
    generator = generator_of(context, (0, 0))
    axes = (1, 2, 3)
    if kind == "uniform":
        low, high = x.min(axis=axes, keepdims=True), x.max(axis=axes, keepdims=True)
        return generator.random(shape, np.float32) * (high - low) + low
    mean, deviation = x.mean(axis=axes, keepdims=True), x.std(axis=axes, keepdims=True)
    return generator.standard_normal(shape, np.float32) * deviation + mean


define(
    "ExtractGlimpse",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("TensorFlow has no gradient of it either"),
    stateful=True,
    host_only=True,
)

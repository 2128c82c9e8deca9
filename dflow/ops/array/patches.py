"""Patches of images and volumes, put into the depth.

Source: array_ops.extract_image_patches and extract_volume_patches of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.rules.ranks import exactly, require
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["extract_image_patches", "extract_volume_patches"]


def extract_image_patches(
    images: Any,
    ksizes: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    rates: Sequence[int] | None = None,
    padding: str | None = None,
    name: str | None = None,
    sizes: Sequence[int] | None = None,
) -> Tensor:
    """The patches of images, their values one after the other in the depth.

    images: [batch, height, width, depth], numbers; ksizes (or sizes): [1, height, width, 1] of a patch; strides:
    [1, rows, columns, 1] from one patch to the next; rates: [1, rows, columns, 1] from one value of a patch to the
    next; padding: "VALID" or "SAME" (with zeros) -> [batch, rows, columns, height * width * depth of a patch].
    """
    if ksizes is not None and sizes is not None:
        raise ValueError("Cannot specify both 'ksizes' and 'sizes'")
    return _patches("ExtractImagePatches", images, ksizes if sizes is None else sizes, strides, rates, padding, name)


def extract_volume_patches(
    input: Any, ksizes: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None
) -> Tensor:
    """As `extract_image_patches` for volumes, [batch, planes, rows, columns, depth], without rates."""
    return _patches("ExtractVolumePatches", input, ksizes, strides, [1] * 5, padding, name)


def _patches(kind: str, x: Any, ksizes: Any, strides: Any, rates: Any, padding: str | None, name: str | None) -> Tensor:
    for what, numbers in (("ksizes", ksizes), ("strides", strides), ("rates", rates)):
        if not isinstance(numbers, (list, tuple)):
            raise TypeError(f"Expected list for '{what}' argument to '{kind}' Op, not {numbers!r}.")
    attrs = {"ksizes": tuple(map(int, ksizes)), "strides": tuple(map(int, strides)), "rates": tuple(map(int, rates))}
    if padding not in ("VALID", "SAME"):
        raise ValueError(
            f"Value for attr 'padding' of {padding!r} is not in the list of allowed values: 'SAME', 'VALID'"
        )
    result: Tensor = add_op(kind, x, name=name, padding=padding, **attrs)
    return result


def _spec(x: TensorSpec, ksizes: Sizes, strides: Sizes, rates: Sizes, padding: str) -> TensorSpec:
    rank = len(ksizes)
    only(x, x.dtype.is_numeric or x.dtype.is_bool, "numbers")
    for what, numbers in (("ksizes", ksizes), ("strides", strides), ("rates", rates)):
        if len(numbers) != rank:
            raise ShapeError(f"{what} must have {rank} numbers, got {list(numbers)}")
        if min(numbers) < 1 or (numbers[0], numbers[-1]) != (1, 1):
            raise ShapeError(f"{what} are positive, those of the batch and of the depth are 1, got {list(numbers)}")
    dims = exactly(x, rank).as_list()
    inner = [
        None if size is None else max(0, _count(size, ksize, stride, rate, padding)[0])
        for size, ksize, stride, rate in zip(dims[1:-1], ksizes[1:-1], strides[1:-1], rates[1:-1], strict=True)
    ]
    depth = None if dims[-1] is None else dims[-1] * prod(ksizes)
    return TensorSpec(TensorShape([dims[0], *inner, depth]), x.dtype)


def _count(size: int, ksize: int, stride: int, rate: int, padding: str) -> tuple[int, int, int]:
    """How many patches there are along an axis, and how many zeros before and behind it."""
    reach = ksize + (ksize - 1) * (rate - 1)
    if padding == "VALID":
        return -(-(size - reach + 1) // stride), 0, 0
    count = -(-size // stride)
    pad = max(0, (count - 1) * stride + reach - size)
    return count, pad // 2, pad - pad // 2


def _places(
    sizes: Sequence[int], ksizes: Sizes, strides: Sizes, rates: Sizes, padding: str
) -> tuple[list[int], list[tuple[int, int]], Iterator[tuple[slice, ...]]]:
    """The number of patches and the zeros along each inner axis; the values of each place of a patch, as slices."""
    inner = [
        _count(size, ksize, stride, rate, padding)
        for size, ksize, stride, rate in zip(sizes[1:-1], ksizes[1:-1], strides[1:-1], rates[1:-1], strict=True)
    ]
    counts = [max(0, count) for count, _, _ in inner]
    axes = [
        [slice(k * rate, k * rate + (count - 1) * stride + 1 if count else k * rate, stride) for k in range(ksize)]
        for count, ksize, stride, rate in zip(counts, ksizes[1:-1], strides[1:-1], rates[1:-1], strict=True)
    ]
    return counts, [(before, behind) for _, before, behind in inner], itertools.product(*axes)


def _padded(x: Any, pads: list[tuple[int, int]]) -> Any:
    if not any(map(any, pads)):
        return x
    result = zeros(x, (x.shape[0], *(n + a + b for n, (a, b) in zip(x.shape[1:-1], pads, strict=True)), x.shape[-1]))
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(x.shape[1:-1], pads, strict=True))
    result[(slice(None), *inside, slice(None))] = x
    return result


def _kernel(x: Any, ksizes: Sizes, strides: Sizes, rates: Sizes, padding: str) -> Any:
    require(x.ndim == len(ksizes), f"input must be {len(ksizes)}-dimensional, got a shape of {list(x.shape)}")
    counts, pads, places = _places(x.shape, ksizes, strides, rates, padding)
    if 0 in counts:
        return zeros(x, (x.shape[0], *counts, x.shape[-1] * prod(ksizes)))
    padded = _padded(x, pads)
    return namespace(x).concat([padded[(slice(None), *place, slice(None))] for place in places], axis=-1)


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    shape, inputs = shape_input(op.inputs[0])
    kind = "ImagePatchesGrad" if op.type == "ExtractImagePatches" else "VolumePatchesGrad"
    return only_first(op, add_op(kind, dy, *inputs, shape=shape, **op.attrs))


def _grad_kernel(y: Any, *like: Any, shape: Sizes | None, **attrs: Any) -> Any:
    """Each value is added where it came from."""
    sizes, _ = take_shape(shape, like)
    counts, pads, places = _places(sizes, **attrs)
    padded = _padded(zeros(y, sizes), pads)
    depth = sizes[-1]
    if 0 not in counts:
        for i, place in enumerate(places):
            part = (slice(None), *place, slice(None))
            padded[part] = padded[part] + y[..., i * depth : (i + 1) * depth]
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(sizes[1:-1], pads, strict=True))
    return padded[(slice(None), *inside, slice(None))]


def _grad_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    kind = "ExtractImagePatches" if op.type == "ImagePatchesGrad" else "ExtractVolumePatches"
    attrs = {key: value for key, value in op.attrs.items() if key != "shape"}
    return only_first(op, add_op(kind, dx, **attrs))


for _forward, _backward in (
    ("ExtractImagePatches", "ImagePatchesGrad"),
    ("ExtractVolumePatches", "VolumePatchesGrad"),
):
    define(_forward, spec=_spec, kernel=_kernel, gradient=_gradient)
    define(_backward, spec=like_spec, kernel=_grad_kernel, gradient=_grad_gradient)

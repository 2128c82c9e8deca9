"""A tensor with values around it.

Tensors of every dtype pass through, `string` too.
Source: array_ops.pad of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.dtypes import to_array
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.arrays import is_text, namespace, take, zeros
from dflow.ops.batching import Attrs, Kernel
from dflow.ops.static import spec_of, static_value
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["pad"]


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """The tensor with paddings[i][0] values before and paddings[i][1] behind along axis i.

    paddings: numbers, known while the graph is built, [rank, 2].  mode: "CONSTANT" (`constant_values`), "REFLECT"
    (mirrored without the edge) or "SYMMETRIC" (with it), whose gradient is not offered.
    """
    widths = static_value(paddings)
    if widths is None:
        raise ValueError("paddings must be known while the graph is built")
    if widths.ndim != 2 or widths.shape[1] != 2 or (widths < 0).any():
        raise ShapeError(f"paddings are pairs of numbers that are not negative, one an axis, got {widths.tolist()}")
    pairs = tuple((int(before), int(behind_)) for before, behind_ in widths)
    if mode.upper() in ("REFLECT", "SYMMETRIC"):
        mirrored: Tensor = add_op("MirrorPad", tensor, name=name, paddings=pairs, symmetric=mode.upper() == "SYMMETRIC")
        return mirrored
    if mode.upper() != "CONSTANT":
        raise ValueError(f"Unknown padding mode: {mode}")
    x = convert_to_tensor(tensor)
    value = x.dtype.zero if constant_values == 0 else to_array(constant_values, x.dtype)[()]
    result: Tensor = add_op("Pad", x, name=name, paddings=pairs, value=value)
    return result


def _pad_spec(x: TensorSpec, paddings: tuple[tuple[int, int], ...], **attrs: Any) -> TensorSpec:
    dims = x.shape.with_rank(len(paddings))
    return spec_of([None if d is None else d + b + a for d, (b, a) in zip(dims, paddings, strict=True)], x.dtype)


def _pad_kernel(x: Any, paddings: tuple[tuple[int, int], ...], value: Any) -> Any:
    result = zeros(x, tuple(size + before + after for size, (before, after) in zip(x.shape, paddings, strict=True)))
    if value:
        result[...] = value if is_text(x) else value.item()
    key = tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, paddings, strict=True))
    result[(*key, ...)] = x
    return result


def _pad_gradient(op: Operation, dy: Tensor) -> Tensor:
    result: Tensor = add_op("Unpad", dy, paddings=op.attrs["paddings"])
    return result


def _unpad_spec(y: TensorSpec, paddings: tuple[tuple[int, int], ...]) -> TensorSpec:
    dims = y.shape.with_rank(len(paddings))
    return spec_of([None if d is None else d - b - a for d, (b, a) in zip(dims, paddings, strict=True)], y.dtype)


def _unpad_kernel(y: Any, paddings: tuple[tuple[int, int], ...]) -> Any:
    key = tuple(slice(before, size - after) for size, (before, after) in zip(y.shape, paddings, strict=True))
    return y[(*key, ...)]


def _pad_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    return kernel(*arrays, **{**attrs, "paddings": ((0, 0), *attrs["paddings"])})


define("Pad", spec=_pad_spec, kernel=_pad_kernel, gradient=_pad_gradient, batch=_pad_batch)
define(
    "Unpad",
    spec=_unpad_spec,
    kernel=_unpad_kernel,
    gradient=lambda op, dx: add_op("Pad", dx, paddings=op.attrs["paddings"], value=dx.dtype.zero),
)


def _mirror_spec(x: TensorSpec, paddings: tuple[tuple[int, int], ...], symmetric: bool) -> TensorSpec:
    for size, pair in zip(x.shape.with_rank(len(paddings)), paddings, strict=True):
        if size is not None and max(pair) > size - (not symmetric):
            raise ShapeError(f"paddings {list(pair)} are larger than the axis of size {size} can mirror")
    return _pad_spec(x, paddings)


def _mirror_kernel(x: Any, paddings: tuple[tuple[int, int], ...], symmetric: bool) -> Any:
    xp = namespace(x)
    edge = int(symmetric)
    for axis, (before, after) in enumerate(paddings):
        size = x.shape[axis]
        if max(before, after) > size - 1 + edge:
            raise InvalidArgumentError(
                None,
                None,
                f"paddings must be no greater than the dimension size: {before}, {after} greater than {size}",
            )
        places = [*range(before - edge, -edge, -1), *range(size), *range(size - 2 + edge, size - 2 + edge - after, -1)]
        x = take(x, xp.asarray(places, dtype=xp.int64, device=device(x)), axis)
    return x


define(
    "MirrorPad",
    spec=_mirror_spec,
    kernel=_mirror_kernel,
    gradient=no_gradient("the gradient of a mirrored padding is not offered; pad with constants"),
    batch=_pad_batch,
)

"""Padding of tensors.

Tensors of every dtype pass through, `string` too.
Source: array_ops.pad of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import bool_, to_array
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.fill import fill, ones_like
from dflow.ops.array.shape import shape
from dflow.ops.math.compare import where
from dflow.ops.rules.arrays import is_text, namespace, scatter_add, take, zeros
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.like import only_first
from dflow.ops.rules.static import graph_of, is_symbolic, known_value, of_rank, only, spec_of, static_value
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["pad"]

Pairs = tuple[tuple[int, int], ...]


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """The tensor with paddings[i][0] values before and paddings[i][1] behind along axis i.

    paddings: numbers or a tensor, [rank, 2].  mode: "CONSTANT" (`constant_values`, a scalar), "REFLECT" (mirrored
    without the edge) or "SYMMETRIC" (with it).
    """
    with scopes.building_in(graph_of((tensor, paddings, constant_values))):
        return _padded(convert_to_tensor(tensor), paddings, mode, name, constant_values)


def _padded(x: Tensor, paddings: Any, mode: str, name: str | None, constant_values: Any) -> Tensor:
    widths = static_value(paddings)
    inputs = (convert_to_tensor(paddings),) if widths is None else ()
    pairs = None if widths is None else _pairs(widths, ShapeError)
    if mode.upper() in ("REFLECT", "SYMMETRIC"):
        symmetric = mode.upper() == "SYMMETRIC"
        mirrored: Tensor = add_op("MirrorPad", x, *inputs, name=name, paddings=pairs, symmetric=symmetric)
        return mirrored
    if mode.upper() != "CONSTANT":
        raise ValueError(f"Unknown padding mode: {mode}")
    if is_symbolic(constant_values):
        return _padded_with_a_tensor(x, paddings, constant_values, name)
    value = x.dtype.zero if np.ndim(constant_values) == 0 and constant_values == 0 else _scalar(constant_values, x)
    result: Tensor = add_op("Pad", x, *inputs, name=name, paddings=pairs, value=value)
    if inputs and x.shape.ndims is not None:
        result.set_shape(_known_sizes(x, inputs[0]))
    return result


def _known_sizes(x: Tensor, widths: Tensor) -> list[int | None]:
    """The sizes of the axes whose paddings are known, where all of them are known only at run time."""
    rows = widths.op.inputs if widths.op.type == "Pack" and widths.op.attrs["axis"] == 0 else ()
    pairs = [known_value(row) for row in rows] or [None] * len(x.shape)
    return [
        None if size is None or pair is None else size + int(pair.sum())
        for size, pair in zip(x.shape.known, pairs, strict=True)
    ]


def _scalar(value: Any, x: Tensor) -> Any:
    array = to_array(value, x.dtype)
    if array.ndim:
        raise ShapeError(f"constant_values is a scalar, got a shape of {array.shape}")
    return array[()]


def _padded_with_a_tensor(x: Tensor, paddings: Any, value: Any, name: str | None) -> Tensor:
    with x.graph.as_default(), x.graph.name_scope(name or "Pad") as scope:
        inside = pad(ones_like(x, bool_), paddings)
        return where(inside, pad(x, paddings), fill(shape(inside), convert_to_tensor(value, x.dtype)), name=scope)


def _pairs(widths: Any, error: Any) -> Pairs:
    """The numbers of values before and behind each axis."""
    if widths.ndim != 2 or widths.shape[1] != 2:
        wrong = f"Shape must be rank 2 but is rank {widths.ndim}"
        if widths.ndim == 2:
            wrong = f"Dimension must be 2 but is {widths.shape[1]}"
        fact = f"{wrong}: paddings are pairs of numbers, one an axis"
        raise error(fact) if error is ShapeError else error(None, None, fact)
    pairs = tuple((int(widths[i, 0]), int(widths[i, 1])) for i in range(widths.shape[0]))
    if any(width < 0 for pair in pairs for width in pair):
        fact = f"Paddings must be non-negative, got {pairs}"
        raise error(fact) if error is ShapeError else error(None, None, fact)
    return pairs


def _pairs_for(x: Any, widths: Any, paddings: Pairs | None) -> Pairs:
    """The pairs of an attribute or of an input; InvalidArgumentError if they are not one an axis."""
    pairs = _pairs(widths, InvalidArgumentError) if paddings is None else paddings
    if len(pairs) != x.ndim:
        raise InvalidArgumentError(
            None, None, f"paddings are pairs of numbers, one an axis of shape {list(x.shape)}, got {pairs}"
        )
    return pairs


def _pad_spec(x: TensorSpec, widths: TensorSpec | None = None, *, paddings: Pairs | None, **attrs: Any) -> TensorSpec:
    if paddings is None:
        return _of_widths(x, widths)
    dims = x.shape.with_rank(len(paddings))
    return spec_of([None if d is None else d + b + a for d, (b, a) in zip(dims, paddings, strict=True)], x.dtype)


def _of_widths(x: TensorSpec, widths: TensorSpec | None) -> TensorSpec:
    """The static shape where the paddings are known only at run time."""
    assert widths is not None
    only(widths, widths.dtype.is_integer, "integers as paddings")
    rank = widths.shape.merge_with([None, 2])[0]
    return of_rank(x if rank is None else TensorSpec(x.shape.with_rank(rank), x.dtype))


def _pad_kernel(x: Any, widths: Any = None, *, paddings: Pairs | None, value: Any) -> Any:
    paddings = _pairs_for(x, widths, paddings)
    result = zeros(x, tuple(size + before + after for size, (before, after) in zip(x.shape, paddings, strict=True)))
    if value:
        result[...] = value if is_text(x) else value.item()
    key = tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, paddings, strict=True))
    result[(*key, ...)] = x
    return result


def _pad_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, add_op("Unpad", dy, *op.inputs[1:], paddings=op.attrs["paddings"]))


def _unpad_spec(y: TensorSpec, widths: TensorSpec | None = None, *, paddings: Pairs | None) -> TensorSpec:
    if paddings is None:
        return _of_widths(y, widths)
    dims = y.shape.with_rank(len(paddings))
    return spec_of([None if d is None else d - b - a for d, (b, a) in zip(dims, paddings, strict=True)], y.dtype)


def _unpad_kernel(y: Any, widths: Any = None, *, paddings: Pairs | None) -> Any:
    paddings = _pairs_for(y, widths, paddings)
    key = tuple(slice(before, size - after) for size, (before, after) in zip(y.shape, paddings, strict=True))
    return y[(*key, ...)]


def _pad_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if len(arrays) > 1:
        return each(kernel, arrays, batched, attrs)
    return kernel(*arrays, **{**attrs, "paddings": ((0, 0), *attrs["paddings"])})


define("Pad", spec=_pad_spec, kernel=_pad_kernel, gradient=_pad_gradient, batch=_pad_batch)
define(
    "Unpad",
    spec=_unpad_spec,
    kernel=_unpad_kernel,
    gradient=lambda op, dx: only_first(
        op, add_op("Pad", dx, *op.inputs[1:], paddings=op.attrs["paddings"], value=dx.dtype.zero)
    ),
)


def _mirror_spec(
    x: TensorSpec, widths: TensorSpec | None = None, *, paddings: Pairs | None, symmetric: bool
) -> TensorSpec:
    if paddings is None:
        return _of_widths(x, widths)
    for size, pair in zip(x.shape.with_rank(len(paddings)), paddings, strict=True):
        if size is not None and max(pair) > size - (not symmetric):
            raise ShapeError(_too_wide(size, pair, symmetric))
    return _pad_spec(x, paddings=paddings)


def _too_wide(size: int, pair: tuple[int, int], symmetric: bool) -> str:
    bound, wrong = ("no greater than", "greater than") if symmetric else ("less than", "not less than")
    return f"paddings must be {bound} the dimension size: {pair[0]}, {pair[1]} {wrong} {size}"


def _mirror_kernel(x: Any, widths: Any = None, *, paddings: Pairs | None, symmetric: bool) -> Any:
    paddings = _pairs_for(x, widths, paddings)
    xp = namespace(x)
    for axis, (before, after) in enumerate(paddings):
        places = _mirrored(x.shape[axis], before, after, int(symmetric))
        x = take(x, xp.asarray(places, dtype=xp.int64, device=device(x)), axis)
    return x


def _mirrored(size: int, before: int, after: int, edge: int) -> list[int]:
    """The source index of each value of a padded axis; edge: 1 if the edge is mirrored too, else 0."""
    if max(before, after) > size - 1 + edge:
        raise InvalidArgumentError(
            None,
            None,
            f"paddings must be no greater than the dimension size: {before}, {after} greater than {size}",
        )
    return [*range(before - edge, -edge, -1), *range(size), *range(size - 2 + edge, size - 2 + edge - after, -1)]


def _mirror_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, add_op("MirrorPadGrad", dy, *op.inputs[1:], **op.attrs))


def _mirror_grad_spec(
    y: TensorSpec, widths: TensorSpec | None = None, *, paddings: Pairs | None, symmetric: bool
) -> TensorSpec:
    return _unpad_spec(y, widths, paddings=paddings)


def _mirror_grad_kernel(y: Any, widths: Any = None, *, paddings: Pairs | None, symmetric: bool) -> Any:
    """The gradient of mirrored padding: each value of the padded tensor is added at its source index."""
    paddings = _pairs_for(y, widths, paddings)
    xp = namespace(y)
    for axis, (before, after) in enumerate(paddings):
        size = y.shape[axis] - before - after
        places = xp.asarray(_mirrored(size, before, after, int(symmetric)), dtype=xp.int64, device=device(y))
        y = xp.moveaxis(scatter_add(size, places, xp.moveaxis(y, axis, 0)), 0, axis)
    return y


define(
    "MirrorPad",
    spec=_mirror_spec,
    kernel=_mirror_kernel,
    gradient=_mirror_gradient,
    batch=_pad_batch,
)
define(
    "MirrorPadGrad",
    spec=_mirror_grad_spec,
    kernel=_mirror_grad_kernel,
    gradient=lambda op, dx: only_first(op, add_op("MirrorPad", dx, *op.inputs[1:], **op.attrs)),
)

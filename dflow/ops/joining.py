"""Tensors joined and taken apart along axes: concat, stack, unstack, split, tile, pad.

Tensors of every dtype pass through, `string` too.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import to_array
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array import static_axis
from dflow.ops.arrays import ints, is_text, namespace, one_or_all, take, zeros
from dflow.ops.batching import Attrs, Kernel, along_axis, each
from dflow.ops.control import identity
from dflow.ops.static import (
    is_symbolic,
    known_value,
    normal_axis,
    number_or_tensor,
    operands,
    same_dtype,
    spec_of,
)
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["concat", "pad", "parallel_stack", "split", "stack", "tile", "unstack"]

# -- concat


def concat(values: Any, axis: Any, name: str | None = None) -> Tensor:
    """Tensors of one dtype put one behind the other along an axis; their other sizes agree."""
    if not isinstance(values, (list, tuple)):
        values = [values]
    tensors = operands(values, kind="ConcatV2")
    place = static_axis(axis)
    if len(tensors) == 1:
        return identity(tensors[0], name=name)
    result: Tensor = add_op("ConcatV2", *tensors, name=name or "concat", axis=place)
    return result


def _concat_spec(*inputs: TensorSpec, axis: int) -> TensorSpec:
    same_dtype(*inputs)
    rank = next((spec.shape.ndims for spec in inputs if spec.shape.ndims is not None), None)
    if rank is None:
        return TensorSpec(UNKNOWN_SHAPE, inputs[0].dtype)
    if rank == 0:
        raise ShapeError("scalars cannot be concatenated; use stack()")
    place = normal_axis(axis, rank)
    others, total = TensorShape([None] * rank), 0
    known = True
    for spec in inputs:
        shape = spec.shape.with_rank(rank)
        others = others.merge_with(None if i == place else size for i, size in enumerate(shape))
        known, total = known and shape[place] is not None, total + (shape[place] or 0)
    return spec_of(
        [(total if known else None) if i == place else size for i, size in enumerate(others)], inputs[0].dtype
    )


def _concat_kernel(*arrays: Any, axis: int) -> Any:
    try:
        return namespace(*arrays).concat(list(arrays), axis=axis)
    except ValueError:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise InvalidArgumentError(
            None, None, f"ConcatOp : Dimensions of inputs should match, along axis {axis}: {shapes}"
        ) from None


def _concat_gradient(op: Operation, dy: Tensor) -> list[Tensor]:
    found = add_op("SplitLike", dy, *op.inputs, axis=op.attrs["axis"])
    return list(found) if isinstance(found, list) else [found]


define("ConcatV2", spec=_concat_spec, kernel=_concat_kernel, gradient=_concat_gradient, batch=along_axis)


def _split_like_kernel(y: Any, *like: Any, axis: int) -> Any:
    return _pieces(y, [array.shape[axis] for array in like], axis)


define(
    "SplitLike",
    spec=lambda y, *like, axis: [TensorSpec(spec.shape, y.dtype) for spec in like],
    kernel=_split_like_kernel,
    gradient=lambda op, *pieces: [concat(list(pieces), op.attrs["axis"]), *(None for _ in op.inputs[1:])],
)

# -- stack, unstack


def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Tensors of one shape and dtype as one, with a new axis of their number at `axis`, counted in the result."""
    items = list(values) if isinstance(values, (list, tuple)) else unstack(values)
    if not items:
        raise ValueError("stack needs at least one tensor")
    result: Tensor = add_op("Pack", *operands(items, kind="Pack"), name=name, axis=int(axis))
    return result


parallel_stack = stack


def _pack_spec(*inputs: TensorSpec, axis: int) -> TensorSpec:
    same_dtype(*inputs)
    merged = inputs[0].shape
    for spec in inputs[1:]:
        merged = merged.merge_with(spec.shape)
    if merged.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, inputs[0].dtype)
    place = normal_axis(axis, merged.ndims + 1)
    dims = merged.as_list()
    return spec_of([*dims[:place], len(inputs), *dims[place:]], inputs[0].dtype)


def _pack_kernel(*arrays: Any, axis: int) -> Any:
    try:
        return namespace(*arrays).stack(list(arrays), axis=axis)
    except ValueError:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise InvalidArgumentError(None, None, f"Shapes of all inputs must match: {shapes}") from None


define(
    "Pack",
    spec=_pack_spec,
    kernel=_pack_kernel,
    gradient=lambda op, dy: unstack(dy, len(op.inputs), op.attrs["axis"]),
    batch=along_axis,
)


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The slices of a tensor along an axis, which goes away.

    num: how many there are; ValueError if it is not given and the static shape does not say it.
    """
    x = convert_to_tensor(value)
    if num is None:
        if x.shape.ndims is None:
            raise ValueError(f"Cannot infer num from shape {x.shape}")
        num = x.shape[normal_axis(axis, x.shape.ndims)]
        if num is None:
            raise ValueError(f"Cannot infer num from shape {x.shape}")
    found = add_op("Unpack", x, name=name, num=int(num), axis=int(axis))
    return list(found) if isinstance(found, list) else [found] if isinstance(found, Tensor) else []


def _unpack_spec(x: TensorSpec, num: int, axis: int) -> list[TensorSpec]:
    if x.shape.ndims is None:
        return [TensorSpec(UNKNOWN_SHAPE, x.dtype)] * num
    place = normal_axis(axis, x.shape.ndims)
    if x.shape[place] not in (None, num):
        raise ShapeError(f"axis {axis} of shape {x.shape} does not have size {num}")
    return [spec_of([size for i, size in enumerate(x.shape) if i != place], x.dtype)] * num


def _unpack_kernel(x: Any, num: int, axis: int) -> Any:
    place = axis % x.ndim
    if x.shape[place] != num:
        raise InvalidArgumentError(None, None, f"axis {axis} of shape {list(x.shape)} does not have size {num}")
    before = (slice(None),) * place
    return one_or_all([x[(*before, i, ...)] for i in range(num)])


define(
    "Unpack",
    spec=_unpack_spec,
    kernel=_unpack_kernel,
    gradient=lambda op, *dys: stack(list(dys), op.attrs["axis"]),
    batch=along_axis,
)

# -- split


def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
) -> list[Tensor]:
    """A tensor cut along an axis: into so many equal pieces, or into pieces of the given sizes.

    num_or_size_splits: a number, sizes (one may be -1: what is left), or a vector of sizes, whose length `num` says if
    its static shape does not.  ShapeError, or InvalidArgumentError at run time, for sizes that do not add up.
    """
    place = static_axis(axis)
    sizes, inputs = number_or_tensor(num_or_size_splits)
    if inputs and known_value(inputs[0]) is not None and inputs[0].shape.ndims == 0:
        sizes, inputs = int(known_value(inputs[0])), ()  # type: ignore[arg-type]
    if inputs:
        pieces = num if inputs[0].shape.ndims != 1 or inputs[0].shape[0] is None else inputs[0].shape[0]
        if pieces is None:
            raise ValueError("Cannot infer num from shape of the sizes")
        found = add_op("SplitV", value, inputs[0], name=name, axis=place, sizes=None, num=int(pieces))
    elif isinstance(sizes, int):
        found = add_op("Split", value, name=name, axis=place, num=sizes)
    else:
        found = add_op("SplitV", value, name=name, axis=place, sizes=sizes, num=len(sizes))
    return list(found) if isinstance(found, list) else [found]


def _split_spec(x: TensorSpec, axis: int, num: int) -> list[TensorSpec]:
    if num < 1:
        raise ShapeError(f"a tensor is split into at least one piece, got {num}")
    if x.shape.ndims is None:
        return [TensorSpec(UNKNOWN_SHAPE, x.dtype)] * num
    place = normal_axis(axis, x.shape.ndims)
    size = x.shape[place]
    if size is not None and size % num:
        raise ShapeError(f"axis {axis} of shape {x.shape} cannot be split into {num} equal pieces")
    dims = x.shape.as_list()
    dims[place] = None if size is None else size // num
    return [spec_of(dims, x.dtype)] * num


def _split_kernel(x: Any, axis: int, num: int) -> Any:
    size = x.shape[axis]
    if size % num:
        raise InvalidArgumentError(
            None, None, f"axis {axis} of shape {list(x.shape)} cannot be split into {num} equal pieces"
        )
    return _pieces(x, [size // num] * num, axis)


def _pieces(x: Any, sizes: Sequence[int], axis: int) -> Any:
    before = (slice(None),) * (axis % x.ndim)
    ends = list(itertools.accumulate(sizes))
    return one_or_all([x[(*before, slice(end - size, end), ...)] for end, size in zip(ends, sizes, strict=True)])


def _split_v_spec(
    x: TensorSpec, given: TensorSpec | None = None, *, axis: int, sizes: tuple[int, ...] | None, num: int
) -> list[TensorSpec]:
    if x.shape.ndims is None:
        return [TensorSpec(UNKNOWN_SHAPE, x.dtype)] * num
    place = normal_axis(axis, x.shape.ndims)
    total = x.shape[place]
    lengths: list[int | None] = [None] * num if sizes is None else [None if size < 0 else size for size in sizes]
    if sizes is not None and total is not None:
        lengths = list(_checked_sizes(sizes, total, ShapeError))
    before, after = x.shape.as_list()[:place], x.shape.as_list()[place + 1 :]
    return [spec_of([*before, length, *after], x.dtype) for length in lengths]


def _checked_sizes(sizes: Sequence[int], total: int, error: Any) -> tuple[int, ...]:
    """The sizes with their one -1 filled in."""
    rest = total - sum(size for size in sizes if size != -1)
    filled = tuple(rest if size == -1 else size for size in sizes)
    if sizes.count(-1) > 1 or min(filled, default=0) < 0 or sum(filled) != total:
        fact = f"pieces of sizes {list(sizes)} do not add up to {total}"
        raise error(fact) if error is ShapeError else error(None, None, fact)
    return filled


def _split_v_kernel(
    x: Any, given: Any = None, *, axis: int, sizes: tuple[int, ...] | None, num: int
) -> tuple[Any, ...]:
    wanted = ints(given) if sizes is None else sizes
    pieces: tuple[Any, ...] = _pieces(x, _checked_sizes(wanted, x.shape[axis], InvalidArgumentError), axis)
    return pieces


def _split_gradient(op: Operation, *pieces: Tensor) -> list[Tensor | None]:
    return [concat(list(pieces), op.attrs["axis"]), *(None for _ in op.inputs[1:])]


def _split_v_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    rule = along_axis if len(arrays) == 1 else each
    return rule(kernel, arrays, batched, attrs)


define("Split", spec=_split_spec, kernel=_split_kernel, gradient=_split_gradient, batch=along_axis)
define("SplitV", spec=_split_v_spec, kernel=_split_v_kernel, gradient=_split_gradient, batch=_split_v_batch)

# -- tile


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """The tensor repeated multiples[i] times along axis i; multiples: numbers or a tensor, one an axis."""
    counts, inputs = number_or_tensor(multiples)
    result: Tensor = add_op("Tile", input, *inputs, name=name, multiples=counts)
    if inputs:
        value = known_value(inputs[0])
        if value is not None:
            result.set_shape(_tiled(result.op.inputs[0].shape, value.tolist()))
    return result


def _tiled(shape: TensorShape, multiples: Sequence[int]) -> TensorShape:
    dims = shape.with_rank(len(multiples))
    return TensorShape(None if dim is None else dim * n for dim, n in zip(dims, multiples, strict=True))


def _tile_spec(x: TensorSpec, counts: TensorSpec | None = None, *, multiples: tuple[int, ...] | None) -> TensorSpec:
    if multiples is None:
        return spec_of(None if x.shape.ndims is None else [None] * x.shape.ndims, x.dtype)
    if min(multiples, default=0) < 0:
        raise ShapeError(f"multiples are not negative, got {list(multiples)}")
    return TensorSpec(_tiled(x.shape, multiples), x.dtype)


def _tile_kernel(x: Any, counts: Any = None, *, multiples: tuple[int, ...] | None) -> Any:
    wanted = ints(counts) if multiples is None else multiples
    if len(wanted) != x.ndim or min(wanted, default=0) < 0:
        raise InvalidArgumentError(
            None, None, f"Expected multiples argument to be a vector of length {x.ndim}, got {list(wanted)}"
        )
    return namespace(x).tile(x, wanted)


def _tile_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return (add_op("SumOfTiles", dy, op.inputs[0]), *(None for _ in op.inputs[1:]))


def _sum_of_tiles_kernel(y: Any, x: Any) -> Any:
    xp = namespace(y, x)
    if not y.size:
        return zeros(y, tuple(x.shape))
    parts = [part for total, size in zip(y.shape, x.shape, strict=True) for part in (total // size, size)]
    return xp.sum(xp.reshape(y, tuple(parts)), axis=tuple(range(0, 2 * x.ndim, 2)), dtype=y.dtype)


def _sum_of_tiles_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    return add_op("TileLike", dx, op.inputs[0]), None


define("Tile", spec=_tile_spec, kernel=_tile_kernel, gradient=_tile_gradient, batch=each)
define(
    "SumOfTiles",
    spec=lambda y, x: TensorSpec(x.shape, y.dtype),
    kernel=_sum_of_tiles_kernel,
    gradient=_sum_of_tiles_gradient,
)
define(
    "TileLike",
    spec=lambda x, y: TensorSpec(y.shape, x.dtype),
    kernel=lambda x, y: namespace(x).tile(x, tuple(b // a for a, b in zip(x.shape, y.shape, strict=True))),
    gradient=lambda op, dy: (add_op("SumOfTiles", dy, op.inputs[0]), None),
)

# -- pad


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """The tensor with paddings[i][0] values before and paddings[i][1] behind along axis i.

    paddings: numbers, known while the graph is built, [rank, 2].  mode: "CONSTANT" (`constant_values`), "REFLECT"
    (mirrored without the edge) or "SYMMETRIC" (with it), whose gradient is not offered.
    """
    widths = known_value(convert_to_tensor(paddings)) if is_symbolic(paddings) else np.asarray(paddings)
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

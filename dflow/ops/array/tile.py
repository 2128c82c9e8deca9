"""A tensor repeated along its axes.

Tensors of every dtype pass through, `string` too.
Source: array_ops.tile of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.arrays import namespace, sizes_of, zeros
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.rules.static import known_numbers, number_or_tensor, of_rank
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["tile"]


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """The tensor repeated multiples[i] times along axis i; multiples: numbers or a tensor, one an axis."""
    counts, inputs = number_or_tensor(multiples)
    result: Tensor = add_op("Tile", input, *inputs, name=name, multiples=counts)
    if inputs:
        numbers = known_numbers(inputs[0])
        if numbers is not None:
            result.set_shape(_tiled(result.op.inputs[0].shape, numbers))
    return result


def _tiled(shape: TensorShape, multiples: Sequence[int | None]) -> TensorShape:
    dims = shape.with_rank(len(multiples))
    pairs = zip(dims, multiples, strict=True)
    return TensorShape(None if dim is None or n is None else dim * n for dim, n in pairs)


def _tile_spec(x: TensorSpec, counts: TensorSpec | None = None, *, multiples: tuple[int, ...] | None) -> TensorSpec:
    if counts is not None:
        axes = counts.shape.with_rank(1)[0]
        return of_rank(x if axes is None else TensorSpec(x.shape.with_rank(axes), x.dtype))
    assert multiples is not None
    if min(multiples, default=0) < 0:
        raise ShapeError(f"multiples are not negative, got {list(multiples)}")
    return TensorSpec(_tiled(x.shape, multiples), x.dtype)


def _tile_kernel(x: Any, counts: Any = None, *, multiples: tuple[int, ...] | None) -> Any:
    repeats = sizes_of(counts) if multiples is None else multiples
    if len(repeats) != x.ndim or min(repeats, default=0) < 0:
        raise InvalidArgumentError(
            None, None, f"Expected multiples argument to be a vector of length {x.ndim}, got {list(repeats)}"
        )
    return namespace(x).tile(x, repeats)


def _tile_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if len(arrays) > 1:
        return each(kernel, arrays, batched, attrs)
    return kernel(arrays[0], multiples=(1, *attrs["multiples"]))


def _sum_of_tiles(dy: Tensor, x: Tensor) -> Tensor:
    shape, inputs = shape_input(x)
    result: Tensor = add_op("SumOfTiles", dy, *inputs, shape=shape)
    return result


def _sum_of_tiles_kernel(y: Any, *like: Any, shape: Sizes | None) -> Any:
    xp = namespace(y)
    sizes, _ = take_shape(shape, like)
    if not y.size:
        return zeros(y, sizes)
    parts = [part for total, size in zip(y.shape, sizes, strict=True) for part in (total // size, size)]
    return xp.sum(xp.reshape(y, tuple(parts)), axis=tuple(range(0, 2 * len(sizes), 2)), dtype=y.dtype)


define(
    "Tile",
    spec=_tile_spec,
    kernel=_tile_kernel,
    gradient=lambda op, dy: only_first(op, _sum_of_tiles(dy, op.inputs[0])),
    batch=_tile_batch,
)
define(
    "SumOfTiles",
    spec=like_spec,
    kernel=_sum_of_tiles_kernel,
    gradient=lambda op, dx: only_first(op, add_op("TileLike", dx, op.inputs[0])),
)
define(
    "TileLike",
    spec=lambda x, y: TensorSpec(y.shape, x.dtype),
    kernel=lambda x, y: namespace(x).tile(x, tuple(b // a for a, b in zip(x.shape, y.shape, strict=True))),
    gradient=lambda op, dy: (_sum_of_tiles(dy, op.inputs[0]), None),
)

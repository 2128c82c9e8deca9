"""A tensor repeated along its axes.

Tensors of every dtype pass through, `string` too.
Source: array_ops.tile of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.arrays import ints, namespace, zeros
from dflow.ops.batching import Attrs, Kernel, each
from dflow.ops.like import only_first
from dflow.ops.static import known_value, number_or_tensor, of_rank
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["tile"]


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
        return of_rank(x)
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


def _tile_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if len(arrays) > 1:
        return each(kernel, arrays, batched, attrs)
    return kernel(arrays[0], multiples=(1, *attrs["multiples"]))


def _sum_of_tiles_kernel(y: Any, x: Any) -> Any:
    xp = namespace(y, x)
    if not y.size:
        return zeros(y, tuple(x.shape))
    parts = [part for total, size in zip(y.shape, x.shape, strict=True) for part in (total // size, size)]
    return xp.sum(xp.reshape(y, tuple(parts)), axis=tuple(range(0, 2 * x.ndim, 2)), dtype=y.dtype)


define(
    "Tile",
    spec=_tile_spec,
    kernel=_tile_kernel,
    gradient=lambda op, dy: only_first(op, add_op("SumOfTiles", dy, op.inputs[0])),
    batch=_tile_batch,
)
define(
    "SumOfTiles",
    spec=lambda y, x: TensorSpec(x.shape, y.dtype),
    kernel=_sum_of_tiles_kernel,
    gradient=lambda op, dx: (add_op("TileLike", dx, op.inputs[0]), None),
)
define(
    "TileLike",
    spec=lambda x, y: TensorSpec(y.shape, x.dtype),
    kernel=lambda x, y: namespace(x).tile(x, tuple(b // a for a, b in zip(x.shape, y.shape, strict=True))),
    gradient=lambda op, dy: (add_op("SumOfTiles", dy, op.inputs[0]), None),
)

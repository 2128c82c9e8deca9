"""Blocks of an image moved to the batch or to the depth, and back.

Tensors of every dtype pass through.
Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import zeros as zeros_tensor
from dflow.ops.array.stack import stack
from dflow.ops.math.arithmetic import add, subtract
from dflow.ops.math.division import floormod
from dflow.ops.rules.arrays import ints, namespace, zeros
from dflow.ops.rules.ranks import bracketed, exactly, require, size_is
from dflow.ops.rules.static import graph_of, is_symbolic, known_value, only
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "batch_to_space",
    "batch_to_space_nd",
    "required_space_to_batch_paddings",
    "space_to_batch",
    "space_to_batch_nd",
]

Pairs = Sequence[Sequence[int]]


# -- the functions


def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """Blocks of the axes behind the first one, moved to the batch.

    input: [batch, *sizes, ...]; block_shape: [m], the sizes of a block along the first m axes behind the batch;
    paddings: [m, 2], zeros before and behind each of these axes
    -> [batch * size of a block, *padded sizes // block_shape, ...].
    ShapeError, or InvalidArgumentError at run time, if the blocks do not fill the padded sizes.
    """
    return _moved("SpaceToBatchND", input, block_shape, paddings, name)


def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """The reverse of `space_to_batch_nd`; crops: [m, 2], the numbers of values to leave out before and behind."""
    return _moved("BatchToSpaceND", input, block_shape, crops, name)


def space_to_batch(
    input: Any, paddings: Any, block_size: Any = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """As `space_to_batch_nd` for images, [batch, height, width, depth], and square blocks of `block_size`.

    block_shape: a newer name of block_size.
    """
    blocks = _square(block_size, block_shape)
    result = space_to_batch_nd(input, blocks, paddings, name)
    result.set_shape(result.shape.with_rank(4))
    return result


def batch_to_space(
    input: Any, crops: Any, block_size: Any = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """As `batch_to_space_nd` for images, [batch, height, width, depth], and square blocks of `block_size`."""
    blocks = _square(block_size, block_shape)
    result = batch_to_space_nd(input, blocks, crops, name)
    result.set_shape(result.shape.with_rank(4))
    return result


def _square(block_size: Any, block_shape: Any) -> Any:
    if block_size is not None and block_shape is not None:
        raise ValueError("Cannot specify both 'block_shape' and 'block_size'")
    size = block_size if block_shape is None else block_shape
    if size is None:
        raise ValueError("a block_size is needed")
    return stack([size, size]) if is_symbolic(size) else np.array([size, size], np.int64)


def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The paddings with which blocks fill the sizes, and the crops that undo them: two int32 tensors, [n, 2].

    input_shape, block_shape: int32 [n]; base_paddings: int32 [n, 2], the least paddings.  What is missing is added
    behind.  Constants if the arguments are known while the graph is built.
    """
    graph = graph_of((input_shape, block_shape, base_paddings))
    with scopes.building_in(graph), graph.name_scope(name or "required_space_to_batch_paddings"):
        sizes = convert_to_tensor(input_shape, "int32", name="input_shape")
        blocks = convert_to_tensor(block_shape, "int32", name="block_shape")
        count = blocks.shape.with_rank(1).known[0]
        if count is None:
            raise ValueError("block_shape must be fully defined")
        if count == 0:
            return zeros_tensor([0, 2], "int32"), zeros_tensor([0, 2], "int32")
        sizes.shape.merge_with([count])
        if base_paddings is None:
            base = zeros_tensor([count, 2], "int32")
        else:
            base = convert_to_tensor(base_paddings, "int32", name="base_paddings")
            base.shape.merge_with([count, 2])
        known = [known_value(item) for item in (sizes, blocks, base)]
        if all(item is not None for item in known):
            first, behind, crop = _paddings(*known)
            return (
                constant(np.stack([first, behind], 1), "int32", name="paddings"),
                constant(np.stack([0 * crop, crop], 1), "int32", name="crops"),
            )
        first, behind, crop = _paddings(sizes, blocks, base)
        paddings = [[first[i], behind[i]] for i in range(count)]
        return stack(paddings, name="paddings"), stack([[0, crop[i]] for i in range(count)], name="crops")


def _paddings(sizes: Any, blocks: Any, base: Any) -> tuple[Any, Any, Any]:
    """What is before, what is behind, and what of it is to be cropped: of arrays or tensors."""
    if isinstance(sizes, np.ndarray):
        first, behind = base[:, 0], base[:, 1]
        crop = (blocks - (sizes + first + behind) % blocks) % blocks
        return first, behind + crop, crop
    first, behind = base[:, 0], base[:, 1]
    full = add(add(sizes, first), behind)
    crop = floormod(subtract(blocks, floormod(full, blocks)), blocks)
    return first, add(behind, crop), crop


# -- the operations


def _moved(kind: str, input: Any, block_shape: Any, pairs: Any, name: str | None) -> Tensor:
    result: Tensor = add_op(kind, input, block_shape, pairs, name=name)
    x, blocks, edges = result.op.inputs
    sizes, numbers = known_value(blocks), known_value(edges)
    if sizes is not None and x.shape.ndims is not None:
        rule = _into_batch if kind == "SpaceToBatchND" else _out_of_batch
        known = None if numbers is None else numbers.tolist()
        result.set_shape(rule(x.shape.as_list(), sizes.tolist(), known))
    return result


def _into_batch(dims: list[int | None], blocks: list[int], pads: Pairs | None) -> list[int | None]:
    count = len(blocks)
    _check_blocks(dims, blocks, pads)
    found: list[int | None] = [None if dims[0] is None else dims[0] * prod(blocks)]
    for i, block in enumerate(blocks):
        size = dims[i + 1]
        total = None if size is None or pads is None else size + sum(pads[i])
        if total is not None and total % block:
            raise ShapeError(f"Dimension size must be evenly divisible by {block} but is {total}")
        found.append(None if total is None else total // block)
    return [*found, *dims[count + 1 :]]


def _out_of_batch(dims: list[int | None], blocks: list[int], crops: Pairs | None) -> list[int | None]:
    count = len(blocks)
    _check_blocks(dims, blocks, crops)
    if dims[0] is not None and dims[0] % prod(blocks):
        raise ShapeError(f"Dimension size must be evenly divisible by {prod(blocks)} but is {dims[0]}")
    found: list[int | None] = [None if dims[0] is None else dims[0] // prod(blocks)]
    for i, block in enumerate(blocks):
        size = dims[i + 1]
        total = None if size is None or crops is None else size * block - sum(crops[i])
        if total is not None and total < 0:
            raise ShapeError(f"Negative dimension size caused by cropping {list((crops or [])[i])} of {size} blocks")
        found.append(total)
    return [*found, *dims[count + 1 :]]


def _check_blocks(dims: Sequence[Any], blocks: Sequence[int], pairs: Pairs | None) -> None:
    if len(dims) < len(blocks) + 1:
        raise ShapeError(f"Shape must be at least rank {len(blocks) + 1} but is rank {len(dims)}")
    if min(blocks, default=1) < 1:
        raise ShapeError(f"block_shape must be positive, got {list(blocks)}")
    if pairs is not None and any(number < 0 for pair in pairs for number in pair):
        raise ShapeError(f"paddings and crops cannot be negative, got {[list(pair) for pair in pairs]}")


def _spec(x: TensorSpec, blocks: TensorSpec, pairs: TensorSpec) -> TensorSpec:
    for numbers in (blocks, pairs):
        only(numbers, numbers.dtype.name in ("int32", "int64"), "int32 and int64 as sizes")
    count = exactly(blocks, 1)[0]
    edges = exactly(pairs, 2)
    size_is(edges[1], 2)
    if count is not None:
        size_is(edges[0], count)
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    if x.shape.ndims < 1 + (count or 0):
        raise ShapeError(f"Shape must be at least rank {1 + (count or 0)} but is rank {x.shape.ndims}")
    rest = [None] * (x.shape.ndims - 1) if count is None else [*[None] * count, *x.shape.known[count + 1 :]]
    return TensorSpec(TensorShape([None, *rest]), x.dtype)


def _arguments(x: Any, blocks: Any, pairs: Any, rule: Callable[..., Any]) -> tuple[tuple[int, ...], Any, list[Any]]:
    """The sizes of a block, the pairs, and the sizes of the result."""
    require(blocks.ndim == 1, f"block_shape rank should be 1 instead of {blocks.ndim}")
    sizes = ints(blocks)
    require(
        pairs.ndim == 2 and tuple(pairs.shape) == (len(sizes), 2),
        f"paddings and crops should have shape [{len(sizes)}, 2] instead of {bracketed(pairs.shape)}",
    )
    numbers = [[int(pairs[i, 0]), int(pairs[i, 1])] for i in range(len(sizes))]
    try:
        return sizes, numbers, rule(list(x.shape), list(sizes), numbers)
    except ShapeError as error:
        require(False, str(error))
        raise


def _into_batch_kernel(x: Any, blocks: Any, pads: Any) -> Any:
    sizes, pairs, target = _arguments(x, blocks, pads, _into_batch)
    xp, count = namespace(x), len(sizes)
    if any(number for pair in pairs for number in pair):
        padded = zeros(
            x, (x.shape[0], *(n + a + b for n, (a, b) in zip(x.shape[1:], pairs, strict=False)), *x.shape[count + 1 :])
        )
        inside = tuple(slice(a, a + n) for n, (a, _) in zip(x.shape[1:], pairs, strict=False))
        padded[(slice(None), *inside, ...)] = x
        x = padded
    parts = [part for n, block in zip(x.shape[1:], sizes, strict=False) for part in (n // block, block)]
    split = xp.reshape(x, (x.shape[0], *parts, *x.shape[count + 1 :]))
    inner, outer = range(2, 2 * count + 1, 2), range(1, 2 * count, 2)
    order = (*inner, 0, *outer, *range(2 * count + 1, split.ndim))
    return xp.reshape(xp.permute_dims(split, order), tuple(target))


def _out_of_batch_kernel(x: Any, blocks: Any, crops: Any) -> Any:
    sizes, pairs, _ = _arguments(x, blocks, crops, _out_of_batch)
    xp, count = namespace(x), len(sizes)
    batch = x.shape[0] // prod(sizes)
    split = xp.reshape(x, (*sizes, batch, *x.shape[1:]))
    pairwise = [axis for i in range(count) for axis in (count + 1 + i, i)]
    moved = xp.permute_dims(split, (count, *pairwise, *range(2 * count + 1, split.ndim)))
    full = [n * block for n, block in zip(x.shape[1:], sizes, strict=False)]
    joined = xp.reshape(moved, (batch, *full, *x.shape[count + 1 :]))
    inside = tuple(slice(a, n - b) for n, (a, b) in zip(full, pairs, strict=True))
    return joined[(slice(None), *inside, ...)]


def _into_batch_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return batch_to_space_nd(dy, op.inputs[1], op.inputs[2]), None, None


def _out_of_batch_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return space_to_batch_nd(dy, op.inputs[1], op.inputs[2]), None, None


define("SpaceToBatchND", spec=_spec, kernel=_into_batch_kernel, gradient=_into_batch_gradient)
define("BatchToSpaceND", spec=_spec, kernel=_out_of_batch_kernel, gradient=_out_of_batch_gradient)

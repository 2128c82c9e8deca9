"""A part of a tensor by its begin and its size.

Source: array_ops.slice of TensorFlow 1.15.
"""

from __future__ import annotations

import builtins
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.shape import shape
from dflow.ops.rules.arrays import ints, zeros
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.ops.rules.like import Sizes, like_spec, only_first, shape_input, take_shape
from dflow.ops.rules.ranks import require
from dflow.ops.rules.static import known_numbers, known_shape, number_or_tensor, of_rank, spec_of
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["slice"]


def slice(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The part of `size` values along each axis that starts at `begin`; a size of -1: up to the end.

    begin, size: one number an axis, or tensors.  ShapeError, or InvalidArgumentError at run time, for a part that is
    not inside.
    """
    starts, first = number_or_tensor(begin)
    sizes, second = number_or_tensor(size)
    if not first and not second:
        result: Tensor = add_op("Slice", input_, name=name, begin=starts, size=sizes)
        return result
    result = add_op("Slice", input_, begin, size, name=name, begin=None, size=None)
    result.set_shape(_known_part(*result.op.inputs))
    return result


def _known_part(x: Tensor, begin: Tensor, size: Tensor) -> TensorShape:
    starts, counts = known_numbers(begin), known_numbers(size)
    if counts is None:
        return known_shape(size)
    rank = len(counts)
    totals = [None] * rank if x.shape.ndims is None else x.shape.with_rank(rank).known
    return TensorShape(
        _part_size(total, start, count)
        for total, start, count in zip(totals, starts or [None] * rank, counts, strict=True)
    )


def _part_size(total: int | None, start: int | None, count: int | None) -> int | None:
    if count is None or count >= 0:
        return count
    return None if total is None or start is None or not 0 <= start <= total else total - start


def _slice_spec(
    x: TensorSpec,
    starts: TensorSpec | None = None,
    sizes: TensorSpec | None = None,
    *,
    begin: tuple[int, ...] | None,
    size: tuple[int, ...] | None,
) -> TensorSpec:
    if begin is None or size is None:
        return of_rank(x)
    if len(begin) != len(size):
        raise ShapeError(
            f"Dimension 0 in both shapes must be equal, but are {len(begin)} and {len(size)}. Shapes are "
            f"[{len(begin)}] and [{len(size)}]."
        )
    shape = x.shape.with_rank(len(begin))
    return spec_of([_part_size(*numbers) for numbers in zip(shape, begin, size, strict=True)], x.dtype)


def _slice_kernel(x: Any, starts: Any = None, sizes: Any = None, *, begin: Any, size: Any) -> Any:
    if begin is None:
        begin, size = ints(starts), ints(sizes)
    if len(begin) != x.ndim or len(size) != x.ndim:
        raise InvalidArgumentError(
            None, None, f"Expected begin and size to be of length {x.ndim}, got {list(begin)} and {list(size)}"
        )
    key = []
    for place, (total, start, count) in enumerate(zip(x.shape, begin, size, strict=True)):
        end = total if count == -1 else start + count
        require(0 <= start <= total, f"Expected begin[{place}] in [0, {total}], but got {start}")
        require(start <= end <= total, f"Expected size[{place}] in [0, {total - start}], but got {count}")
        key.append(builtins.slice(start, end))
    return x[(*key, ...)]


def _slice_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if len(arrays) > 1:
        return each(kernel, arrays, batched, attrs)
    return kernel(arrays[0], begin=(0, *attrs["begin"]), size=(-1, *attrs["size"]))


def _slice_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    shape, inputs = shape_input(op.inputs[0])
    return only_first(op, add_op("SliceGrad", dy, *inputs, *op.inputs[1:], begin=op.attrs["begin"], shape=shape))


def _slice_grad_kernel(y: Any, *arrays: Any, begin: Any, shape: Sizes | None) -> Any:
    sizes, numbers = take_shape(shape, arrays)
    result = zeros(y, sizes)
    first = ints(numbers[0]) if begin is None else begin
    key = tuple(builtins.slice(start, start + count) for start, count in zip(first, y.shape, strict=True))
    result[(*key, ...)] = y
    return result


def _slice_grad_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    begin = op.attrs["begin"]
    start = op.inputs[-2] if begin is None else begin
    return only_first(op, slice(dx, start, shape(op.inputs[0])))


define("Slice", spec=_slice_spec, kernel=_slice_kernel, gradient=_slice_gradient, batch=_slice_batch)
define(
    "SliceGrad",
    spec=like_spec,
    kernel=_slice_grad_kernel,
    gradient=_slice_grad_gradient,
)

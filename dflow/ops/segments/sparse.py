"""Segments of chosen rows: sparse_segment_sum, sparse_segment_mean, sparse_segment_sqrt_n.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones, ones_like
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import rank, reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arithmetic import maximum, subtract
from dflow.ops.math.division import divide
from dflow.ops.math.powers import sqrt
from dflow.ops.rules.arrays import ints, namespace, take
from dflow.ops.rules.ranks import exactly, require, same_size, up_from
from dflow.ops.rules.static import known_value, only
from dflow.ops.segments.reduce import counts, divided, reduce_rows, sorted_rows
from dflow.ops.segments.unsorted import unsorted_segment_sum
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["sparse_segment_mean", "sparse_segment_sqrt_n", "sparse_segment_sum"]


def sparse_segment_sum(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """As `segment_sum` of the rows of `data` at `indices`.

    data: [rows, ...], real numbers; indices, segment_ids: vectors of one length, segment_ids sorted; num_segments: a
    number or a tensor, None: the last segment number and 1 -> [num_segments, ...].  A segment without rows has zeros.
    InvalidArgumentError at run time for an index out of range, and for numbers that are negative, not sorted or too
    large.
    """
    return _segments("SparseSegmentSum", data, indices, segment_ids, name, num_segments)


def sparse_segment_mean(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """As `sparse_segment_sum`, divided by the number of rows of the segment; data: floating numbers."""
    return _segments("SparseSegmentMean", data, indices, segment_ids, name, num_segments)


def sparse_segment_sqrt_n(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """As `sparse_segment_sum`, divided by the square root of the number of rows; data: floating numbers."""
    return _segments("SparseSegmentSqrtN", data, indices, segment_ids, name, num_segments)


def _segments(kind: str, data: Any, indices: Any, segment_ids: Any, name: str | None, num_segments: Any) -> Tensor:
    result: Tensor
    if num_segments is None:
        result = add_op(kind, data, indices, segment_ids, name=name)
        return result
    result = add_op(f"{kind}WithNumSegments", data, indices, segment_ids, num_segments, name=name)
    rows = known_value(result.op.inputs[3])
    if rows is not None and result.shape.ndims is not None and int(rows) >= 0:
        result.set_shape([int(rows), *result.shape.known[1:]])
    return result


def _spec(data: TensorSpec, indices: TensorSpec, ids: TensorSpec, rows: TensorSpec | None = None) -> TensorSpec:
    only(data, data.dtype.is_numeric and not data.dtype.is_complex, "real numbers")
    for numbers in (indices, ids):
        only(numbers, numbers.dtype.name in ("int32", "int64"), "int32 and int64 as indices and segment numbers")
    same_size(indices, ids)
    if rows is not None:
        exactly(rows, 0)
    shape = up_from(data, 1)
    if shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, data.dtype)
    return TensorSpec(TensorShape([None, *shape.known[1:]]), data.dtype)


def _floating_spec(data: TensorSpec, *others: TensorSpec) -> TensorSpec:
    only(data, data.dtype.is_floating, "floating numbers")
    return _spec(data, *others)


def _kernel(how: str) -> Callable[..., Any]:
    def kernel(data: Any, indices: Any, ids: Any, num_segments: Any = None) -> Any:
        require(data.ndim > 0, "input should be at least a vector")
        require(indices.ndim == 1, "indices should be a vector.")
        require(ids.ndim == 1, "segment_ids should be a vector.")
        require(indices.shape == ids.shape, "segment_ids and indices should have same size.")
        require(num_segments is None or num_segments.ndim == 0, "num_segments should be a scalar")
        given = None if num_segments is None else ints(num_segments)[0]
        rows = sorted_rows(ids, given, "segment_ids")
        xp = namespace(data, ids)
        _check(indices, data.shape[0])
        total = reduce_rows("sum", take(data, indices, 0), ids, rows)
        if how == "sum":
            return total
        number = counts(ids, rows)
        number = xp.astype(xp.where(number > 0, number, xp.ones_like(number)), data.dtype)
        return divided(total, xp.sqrt(number) if how == "sqrt_n" else number)

    return kernel


def _check(indices: Any, size: int) -> None:
    xp = namespace(indices)
    outside = xp.logical_or(indices < 0, indices >= size)
    if bool(xp.any(outside)):
        place = int(xp.argmax(xp.astype(outside, xp.int8)))
        require(False, f"Bad: indices[{place}] == {int(indices[place])} out of range [0, {size})")


# -- gradients


def _gradient(how: str) -> Callable[..., Any]:
    def gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
        data, indices, ids = op.inputs[:3]
        total = unsorted_segment_sum(gather(_shares(how, dy, ids), ids), indices, get_item(shape(data), 0))
        return total, *(None for _ in op.inputs[1:])

    return gradient


def _shares(how: str, dy: Tensor, ids: Tensor) -> Tensor:
    """The gradient of a segment's total, divided as the total was."""
    if how == "sum":
        return dy
    number = unsorted_segment_sum(ones_like(ids), ids, get_item(shape(dy), 0))
    below = maximum(cast(number, dy.dtype), 1)
    if how == "sqrt_n":
        below = sqrt(below)
    inner = reshape(subtract(rank(dy), 1), [1])
    return divide(dy, reshape(below, concat([[-1], ones(inner, "int32")], 0)))


for _how, _kind, _rule in (
    ("sum", "SparseSegmentSum", _spec),
    ("mean", "SparseSegmentMean", _floating_spec),
    ("sqrt_n", "SparseSegmentSqrtN", _floating_spec),
):
    define(_kind, spec=_rule, kernel=_kernel(_how), gradient=_gradient(_how))
    define(f"{_kind}WithNumSegments", spec=_rule, kernel=_kernel(_how), gradient=_gradient(_how))

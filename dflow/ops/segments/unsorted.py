"""Segments of any numbers, in any order: unsorted_segment_sum and its kin.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones, ones_like, zeros_like
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import rank, reshape, shape
from dflow.ops.math.arithmetic import maximum, multiply, subtract
from dflow.ops.math.compare import equal, greater, greater_equal, logical_and, where
from dflow.ops.math.division import divide
from dflow.ops.math.powers import sqrt
from dflow.ops.rules.arrays import ints, namespace
from dflow.ops.rules.ranks import bracketed, exactly, prefix, require, up_from
from dflow.ops.rules.static import graph_of, known_value, only
from dflow.ops.segments.reduce import reduce_rows
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
]


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The sum of the slices of each segment; a segment without slices has zeros.

    data: [*ids, ...], numbers; segment_ids: [*ids], int32 or int64; num_segments: a number or a tensor
    -> [num_segments, ...].  Slices with a negative number are left out.  InvalidArgumentError at run time for a number
    that is `num_segments` or larger.
    """
    return _segments("UnsortedSegmentSum", data, segment_ids, num_segments, name)


def unsorted_segment_prod(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The product of the slices of each segment; without slices: ones.  Else as `unsorted_segment_sum`."""
    return _segments("UnsortedSegmentProd", data, segment_ids, num_segments, name)


def unsorted_segment_max(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The largest values of each segment; without slices: the lowest number of the dtype.

    data: real numbers.  Else as `unsorted_segment_sum`.
    """
    return _segments("UnsortedSegmentMax", data, segment_ids, num_segments, name)


def unsorted_segment_min(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The smallest values of each segment; without slices: the highest number of the dtype.

    data: real numbers.  Else as `unsorted_segment_sum`.
    """
    return _segments("UnsortedSegmentMin", data, segment_ids, num_segments, name)


def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The mean of the slices of each segment; without slices: zeros.

    data: floating or complex numbers.  Else as `unsorted_segment_sum`.
    """
    graph = graph_of((data, segment_ids, num_segments))
    with scopes.building_in(graph), graph.name_scope(name or "UnsortedSegmentMean"):
        x, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        total = unsorted_segment_sum(x, ids, num_segments)
        return divide(total, _sizes(x, ids, num_segments))


def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The sum of the slices of each segment, divided by the square root of their number.

    data: floating or complex numbers.  Else as `unsorted_segment_sum`.
    """
    graph = graph_of((data, segment_ids, num_segments))
    with scopes.building_in(graph), graph.name_scope(name or "UnsortedSegmentSqrtN"):
        x, ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        total = unsorted_segment_sum(x, ids, num_segments)
        return divide(total, sqrt(_sizes(x, ids, num_segments)))


def _sizes(data: Tensor, ids: Tensor, num_segments: Any) -> Tensor:
    """The number of slices of each segment, at least 1, with an axis for each one of a slice."""
    number = unsorted_segment_sum(ones(shape(ids), data.dtype), ids, num_segments)
    inner = subtract(rank(data), rank(ids))
    return maximum(reshape(number, concat([[-1], ones(reshape(inner, [1]), "int32")], 0)), 1)


def _segments(kind: str, data: Any, segment_ids: Any, num_segments: Any, name: str | None) -> Tensor:
    result: Tensor = add_op(kind, data, segment_ids, num_segments, name=name)
    rows = known_value(result.op.inputs[2])
    if rows is not None and rows.size == 1 and int(rows) < 0:
        raise ShapeError(f"Dimension size, given by scalar input 2, must be non-negative but is {int(rows)}")
    if rows is not None and result.shape.ndims is not None and int(rows) >= 0:
        result.set_shape([int(rows), *result.shape.known[1:]])
    return result


def _number_spec(data: TensorSpec, ids: TensorSpec, rows: TensorSpec) -> TensorSpec:
    only(data, data.dtype.is_numeric, "numbers")
    for numbers in (ids, rows):
        only(numbers, numbers.dtype.name in ("int32", "int64"), "segment numbers of int32 or int64")
    exactly(rows, 0)
    up_from(data, 0)
    return TensorSpec(TensorShape([None]).concatenate(prefix(data.shape, ids.shape)), data.dtype)


def _real_spec(data: TensorSpec, ids: TensorSpec, rows: TensorSpec) -> TensorSpec:
    only(data, data.dtype.is_numeric and not data.dtype.is_complex, "real numbers")
    return _number_spec(data, ids, rows)


def _kernel(how: str) -> Any:
    def kernel(data: Any, ids: Any, num_segments: Any) -> Any:
        require(num_segments.ndim == 0, f"num_segments should be a scalar, not shape {bracketed(num_segments.shape)}")
        rows = ints(num_segments)[0]
        require(rows >= 0, f"Input num_segments == {rows} must not be negative.")
        require(
            tuple(data.shape[: ids.ndim]) == tuple(ids.shape),
            f"data.shape = {bracketed(data.shape)} does not start with segment_ids.shape = {bracketed(ids.shape)}",
        )
        xp = namespace(data, ids)
        flat = xp.reshape(ids, (-1,))
        slices = xp.reshape(data, (flat.shape[0], *data.shape[ids.ndim :]))
        _check(ids, rows)
        if bool(xp.any(flat < 0)):
            kept = xp.nonzero(flat >= 0)[0]
            flat, slices = xp.take(flat, kept), xp.take(slices, kept, axis=0)
        return reduce_rows(how, slices, flat, rows)

    return kernel


def _check(ids: Any, rows: int) -> None:
    xp = namespace(ids)
    outside = xp.reshape(ids >= rows, (-1,))
    if bool(xp.any(outside)):
        place = int(xp.argmax(xp.astype(outside, xp.int8)))
        where_ = _place(place, ids.shape)
        value = int(xp.reshape(ids, (-1,))[place])
        require(False, f"segment_ids{where_} = {value} is out of range [0, {rows})")


def _place(flat: int, sizes: Any) -> str:
    found = []
    for size in reversed(sizes):
        flat, rest = divmod(flat, size)
        found.append(rest)
    return bracketed(reversed(found)) if found else ""


# -- gradients: slices with a negative number have none


def _gathered(values: Tensor, ids: Tensor, otherwise: Any = zeros_like) -> Tensor:
    """The values at the segment numbers; where a number is negative, zeros (or what `otherwise` makes)."""
    there = gather(values, maximum(ids, zeros_like(ids)))
    return where(_kept(there, ids), there, otherwise(there))


def _kept(like: Tensor, ids: Tensor) -> Tensor:
    """True in each slice whose number is not negative."""
    inner = subtract(rank(like), rank(ids))
    mask = reshape(greater_equal(ids, zeros_like(ids)), concat([shape(ids), ones(reshape(inner, [1]), "int32")], 0))
    return logical_and(mask, ones_like(like, "bool"))


def _sum_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return _gathered(dy, op.inputs[1]), None, None


def _extreme_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Equal values share the gradient."""
    data, ids, rows = op.inputs
    found = _gathered(op.outputs[0], ids)
    chosen = logical_and(equal(data, found), _kept(found, ids))
    shares = maximum(unsorted_segment_sum(cast(chosen, dy.dtype), ids, rows), 1)  # a segment may be without slices
    gathered = _gathered(divide(dy, shares), ids)
    return where(chosen, gathered, zeros_like(gathered)), None, None


def _prod_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """dy times the product of the others: without its own value, and 0 if another one is 0."""
    data, ids, rows = op.inputs
    is_zero = equal(data, zeros_like(data))
    zeros_there = _gathered(unsorted_segment_sum(cast(is_zero, "int32"), ids, rows), ids)
    dy = where(greater(zeros_there, 1), zeros_like(data), _gathered(dy, ids))
    nonzero = where(is_zero, ones_like(data), data)
    others = _gathered(unsorted_segment_prod(nonzero, ids, rows), ids)
    return multiply(dy, where(is_zero, others, divide(_gathered(op.outputs[0], ids), nonzero))), None, None


define("UnsortedSegmentSum", spec=_number_spec, kernel=_kernel("sum"), gradient=_sum_gradient)
define("UnsortedSegmentProd", spec=_number_spec, kernel=_kernel("prod"), gradient=_prod_gradient)
define("UnsortedSegmentMin", spec=_real_spec, kernel=_kernel("min"), gradient=_extreme_gradient)
define("UnsortedSegmentMax", spec=_real_spec, kernel=_kernel("max"), gradient=_extreme_gradient)

"""Segments of sorted numbers: segment_sum, segment_mean, segment_prod, segment_min, segment_max.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.array.gather import gather
from dflow.ops.math.arithmetic import maximum, multiply
from dflow.ops.math.compare import equal, greater, where
from dflow.ops.math.division import divide
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.ranks import exactly, merged_size, require, up_from
from dflow.ops.rules.static import only
from dflow.ops.segments.reduce import counts, divided, reduce_rows, sorted_rows
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["segment_max", "segment_mean", "segment_min", "segment_prod", "segment_sum"]


def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The sum of the rows of each segment.  A segment without rows has zeros.

    data: [n, ...], numbers; segment_ids: [n], int32 or int64, sorted -> [last number + 1, ...].
    InvalidArgumentError at run time for numbers that are negative or not sorted, and for another count of them.
    """
    return _segments("SegmentSum", data, segment_ids, name)


def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The mean of the rows of each segment; arguments, result and errors as for `segment_sum`."""
    return _segments("SegmentMean", data, segment_ids, name)


def segment_prod(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The product of the rows of each segment; a segment without rows has ones.  Else as `segment_sum`."""
    return _segments("SegmentProd", data, segment_ids, name)


def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The smallest values of the rows of each segment; data: real numbers.  Else as `segment_sum`."""
    return _segments("SegmentMin", data, segment_ids, name)


def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The largest values of the rows of each segment; data: real numbers.  Else as `segment_sum`."""
    return _segments("SegmentMax", data, segment_ids, name)


def _segments(kind: str, data: Any, segment_ids: Any, name: str | None) -> Tensor:
    result: Tensor = add_op(kind, data, segment_ids, name=name)
    return result


def _number_spec(data: TensorSpec, ids: TensorSpec) -> TensorSpec:
    only(data, data.dtype.is_numeric, "numbers")
    only(ids, ids.dtype.name in ("int32", "int64"), "segment numbers of int32 or int64")
    length = exactly(ids, 1)[0]
    shape = up_from(data, 1)
    if shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, data.dtype)
    merged_size(None, length)
    return TensorSpec(TensorShape([None, *shape.known[1:]]), data.dtype)


def _real_spec(data: TensorSpec, ids: TensorSpec) -> TensorSpec:
    only(data, data.dtype.is_numeric and not data.dtype.is_complex, "real numbers")
    return _number_spec(data, ids)


def checked_rows(data: Any, ids: Any) -> int:
    """The number of segments; InvalidArgumentError for arguments that do not fit together."""
    require(data.ndim > 0, f"data must be at least a vector, its shape is {list(data.shape)}")
    require(ids.ndim == 1, "segment_ids should be a vector.")
    require(ids.shape[0] == data.shape[0], "segment_ids should be the same size as dimension 0 of input.")
    return sorted_rows(ids, None, "'segment_ids'")


def _kernel(how: str) -> Any:
    def kernel(data: Any, ids: Any) -> Any:
        rows = checked_rows(data, ids)
        xp = namespace(data, ids)
        if how == "mean":
            number = counts(ids, rows)
            return divided(reduce_rows("sum", data, ids, rows), xp.where(number > 0, number, xp.ones_like(number)))
        result = reduce_rows(how, data, ids, rows)
        if how in ("sum", "prod"):
            return result
        empty = xp.reshape(counts(ids, rows) == 0, (-1, *(1,) * (data.ndim - 1)))
        return xp.where(empty, xp.zeros_like(result), result)

    return kernel


def _sum_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return gather(dy, op.inputs[1]), None


def _mean_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    ids = op.inputs[1]
    share = divide(dy, _at_least_one(segment_sum(ones_like(op.inputs[0]), ids)))
    return gather(share, ids), None


def _extreme_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Equal values share the gradient."""
    data, ids = op.inputs
    chosen = equal(data, gather(op.outputs[0], ids))
    share = divide(dy, _at_least_one(segment_sum(cast(chosen, dy.dtype), ids)))
    gathered = gather(share, ids)
    return where(chosen, gathered, zeros_like(gathered)), None


def _prod_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """dy times the product of the others: without its own value, and 0 if another one is 0."""
    data, ids = op.inputs
    is_zero = equal(data, zeros_like(data))
    zeros_there = gather(segment_sum(cast(is_zero, "int32"), ids), ids)
    dy = where(greater(zeros_there, 1), zeros_like(data), gather(dy, ids))
    others = gather(segment_prod(where(is_zero, ones_like(data), data), ids), ids)
    of_nonzero = divide(gather(op.outputs[0], ids), where(is_zero, ones_like(data), data))
    return multiply(dy, where(is_zero, others, of_nonzero)), None


def _at_least_one(number: Tensor) -> Tensor:
    """How many rows share: a segment without rows divides nothing."""
    return maximum(number, 1)


define("SegmentSum", spec=_number_spec, kernel=_kernel("sum"), gradient=_sum_gradient)
define("SegmentMean", spec=_number_spec, kernel=_kernel("mean"), gradient=_mean_gradient)
define("SegmentProd", spec=_number_spec, kernel=_kernel("prod"), gradient=_prod_gradient)
define("SegmentMin", spec=_real_spec, kernel=_kernel("min"), gradient=_extreme_gradient)
define("SegmentMax", spec=_real_spec, kernel=_kernel("max"), gradient=_extreme_gradient)

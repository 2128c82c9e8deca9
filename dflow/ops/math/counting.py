"""Counts of integers, and of numbers in bins.

Source: math_ops and histogram_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int32
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.constants import constant
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import reshape, shape, size
from dflow.ops.math.arithmetic import add, maximum, minimum, multiply, subtract
from dflow.ops.math.compare import greater
from dflow.ops.math.division import truediv
from dflow.ops.math.reduction import reduce_max
from dflow.ops.math.rounding import floor
from dflow.ops.rules.arrays import ints, single
from dflow.ops.rules.late import late
from dflow.ops.rules.libraries import as_numpy, is_numpy_like, through_numpy
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import known_value, only, operands, same_dtype, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import bracket
from dflow.specs import TensorSpec

__all__ = ["bincount", "histogram_fixed_width", "histogram_fixed_width_bins"]

# -- integers


def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = int32,
    name: str | None = None,
) -> Tensor:
    """How often each integer from 0 on is in `arr`: a vector that ends with the largest of them.

    arr: int32 of any shape; weights: they are summed in the place of counts, of the shape of arr; minlength,
    maxlength: bounds of the vector's length, larger integers are left out; dtype: of the counts without weights.
    InvalidArgumentError at run time for a negative integer.
    """
    with scope_of((arr, weights), name, "bincount"):
        arr = cast(convert_to_tensor(arr, name="arr"), int32)
        length = multiply(cast(greater(size(arr), 0), int32), add(reduce_max(arr), 1))
        if minlength is not None:
            length = maximum(convert_to_tensor(minlength, int32, name="minlength"), length)
        if maxlength is not None:
            length = minimum(convert_to_tensor(maxlength, int32, name="maxlength"), length)
        if weights is None:
            weights = np.empty(0, as_dtype(dtype).numpy_dtype)
        result: Tensor = add_op("Bincount", arr, length, convert_to_tensor(weights, name="weights"))
        return result


def _bincount_spec(arr: TensorSpec, length: TensorSpec, weights: TensorSpec) -> TensorSpec:
    only(arr, arr.dtype == int32, "int32")
    only(weights, weights.dtype.is_numeric and not weights.dtype.is_complex, "real numbers as weights")
    length.shape.with_rank(0)
    return spec_of([None], weights.dtype)


def _bincount_kernel(arr: Any, length: Any, weights: Any) -> Any:
    if not is_numpy_like(arr):
        return through_numpy(_bincount_kernel, arr, length, weights)
    if weights.size and weights.shape != arr.shape:
        raise InvalidArgumentError(
            None, None, f"weights have the shape {bracket(weights.shape)}, and not that of arr, {bracket(arr.shape)}"
        )
    if length.ndim or int(length) < 0:
        raise InvalidArgumentError(None, None, f"size must be a non-negative scalar, got {length}")
    if bool((arr < 0).any()):
        raise InvalidArgumentError(None, None, "Input arr must be non-negative!")
    count, values = int(length), arr.reshape(-1)
    counted = values < count
    by = weights.reshape(-1)[counted] if weights.size else None
    return np.bincount(as_numpy(values[counted]), by, count).astype(weights.dtype)


def _bincount_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Each weight gets the gradient of its place; one that was left out gets 0, which is put behind the others."""
    arr, length, weights = op.inputs
    if weights.shape.num_elements() == 0:
        return None, None, None
    nothing = constant(0, dy.dtype, [1])
    return None, None, gather(concat([dy, nothing], 0), minimum(arr, length))


define("Bincount", spec=_bincount_spec, kernel=_bincount_kernel, gradient=_bincount_gradient)

# -- bins of one width


def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """How many values are in each of `nbins` bins of one width, from value_range[0] to value_range[1].

    Values outside of the range are in the first or the last bin.  dtype: int32 or int64, that of the counts.
    InvalidArgumentError at run time for a range that does not ascend, and for no bins.
    """
    with scope_of((values, value_range, nbins), name, "histogram_fixed_width") as scope:
        values, value_range = operands((values, value_range), ("values", "value_range"), "HistogramFixedWidth")
        count, inputs = late(nbins, "nbins")
        result: Tensor = add_op(
            "HistogramFixedWidth", values, value_range, *inputs, name=scope, nbins=count, dtype=as_dtype(dtype)
        )
        return result


def _histogram_spec(
    values: TensorSpec, value_range: TensorSpec, count: TensorSpec | None = None, *, nbins: int | None, dtype: DType
) -> TensorSpec:
    same_dtype(values, value_range)
    only(values, values.dtype.is_numeric and not values.dtype.is_complex, "real numbers")
    if value_range.shape.with_rank(1)[0] not in (2, None):
        raise ShapeError(f"value_range is a vector of 2 numbers, its shape is {value_range.shape}")
    if nbins is not None and nbins <= 0:
        raise ValueError(f"nbins should be a positive number, but got {nbins}")
    return spec_of([nbins], dtype)


def _histogram_kernel(values: Any, value_range: Any, count: Any = None, *, nbins: int | None, dtype: DType) -> Any:
    if not is_numpy_like(values):
        arrays = (values, value_range) if count is None else (values, value_range, count)
        return through_numpy(lambda *found: _histogram_kernel(*found, nbins=nbins, dtype=dtype), *arrays)
    bins = ints(single(count))[0] if nbins is None else nbins
    if value_range.shape != (2,):
        raise InvalidArgumentError(None, None, f"value_range should be a vector of 2 elements, got {value_range}")
    low, high = (float(bound) for bound in value_range)
    if not low < high:
        raise InvalidArgumentError(
            None, None, f"value_range should satisfy value_range[0] < value_range[1], but got '[{low}, {high}]'"
        )
    if bins <= 0:
        raise InvalidArgumentError(None, None, f"nbins should be a positive number, but got '{bins}'")
    places = (values.reshape(-1).clip(low, high).astype(np.float64) - low) / ((high - low) / bins)
    return np.bincount(as_numpy(places.clip(0, bins - 1).astype(np.int64)), minlength=bins).astype(dtype.numpy_dtype)


define(
    "HistogramFixedWidth",
    spec=_histogram_spec,
    kernel=_histogram_kernel,
    gradient=no_gradient("a count is an integer"),
)


def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """The number of the bin of each value: int32, of the shape of the values; else as `histogram_fixed_width`."""
    with scope_of((values, value_range, nbins), name, "histogram_fixed_width_bins"):
        values, value_range = operands((values, value_range), ("values", "value_range"), "Sub")
        known = known_value(value_range)
        if known is not None and not known[0] < known[1]:
            raise ValueError(f"value_range should satisfy value_range[0] < value_range[1], but got {known.tolist()}")
        count = cast(convert_to_tensor(nbins, name="nbins"), values.dtype)
        distance = subtract(reshape(values, [-1]), value_range[0])
        part = truediv(distance, subtract(value_range[1], value_range[0]), name="scaled_values")
        places = floor(multiply(cast(count, part.dtype), part), name="indices")
        bounded = maximum(minimum(places, subtract(cast(count, part.dtype), 1)), 0)
        return reshape(cast(bounded, int32), shape(values))

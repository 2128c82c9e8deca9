"""The distinct values of a vector, and those that another vector does not have.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import device

from dflow.dtypes import DType, as_dtype, int32
from dflow.graph import Tensor, create_op
from dflow.ops.rules.arrays import dtype_in, namespace
from dflow.ops.rules.ranks import exactly, require
from dflow.ops.rules.static import only, operands, same_dtype
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["ListDiff", "Unique", "UniqueWithCounts", "setdiff1d", "unique", "unique_with_counts"]


class Unique(NamedTuple):
    """The result of `unique`."""

    y: Tensor
    idx: Tensor


class UniqueWithCounts(NamedTuple):
    """The result of `unique_with_counts`."""

    y: Tensor
    idx: Tensor
    count: Tensor  # type: ignore[assignment]  # the name that TensorFlow has, also of a method of tuples


class ListDiff(NamedTuple):
    """The result of `setdiff1d`."""

    out: Tensor
    idx: Tensor


def unique(x: Any, out_idx: Any = int32, name: str | None = None) -> Unique:
    """The distinct values of a vector in the order of their first occurrence, and for each value its place in them.

    x: [n], any dtype; out_idx: int32 or int64 -> y: [count], idx: [n], of `out_idx`, with x = y[idx].
    """
    return Unique(*create_op("Unique", x, name=name, out_idx=as_dtype(out_idx)).outputs)


def unique_with_counts(x: Any, out_idx: Any = int32, name: str | None = None) -> UniqueWithCounts:
    """As `unique`, and how often each distinct value occurs: count, [count], of `out_idx`."""
    return UniqueWithCounts(*create_op("UniqueWithCounts", x, name=name, out_idx=as_dtype(out_idx)).outputs)


def setdiff1d(x: Any, y: Any, index_dtype: Any = int32, name: str | None = None) -> ListDiff:
    """The values of x that y does not have, in their order, and their places in x.

    x: [n], y: [m], any dtype, the same; index_dtype: int32 or int64 -> out: [count], idx: [count], of `index_dtype`.
    """
    pair = operands((x, y), ("x", "y"), "ListDiff")
    return ListDiff(*create_op("ListDiff", *pair, name=name, out_idx=as_dtype(index_dtype)).outputs)


_UNKNOWN = TensorShape([None])


def _index(out_idx: DType) -> None:
    only(TensorSpec(_UNKNOWN, out_idx), out_idx.name in ("int32", "int64"), "indices of int32 and int64")


def _unique_spec(x: TensorSpec, out_idx: DType) -> list[TensorSpec]:
    _index(out_idx)
    return [TensorSpec(_UNKNOWN, x.dtype), TensorSpec(exactly(x, 1), out_idx)]


def _with_counts_spec(x: TensorSpec, out_idx: DType) -> list[TensorSpec]:
    return [*_unique_spec(x, out_idx), TensorSpec(_UNKNOWN, out_idx)]


def _difference_spec(x: TensorSpec, y: TensorSpec, out_idx: DType) -> list[TensorSpec]:
    _index(out_idx)
    same_dtype(x, y)
    exactly(x, 1)
    exactly(y, 1)
    return [TensorSpec(_UNKNOWN, x.dtype), TensorSpec(_UNKNOWN, out_idx)]


def _distinct(x: Any) -> tuple[Any, Any, Any]:
    """The first place of each distinct value, in order; the number of each value; how often each one occurs."""
    xp = namespace(x)
    if isinstance(x, np.ndarray):
        found = _distinct_of_few(x)
        if found is not None:
            return found
        _, first, inverse, count = np.unique(
            x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
        )
    else:
        every = xp.unique_all(x)
        first, inverse, count = every.indices, xp.reshape(every.inverse_indices, (-1,)), every.counts
    order = xp.argsort(first)
    return xp.take(first, order), xp.take(xp.argsort(order), inverse), xp.take(count, order)


def _distinct_of_few(x: Any) -> tuple[Any, Any, Any] | None:
    """As `_distinct`, of integers that lie close together, without sorting them; None for others."""
    if x.dtype.kind not in "iu" or not x.size:
        return None
    low, high = int(x.min()), int(x.max())
    if high - low > 4 * x.size + 1000 or high >= 1 << 62 or low < -(1 << 62):
        return None
    numbers = x.astype(np.int64) - low
    first = np.full(high - low + 1, x.size)
    first[numbers[::-1]] = np.arange(x.size - 1, -1, -1)  # of several places, the last one that is written stays
    places = np.sort(first[first < x.size])
    rank = np.empty(high - low + 1, np.int64)
    rank[numbers[places]] = np.arange(len(places))
    inverse = rank[numbers]
    return places, inverse, np.bincount(inverse)


def _unique_kernel(x: Any, out_idx: DType) -> tuple[Any, ...]:
    return _with_counts_kernel(x, out_idx)[:2]


def _with_counts_kernel(x: Any, out_idx: DType) -> tuple[Any, ...]:
    require(x.ndim == 1, "unique expects a 1D vector.")
    first, place, count = _distinct(x)
    xp = namespace(first)
    kind = dtype_in(xp, out_idx)
    return namespace(x).take(x, first), xp.astype(place, kind, copy=False), xp.astype(count, kind, copy=False)


def _difference_kernel(x: Any, y: Any, out_idx: DType) -> tuple[Any, ...]:
    require(x.ndim == 1, "x should be a 1D vector.")
    require(y.ndim == 1, "y should be a 1D vector.")
    xp = namespace(x)
    if not y.shape[0]:
        places = xp.arange(x.shape[0], device=device(x))
    else:
        ordered = xp.sort(y)
        near = xp.searchsorted(ordered, x)
        last = xp.full_like(near, y.shape[0] - 1)
        there = xp.take(ordered, xp.where(near > last, last, near)) == x
        places = xp.nonzero(xp.logical_not(xp.astype(there, xp.bool, copy=False)))[0]  # of text, objects are compared
    kind = dtype_in(namespace(places), out_idx)
    return xp.take(x, places), namespace(places).astype(places, kind)


_OF_PLACES = no_gradient("the distinct values are chosen by their places")

define("Unique", spec=_unique_spec, kernel=_unique_kernel, gradient=_OF_PLACES)
define("UniqueWithCounts", spec=_with_counts_spec, kernel=_with_counts_kernel, gradient=_OF_PLACES)
define("ListDiff", spec=_difference_spec, kernel=_difference_kernel, gradient=_OF_PLACES)

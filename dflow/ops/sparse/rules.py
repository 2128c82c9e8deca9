"""Common functions of operations on sparse tensors: shape rules, and the order of entries in kernels.

Why most of these operations have kernels for CPUs alone, as in TensorFlow: they sort and compare a few integers an
entry, and their values may be text.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from dflow.dtypes import DType, int64
from dflow.errors import InvalidArgumentError
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "check_parts",
    "check_places",
    "check_sparse",
    "distinct",
    "invalid",
    "order_of",
    "rank_of",
    "raveled",
    "sparse_specs",
]

Array = np.ndarray[Any, Any]


def check_sparse(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> None:
    """A shape rule: the three parts of a sparse tensor.  ShapeError or TypeError if they do not fit together."""
    if indices.dtype != int64 or dense_shape.dtype != int64:
        raise TypeError(f"indices and dense_shape are int64, got {indices.dtype.name} and {dense_shape.dtype.name}")
    rows, columns = indices.shape.with_rank(2).known
    (count,) = values.shape.with_rank(1).known
    TensorShape([rows]).merge_with([count])
    TensorShape([columns]).merge_with(dense_shape.shape.with_rank(1))


def check_parts(indices: Any, values: Any, dense_shape: Any) -> None:
    """In a kernel: InvalidArgumentError unless the three arrays are those of a sparse tensor."""
    if indices.ndim != 2:
        raise invalid(f"Input indices should be a matrix but received shape {list(indices.shape)}")
    if dense_shape.ndim != 1 or dense_shape.shape[0] != indices.shape[1]:
        raise invalid(
            f"Input shape {list(dense_shape.shape)} should be a vector of the {indices.shape[1]} columns of indices"
        )
    if values.ndim != 1 or values.shape[0] != indices.shape[0]:
        raise invalid(f"Input values {list(values.shape)} should be a vector of the {indices.shape[0]} rows of indices")


def rank_of(indices: TensorSpec, dense_shape: TensorSpec) -> int | None:
    """The rank of a sparse tensor, as far as it is known."""
    known = TensorShape([indices.shape.with_rank(2).known[1]]).merge_with(dense_shape.shape.with_rank(1)).known
    return known[0]


def sparse_specs(rank: int | None, dtype: DType, count: int | None = None) -> list[TensorSpec]:
    """The outputs of an operation that gives a sparse tensor of this rank, of `count` entries."""
    return [
        TensorSpec(TensorShape([count, rank]), int64),
        TensorSpec(TensorShape([count]), dtype),
        TensorSpec(TensorShape([rank]), int64),
    ]


def invalid(fact: str) -> InvalidArgumentError:
    """The error of a run for values that do not fit."""
    return InvalidArgumentError(None, None, fact)


def raveled(indices: Array, sizes: Sequence[int]) -> Array:
    """The place of each entry in row-major order: [n] of [n, rank].

    A place grows with the row of indices as long as each index is in [0, size).
    """
    strides = np.cumprod([1, *sizes[:0:-1]], dtype=np.int64)[::-1][: len(sizes)]
    places: Array = indices @ strides
    return places


def order_of(indices: Array, sizes: Sequence[int]) -> Array:
    """The permutation that puts the entries in row-major order; equal ones stay in their order."""
    bounds = [int(size) for size in sizes]
    if len(bounds) and prod(bounds) < 1 << 62 and _inside(indices, bounds):
        return np.argsort(raveled(indices, bounds), kind="stable")
    return np.lexsort(indices.T[::-1]) if len(bounds) else np.arange(len(indices))


def _inside(indices: Array, sizes: Sequence[int]) -> bool:
    return bool(((indices >= 0) & (indices < np.asarray(sizes, indices.dtype))).all())


def check_places(indices: Array, sizes: Sequence[int], ordered: bool = True) -> None:
    """InvalidArgumentError for the first entry that is out of bounds; `ordered`: or out of order, or repeated."""
    bad = (indices < 0) | (indices >= np.asarray(sizes, indices.dtype))
    if bad.any():
        place = int(np.argmax(bad.any(axis=1)))
        raise invalid(f"{_shown(indices, place)} is out of bounds: need 0 <= index < {_row(sizes)}")
    if not ordered or len(indices) < 2:
        return
    steps = np.diff(indices, axis=0)
    first = np.argmax(steps != 0, axis=1)
    moves = steps[np.arange(len(steps)), first] if steps.shape[1] else np.zeros(len(steps), np.int64)
    if (moves <= 0).any():
        place = int(np.argmax(moves <= 0))
        if moves[place] == 0:
            raise invalid(f"{_shown(indices, place + 1)} is repeated")
        raise invalid(
            f"{_shown(indices, place + 1)} is out of order. Many sparse ops require sorted indices. "
            "Use `tf.sparse.reorder` to create a correctly ordered copy."
        )


def _shown(indices: Array, place: int) -> str:
    return f"indices[{place}] = {_row(indices[place])}"


def _row(numbers: Sequence[int]) -> str:
    return f"[{','.join(str(int(number)) for number in numbers)}]"


def distinct(indices: Array) -> tuple[int, Array, Array]:
    """The number of distinct rows; where each of them, in row-major order, comes first; which of them each row is."""
    bounds = (indices.max(axis=0, initial=-1) + 1).tolist()
    if len(indices) and prod(bounds) < 1 << 62 and _inside(indices, bounds):
        _, first, which = np.unique(raveled(indices, bounds), return_index=True, return_inverse=True)
    else:
        _, first, which = np.unique(indices, axis=0, return_index=True, return_inverse=True)
    return len(first), first, which.reshape(-1)

"""Sets in the last axis of tensors, dense or sparse: their size, and what two of them have together.

A dense tensor [..., n] has a set in each of its rows; a sparse one, in the entries of each row, in row-major order.
Source: tf.sets of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dflow.dtypes import DType, int8, int16, int32, int64, string, uint8, uint16
from dflow.graph import Tensor, add_op, scopes
from dflow.ops.rules.batching import each
from dflow.ops.rules.static import graph_of
from dflow.ops.sparse.rules import (
    Array,
    check_parts,
    check_places,
    check_sparse,
    invalid,
    rank_of,
    raveled,
    sparse_specs,
)
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.sparse_tensor import SparseTensor, convert_to_tensor_or_sparse_tensor
from dflow.specs import TensorSpec

__all__ = ["set_difference", "set_intersection", "set_size", "set_union"]

_DTYPES = (int8, int16, int32, int64, uint8, uint16, string)

Sets = tuple[Array, Array, list[int]]  # the group of each value, the values, the sizes of all axes but the last


def set_size(a: Any, validate_indices: bool = True) -> Tensor:
    """The number of distinct values in each row of a sparse tensor [..., n], as int32 [...].

    validate_indices: whether a run raises InvalidArgumentError for entries that are not in row-major order.
    """
    sets = convert_to_tensor_or_sparse_tensor(a, name="a")
    if not isinstance(sets, SparseTensor):
        raise TypeError(f"Expected `SparseTensor`, got {sets!r}.")
    _check_dtype("a", sets.dtype)
    parts = sets.indices, sets.values, sets.dense_shape
    result: Tensor = add_op("SetSize", *parts, validate_indices=bool(validate_indices))
    return result


def set_intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The values that are in both sets of each row: a SparseTensor, whose rows are sorted.

    a, b: tensors or sparse tensors of one dtype, integers or strings, whose shapes agree but for the last size.
    validate_indices: as `set_size`.
    """
    return _operation("intersection", *_operands(a, b)[:2], validate_indices)


def set_difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """The values of the set of `a` that are not in that of `b`; the other way round if not `aminusb`.

    As `set_intersection`.
    """
    first, second, flipped = _operands(a, b)
    return _operation("b-a" if flipped == bool(aminusb) else "a-b", first, second, validate_indices)


def set_union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The values that are in either of both sets of each row.  As `set_intersection`."""
    return _operation("union", *_operands(a, b)[:2], validate_indices)


def _check_dtype(name: str, dtype: DType) -> None:
    if dtype not in _DTYPES:
        raise TypeError(f"'{name}' invalid dtype {dtype.name}: sets are of {', '.join(d.name for d in _DTYPES)}")


def _operands(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Both operands as tensors or sparse tensors, a dense one first, and whether they changed places."""
    with scopes.building_in(graph_of((a, b))):
        first = convert_to_tensor_or_sparse_tensor(a, name="a")
        _check_dtype("a", first.dtype)
        second = convert_to_tensor_or_sparse_tensor(b, name="b")
    if first.dtype != second.dtype:
        raise TypeError(f"Types don't match, {first.dtype.name} vs {second.dtype.name}.")
    if isinstance(first, SparseTensor) and not isinstance(second, SparseTensor):
        return second, first, True
    return first, second, False


def _operation(which: str, a: Any, b: Any, validate_indices: bool) -> SparseTensor:
    kinds = ["Sparse" if isinstance(x, SparseTensor) else "Dense" for x in (a, b)]
    parts = [part for x in (a, b) for part in _parts(x)]
    attrs: dict[str, Any] = {"set_operation": which, "validate_indices": bool(validate_indices)}
    return SparseTensor(*add_op(f"{kinds[0]}To{kinds[1]}SetOperation", *parts, **attrs))


def _parts(x: Any) -> tuple[Tensor, ...]:
    return (x.indices, x.values, x.dense_shape) if isinstance(x, SparseTensor) else (x,)


# -- shape rules


def _size_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec, validate_indices: bool) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    return TensorSpec(UNKNOWN_SHAPE, int32)


def _operation_spec(*inputs: TensorSpec, set_operation: str, validate_indices: bool) -> list[TensorSpec]:
    first_is_dense = len(inputs) != 6
    first, second = (inputs[:1], inputs[1:]) if first_is_dense else (inputs[:3], inputs[3:])
    ranks = {_rank(first), _rank(second)} - {None}
    if len(ranks) > 1:
        raise ValueError(f"the ranks of both operands differ: {sorted(rank for rank in ranks if rank is not None)}")
    if any(rank is not None and rank < 2 for rank in ranks):
        raise ValueError(f"Input tensors must have rank >= 2, got {ranks}")
    return sparse_specs(next(iter(ranks), None), inputs[0 if first_is_dense else 1].dtype)


def _rank(parts: tuple[TensorSpec, ...]) -> int | None:
    if len(parts) == 1:
        return parts[0].shape.ndims
    check_sparse(parts[0], parts[1], parts[2])
    return rank_of(parts[0], parts[2])


# -- kernels


def _size_kernel(indices: Array, values: Array, dense_shape: Array, validate_indices: bool) -> Array:
    groups, members, sizes = _of_sparse(indices, values, dense_shape, validate_indices)
    keys, width = _keys((groups, _codes(members)[1]))
    return np.bincount(np.unique(keys[0]) // width, minlength=prod(sizes)).astype(np.int32).reshape(sizes)


def _of_sparse(indices: Array, values: Array, dense_shape: Array, validate_indices: bool) -> Sets:
    check_parts(indices, values, dense_shape)
    if validate_indices:
        check_places(indices, dense_shape.tolist())
    sizes = dense_shape[:-1].tolist()
    return raveled(indices[:, :-1], sizes), values, sizes


def _of_dense(values: Array) -> Sets:
    sizes = list(values.shape[:-1])
    return np.repeat(np.arange(prod(sizes)), values.shape[-1]), values.reshape(-1), sizes


_FEW = 1 << 20  # so large a range of integers needs no sorting


def _codes(*values: Array) -> tuple[Array, Array]:
    """Values in their order, with all those that are there, and which of them each value is."""
    if values[0].dtype != object:
        together = np.concatenate(values)
        low, high = int(together.min(initial=0)), int(together.max(initial=0))
        if high - low < _FEW:
            return np.arange(low, high + 1).astype(together.dtype), together.astype(np.int64) - low
    found, which = np.unique(np.concatenate(values), return_inverse=True)
    return found, which.reshape(-1)


def _keys(*pairs: tuple[Array, Array]) -> tuple[list[Array], int]:
    """One number for a group and a value in it, which grows with the group, then with the value."""
    width = max(1, *(int(codes.max(initial=-1)) + 1 for _, codes in pairs))
    return [groups * width + codes for groups, codes in pairs], width


_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "intersection": np.intersect1d,
    "union": np.union1d,
    "a-b": np.setdiff1d,
    "b-a": lambda a, b: np.setdiff1d(b, a),
}


def _operation_kernel(*arrays: Array, set_operation: str, validate_indices: bool) -> tuple[Array, Array, Array]:
    first, second = (arrays[:1], arrays[1:]) if len(arrays) != 6 else (arrays[:3], arrays[3:])
    a, b = (_sets(parts, validate_indices) for parts in (first, second))
    if a[2] != b[2]:
        raise invalid(f"Mismatched group shapes {a[2]} vs {b[2]}: the operands differ in more than their last size")
    found, codes = _codes(a[1], b[1])
    (left, right), width = _keys((a[0], codes[: len(a[1])]), (b[0], codes[len(a[1]) :]))
    members = _FUNCTIONS[set_operation](left, right)
    groups = members // width
    counts = np.bincount(groups, minlength=1)
    starts = np.cumsum(counts) - counts
    columns = [*np.unravel_index(groups, a[2]), np.arange(len(members)) - starts[groups]]
    indices = np.stack(columns, axis=1).astype(np.int64, copy=False)
    return indices, found[members % width], np.array([*a[2], counts.max(initial=0)], np.int64)


def _sets(parts: tuple[Array, ...], validate_indices: bool) -> Sets:
    rank = parts[0].ndim if len(parts) == 1 else len(parts[2])
    if rank < 2:
        raise invalid(f"Input tensors must have rank >= 2, got {rank}")
    if len(parts) == 1:
        return _of_dense(parts[0])
    return _of_sparse(parts[0], parts[1], parts[2], validate_indices)


_NONE = no_gradient("a set has no gradient")

define("SetSize", spec=_size_spec, kernel=_size_kernel, gradient=_NONE, batch=each, host_only=True)
for _kind in ("DenseToDenseSetOperation", "DenseToSparseSetOperation", "SparseToSparseSetOperation"):
    define(_kind, spec=_operation_spec, kernel=_operation_kernel, gradient=_NONE, batch=each, host_only=True)

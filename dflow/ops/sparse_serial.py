"""Sparse tensors as strings: how they travel through queues.

A serialized sparse tensor is three strings: its indices, its values and its dense shape, as little-endian bytes; values
that are strings are preceded by their lengths.
Source: serialize_sparse, deserialize_many_sparse of TensorFlow 1.15 (whose bytes are others).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int64, string
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.batching import each
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["deserialize_many_sparse", "serialize_many_sparse", "serialize_sparse"]

_INT64 = np.dtype("<i8")
_FLAT = "Rank of input SparseTensor should be > 1"


def serialize_sparse(sp_input: Any, name: str | None = None) -> Tensor:
    """A SparseTensor as a string vector of three."""
    sparse = SparseTensor.from_value(sp_input)
    tensor: Tensor = add_op("SerializeSparse", sparse.indices, sparse.values, sparse.dense_shape, name=name)
    return tensor


def serialize_many_sparse(sp_input: Any, name: str | None = None) -> Tensor:
    """A SparseTensor [n, ...], of rank 2 or more, as n sparse tensors [...]: strings [n, 3]."""
    sparse = SparseTensor.from_value(sp_input)
    tensor: Tensor = add_op("SerializeManySparse", sparse.indices, sparse.values, sparse.dense_shape, name=name)
    return tensor


def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """One SparseTensor [n, ...] of n serialized ones, as large as the largest of them.

    serialized_sparse: strings [n, 3]; dtype: of the values; rank: of one of them, where it is known.
    InvalidArgumentError for strings that are no sparse tensor of this dtype, and for ranks that differ.
    """
    strings = convert_to_tensor(serialized_sparse, string)
    parts = add_op("DeserializeManySparse", strings, name=name or "DeserializeSparse", dtype=as_dtype(dtype), rank=rank)
    return SparseTensor(*parts)


def _serialize_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> TensorSpec:
    _check(indices, values, dense_shape)
    return TensorSpec(TensorShape([3]), string)


def _serialize_kernel(indices: Any, values: Any, dense_shape: Any) -> Any:
    return _row(np.asarray(indices), np.asarray(values), np.asarray(dense_shape))


def _serialize_many_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> TensorSpec:
    _check(indices, values, dense_shape)
    if dense_shape.shape[0] in (0, 1):
        raise ShapeError(_FLAT)
    return TensorSpec(TensorShape([None, 3]), string)


def _serialize_many_kernel(indices: Any, values: Any, dense_shape: Any) -> Any:
    indices, values, dense_shape = np.asarray(indices), np.asarray(values), np.asarray(dense_shape)
    if len(dense_shape) < 2:
        raise InvalidArgumentError(None, None, _FLAT)
    rows = np.empty((int(dense_shape[0]), 3), dtype=object)
    for i in range(len(rows)):
        mine = indices[:, 0] == i
        rows[i] = _row(indices[mine, 1:], values[mine], dense_shape[1:])
    return rows


def _check(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> None:
    if indices.dtype != int64 or dense_shape.dtype != int64:
        raise TypeError(f"indices and dense_shape are int64, got {indices.dtype.name} and {dense_shape.dtype.name}")
    indices.shape.with_rank(2)
    values.shape.with_rank(1)
    dense_shape.shape.with_rank(1)


def _row(indices: Any, values: Any, dense_shape: Any) -> Any:
    row = np.empty(3, dtype=object)
    row[:] = [indices.astype(_INT64).tobytes(), _pack(values), dense_shape.astype(_INT64).tobytes()]
    return row


def _pack(values: Any) -> bytes:
    if values.dtype != object:
        return bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return np.array([len(value) for value in values], dtype=_INT64).tobytes() + b"".join(values)


def _unpack(data: bytes, count: int, dtype: DType) -> Any:
    if dtype != string:
        return np.frombuffer(data, dtype.numpy_dtype.newbyteorder("<")).astype(dtype.numpy_dtype)
    ends = np.cumsum(np.frombuffer(data, _INT64, count)) + count * _INT64.itemsize
    starts = [count * _INT64.itemsize, *ends[:-1]]
    values = np.empty(count, dtype=object)
    values[:] = [data[start:end] for start, end in zip(starts, ends, strict=False)]
    return values


def _deserialize_spec(strings: TensorSpec, dtype: DType, rank: int | None) -> list[TensorSpec]:
    strings.shape.merge_with(TensorShape([None, 3]))
    size = None if rank is None else rank + 1
    return [
        TensorSpec(TensorShape([None, size]), int64),
        TensorSpec(TensorShape([None]), dtype),
        TensorSpec(TensorShape([size]), int64),
    ]


def _deserialize_kernel(strings: Any, dtype: DType, rank: int | None) -> tuple[Any, ...]:
    try:
        found = [_parts(row[0], row[1], row[2], dtype) for row in np.asarray(strings)]
    except (ValueError, IndexError) as error:
        raise InvalidArgumentError(None, None, f"no serialized sparse tensor of {dtype.name}: {error}") from error
    ranks = sorted({len(shape) for _, _, shape in found} | ({rank} if rank is not None else set()))
    if len(ranks) != 1:
        raise InvalidArgumentError(None, None, f"the ranks of the sparse tensors differ: {ranks}")
    places = np.repeat(np.arange(len(found)), [len(values) for _, values, _ in found])
    inner = np.concatenate([np.empty((0, ranks[0]), np.int64), *(indices for indices, _, _ in found)])
    values = np.concatenate([np.empty(0, dtype.numpy_dtype), *(values for _, values, _ in found)])
    sizes = np.max([shape for _, _, shape in found], axis=0) if found else np.zeros(ranks[0], np.int64)
    return np.column_stack([places, inner]), values, np.array([len(found), *sizes], np.int64)


def _parts(indices: bytes, values: bytes, dense_shape: bytes, dtype: DType) -> tuple[Any, Any, Any]:
    """Indices, values and shape of one row; ValueError if they do not fit together."""
    shape = np.frombuffer(dense_shape, _INT64)
    places = np.frombuffer(indices, _INT64).reshape(-1, len(shape)) if len(shape) else np.empty((0, 0), np.int64)
    found = _unpack(values, len(places), dtype)
    if len(found) != len(places):
        raise ValueError(f"{len(places)} places for {len(found)} values")
    return places, found, shape


_TEXT = no_gradient("a serialized tensor is text")

for _kind, _spec, _kernel in (
    ("SerializeSparse", _serialize_spec, _serialize_kernel),
    ("SerializeManySparse", _serialize_many_spec, _serialize_many_kernel),
    ("DeserializeManySparse", _deserialize_spec, _deserialize_kernel),
):
    define(_kind, spec=_spec, kernel=_kernel, gradient=_TEXT, batch=each, host_only=True)

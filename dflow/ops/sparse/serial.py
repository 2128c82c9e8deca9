"""Sparse tensors as strings, for queues.

A serialized sparse tensor is three strings: its indices, its values and its dense shape, each a TensorProto.
Source: serialize_sparse, deserialize_sparse, deserialize_many_sparse of TensorFlow 1.15, whose bytes these are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, int64, string
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.batching import each
from dflow.ops.sparse.rules import check_sparse, invalid, sparse_specs
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec
from dflow.tensor_content import from_bytes, to_bytes
from dflow.tensor_proto import dtype_of

__all__ = ["deserialize_many_sparse", "deserialize_sparse", "serialize_many_sparse", "serialize_sparse"]


def serialize_sparse(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
    """A SparseTensor as a string vector of three."""
    _check_text(out_type)
    sparse = SparseTensor.from_value(sp_input)
    tensor: Tensor = add_op("SerializeSparse", sparse.indices, sparse.values, sparse.dense_shape, name=name)
    return tensor


def serialize_many_sparse(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
    """A SparseTensor [n, ...], of rank 2 or more, as n sparse tensors [...]: strings [n, 3].

    InvalidArgumentError at run time for rank 1, ShapeError for rank 0.
    """
    _check_text(out_type)
    sparse = SparseTensor.from_value(sp_input)
    tensor: Tensor = add_op("SerializeManySparse", sparse.indices, sparse.values, sparse.dense_shape, name=name)
    return tensor


def deserialize_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """One SparseTensor [..., *shape] of serialized ones, as large as the largest of them.

    serialized_sparse: strings [..., 3]; dtype: of the values; rank: of the result, for its static shape.
    InvalidArgumentError for strings that are no sparse tensor of this dtype, and for ranks that differ.
    """
    strings = convert_to_tensor(serialized_sparse, string)
    return SparseTensor(*add_op("DeserializeSparse", strings, name=name, dtype=as_dtype(dtype), rank=rank))


def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """One SparseTensor [n, ...] of n serialized ones, as large as the largest of them.

    serialized_sparse: strings [n, 3]; dtype: of the values; rank: of the result, which is one more than theirs, for its
    static shape.
    InvalidArgumentError for strings that are no sparse tensor of this dtype, and for ranks that differ.
    """
    strings = convert_to_tensor(serialized_sparse, string)
    parts = add_op("DeserializeManySparse", strings, name=name or "DeserializeSparse", dtype=as_dtype(dtype), rank=rank)
    return SparseTensor(*parts)


def _check_text(out_type: Any) -> None:
    if as_dtype(out_type) != string:
        raise NotImplementedError(f"a serialized sparse tensor is of dtype string, got out_type={out_type!r}")


def _serialize_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    return TensorSpec(TensorShape([3]), string)


def _serialize_kernel(indices: Any, values: Any, dense_shape: Any) -> Any:
    return _row(np.asarray(indices), np.asarray(values), np.asarray(dense_shape))


def _serialize_many_spec(indices: TensorSpec, values: TensorSpec, dense_shape: TensorSpec) -> TensorSpec:
    check_sparse(indices, values, dense_shape)
    if dense_shape.shape[0] == 0:
        raise ShapeError("a sparse tensor of rank 0 has no first axis to be divided along")
    return TensorSpec(TensorShape([None, 3]), string)


def _serialize_many_kernel(indices: Any, values: Any, dense_shape: Any) -> Any:
    indices, values, dense_shape = np.asarray(indices), np.asarray(values), np.asarray(dense_shape)
    if len(dense_shape) < 2:
        fact = f"Rank of input SparseTensor should be > 1, but saw rank: {len(dense_shape)}"
        raise InvalidArgumentError(None, None, fact)
    rows = np.empty((int(dense_shape[0]), 3), dtype=object)
    for i in range(len(rows)):
        mine = indices[:, 0] == i
        rows[i] = _row(indices[mine, 1:], values[mine], dense_shape[1:])
    return rows


def _row(indices: Any, values: Any, dense_shape: Any) -> Any:
    row = np.empty(3, dtype=object)
    row[:] = [to_bytes(indices), to_bytes(values), to_bytes(dense_shape)]
    return row


def _deserialize_spec(strings: TensorSpec, dtype: DType, rank: int | None) -> list[TensorSpec]:
    if strings.shape.ndims == 0 or (strings.shape[-1:] and strings.shape[-1] not in (3, None)):
        raise ShapeError(f"a serialized sparse tensor is three strings, got a shape of {strings.shape}")
    return sparse_specs(rank, dtype)


def _deserialize_many_spec(strings: TensorSpec, dtype: DType, rank: int | None) -> list[TensorSpec]:
    strings.shape.merge_with(TensorShape([None, 3]))
    return sparse_specs(rank, dtype)


def _deserialize_kernel(strings: Any, dtype: DType, rank: int | None) -> tuple[Any, ...]:
    texts = np.asarray(strings)
    if texts.ndim == 0 or texts.shape[-1] != 3:
        raise invalid(
            f"Serialized sparse should have non-zero rank and 3 as the last dimension, got {list(texts.shape)}"
        )
    leading = texts.shape[:-1]
    rows = [_parts(row, i, dtype) for i, row in enumerate(texts.reshape(-1, 3))]
    ranks = [len(shape) for _, _, shape in rows] or ([rank - len(leading)] if rank else [])
    if not ranks:
        raise invalid("the rank of no sparse tensors at all is not known; give it as rank=")
    for i, other in enumerate(ranks):
        if other != ranks[0]:
            before, here = ranks[0] + len(leading), other + len(leading)
            fact = f"Inconsistent rank across SparseTensors: rank prior to SparseTensor[{i}] was: {before} but rank of "
            raise invalid(f"{fact}SparseTensor[{i}] is: {here}")
    places = np.repeat(np.arange(len(rows)), [len(values) for _, values, _ in rows])
    columns = np.unravel_index(places, leading) if leading else ()
    inner = np.concatenate([np.empty((0, ranks[0]), np.int64), *(indices for indices, _, _ in rows)])
    values = np.concatenate([np.empty(0, dtype.numpy_dtype), *(values for _, values, _ in rows)])
    sizes = np.max([shape for _, _, shape in rows], axis=0) if rows else np.zeros(ranks[0], np.int64)
    return np.column_stack([*columns, inner]), values, np.array([*leading, *sizes], np.int64)


def _parts(row: Any, index: int, dtype: DType) -> tuple[Any, Any, Any]:
    """Indices, values and shape of one row; InvalidArgumentError for other strings."""
    parts = []
    for column, kind in enumerate((int64, dtype, int64)):
        try:
            parts.append(from_bytes(row[column], kind))
        except (ValueError, IndexError) as error:
            raise invalid(_fault(row[column], index, column, dtype, error)) from error
    places, entries, shape = parts
    if shape.ndim != 1 or entries.ndim != 1 or places.shape != (len(entries), len(shape)):
        shapes = [list(part.shape) for part in parts]
        raise invalid(f"Expected SparseTensor[{index}] of a matrix and two vectors, got the shapes {shapes}")
    return places, entries, shape


def _fault(data: bytes, index: int, column: int, dtype: DType, error: Exception) -> str:
    """What is wrong with one string of a row."""
    other = dtype_of(data)
    if column == 1 and other is not None and other != dtype:
        return f"Requested SparseTensor of type {dtype.name} but SparseTensor[{index}].values.dtype() == {other.name}"
    return f"Could not parse serialized_sparse[{index}, {column}], a part of a sparse tensor of {dtype.name}: {error}"


_TEXT = no_gradient("a serialized tensor is text")

for _kind, _spec, _kernel in (
    ("SerializeSparse", _serialize_spec, _serialize_kernel),
    ("SerializeManySparse", _serialize_many_spec, _serialize_many_kernel),
    ("DeserializeSparse", _deserialize_spec, _deserialize_kernel),
    ("DeserializeManySparse", _deserialize_many_spec, _deserialize_kernel),
):
    define(_kind, spec=_spec, kernel=_kernel, gradient=_TEXT, batch=each, host_only=True)

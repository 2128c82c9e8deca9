"""Dense tensors of sparse ones, and sparse tensors of dense ones.

Source: tf.sparse_to_dense, sparse_tensor_to_dense, sparse_to_indicator, sparse.from_dense, sparse.eye of TensorFlow
1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import as_dtype, float32, int32, int64
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.fill import fill, zeros
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, shape
from dflow.ops.array.stack import stack
from dflow.ops.math.arithmetic import minimum, subtract
from dflow.ops.math.compare import not_equal, where
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.static import graph_of, known_value, only, same_dtype, spec_of
from dflow.ops.sparse.at_indices import flat_places, values_at
from dflow.ops.sparse.merge import sparse_merge
from dflow.ops.sparse.rules import Array, check_places, invalid
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE
from dflow.sparse_tensor import SparseTensor, as_sparse
from dflow.specs import TensorSpec

__all__ = ["from_dense", "sparse_eye", "sparse_tensor_to_dense", "sparse_to_dense", "sparse_to_indicator"]


def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A dense tensor with values at some indices, and `default_value` everywhere else.

    sparse_indices: int32 or int64: [n, rank]; [n] for a vector; a scalar for one entry of a vector.
    output_shape: [rank], of the same dtype.  sparse_values: [n], or one value for all indices.
    validate_indices: whether a run raises InvalidArgumentError for indices that are not in row-major order, or come
    twice; out of bounds, they always are an error.
    """
    graph = graph_of((sparse_indices, output_shape, sparse_values, default_value))
    with scopes.building_in(graph), graph.name_scope(name or "SparseToDense") as scope:
        places = convert_to_tensor(sparse_indices, name="sparse_indices")
        sizes = convert_to_tensor(output_shape, None if hasattr(output_shape, "dtype") else places.dtype,
                                  name="output_shape")  # fmt: skip
        values = convert_to_tensor(sparse_values, name="sparse_values")
        default = _default(default_value, values)
        static = UNKNOWN_SHAPE if (known := known_value(sizes)) is None else known.tolist()
        result: Tensor = add_op("SparseToDense", places, sizes, values, default, name=scope,
                                validate_indices=bool(validate_indices))  # fmt: skip
        if known is not None and known.ndim == 1:
            result.set_shape(static)
        return result


def _default(value: Any, values: Tensor) -> Tensor:
    if value == 0 and not hasattr(value, "dtype") and values.dtype.name == "string":
        value = ""
    return convert_to_tensor(value, None if hasattr(value, "graph") else values.dtype, name="default_value")


def _spec(indices: TensorSpec, sizes: TensorSpec, values: TensorSpec, default: TensorSpec, **_: Any) -> TensorSpec:
    only(indices, indices.dtype in (int32, int64), "int32 or int64 as indices")
    same_dtype(indices, sizes)
    same_dtype(values, default)
    (rank,) = sizes.shape.with_rank(1).known
    return spec_of(None if rank is None else [None] * rank, values.dtype)


def _kernel(indices: Array, sizes: Array, values: Array, default: Array, validate_indices: bool) -> Array:
    places = _as_rows(indices, sizes)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != len(places)):
        raise invalid(f"sparse_values has incorrect shape {list(values.shape)}, should be [] or [{len(places)}]")
    if default.ndim:
        raise invalid("default_value should be a scalar.")
    check_places(places, sizes.tolist(), ordered=validate_indices)
    result = np.full(tuple(sizes.tolist()), default[()], values.dtype)
    result.reshape(-1)[flat_places(places, result.shape)] = values
    return result


def _as_rows(indices: Array, sizes: Array) -> Array:
    """The indices as [n, rank]; InvalidArgumentError if they do not fit to the shape."""
    if indices.ndim > 2:
        raise invalid(f"sparse_indices should be a scalar, vector, or matrix, got shape {list(indices.shape)}")
    if sizes.ndim != 1:
        raise invalid(f"output_shape should be a vector, got shape {list(sizes.shape)}")
    rows = indices if indices.ndim == 2 else indices.reshape(-1, 1)
    if rows.shape[1] != len(sizes):
        raise invalid(f"output_shape has incorrect number of elements: {len(sizes)} should be: {rows.shape[1]}")
    return rows


def _gradient(op: Operation, dy: Tensor) -> list[Tensor | None]:
    indices, _, values, _ = op.inputs
    rows = indices if indices.shape.ndims == 2 else expand_dims(indices, -1)
    if indices.shape.ndims == 0:
        rows = expand_dims(rows, 0)
    at_values = values_at(dy, rows)
    of_values = reduce_sum(at_values) if values.shape.ndims == 0 else at_values
    return [None, None, of_values, subtract(reduce_sum(dy), reduce_sum(at_values))]


define("SparseToDense", spec=_spec, kernel=_kernel, gradient=_gradient, host_only=True)


def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """A sparse tensor as a dense one.

    default_value: of the places without an entry; None: 0, False or "".  validate_indices: as `sparse_to_dense`.
    """
    sparse = as_sparse(sp_input)
    with scopes.building_in(sparse.graph):
        default = zeros([], sparse.dtype) if default_value is None else default_value
        parts = sparse.indices, sparse.dense_shape, sparse.values
        result = sparse_to_dense(*parts, default_value=default, validate_indices=validate_indices, name=name)
        result.set_shape(sparse.shape)
        return result


def sparse_to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Tensor:
    """A bool tensor [..., vocab_size]: for each row of a sparse tensor [..., n] of integers, which of them it holds."""
    sparse = as_sparse(sp_input)
    graph = sparse.graph
    with scopes.building_in(graph), graph.name_scope(name or "SparseToIndicator") as scope:
        count = expand_dims(shape(sparse.indices)[0], 0)
        there = SparseTensor(sparse.indices, fill(count, True), sparse.dense_shape)
        merged = sparse_merge(sparse, there, vocab_size)
        return sparse_tensor_to_dense(merged, default_value=False, validate_indices=False, name=scope)


def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """A SparseTensor of the values of a dense tensor that are not 0, False or ""."""
    with scopes.building_in(graph_of((tensor,))):
        dense = convert_to_tensor(tensor)
        with dense.graph.name_scope(name or "dense_to_sparse"):
            indices = where(not_equal(dense, zeros([], dense.dtype)))
            return SparseTensor(indices, values_at(dense, indices), shape(dense, out_type=int64))


def sparse_eye(num_rows: Any, num_columns: Any = None, dtype: Any = float32, name: str | None = None) -> SparseTensor:
    """A sparse matrix [num_rows, num_columns] with ones on its diagonal.  num_columns: None: as many as rows."""
    kind = as_dtype(dtype)
    graph = graph_of((num_rows, num_columns))
    with scopes.building_in(graph), graph.name_scope(name or "eye"):
        rows = convert_to_tensor(num_rows, None if hasattr(num_rows, "dtype") else int64)
        columns = rows if num_columns is None else convert_to_tensor(
            num_columns, None if hasattr(num_columns, "dtype") else int64)  # fmt: skip
        rows, columns = (_as_int64(size) for size in (rows, columns))
        length = minimum(rows, columns)
        diagonal = range_(length)
        one = convert_to_tensor(np.ones((), kind.numpy_dtype))
        return SparseTensor(stack([diagonal, diagonal], 1), fill(expand_dims(length, 0), one), stack([rows, columns]))


def _as_int64(size: Tensor) -> Tensor:
    result: Tensor = size if size.dtype == int64 else add_op("Cast", size, dtype=int64)
    return result

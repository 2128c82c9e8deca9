"""Indexed slices: the rows of a larger tensor at some indices, which stand for that tensor with zeros elsewhere.

The gradient of `gather` with respect to its first argument is of this kind: a step that reads a few rows of a large
variable computes, sends and applies only these rows.
Source: tf.IndexedSlices, tf.convert_to_tensor_or_indexed_slices of TensorFlow 1.15.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dflow.dtypes import DType, as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Graph, Operation, Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.arrays import check_indices, ints, scatter_add
from dflow.ops.rules.like import only_first
from dflow.ops.rules.static import graph_of, known_shape, only
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "IndexedSlices",
    "IndexedSlicesValue",
    "convert_n_to_tensor_or_indexed_slices",
    "convert_to_tensor_or_indexed_slices",
    "densified",
]

LARGE = 100_000_000  # values of a dense tensor, from which on a conversion warns


class IndexedSlicesValue(NamedTuple):
    """The value of IndexedSlices, as arrays."""

    values: Any
    indices: Any
    dense_shape: Any


class IndexedSlices:
    """Rows of a larger tensor: `dense[indices[i]]` is the sum of the `values[i]` with this index, else zeros.

    values: [n, ...]; indices: integers [n]; dense_shape: integers [rank], or None if it is not known.
    Fetching it gives an IndexedSlicesValue.  Used as a tensor, it becomes the dense one.
    """

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        with scopes.building_in(graph_of((values, indices, dense_shape))):
            self._values = convert_to_tensor(values, name="values")
            self._indices = convert_to_tensor(indices, name="indices")
            self._dense_shape = None if dense_shape is None else convert_to_tensor(dense_shape, name="dense_shape")

    @property
    def values(self) -> Tensor:
        return self._values

    @property
    def indices(self) -> Tensor:
        return self._indices

    @property
    def dense_shape(self) -> Tensor | None:
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The static shape of the dense tensor, as far as it is known while the graph is built."""
        return TensorShape(None) if self._dense_shape is None else known_shape(self._dense_shape)

    def get_shape(self) -> TensorShape:
        return self.shape

    @property
    def name(self) -> str:
        return self._values.name

    @property
    def dtype(self) -> DType:
        return self._values.dtype

    @property
    def device(self) -> str:
        return self._values.device

    @property
    def op(self) -> Operation:
        """The operation that makes the values."""
        return self._values.op

    @property
    def graph(self) -> Graph:
        return self._values.graph

    def consumers(self) -> list[Operation]:
        """The operations that take one of its tensors."""
        return list(dict.fromkeys(op for part in self._parts() for op in part.consumers()))

    def __neg__(self) -> IndexedSlices:
        return self.mapped(lambda values: -values)

    def mapped(self, function: Callable[[Tensor], Any]) -> IndexedSlices:
        """The same rows, with other values."""
        return IndexedSlices(function(self._values), self._indices, self._dense_shape)

    def _parts(self) -> list[Tensor]:
        parts = [self._values, self._indices]
        return parts if self._dense_shape is None else [*parts, self._dense_shape]

    def _with_parts(self, parts: list[Tensor]) -> IndexedSlices:
        return IndexedSlices(*parts)

    def _shape_invariants(self, shape: TensorShape | None) -> list[TensorShape | None]:
        """The static shapes of its tensors in a loop, if `shape` is that of its values; None: as they are."""
        if shape is None:
            return [None] * len(self._parts())
        rank = None if shape.ndims is None else shape.ndims
        sizes = [None] if rank is None else shape.as_list()[:1]
        invariants: list[TensorShape | None] = [shape, TensorShape(sizes), TensorShape([rank])]
        return invariants[: len(self._parts())]

    def _fetch_parts(self) -> tuple[list[Tensor], Callable[..., IndexedSlicesValue]]:
        """The tensors that a session fetches for it, and a function from their values to its value."""
        return self._parts(), lambda values, indices, dense_shape=None: IndexedSlicesValue(values, indices, dense_shape)

    def _as_tensor(self) -> Tensor:
        """The dense tensor, with a UserWarning if it is large or if its size is not known."""
        size = None if self._dense_shape is None else self.shape.num_elements()
        if self._dense_shape is not None and (size is None or size >= LARGE):
            what = "of unknown shape" if size is None else f"with {size} elements"
            warnings.warn(
                f"Converting sparse IndexedSlices to a dense Tensor {what}. This may consume a large amount of memory.",
                stacklevel=2,
            )
        return densified(self)

    def _as_graph_element(self) -> Tensor:
        return self._values

    def __repr__(self) -> str:
        dense_shape = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{dense_shape})"


def densified(value: Tensor | IndexedSlices) -> Tensor:
    """The dense tensor of indexed slices; a tensor as it is.  ValueError for slices without a dense shape."""
    if isinstance(value, Tensor):
        return value
    if value.dense_shape is None:
        raise ValueError(f"Tensor conversion requested for IndexedSlices without dense_shape: {value!r}")
    with scopes.building_in(value.graph):
        result: Tensor = add_op("DenseOfSlices", value.values, value.indices, value.dense_shape)
    result.set_shape(value.shape)
    return result


def _dense_spec(values: TensorSpec, indices: TensorSpec, dense_shape: TensorSpec) -> TensorSpec:
    only(values, values.dtype.is_numeric, "numbers")
    only(indices, indices.dtype.is_integer, "integers as indices")
    only(dense_shape, dense_shape.dtype.is_integer, "integers as a shape")
    n = indices.shape.with_rank(1)
    if values.shape.ndims == 0:
        raise ShapeError("the values of indexed slices are rows, got a scalar")
    if values.shape.ndims is not None:
        TensorShape(values.shape.known[:1]).merge_with(n)
        rest = values.shape.known[1:]
        dense_shape.shape.merge_with([len(rest) + 1])
        return TensorSpec(TensorShape([None, *rest]), values.dtype)
    return TensorSpec(TensorShape(None), values.dtype)


def _dense_kernel(values: Any, indices: Any, dense_shape: Any) -> Any:
    sizes = ints(dense_shape)
    if indices.ndim != 1 or tuple(values.shape[:1]) != tuple(indices.shape) or len(sizes) != values.ndim:
        raise InvalidArgumentError(
            None,
            None,
            f"slices of shape {list(values.shape)} at indices of shape {list(indices.shape)} do not fit into a tensor "
            f"of shape {list(sizes)}",
        )
    check_indices(indices, sizes[0])
    return scatter_add(sizes[0], indices, values)


def _dense_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, add_op("GatherV2", dy, op.inputs[1], axis=0))


define("DenseOfSlices", spec=_dense_spec, kernel=_dense_kernel, gradient=_dense_gradient, owns_outputs=True)


def convert_to_tensor_or_indexed_slices(
    value: Any, dtype: Any = None, name: str | None = None
) -> Tensor | IndexedSlices:
    """IndexedSlices as they are, anything else as `convert_to_tensor` does.

    ValueError for a value of another dtype than `dtype`.
    """
    if isinstance(value, (IndexedSlices, Tensor)):
        if dtype is not None and as_dtype(dtype) != value.dtype:
            raise ValueError(
                f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with dtype "
                f"{value.dtype.name}: {value!r}"
            )
        return value
    return convert_to_tensor(value, dtype, name)


def convert_n_to_tensor_or_indexed_slices(
    values: Iterable[Any], dtype: Any = None, name: str | None = None
) -> list[Tensor | IndexedSlices | None]:
    """Each of the values, as `convert_to_tensor_or_indexed_slices` does; None stays None.

    TypeError if `values` cannot be iterated over.
    """
    if not isinstance(values, Iterable):
        raise TypeError("values must be iterable.")
    return [
        None if it is None else convert_to_tensor_or_indexed_slices(it, dtype, None if name is None else f"{name}_{i}")
        for i, it in enumerate(values)
    ]

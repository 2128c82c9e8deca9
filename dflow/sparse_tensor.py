"""Sparse tensors: the indices of the entries, their values, and the dense shape, as three tensors.

Source: tf.SparseTensor of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dflow.dtypes import DType, int64
from dflow.graph import Graph, Operation, Tensor, convert_to_tensor, scopes
from dflow.ops.rules.static import graph_of, known_shape
from dflow.tensor_shape import TensorShape, as_shape, unknown_shape

__all__ = ["SparseTensor", "SparseTensorValue", "as_sparse", "convert_to_tensor_or_sparse_tensor", "is_sparse"]


class SparseTensorValue(NamedTuple):
    """The value of a SparseTensor, as arrays."""

    indices: Any
    values: Any
    dense_shape: Any


class SparseTensor:
    """A tensor of which only some entries are stored.

    indices: int64 [n, rank], in order of rows; values: [n], of any dtype; dense_shape: int64 [rank].
    Fetching one gives a SparseTensorValue.  Raises ShapeError (a ValueError) for shapes that do not fit together.
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        graph = graph_of((indices, values, dense_shape))
        with scopes.building_in(graph), graph.name_scope("SparseTensor"):
            self._indices = convert_to_tensor(indices, int64, name="indices")
            self._values = convert_to_tensor(values, name="values")
            self._dense_shape = convert_to_tensor(dense_shape, int64, name="dense_shape")
        indices_shape = self._indices.shape.with_rank(2)
        n = self._values.shape.with_rank(1)
        rank = self._dense_shape.shape.with_rank(1)
        TensorShape([indices_shape.known[0]]).merge_with(n)
        TensorShape([indices_shape.known[1]]).merge_with(rank)
        self._shape = unknown_shape()  # what `set_shape` said

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A constant of a SparseTensorValue; a SparseTensor as it is.  TypeError for anything else."""
        if isinstance(sparse_tensor_value, cls):
            return sparse_tensor_value
        if not isinstance(sparse_tensor_value, SparseTensorValue):
            raise TypeError(f"Neither a SparseTensor nor SparseTensorValue: {sparse_tensor_value!r}.")
        return cls(*sparse_tensor_value)

    @property
    def indices(self) -> Tensor:
        return self._indices

    @property
    def values(self) -> Tensor:
        return self._values

    @property
    def dense_shape(self) -> Tensor:
        return self._dense_shape

    @property
    def dtype(self) -> DType:
        return self._values.dtype

    @property
    def op(self) -> Operation:
        """The operation that makes the values."""
        return self._values.op

    @property
    def graph(self) -> Graph:
        return self._values.graph

    @property
    def shape(self) -> TensorShape:
        """The static dense shape, as far as it is known while the graph is built."""
        rank = TensorShape([self._indices.shape.with_rank(2).known[1]])
        (rank_of_shape,) = self._dense_shape.shape.with_rank(1).merge_with(rank).known
        known = TensorShape(None if rank_of_shape is None else [None] * rank_of_shape)
        return known.merge_with(known_shape(self._dense_shape)).merge_with(self._shape)

    def get_shape(self) -> TensorShape:
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Add known sizes to the static shape; ShapeError if they contradict the shape that is known already."""
        self._shape = self.shape.merge_with(as_shape(shape))

    def with_values(self, new_values: Any) -> SparseTensor:
        """A SparseTensor with other values at the same places."""
        return SparseTensor(self._indices, new_values, self._dense_shape)

    def consumers(self) -> list[Operation]:
        """The operations that take one of its three tensors."""
        parts = (self._indices, self._values, self._dense_shape)
        return list(dict.fromkeys(op for part in parts for op in part.consumers()))

    def eval(self, feed_dict: dict[Any, Any] | None = None, session: Any = None) -> SparseTensorValue:
        """The value in `session`, or in the default session; ValueError if there is none."""
        parts, rebuild = self._fetch_parts()
        return rebuild(*scopes.session_for(self.graph, session).run(parts, feed_dict))

    def _fetch_parts(self) -> tuple[list[Tensor], Callable[..., SparseTensorValue]]:
        """The tensors that a session fetches for it, and a function from their values to its value.

        A feed goes to the same tensors.
        """
        return [self._indices, self._values, self._dense_shape], SparseTensorValue

    def _parts(self) -> list[Tensor]:
        """The tensors that it consists of, for `nest`."""
        return [self._indices, self._values, self._dense_shape]

    def _shape_invariants(self, shape: Any) -> list[Any]:
        """The static shapes of its tensors in a loop, if `shape` is that of `dense_shape`; None: of its own rank."""
        rank = as_shape(self._dense_shape.shape if shape is None else shape).with_rank(1)
        return [as_shape([None, *rank.as_list()]), unknown_shape(1), rank]

    def _with_parts(self, parts: Any) -> SparseTensor:
        return SparseTensor(*parts)

    def __repr__(self) -> str:
        return f"SparseTensor(indices={self._indices!r}, values={self._values!r}, dense_shape={self._dense_shape!r})"


def is_sparse(value: Any) -> bool:
    """Whether it is a SparseTensor, or the value of one."""
    return isinstance(value, (SparseTensor, SparseTensorValue))


def as_sparse(value: Any) -> SparseTensor:
    """A SparseTensor of a SparseTensor or its value; TypeError for anything else."""
    if not is_sparse(value):
        raise TypeError(f"Input must be a SparseTensor, got {value!r}.")
    return SparseTensor.from_value(value)


def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor | SparseTensor:
    """A SparseTensor of a SparseTensor or its value, else a tensor.  TypeError for a SparseTensor of another dtype."""
    if not is_sparse(value):
        with scopes.building_in(graph_of((value,))):
            return convert_to_tensor(value, dtype, name=name)
    sparse = SparseTensor.from_value(value)
    if dtype is not None and sparse.dtype != dtype:
        raise RuntimeError(f"Sparse dtype: requested = {dtype}, actual = {sparse.dtype}")
    return sparse

"""Partitioned variables: several variables that hold the parts of a larger one along one axis.

    w = df.get_variable("w", [1000, 8], partitioner=df.fixed_size_partitioner(4))  # w/part_0, ..., w/part_3
    rows = df.nn.embedding_lookup(w, ids)

Source: PartitionedVariable of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.graph import Graph, Tensor
from dflow.ops.array.concat import concat, split
from dflow.ops.control import identity
from dflow.ops.state.variables import Variable
from dflow.shapes import TensorShape, as_shape

__all__ = ["PartitionedVariable"]


class PartitionedVariable:
    """The parts of a variable, in order; used as a tensor, it is their concatenation.

    name, shape, dtype: of the whole; variable_list: the parts, each with its `SaveSliceInfo`; partitions: the number of
    parts along each axis.  TypeError or ValueError for parts that are not those of such a variable.
    """

    def __init__(
        self, name: str, shape: Any, dtype: Any, variable_list: Sequence[Variable], partitions: Sequence[int]
    ) -> None:
        if not isinstance(variable_list, (list, tuple)):
            raise TypeError(f"variable_list is not a list or tuple: {variable_list}")
        if not isinstance(partitions, (list, tuple)):
            raise TypeError(f"partitions is not a list or tuple: {partitions}")
        if not all(number >= 1 for number in partitions):
            raise ValueError(f"partition values must be positive: {partitions}")
        if not variable_list:
            raise ValueError("variable_list may not be empty")
        sizes = as_shape(shape).as_list()
        parts = [variable._get_save_slice_info() for variable in variable_list]
        if any(part is None for part in parts):
            raise ValueError(f"All variables must have a save_slice_info available: {[v.name for v in variable_list]}")
        if len(sizes) != len(partitions):
            raise ValueError(f"len(shape) != len(partitions): {len(sizes)} vs. {len(partitions)}")
        full_shapes = [part.full_shape for part in parts if part is not None]
        if any(full_shape != sizes for full_shape in full_shapes):
            raise ValueError(
                f"All variables' full shapes must match shape: {sizes}; but full shapes were: {full_shapes}"
            )
        self._name = name
        self._shape = as_shape(shape)
        self._dtype = as_dtype(dtype)
        self._variable_list = sorted(variable_list, key=_offset)
        self._partitions = list(partitions)

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._variable_list)

    def __len__(self) -> int:
        return len(self._variable_list)

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        return self._shape

    def get_shape(self) -> TensorShape:
        return self._shape

    @property
    def graph(self) -> Graph:
        graph: Graph = self._variable_list[0].graph
        return graph

    def _get_variable_list(self) -> list[Variable]:
        return self._variable_list

    def _get_partitions(self) -> list[int]:
        return self._partitions

    def _partition_axes(self) -> list[int]:
        return [axis for axis, number in enumerate(self._partitions) if number > 1] or [0]

    def _axis(self) -> int:
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot concatenate along more than one dimension: {axes}")
        return axes[0]

    def as_tensor(self) -> Tensor:
        """The parts put together: a new tensor, called like the variable, without control inputs."""
        with self.graph.control_dependencies(None):
            return self._concat()

    def _concat(self) -> Tensor:
        """The parts put together after the current control dependencies."""
        graph = self.graph
        with graph.as_default():
            if len(self._variable_list) == 1:
                whole: Any = self._variable_list[0]
            else:
                with graph.name_scope(f"{self._name}/ConcatPartitions/"):
                    whole = concat(self._variable_list, self._axis())
            with graph.name_scope(None):
                return identity(whole, name=self._name)

    _as_tensor = as_tensor

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Assign the parts of a value; gives the new value of each, or the operations if read_value=False.

        value: of the shape of the whole; or a list of values, or another partitioned variable, with as many parts.
        """
        return self._each(value, lambda part, its: part.assign(its, use_locking, name, read_value))

    def assign_add(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add the parts of a value; results as of `assign`."""
        return self._each(value, lambda part, its: part.assign_add(its, use_locking, name, read_value))

    def assign_sub(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract the parts of a value; results as of `assign`."""
        return self._each(value, lambda part, its: part.assign_sub(its, use_locking, name, read_value))

    def _each(self, value: Any, change: Callable[[Variable, Any], Any]) -> list[Any]:
        axis = self._axis()
        with self.graph.as_default():
            if isinstance(value, (list, tuple, PartitionedVariable)) and len(value) == len(self._variable_list):
                parts: Any = list(value)
            else:
                parts = split(value, [part.shape.known[axis] for part in self._variable_list], axis)
            return [change(part, its) for part, its in zip(self._variable_list, parts, strict=True)]


def _offset(variable: Variable) -> list[int]:
    part = variable._get_save_slice_info()
    assert part is not None
    return part.var_offset

"""The variables of a graph that `get_variable` made, by their full names, and the rules of making and finding them.

Source: the variable store of TensorFlow 1.15 (variable_scope.py).
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from dflow import forks
from dflow.dtypes import DType, as_dtype, float32
from dflow.graph import Graph, GraphKeys, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.slice import slice as slice_
from dflow.ops.state.distribution import checked_modes
from dflow.ops.state.initializers import zeros_initializer
from dflow.ops.state.partitioned import PartitionedVariable
from dflow.ops.state.partitions import PartitionInfo, called_partitioner, divided_axis, parts_along
from dflow.ops.state.variable_proto import SaveSliceInfo
from dflow.ops.state.variables import Variable
from dflow.ops.state.variance_scaling import glorot_uniform_initializer
from dflow.shapes import TensorShape, as_shape

__all__ = ["VariableStore", "variable_store"]

_ANYHOW = "Did you mean to set reuse=True or reuse=AUTO_REUSE in the variable scope?"


class VariableStore:
    """Variables and partitioned variables by name.

    Its lock is held while a variable is looked up and made, so that threads which share a variable make it once.
    """

    def __init__(self) -> None:
        self._vars: dict[str, Variable] = {}
        self._partitioned_vars: dict[str, PartitionedVariable] = {}
        self.lock = threading.RLock()
        forks.new_lock_in_child(self, "lock", threading.RLock)

    def get_variable(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = float32,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        """The variable of this full name: a new one, or the one that was made before.  See `df.get_variable`.

        reuse: True: it must be there, False: it must not, None or AUTO_REUSE: either.
        """
        if custom_getter is not None and not callable(custom_getter):
            raise ValueError(f"Passed a custom_getter which is not callable: {custom_getter}")
        synchronization, aggregation, trainable = checked_modes(synchronization, aggregation, trainable, name)
        arguments: dict[str, Any] = {
            "name": name,
            "shape": shape,
            "dtype": as_dtype(dtype),
            "initializer": initializer,
            "regularizer": regularizer,
            "reuse": reuse,
            "trainable": trainable,
            "collections": collections,
            "caching_device": caching_device,
            "partitioner": partitioner,
            "validate_shape": validate_shape,
            "use_resource": use_resource,
            "synchronization": synchronization,
            "aggregation": aggregation,
        }
        if custom_getter is None:
            return self._true_getter(**arguments, constraint=constraint)
        if _takes(custom_getter, "constraint"):
            arguments["constraint"] = constraint
        return custom_getter(getter=self._true_getter, **arguments)

    def _true_getter(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = float32,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        """What a custom getter gets as its `getter`."""
        options = {
            "trainable": trainable,
            "collections": collections,
            "caching_device": caching_device,
            "validate_shape": validate_shape,
            "use_resource": use_resource,
            "constraint": constraint,
            "synchronization": synchronization,
            "aggregation": aggregation,
        }
        is_scalar = shape is not None and isinstance(shape, (Sequence, TensorShape)) and list(shape) == []
        with self.lock, get_default_graph().name_scope(None):
            if partitioner is not None and not is_scalar:
                if not callable(partitioner):
                    raise ValueError(f"Partitioner must be callable, but received: {partitioner}")
                return self.partitioned(
                    name, shape, as_dtype(dtype), initializer, regularizer, reuse, partitioner, options
                )
            if reuse is True and partitioner is None and name in self._partitioned_vars:
                return self.partitioned(name, shape, as_dtype(dtype), initializer, regularizer, reuse, None, options)
            if f"{name}/part_0" in self._vars:
                raise ValueError(
                    "No partitioner was provided, but a partitioned version of the variable was found: "
                    f"{name}/part_0. Perhaps a variable of the same name was already created with partitioning?"
                )
            return self._single(name, shape, as_dtype(dtype), initializer, regularizer, reuse, None, options)

    # -- a single variable

    def _single(
        self,
        name: str,
        shape: Any,
        dtype: DType,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        part: PartitionInfo | None,
        options: dict[str, Any],
    ) -> Variable:
        is_value = initializer is not None and not callable(initializer)
        if shape is not None and is_value:
            raise ValueError("If initializer is a constant, do not specify shape.")
        known = as_shape(shape)
        if name in self._vars:
            return self._found(self._vars[name], name, known, dtype, reuse)
        if reuse is True:
            raise ValueError(
                f"Variable {name} does not exist, or was not created with get_variable(). "
                "Did you mean to set reuse=AUTO_REUSE in the variable scope?"
            )
        if initializer is None:
            initializer = _default_initializer(name, dtype)
        value, value_dtype = (initializer, None) if is_value else _value_of(name, initializer, known, dtype, part)
        variable: Variable = Variable(value, name=name, dtype=value_dtype, **options)
        self._vars[name] = variable
        if regularizer is not None:
            _regularize(variable, name, regularizer)
        return variable

    def _found(self, variable: Variable, name: str, shape: TensorShape, dtype: DType, reuse: Any) -> Variable:
        if reuse is False:
            raise ValueError(
                f"Variable {name} already exists, disallowed. {_ANYHOW} Originally defined at: {variable.op.made_at}"
            )
        if not shape.is_compatible_with(variable.shape):
            raise ValueError(
                f"Trying to share variable {name}, but specified shape {shape} and found shape {variable.shape}."
            )
        if dtype != variable.dtype:
            raise ValueError(
                f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype "
                f"{variable.dtype.name}."
            )
        return variable

    # -- a partitioned variable

    def partitioned(
        self,
        name: str,
        shape: Any,
        dtype: DType,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        partitioner: Any,
        options: dict[str, Any],
    ) -> PartitionedVariable:
        """The partitioned variable of this name: a new one, or the one that was made before."""
        if name in self._vars:
            raise ValueError(
                "A partitioner was provided, but an unpartitioned version of the variable was found: "
                f"{name}. Perhaps a variable of the same name was already created without partitioning?"
            )
        whole = as_shape(shape)
        if isinstance(initializer, Tensor):
            whole = whole.merge_with(initializer.shape)
        parts = called_partitioner(partitioner, whole, dtype) if partitioner is not None else None
        if name in self._partitioned_vars:
            return self._found_partitioned(name, whole, dtype, reuse, parts)
        if reuse is True:
            raise ValueError(
                f"PartitionedVariable {name} does not exist, or was not created with get_variable(). "
                "Did you mean to set reuse=False or reuse=AUTO_REUSE in the variable scope?"
            )
        assert parts is not None
        axis, number = divided_axis(parts)
        self._check_parts(name, number)
        sizes = [int(size) for size in whole.as_list() if size is not None]
        made = []
        for i, (offset, part_sizes) in enumerate(parts_along(sizes, number, axis)):
            part_name = f"{name}/part_{i}"
            value, part_shape, part_dtype = _initial_part(part_name, initializer, dtype, offset, part_sizes)
            info = PartitionInfo(full_shape=sizes, var_offset=offset)
            part = self._single(part_name, part_shape, part_dtype, value, regularizer, reuse, info, options)
            part._set_save_slice_info(SaveSliceInfo(name, sizes, offset, part_sizes))
            made.append(part)
        variable = PartitionedVariable(name, whole, made[0].dtype, made, parts)
        self._partitioned_vars[name] = variable
        return variable

    def _found_partitioned(
        self, name: str, shape: TensorShape, dtype: DType, reuse: Any, parts: list[int] | None
    ) -> PartitionedVariable:
        existing = self._partitioned_vars[name]
        if reuse is False:
            raise ValueError(f"Partitioned variable with name {name} already exists. {_ANYHOW}")
        for what, given, found, fits in (
            ("shape", shape, existing.shape, shape.is_compatible_with(existing.shape)),
            ("dtype", dtype.name, existing.dtype.name, dtype == existing.dtype),
            ("partitions", parts, existing._get_partitions(), parts in (None, existing._get_partitions())),
        ):
            if not fits:
                raise ValueError(
                    f"Trying to reuse partitioned variable {name}, but specified {what} {given} "
                    f"and found {what} {found}."
                )
        return existing

    def _check_parts(self, name: str, number: int) -> None:
        """ValueError if variables are there that are another number of parts."""
        if f"{name}/part_0" not in self._vars:
            return
        fact = f"Partitioner returned {number} shards, and shard {name}/part_0 was found, but"
        if f"{name}/part_{number - 1}" not in self._vars:
            raise ValueError(
                "Partitioner returned a different partitioning than what was already found. "
                f"{fact} {name}/part_{number - 1} was not."
            )
        if f"{name}/part_{number}" in self._vars:
            raise ValueError(
                "Partitioner returned a different partitioning than what was already found. "
                f"{fact} so was the extra shard {name}/part_{number}."
            )


def _value_of(
    name: str, initializer: Any, shape: TensorShape, dtype: DType, part: PartitionInfo | None
) -> tuple[Any, DType | None]:
    """A function that makes the initial value, and the dtype to convert it to (None: its own)."""
    if isinstance(initializer, type):
        initializer = initializer()
    if shape.is_fully_defined():
        more = {"partition_info": part} if _takes(initializer, "partition_info", by_name=True) else {}
        return (lambda: initializer(shape.as_list(), dtype=dtype, **more)), dtype
    if _takes_nothing(initializer):
        return initializer, None
    raise ValueError(
        "The initializer passed is not valid. It should be a callable with no arguments and the shape should not be "
        "provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined. "
        f"Shape of a new variable ({name}) must be fully defined, but instead was {shape}."
    )


def _initial_part(
    name: str, initializer: Any, dtype: DType, offset: list[int], sizes: list[int]
) -> tuple[Any, list[int] | None, DType]:
    """The initializer, the shape and the dtype of one part: a value is cut, a function is called for each part."""
    if initializer is None or callable(initializer):
        return initializer, sizes, dtype
    with get_default_graph().name_scope(f"{name}/PartitionedInitializer"):
        value = initializer if isinstance(initializer, Tensor) else convert_to_tensor(initializer, dtype)
        return slice_(value, offset, sizes), None, value.dtype


def _default_initializer(name: str, dtype: DType) -> Any:
    if dtype.is_floating:
        return glorot_uniform_initializer()
    if dtype.is_integer or dtype.is_bool or dtype.name == "string":
        return zeros_initializer()
    raise ValueError(f"An initializer for variable {name} of {dtype.name} is required")


def _regularize(variable: Variable, name: str, regularizer: Callable[[Variable], Any]) -> None:
    graph = variable.graph
    with graph.colocate_with(variable.op), graph.name_scope(f"{name}/Regularizer/"):
        loss = regularizer(variable)
    if loss is not None:
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # of some functions of C nothing is known
        return []


def _takes(function: Callable[..., Any], name: str, by_name: bool = False) -> bool:
    """Whether a function has a parameter of this name or, unless by_name, takes any keywords."""
    return any(p.name == name or (p.kind is p.VAR_KEYWORD and not by_name) for p in _parameters(function))


def _takes_nothing(function: Callable[..., Any]) -> bool:
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in _parameters(function))


_KEY = ("__variable_store",)
_making_stores = threading.Lock()
forks.new_lock_in_child(sys.modules[__name__], "_making_stores")


def variable_store(graph: Graph) -> VariableStore:
    """The variables of a graph that `get_variable` made; one store for each graph."""
    stores = graph.get_collection_ref(_KEY)
    with _making_stores:
        if not stores:
            stores.append(VariableStore())
    store: VariableStore = stores[0]
    return store


def _get_default_variable_store() -> VariableStore:
    """The store of the default graph, as programs that use TensorFlow's modules ask for it."""
    return variable_store(get_default_graph())

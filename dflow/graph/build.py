"""Functions that add operations to a graph, for `ops/` and for the operations of users."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from dflow import forks
from dflow.dimension import Dimension
from dflow.dtypes import DType, as_dtype, to_array
from dflow.graph import scopes
from dflow.graph.conversion import conversions_of, converted
from dflow.graph.core import Graph, Operation, Tensor
from dflow.shapes import TensorShape


def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None, dtype_hint: Any = None
) -> Tensor:
    """`value` as a tensor: a tensor itself, a variable's value, or a constant of a Python or NumPy value.

    An object of a class with a conversion function is converted by it, see `register_tensor_conversion_function`.
    dtype: the dtype of a constant; a tensor of another dtype is a ValueError, a value that does not fit is a TypeError.
    dtype_hint (preferred_dtype is its old name): without a dtype, the one to take if the value fits into it.
    """
    hint = preferred_dtype if dtype_hint is None else dtype_hint
    if dtype is None and hint is not None:
        with suppress(TypeError, ValueError):
            return convert_to_tensor(value, hint, name)
    target = None if dtype is None else as_dtype(dtype).base_dtype
    for result in converted(value, target, name):
        return _checked_conversion(result, value, target)
    convert = getattr(value, "_as_tensor", None)
    if convert is not None:
        value = convert()
    if isinstance(value, Tensor):
        if target is not None and value.dtype != target:
            raise ValueError(
                f"Tensor conversion requested dtype {target.name} for Tensor with dtype {value.dtype.name}: {value!r}"
            )
        return value
    if isinstance(value, (list, tuple)) and any(_is_symbolic(item) for item in _leaves(value)):
        with scopes.building_in(_graph_of(list(_leaves(value)))):
            items = [_packed_item(item, target, value) for item in value]
            return create_op("Pack", *items, name=name or "packed", axis=0).outputs[0]
    if isinstance(value, Dimension) and value.value is None:
        raise ValueError(f"Cannot convert an unknown Dimension to a Tensor: {value}")
    if isinstance(value, TensorShape):
        if not value.is_fully_defined():
            raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor: {value}")
        value = value.as_list()
    return create_op("Const", name=name or "Const", value=_frozen(to_array(value, target))).outputs[0]


def _checked_conversion(result: Any, value: Any, dtype: DType | None) -> Tensor:
    """RuntimeError if a program's conversion function gave no tensor, or one of another dtype."""
    if not isinstance(result, Tensor):
        raise RuntimeError(f"Conversion function for type {type(value)} returned non-Tensor: {result!r}")
    if dtype is not None and result.dtype != dtype:
        raise RuntimeError(
            f"Conversion function for type {type(value)} returned incompatible dtype: requested = {dtype.name}, "
            f"actual = {result.dtype.name}"
        )
    return result


def _leaves(value: Any) -> Iterator[Any]:
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def _is_symbolic(item: Any) -> bool:
    return isinstance(item, Tensor) or hasattr(item, "_as_tensor") or bool(conversions_of(item))


def _packed_item(item: Any, dtype: DType | None, values: Any) -> Tensor:
    """An item of a list that becomes a tensor, cast to `dtype`; without one, a number takes the dtype of a tensor."""
    if isinstance(item, (list, tuple)) and any(_is_symbolic(leaf) for leaf in _leaves(item)):
        return convert_to_tensor(item, dtype)
    if not _is_symbolic(item):
        return convert_to_tensor(item, dtype or _dtype_of(next(leaf for leaf in _leaves(values) if _is_symbolic(leaf))))
    tensor = convert_to_tensor(item)
    return tensor if dtype is None or tensor.dtype == dtype else create_op("Cast", tensor, dtype=dtype).outputs[0]


def _dtype_of(leaf: Any) -> DType:
    dtype: DType = leaf.dtype if hasattr(leaf, "_as_tensor") else convert_to_tensor(leaf).dtype
    return dtype


def _frozen(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def create_op(kind: str, *inputs: Any, name: str | None = None, **attrs: Any) -> Operation:
    """Add an operation of `kind` to the default graph, and give the operation.

    inputs: tensors, or values that `convert_to_tensor` takes; attrs: its static arguments.
    """
    graph = _graph_of(inputs)
    with scopes.building_in(graph):
        tensors = [convert_to_tensor(item) for item in inputs]
        return graph.create_op(kind, tensors, attrs, name)


def add_op(kind: str, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
    """Like `create_op`, but give the output tensor, a list of several outputs, or an operation without outputs."""
    op = create_op(kind, *inputs, name=name, **attrs)
    if len(op.outputs) == 1:
        return op.outputs[0]
    return list(op.outputs) if op.outputs else op


def _graph_of(inputs: Sequence[Any]) -> Graph:
    """The graph of the first tensor among the inputs, else the default graph."""
    for item in inputs:
        graph = getattr(item, "graph", None)
        if isinstance(graph, Graph):
            return graph
    return get_default_graph()


_global_graph_lock = threading.Lock()
_global_graph: list[Graph] = []
forks.new_lock_in_child(sys.modules[__name__], "_global_graph_lock")


def get_default_graph() -> Graph:
    """The innermost `with graph.as_default()` of this thread, else the global graph of the process."""
    current: Graph | None = scopes.current_graph()
    if current is not None:
        return current
    with _global_graph_lock:
        if not _global_graph:
            _global_graph.append(Graph())
        return _global_graph[0]


def reset_default_graph() -> None:
    """Start again with an empty global graph; AssertionError inside `with graph.as_default()`."""
    if scopes.current_graph() is not None:
        raise AssertionError("Do not use reset_default_graph() to clear nested graphs.")
    with _global_graph_lock:
        _global_graph[:] = [Graph()]

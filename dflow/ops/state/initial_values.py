"""Initial values that depend on other variables: they take those variables' initial values until these have values.

    v = df.Variable(3.0)
    w = df.Variable(2.0 * v)  # both can be initialized in one run, in any order

The operations between the variables and the initial value are built once more, with initialized values as inputs.
Source: variables of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dflow.graph import Graph, GraphKeys, Operation, Tensor

__all__ = ["initialized_value", "keep_beside", "safe_initial_value"]

_READS = ("VariableV2", "ReadVariable")
_OPAQUE = ("Exit", "Merge", "RefExit", "RefMerge")  # what is behind them is built in a context of its own


def initialized_value(variable: Any, initial_value: Tensor) -> Tensor:
    """The value of a variable, or this one if it has none yet."""
    graph, op = variable.graph, variable.op
    with graph.colocate_with(op), graph.name_scope(f"{op.name}/"):
        made = graph.create_op("InitializedValue", (initial_value,), {"variable": variable.spec})
    value: Tensor = made.outputs[0]
    return value


def safe_initial_value(name: str, initial_value: Any) -> Any:
    """The initial value of the variable `name`, for a run that initializes other variables, too.

    The same tensor if it depends on no variable; lists and tuples of tensors are as they are.
    """
    if not isinstance(initial_value, Tensor):
        return initial_value
    ops = _ops_before(initial_value.op)
    if not any(op.definition.kind in _READS for op in ops):
        return initial_value
    graph = initial_value.graph
    with graph.control_dependencies(None), graph.name_scope(None):
        return _rebuilt(graph, ops, name).get(initial_value, initial_value)


_try_guard_against_uninitialized_dependencies = safe_initial_value  # its name in TensorFlow's modules


def keep_beside(op: Operation, initial_value: Tensor, prefix: str) -> None:
    """Put what an initializer built, under names with this prefix, on the device of its variable's operation."""
    for built in _ops_before(initial_value.op):
        if built.name.startswith(prefix) and built.colocated_with is None and not built.device:
            built.colocated_with, built.device = op, op.device


def _ops_before(last: Operation) -> list[Operation]:
    """An operation and those that it depends on by values, in the order in which they were built."""
    found, waiting = {last}, [last]
    while waiting:
        op = waiting.pop()
        if op.context is not None or op.definition.kind in _OPAQUE:
            continue
        new = {tensor.op for tensor in op.operands} - found
        found |= new
        waiting += new
    return sorted(found, key=lambda op: op.index)


def _rebuilt(graph: Graph, ops: Iterable[Operation], name: str) -> dict[Tensor, Tensor]:
    """What to take in the place of each output that depends on a variable."""
    known = [*graph.get_collection(GraphKeys.GLOBAL_VARIABLES), *graph.get_collection(GraphKeys.LOCAL_VARIABLES)]
    variables = {variable.spec: variable for variable in known if hasattr(variable, "spec")}
    instead: dict[Tensor, Tensor] = {}
    for op in ops:
        if op.context is not None or op.definition.kind in _OPAQUE:
            continue
        if op.definition.kind in _READS:
            variable = variables.get(op.attrs["variable"])
            initial: Any = _first_value(variable)
            if initial is not None:
                instead[op.outputs[0]] = initialized_value(variable, initial)
        elif any(tensor in instead for tensor in op.operands):
            inputs = [instead.get(tensor, tensor) for tensor in op.operands]
            copy = graph.create_op(op.definition.kind, inputs, dict(op.attrs), name=f"{op.name}_{name}")
            for old, new in zip(op.outputs, copy.outputs, strict=True):
                new.set_shape(old.shape)
                instead[old] = new
    return instead


def _first_value(variable: Any) -> Tensor | None:
    """What the initializer of a variable assigns, which may itself depend on other variables."""
    if variable is None or variable.initial_value is None:
        return None
    operands = getattr(variable.initializer, "operands", ())
    value: Tensor = operands[0] if operands else variable.initial_value
    return value

"""Slots: the variables in which an optimizer or an average keeps state for another variable, the primary.

A slot is called `<primary>/<name>`, is on the device and in the container of its primary, and is not trainable.
Source: slot_creator of TensorFlow 1.15.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from typing import Any

from dflow.dtypes import as_dtype
from dflow.ops.array.fill import zeros
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import zeros_initializer
from dflow.ops.state.variable_proto import SaveSliceInfo
from dflow.ops.state.variable_scope import get_variable_scope, variable_scope
from dflow.ops.state.variables import ResourceVariable, Variable
from dflow.shapes import as_shape

__all__ = ["create_slot", "create_slot_with_initializer", "create_zeros_slot"]


def create_slot(primary: Any, val: Any, name: str, colocate_with_primary: bool = True) -> Variable:
    """A slot with an initial value.

    primary: a variable or a tensor; val: a tensor, whose shape may be unknown.
    """
    validate_shape = val.shape.is_fully_defined()
    return _slot(primary, val, name, validate_shape, None, None, colocate_with_primary)


def create_slot_with_initializer(
    primary: Any, initializer: Any, shape: Any, dtype: Any, name: str, colocate_with_primary: bool = True
) -> Variable:
    """A slot of this shape and dtype, with a value from an initializer."""
    known = as_shape(shape)
    validate_shape = known.is_fully_defined()
    return _slot(primary, initializer, name, validate_shape, known, as_dtype(dtype), colocate_with_primary)


def create_zeros_slot(primary: Any, name: str, dtype: Any = None, colocate_with_primary: bool = True) -> Variable:
    """A slot of zeros in the shape of its primary; dtype: None: that of the primary."""
    dtype = as_dtype(primary.dtype if dtype is None else dtype)
    if primary.shape.is_fully_defined():
        initializer = zeros_initializer(dtype)
        return create_slot_with_initializer(primary, initializer, primary.shape, dtype, name, colocate_with_primary)
    with primary.graph.as_default():
        value = primary.initialized_value() if isinstance(primary, Variable) else primary
        return create_slot(primary, zeros(shape_of(value), dtype), name, colocate_with_primary)


def _slot(
    primary: Any, initial: Any, name: str, validate_shape: bool, shape: Any, dtype: Any, colocate: bool
) -> Variable:
    graph = primary.graph
    with ExitStack() as blocks:
        blocks.enter_context(graph.as_default())
        blocks.enter_context(variable_scope(None, f"{primary.op.name}/{name}"))
        blocks.enter_context(graph.colocate_with(primary.op) if colocate else nullcontext())
        if isinstance(primary, Variable):
            blocks.enter_context(graph.container(primary.spec.container))
        get_variable_scope().set_partitioner(None)  # the scope is this slot's own
        slot: Variable = get_variable(
            "",
            initializer=initial,
            trainable=False,
            use_resource=isinstance(primary, ResourceVariable),
            shape=shape,
            dtype=dtype,
            validate_shape=validate_shape,
        )
    part = getattr(primary, "_save_slice_info", None)
    if part is not None:
        own_name = slot.op.name[len(primary.op.name) + 1 :]
        slot._set_save_slice_info(
            SaveSliceInfo(f"{part.full_name}/{own_name}", part.full_shape, part.var_offset, part.var_shape)
        )
    return slot

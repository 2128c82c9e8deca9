"""The operations of resource variables by their handles, for programs that use TensorFlow's modules.

    v = var_handle_op(df.float32, [2])
    sess.run(assign_variable_op(v, [1.0, 2.0]))
    value = read_variable_op(v, df.float32)

A handle is the output of the variable's own operation here, so that what is given a variable may be given a handle.
Source: resource_variable_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype
from dflow.graph import Operation, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.state.assign import assign, assign_add, assign_sub, changed_by
from dflow.ops.state.scatter import (
    scatter_add,
    scatter_div,
    scatter_max,
    scatter_min,
    scatter_mul,
    scatter_sub,
    scatter_update,
)
from dflow.ops.state.variable_lists import is_variable_initialized
from dflow.ops.state.variables import ResourceVariable, Variable
from dflow.shapes import as_shape
from dflow.specs import VariableSpec

__all__ = [
    "ResourceVariable",
    "assign_add_variable_op",
    "assign_sub_variable_op",
    "assign_variable_op",
    "is_resource_variable",
    "read_variable_op",
    "resource_gather",
    "resource_scatter_add",
    "resource_scatter_div",
    "resource_scatter_max",
    "resource_scatter_min",
    "resource_scatter_mul",
    "resource_scatter_sub",
    "resource_scatter_update",
    "shape_safe_assign_variable_handle",
    "var_handle_op",
    "var_is_initialized_op",
    "variable_shape",
]


def is_resource_variable(var: Any) -> bool:
    """Whether it is a variable of the class `ResourceVariable`."""
    return isinstance(var, ResourceVariable)


def var_handle_op(
    dtype: Any, shape: Any, container: str = "", shared_name: str = "", name: str | None = None
) -> Tensor:
    """The handle of a new variable without a value, of which the graph has no list.

    Variables of one container and one shared_name on one device are the same; without a name, that of the operation.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "VarHandleOp") as scope:
        own = container or graph.scope.container
        spec = VariableSpec(shared_name or scope[:-1], as_dtype(dtype), as_shape(shape), own, False)
        return graph.create_op("VariableV2", (), {"variable": spec}, name=scope).outputs[0]


def assign_variable_op(resource: Any, value: Any, name: str | None = None) -> Operation:
    """Replace the value of a variable.  ValueError for a value of another dtype or shape."""
    return assign(resource, value, name=name or "AssignVariableOp").op


def assign_add_variable_op(resource: Any, value: Any, name: str | None = None) -> Operation:
    """Add to a variable."""
    return assign_add(resource, value, name=name or "AssignAddVariableOp").op


def assign_sub_variable_op(resource: Any, value: Any, name: str | None = None) -> Operation:
    """Subtract from a variable."""
    return assign_sub(resource, value, name=name or "AssignSubVariableOp").op


def shape_safe_assign_variable_handle(handle: Any, shape: Any, value: Any, name: str | None = None) -> Operation:
    """Replace the value of a variable of this shape; ShapeError for another one."""
    tensor = convert_to_tensor(value, changed_by(handle).attrs["variable"].dtype)
    as_shape(shape).merge_with(tensor.shape)
    return assign_variable_op(handle, tensor, name)


def read_variable_op(resource: Any, dtype: Any, name: str | None = None) -> Tensor:
    """The value of a variable, read after the current control dependencies.  ValueError for another dtype."""
    changed = changed_by(resource)
    spec = changed.attrs["variable"]
    if as_dtype(dtype) != spec.dtype:
        raise ValueError(
            f"Trying to read variable with wrong dtype. Expected {as_dtype(dtype).name} got {spec.dtype.name}."
        )
    with changed.graph.as_default(), changed.graph.colocate_with(changed):
        return changed.graph.create_op("ReadVariable", (), {"variable": spec}, name or "ReadVariableOp").outputs[0]


def var_is_initialized_op(resource: Any, name: str | None = None) -> Tensor:
    """Whether a variable has a value, as a bool."""
    return is_variable_initialized(resource, name)


def variable_shape(handle: Any, out_type: Any = "int32", name: str | None = None) -> Tensor:
    """The sizes of the value of a variable."""
    from_value = handle if isinstance(handle, Variable) else read_variable_op(handle, handle.dtype)
    return shape_of(from_value, name, out_type)


def resource_gather(
    resource: Any, indices: Any, dtype: Any, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """Rows of the value of a variable; see `df.gather`."""
    return gather(read_variable_op(resource, dtype), indices, name=name)


def resource_scatter_add(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """Add to rows of a variable; see `df.scatter_add`."""
    return scatter_add(resource, indices, updates, name=name).op


def resource_scatter_sub(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """Subtract from rows of a variable; see `df.scatter_sub`."""
    return scatter_sub(resource, indices, updates, name=name).op


def resource_scatter_mul(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """Multiply rows of a variable; see `df.scatter_mul`."""
    return scatter_mul(resource, indices, updates, name=name).op


def resource_scatter_div(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """Divide rows of a variable; see `df.scatter_div`."""
    return scatter_div(resource, indices, updates, name=name).op


def resource_scatter_min(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """The minimum of rows of a variable and their updates; see `df.scatter_min`."""
    return scatter_min(resource, indices, updates, name=name).op


def resource_scatter_max(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """The maximum of rows of a variable and their updates; see `df.scatter_max`."""
    return scatter_max(resource, indices, updates, name=name).op


def resource_scatter_update(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Operation:
    """Assign to rows of a variable; see `df.scatter_update`."""
    return scatter_update(resource, indices, updates, name=name).op

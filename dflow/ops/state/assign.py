"""Updates of a whole variable: assign, assign_add, assign_sub, count_up_to; and what all updates share.

`ref` is a variable, or the result of another of these functions, which then happens before.
Source: tf.assign, tf.assign_add, tf.assign_sub, tf.count_up_to of TensorFlow 1.15.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from dflow.dtypes import int32, int64
from dflow.errors import InvalidArgumentError, OutOfRangeError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.rules.arrays import pairwise
from dflow.ops.rules.static import only
from dflow.ops.state.variable_state import state_of
from dflow.registry import KernelContext, define, no_gradient, not_differentiable
from dflow.specs import TensorSpec, VariableSpec

__all__ = ["after_update", "assign", "assign_add", "assign_sub", "changed_by", "count_up_to", "update"]


def assign(
    ref: Any,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool = True,
    name: str | None = None,
) -> Tensor:
    """Replace the value of a variable; gives the new one.

    ShapeError for a static shape that is not the variable's; InvalidArgumentError at run time; unless
    validate_shape=False.
    """
    if validate_shape is None:
        validate_shape = getattr(ref, "validate_shape", True)
    return update(ref, "Assign", (value,), name, validate_shape=validate_shape, use_locking=use_locking)


def assign_add(ref: Any, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Add to a variable; gives the new value.  TypeError for a variable of text or of bool."""
    return update(ref, "AssignAdd", (value,), name, use_locking=use_locking)


def assign_sub(ref: Any, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Subtract from a variable; gives the new value.  TypeError for a variable of text or of bool."""
    return update(ref, "AssignSub", (value,), name, use_locking=use_locking)


def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """Add one to a variable and give its value before; OutOfRangeError at the limit.

    TypeError for a variable that is not of int32 or int64.
    """
    changed = changed_by(ref)
    with after_update(ref), changed.graph.colocate_with(changed):
        tensor: Tensor = add_op("CountUpTo", name=name, variable=changed.attrs["variable"], limit=limit)
    return tensor


# -- what all updates share


def update(ref: Any, kind: str, values: tuple[Any, ...], name: str | None, **attrs: Any) -> Tensor:
    """Add an update on the device of its variable; gives the new value.

    values: the operands: tensors, and last the value, which becomes one of the variable's dtype.
    use_locking is for the operation's node alone: updates are always ordered by a lock.
    """
    changed = changed_by(ref)
    graph, spec = changed.graph, changed.attrs["variable"]
    with graph.as_default(), graph.name_scope(name or kind) as scope:
        tensors = [*values[:-1], convert_to_tensor(values[-1], spec.dtype, name="value")]
        with after_update(ref), graph.colocate_with(changed):
            op = graph.create_op(kind, tensors, {"variable": spec, **attrs}, name=scope)
    return op.outputs[0]


_READS = ("ReadVariable", "InitializedValue", "IsVariableInitialized")


def changed_by(ref: Any) -> Operation:
    """The operation of the variable that an update of `ref` changes; TypeError if it is none."""
    if isinstance(getattr(ref, "spec", None), VariableSpec):
        changed: Operation = ref.op
        return changed
    if isinstance(ref, Tensor) and ref.op.type == "VariableV2":
        return ref.op
    if isinstance(ref, Tensor) and "variable" in ref.op.attrs and ref.op.type not in _READS:
        return ref.graph.get_operation_by_name(ref.op.attrs["variable"].node)
    raise TypeError(f"only a variable can be changed, or the result of an earlier change, got {ref!r}")


def after_update(ref: Any) -> AbstractContextManager[None]:
    """A block whose operations run after the update that `ref` is the result of."""
    return ref.graph.control_dependencies([ref.op]) if isinstance(ref, Tensor) else nullcontext()


# -- the operations


def _assign_spec(
    value: TensorSpec, variable: VariableSpec, validate_shape: bool = True, use_locking: bool = True
) -> TensorSpec:
    if validate_shape and not value.shape.is_compatible_with(variable.shape):
        raise ShapeError(
            f"Assign requires shapes of both tensors to match: variable {variable.name!r} is {variable.shape}, "
            f"the value is {value.shape}; use validate_shape=False to change it"
        )
    return TensorSpec(variable.shape if validate_shape else value.shape, variable.dtype)


def _assign_kernel(
    context: KernelContext, value: Any, variable: VariableSpec, validate_shape: bool = True, use_locking: bool = True
) -> Any:
    return state_of(context, variable).assign(value, validate_shape)


def _delta_spec(delta: TensorSpec, variable: VariableSpec, use_locking: bool) -> TensorSpec:
    only(delta, delta.dtype.is_numeric, "numbers")
    if not delta.shape.is_compatible_with(variable.shape):
        raise ShapeError(f"variable {variable.name!r} is {variable.shape}, the value is {delta.shape}")
    return TensorSpec(variable.shape, variable.dtype)


def _assign_add_kernel(context: KernelContext, delta: Any, variable: VariableSpec, use_locking: bool) -> Any:
    return state_of(context, variable).update(lambda value: pairwise("add", value, _like(value, delta, variable)))


def _assign_sub_kernel(context: KernelContext, delta: Any, variable: VariableSpec, use_locking: bool) -> Any:
    return state_of(context, variable).update(lambda value: pairwise("subtract", value, _like(value, delta, variable)))


def _like(value: Any, delta: Any, variable: VariableSpec) -> Any:
    """The delta; an error unless it has the shape of the value: NumPy would repeat a smaller one."""
    if value.shape != delta.shape:
        raise InvalidArgumentError(
            None,
            None,
            f"variable {variable.name!r} and the value of its update do not have the same shape: "
            f"{list(value.shape)} {list(delta.shape)}",
        )
    return delta


def _count_up_to_spec(variable: VariableSpec, limit: int) -> TensorSpec:
    if variable.dtype not in (int32, int64):
        raise TypeError(f"count_up_to is for int32 and int64, variable {variable.name!r} is {variable.dtype.name}")
    return TensorSpec(variable.shape, variable.dtype)


def _count_up_to_kernel(context: KernelContext, variable: VariableSpec, limit: int) -> Any:
    before: list[Any] = []

    def count(value: Any) -> Any:
        if int(value) >= limit:
            raise OutOfRangeError(None, None, f"Reached limit of {limit}")
        before.append(value)
        return value + value.dtype.type(1)

    state_of(context, variable).update(count)
    return before[0]


define("Assign", spec=_assign_spec, kernel=_assign_kernel, gradient=not_differentiable, stateful=True)
define("AssignAdd", spec=_delta_spec, kernel=_assign_add_kernel, gradient=not_differentiable, stateful=True)
define("AssignSub", spec=_delta_spec, kernel=_assign_sub_kernel, gradient=not_differentiable, stateful=True)
define(
    "CountUpTo",
    spec=_count_up_to_spec,
    kernel=_count_up_to_kernel,
    gradient=no_gradient("an update of a variable is a side effect"),
    stateful=True,
)

"""`variable[...].assign(value)`: an assignment to a part of a variable.

Source: strided_slice_assign of TensorFlow 1.15.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor
from dflow.ops.array.gather import boolean_mask
from dflow.ops.array.strided_slice import concrete_key, get_item, strided_slice_spec
from dflow.ops.state.assign import update
from dflow.ops.state.variable_state import state_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec, VariableSpec


def get_part(variable: Any, key: Any) -> Tensor:
    """`variable[key]`: a tensor, whose method `assign(value, name=None)` assigns to the same part of the variable.

    A key of bool has no such method.
    """
    if getattr(key, "dtype", None) == "bool":
        return boolean_mask(variable, key)
    part = get_item(variable, key)
    part.assign = partial(_assign_part, variable, part)  # type: ignore[attr-defined]
    return part


def _assign_part(variable: Any, part: Tensor, value: Any, name: str | None = None) -> Tensor:
    """Replace a part of a variable; gives its new value.  ShapeError for a value of another shape than the part."""
    numbers = part.op.operands[1:]
    return update(variable, "StridedSliceAssign", (*numbers, value), name, key=part.op.attrs["key"])


def _spec(*inputs: TensorSpec, variable: VariableSpec, key: Any) -> TensorSpec:
    *numbers, value = inputs
    whole = TensorSpec(variable.shape, variable.dtype)
    part = strided_slice_spec(whole, *numbers, key=key).shape
    if not value.shape.is_compatible_with(part) and value.shape.ndims != 0:
        raise ShapeError(f"the part is {part}, the value that is assigned to it is {value.shape}")
    return whole


def _kernel(context: KernelContext, *inputs: Any, variable: VariableSpec, key: Any) -> Any:
    *numbers, value = inputs
    state = state_of(context, variable)
    with state.rows() as whole:
        place = concrete_key(key, numbers, whole.shape)
        part = whole[place]
        if value.ndim and tuple(value.shape) != tuple(part.shape):
            raise InvalidArgumentError(
                None, None, f"the part is {list(part.shape)}, the value that is assigned to it is {list(value.shape)}"
            )
        whole[place] = value
    return state.read()


define(
    "StridedSliceAssign",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("an update of a variable is a side effect"),
    stateful=True,
)

"""Stacks of tensors: a loop pushes values that its gradient needs, and the gradient's loop pops them.

A stack belongs to one run: its handle is the stack itself, which stays in the process of its device.
Source: tf.raw_ops.StackV2, StackPushV2 and StackPopV2.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import DType, as_dtype, resource
from dflow.errors import InvalidArgumentError, UnimplementedError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.static import spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec


class Stack:
    """Values, the newest last.  Its attributes make it an array of no dimension for the rest of dflow."""

    dtype = None
    ndim = 0

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __reduce__(self) -> Any:
        raise UnimplementedError(
            None, None, "a stack cannot leave the process of its device; run the loop on one device"
        )


def stack_v2(max_size: Any, elem_type: Any, stack_name: str = "", name: str | None = None) -> Tensor:
    """The handle of a new stack of tensors.  max_size, stack_name: accepted.  Source: tf.raw_ops.StackV2."""
    handle: Tensor = add_op("StackV2", name=name, elem_type=as_dtype(elem_type))
    return handle


def stack_push_v2(handle: Tensor, elem: Any, swap_memory: bool = False, name: str | None = None) -> Tensor:
    """The same value, when it is on the stack.  swap_memory: accepted.  Source: tf.raw_ops.StackPushV2."""
    value: Tensor = add_op("StackPushV2", handle, elem, name=name)
    return value


def stack_pop_v2(handle: Tensor, elem_type: Any, name: str | None = None) -> Tensor:
    """The newest value, taken off the stack; InvalidArgumentError if there is none.  Source: tf.raw_ops.StackPopV2."""
    value: Tensor = add_op("StackPopV2", handle, name=name, elem_type=as_dtype(elem_type))
    return value


def _handle_spec(elem_type: DType) -> TensorSpec:
    return spec_of((), resource)


def _stack_kernel(elem_type: DType) -> Stack:
    return Stack()


def _push_spec(handle: TensorSpec, value: TensorSpec) -> TensorSpec:
    return value


def _push_kernel(handle: Stack, value: Any) -> Any:
    handle.values.append(value)
    return value


def _pop_spec(handle: TensorSpec, elem_type: DType) -> TensorSpec:
    return TensorSpec(UNKNOWN_SHAPE, elem_type)


def _pop_kernel(handle: Stack, elem_type: DType) -> Any:
    if not handle.values:
        raise InvalidArgumentError(None, None, "Stack is empty when calling Pop()")
    return handle.values.pop()


_OF_A_LOOP = no_gradient("it keeps values of a loop for its gradient; a loop has no second gradient")

define("StackV2", spec=_handle_spec, kernel=_stack_kernel, gradient=_OF_A_LOOP)
define("StackPushV2", spec=_push_spec, kernel=_push_kernel, gradient=_OF_A_LOOP)
define("StackPopV2", spec=_pop_spec, kernel=_pop_kernel, gradient=_OF_A_LOOP)

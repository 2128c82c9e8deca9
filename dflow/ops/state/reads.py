"""The operations that read a variable, and a variable's own operation.

Source: state_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.ops.state.variable_state import state_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec, VariableSpec


def _value_spec(*inputs: TensorSpec, variable: VariableSpec, **attrs: Any) -> TensorSpec:
    return TensorSpec(variable.shape, variable.dtype)


def _read_kernel(context: KernelContext, variable: VariableSpec) -> Any:
    return state_of(context, variable).read()


def _initialized_value_kernel(context: KernelContext, initial: Any, variable: VariableSpec) -> Any:
    state = state_of(context, variable)
    return state.read() if state.initialized else initial


_NO_INPUTS = no_gradient("a variable has no inputs")

define("VariableV2", spec=_value_spec, kernel=_read_kernel, gradient=_NO_INPUTS, stateful=True)
define("ReadVariable", spec=_value_spec, kernel=_read_kernel, gradient=_NO_INPUTS, stateful=True)
define(
    "InitializedValue",
    spec=_value_spec,
    kernel=_initialized_value_kernel,
    gradient=no_gradient("it is for initial values"),
    stateful=True,
)

"""The variables of a graph: lists of them, their initializers, and those that have no value yet.

Source: variables of TensorFlow 1.15.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dflow.dtypes import bool_, string
from dflow.graph import GraphKeys, Operation, Tensor, add_op, get_default_graph, scopes
from dflow.ops.array.shape import rank
from dflow.ops.array.stack import stack
from dflow.ops.control import group
from dflow.ops.state.assign import changed_by
from dflow.ops.state.variable_state import state_of
from dflow.ops.state.variables import Variable
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import SCALAR, TensorShape
from dflow.specs import TensorSpec, VariableSpec

__all__ = [
    "all_variables",
    "assert_variables_initialized",
    "global_variables",
    "global_variables_initializer",
    "initialize_all_variables",
    "initialize_local_variables",
    "initialize_variables",
    "is_variable_initialized",
    "local_variables",
    "local_variables_initializer",
    "model_variables",
    "moving_average_variables",
    "report_uninitialized_variables",
    "trainable_variables",
    "variables_initializer",
]


def global_variables(scope: str | None = None) -> list[Variable]:
    """The variables of the default graph, without local ones."""
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def local_variables(scope: str | None = None) -> list[Variable]:
    """The variables that are not saved, such as counters of epochs."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Variable]:
    """The variables that optimizers change."""
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def model_variables(scope: str | None = None) -> list[Variable]:
    """The variables of the collection MODEL_VARIABLES, which layers add theirs to."""
    return get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


def moving_average_variables(scope: str | None = None) -> list[Variable]:
    """The variables that a moving average is kept of."""
    return get_default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def variables_initializer(var_list: Iterable[Variable], name: str = "init") -> Operation:
    """One operation that initializes the given variables."""
    return group(*(variable.initializer for variable in var_list), name=name)


def global_variables_initializer() -> Operation:
    """One operation that initializes all variables of the default graph that exist now."""
    return variables_initializer(global_variables())


def local_variables_initializer() -> Operation:
    """One operation that initializes all local variables of the default graph that exist now."""
    return variables_initializer(local_variables())


# -- older names


def _older(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function` under the name that it had before, which warns of that."""

    @functools.wraps(function, assigned=("__doc__",))
    def older(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"{name} is deprecated, use {function.__name__} instead", DeprecationWarning, stacklevel=2)
        return function(*args, **kwargs)

    older.__name__ = older.__qualname__ = name
    return older


all_variables = _older(global_variables, "all_variables")
initialize_all_variables = _older(global_variables_initializer, "initialize_all_variables")
initialize_local_variables = _older(local_variables_initializer, "initialize_local_variables")
initialize_variables = _older(variables_initializer, "initialize_variables")


def is_variable_initialized(variable: Any, name: str | None = None) -> Tensor:
    """Whether a variable has a value, as a bool.  TypeError for anything but a variable."""
    changed = changed_by(variable)
    with scopes.building_in(changed.graph), changed.graph.colocate_with(changed):
        tensor: Tensor = add_op("IsVariableInitialized", name=name, variable=changed.attrs["variable"])
    return tensor


def assert_variables_initialized(var_list: Iterable[Variable] | None = None) -> Tensor | None:
    """A tensor whose computation fails with FailedPreconditionError if a variable has no value.

    The ranks of the variables: a scalar for one of them, else of shape [number of them]; None if there are none.
    var_list: None: the global and the local variables of the default graph that exist now.
    """
    variables = [*global_variables(), *local_variables()] if var_list is None else list(var_list)
    ranks: list[Tensor] = []
    for variable in variables:
        graph, op = variable.graph, variable.op
        with graph.colocate_with(op), graph.control_dependencies([variable.read_value()]):
            ranks.append(rank(op.outputs[0]))
    if len(ranks) < 2:
        return ranks[0] if ranks else None
    return stack(ranks)


def _is_initialized_spec(variable: VariableSpec) -> TensorSpec:
    return TensorSpec(SCALAR, bool_)


def _is_initialized_kernel(context: KernelContext, variable: VariableSpec) -> Any:
    return context.asarray(np.asarray(state_of(context, variable).initialized))


define(
    "IsVariableInitialized",
    spec=_is_initialized_spec,
    kernel=_is_initialized_kernel,
    gradient=no_gradient("its result is a bool"),
    stateful=True,
)


def report_uninitialized_variables(
    var_list: Iterable[Variable] | None = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """The names of the variables that have no value yet: a string tensor of shape [number of them].

    var_list: None: the global and the local variables of the default graph that exist now.
    Source: tf.report_uninitialized_variables.
    """
    variables = [*global_variables(), *local_variables()] if var_list is None else list(var_list)
    graph = variables[0].graph if variables else get_default_graph()
    with scopes.building_in(graph), graph.name_scope(name), graph.device("/cpu:0"):
        initialized = [is_variable_initialized(variable) for variable in variables]
        names = tuple(variable.op.name for variable in variables)
        tensor: Tensor = add_op("UninitializedNames", *initialized, names=names)
    return tensor


def _uninitialized_spec(*initialized: TensorSpec, names: tuple[str, ...]) -> TensorSpec:
    return TensorSpec(TensorShape([None]), string)


def _uninitialized_kernel(*initialized: Any, names: tuple[str, ...]) -> Any:
    missing = [name.encode() for name, has_value in zip(names, initialized, strict=True) if not bool(has_value)]
    return np.array(missing, dtype=object)


define(
    "UninitializedNames",
    spec=_uninitialized_spec,
    kernel=_uninitialized_kernel,
    gradient=no_gradient("a name is text"),
    host_only=True,
)

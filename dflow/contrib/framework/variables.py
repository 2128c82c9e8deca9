"""Variables of models, local ones, and lists of variables by their names.

Source: tf.contrib.framework of TensorFlow 1.15.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dflow.contrib.framework.arg_scope import add_arg_scope
from dflow.dtypes import float32
from dflow.graph import GraphKeys, get_default_graph
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.variable_scope import VariableScope
from dflow.ops.state.variables import Variable

__all__ = [
    "add_model_variable",
    "filter_variables",
    "get_local_variables",
    "get_model_variables",
    "get_name_scope",
    "get_trainable_variables",
    "get_unique_variable",
    "get_variables",
    "get_variables_by_name",
    "get_variables_by_suffix",
    "get_variables_to_restore",
    "global_variable",
    "local_variable",
    "model_variable",
    "variable",
]


@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = float32,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    device: Any = "",
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
) -> Any:
    """`get_variable` on a device, with collections beside the usual ones."""
    names = list(dict.fromkeys(collections if collections is not None else [GraphKeys.GLOBAL_VARIABLES]))
    options = {"caching_device": caching_device, "partitioner": partitioner, "use_resource": use_resource}
    given = {key: value for key, value in options.items() if value is not None}
    with get_default_graph().device(device or ""):
        return (custom_getter or get_variable)(
            name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            collections=names,
            **given,
        )


@add_arg_scope
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = float32,
    initializer: Any = None,
    regularizer: Callable[[Any], Any] | None = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
) -> Any:
    """A `variable` in the collections GLOBAL_VARIABLES and MODEL_VARIABLES, beside `collections`."""
    names = [*(collections or []), GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]
    return variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=names,
        caching_device=caching_device,
        device=device,
        partitioner=partitioner,
        custom_getter=custom_getter,
        use_resource=use_resource,
    )


def add_model_variable(var: Variable) -> None:
    """Add a variable to the collection MODEL_VARIABLES, if it is not there."""
    if var not in get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES):
        get_default_graph().add_to_collection(GraphKeys.MODEL_VARIABLES, var)


def local_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Variable:
    """A variable in the collection LOCAL_VARIABLES, which is not trained."""
    collections = [GraphKeys.LOCAL_VARIABLES]
    return Variable(initial_value, trainable=False, collections=collections, validate_shape=validate_shape, name=name)


def global_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Variable:
    """A variable in the collection GLOBAL_VARIABLES, which is not trained."""
    collections = [GraphKeys.GLOBAL_VARIABLES]
    return Variable(initial_value, trainable=False, collections=collections, validate_shape=validate_shape, name=name)


def get_name_scope() -> str:
    """The current name scope, without a slash at its end."""
    return get_default_graph().get_name_scope()


# -- lists


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES
) -> list[Any]:
    """The variables of a collection whose names begin with `scope`, a text or a variable scope, and end as said."""
    scope = scope.name if isinstance(scope, VariableScope) else scope
    if suffix is not None:
        suffix = suffix if ":" in suffix else f"{suffix}:0"
        scope = f"{scope or ''}.*{suffix}"
    return get_default_graph().get_collection(collection, scope)


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The variables of models."""
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The local variables."""
    return get_variables(scope, suffix, GraphKeys.LOCAL_VARIABLES)


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The variables that optimizers change."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


def get_variables_by_suffix(suffix: str, scope: Any = None) -> list[Any]:
    """The global variables whose names end with `suffix`."""
    return get_variables(scope, suffix)


def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """The global variables of this name, at the root or below a scope."""
    return get_variables(scope, f"/{given_name}:|^{given_name}:")


def get_unique_variable(var_op_name: str) -> Any:
    """The global variable of this name.  ValueError if there is none."""
    candidates = get_variables(var_op_name)
    for candidate in candidates:
        if candidate.op.name == var_op_name:
            return candidate
    raise ValueError(f"Variable {var_op_name} does not uniquely identify a variable")


def get_variables_to_restore(include: Sequence[Any] | None = None, exclude: Sequence[Any] | None = None) -> list[Any]:
    """The global variables below the scopes to include (all of them, for None), without those to exclude."""
    for scopes, what in ((include, "include"), (exclude, "exclude")):
        if scopes is not None and not isinstance(scopes, (list, tuple)):
            raise TypeError(f"{what} is not a list or a tuple.")
    chosen = get_variables() if include is None else [item for scope in include for item in get_variables(scope)]
    left_out = {item for scope in exclude or () for item in get_variables(scope)}
    return [item for item in chosen if item not in left_out]


def filter_variables(
    var_list: Iterable[Any],
    include_patterns: Sequence[str] | None = None,
    exclude_patterns: Sequence[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """The variables whose names match one of the patterns to include, and none of those to exclude.

    reg_search: the patterns may match anywhere, not only at the beginning.
    """
    match = re.search if reg_search else re.match

    def any_of(patterns: Sequence[str], name: str) -> bool:
        return any(match(pattern, name) for pattern in patterns)

    kept = [it for it in var_list if not include_patterns or any_of(include_patterns, it.op.name)]
    return [it for it in kept if not exclude_patterns or not any_of(exclude_patterns, it.op.name)]

"""Variables by name: `get_variable` makes a variable or reuses it, under the `variable_scope` blocks of the program.

    def layer(x):
        w = df.get_variable("w", [784, 10])
        return df.matmul(x, w)

    with df.variable_scope("model"):
        train = layer(a)                            # makes model/w
    with df.variable_scope("model", reuse=True):
        test = layer(b)                             # finds model/w

Source: tf.get_variable of TensorFlow 1.15.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.graph import GraphKeys, Tensor, get_default_graph
from dflow.ops.rules.static import refuse
from dflow.ops.state.initializers import glorot_uniform_initializer, zeros_initializer
from dflow.ops.state.variable_scope import VariableScope, get_variable_scope, join_names, variable_store
from dflow.ops.state.variables import Variable
from dflow.shapes import TensorShape, as_shape

__all__ = ["REGULARIZATION_LOSSES", "get_variable"]

REGULARIZATION_LOSSES = GraphKeys.REGULARIZATION_LOSSES


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Variable], Any] | None = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    partitioner: None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: None = None,
    constraint: None = None,
) -> Variable:
    """The variable of this name under the current `variable_scope`: a new one, or the one that was made before.

    shape: fully defined; None for an initializer that is a value or a function without arguments.
    dtype: None: that of an initial value, else the scope's, float32 at first.
    initializer: an initializer, such as `zeros_initializer()`; a value or a tensor; or a function of (shape, dtype) or
    of nothing.  None: the scope's, else `glorot_uniform_initializer` for floats and zeros for integers, bool and
    strings, which are empty then.
    regularizer: a function of the variable; its result for a new one goes to the collection REGULARIZATION_LOSSES.
    trainable, collections, validate_shape, use_resource: as in `Variable`.

    ValueError if the variable already exists and reuse is not on, if it does not exist and reuse is True, if it was
    made with another shape or dtype, or if the shape is not known; NotImplementedError for a partitioner, a custom
    getter or a constraint.
    """
    refuse(partitioner=partitioner, custom_getter=custom_getter, constraint=constraint)
    graph = get_default_graph()
    scope = get_variable_scope()
    store = variable_store(graph)
    full_name = join_names(scope.name, name)
    target = None if dtype is None else as_dtype(dtype)
    with store.lock:
        existing = store.variables.get(full_name)
        if existing is not None:
            return _reused(existing, full_name, scope, shape, target)
        if scope.reuse is True:
            raise ValueError(
                f"Variable {full_name} does not exist, or was not created with get_variable(). "
                "Did you mean to set reuse=AUTO_REUSE in the variable scope?"
            )
        value, target = _initial(full_name, shape, target, scope, initializer)
        with graph.name_scope(None):
            variable = store.variables[full_name] = Variable(
                value, trainable, collections, validate_shape, name=full_name, dtype=target
            )
    regularize = scope.regularizer if regularizer is None else regularizer
    if regularize is not None:
        with graph.colocate_with(variable.op), graph.name_scope(f"{full_name}/Regularizer/"):
            loss = regularize(variable)
        if loss is not None:
            graph.add_to_collection(REGULARIZATION_LOSSES, loss)
    return variable


def _reused(existing: Variable, name: str, scope: VariableScope, shape: Any, dtype: DType | None) -> Variable:
    if not scope.reuse:
        raise ValueError(
            f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=AUTO_REUSE in the "
            f"variable scope? Originally defined at: {existing.op.made_at}"
        )
    if not as_shape(shape).is_compatible_with(existing.shape):
        raise ValueError(
            f"Trying to share variable {name}, but specified shape {as_shape(shape)} and found shape {existing.shape}."
        )
    if dtype is not None and dtype != existing.dtype:
        raise ValueError(
            f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype {existing.dtype.name}."
        )
    return existing


def _initial(
    name: str, shape: Any, dtype: DType | None, scope: VariableScope, initializer: Any
) -> tuple[Any, DType | None]:
    """The initial value, or a function that makes it, and the dtype to convert it to (None: its own)."""
    if initializer is None:
        initializer = scope.initializer
    if initializer is None:
        initializer = _default_initializer(name, dtype or scope.dtype)
    if isinstance(initializer, (Tensor, Variable, np.ndarray)) or not callable(initializer):
        if shape is not None:
            raise ValueError("If initializer is a constant, do not specify shape.")
        return initializer, dtype
    if isinstance(initializer, type):
        initializer = initializer()
    if shape is None and _takes_nothing(initializer):
        return initializer, dtype
    static_shape: TensorShape = as_shape(shape)
    if not static_shape.is_fully_defined():
        raise ValueError(f"Shape of a new variable ({name}) must be fully defined, but instead was {static_shape}.")
    return (lambda: initializer(static_shape.as_list(), dtype=dtype or scope.dtype)), dtype or scope.dtype


def _default_initializer(name: str, dtype: DType) -> Any:
    if dtype.is_floating:
        return glorot_uniform_initializer()
    if dtype.is_integer or dtype.is_bool or dtype.name == "string":
        return zeros_initializer()
    raise ValueError(f"An initializer for variable {name} of {dtype.name} is required")


def _takes_nothing(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)

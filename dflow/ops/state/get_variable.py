"""Variables by name: `get_variable` makes a variable or reuses it, under the `variable_scope` blocks of the program.

    def layer(x):
        w = df.get_variable("w", [784, 10])
        return df.matmul(x, w)

    with df.variable_scope("model"):
        train = layer(a)                            # makes model/w
    with df.variable_scope("model", reuse=True):
        test = layer(b)                             # finds model/w

Source: tf.get_variable, tf.get_local_variable, tf.create_partitioned_variables of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dflow.dtypes import as_dtype, float32
from dflow.graph import GraphKeys, get_default_graph
from dflow.ops.state import resource_variables as _resource_variables  # for programs of TensorFlow's  # noqa: F401
from dflow.ops.state.distribution import VariableAggregation, VariableSynchronization
from dflow.ops.state.variable_scope import get_variable_scope, variable_scope
from dflow.ops.state.variable_store import variable_store
from dflow.ops.state.variables import Variable

__all__ = ["REGULARIZATION_LOSSES", "create_partitioned_variables", "get_local_variable", "get_variable"]

REGULARIZATION_LOSSES = GraphKeys.REGULARIZATION_LOSSES


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Variable], Any] | None = None,
    trainable: bool | None = None,
    collections: Iterable[Any] | None = None,
    caching_device: Any = None,
    partitioner: Callable[..., Any] | None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable[..., Any] | None = None,
    constraint: Callable[[Any], Any] | None = None,
    synchronization: VariableSynchronization = VariableSynchronization.AUTO,
    aggregation: VariableAggregation = VariableAggregation.NONE,
) -> Any:
    """The variable of this name under the current `variable_scope`: a new one, or the one that was made before.

    shape: fully defined; None for an initializer that is a value or a function without arguments.
    dtype: None: that of an initial value, else the scope's, float32 at first.
    initializer: an initializer, such as `zeros_initializer()`; a value or a tensor; or a function of (shape, dtype) or
    of nothing.  None: the scope's, else `glorot_uniform_initializer` for floats and zeros for integers, bool and
    strings, which are empty then.
    regularizer: a function of the variable; its result for a new one goes to the collection REGULARIZATION_LOSSES.
    partitioner: a function of (shape, dtype), such as `fixed_size_partitioner(4)`: the result is a PartitionedVariable,
    whose parts are `name/part_0`, ....
    custom_getter: a function `custom_getter(getter, name, shape, ...)` whose result is that of this function; it may
    call `getter` as often as it likes.
    trainable, collections, caching_device, validate_shape, use_resource, constraint, synchronization, aggregation: as
    in `Variable`.  None of the last arguments: the scope's.

    ValueError if the variable already exists and reuse is not on, if it does not exist and reuse is True, if it was
    made with another shape, dtype or partition, or if the shape is not known.
    """
    return get_variable_scope().get_variable(
        variable_store(get_default_graph()),
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=collections,
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable[[Variable], Any] | None = None,
    trainable: bool | None = False,
    collections: Iterable[Any] | None = None,
    caching_device: Any = None,
    partitioner: Callable[..., Any] | None = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Callable[..., Any] | None = None,
    constraint: Callable[[Any], Any] | None = None,
    synchronization: VariableSynchronization = VariableSynchronization.AUTO,
    aggregation: VariableAggregation = VariableAggregation.NONE,
) -> Any:
    """As `get_variable`, but a local variable: of the collection LOCAL_VARIABLES, and never trainable."""
    return get_variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=False,
        collections=[*(collections or ()), GraphKeys.LOCAL_VARIABLES],
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


def create_partitioned_variables(
    shape: Any,
    slicing: Sequence[int],
    initializer: Any,
    dtype: Any = float32,
    trainable: bool = True,
    collections: Iterable[Any] | None = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Variable]:
    """The parts of a new variable `name` of this shape, as a list.

    slicing: the number of parts along each axis, of which one may be more than 1.
    initializer: a tensor of this shape, which is cut; or a function of (shape, dtype), which is called for each part.
    ValueError for a slicing that does not fit the shape, or along several axes.
    """
    sizes = list(shape)
    if len(sizes) != len(slicing):
        raise ValueError(
            "The 'shape' and 'slicing' of a partitioned Variable must have the length: "
            f"shape: {shape}, slicing: {slicing}"
        )
    if not sizes:
        raise ValueError(f"A partitioned Variable must have rank at least 1: shape: {shape}")
    with variable_scope(name, "PartitionedVariable", reuse=reuse) as scope:
        if scope.custom_getter is not None:
            raise ValueError("create_partitioned_variables makes its variables itself: the scope has a custom getter")
        store = variable_store(get_default_graph())
        options = {"trainable": trainable, "collections": collections, "caching_device": scope.caching_device}
        options |= {"use_resource": scope.use_resource, "constraint": scope.constraint}
        start = scope.initializer if initializer is None else initializer
        with store.lock, get_default_graph().name_scope(None):
            return list(
                store.partitioned(
                    scope.name,
                    sizes,
                    as_dtype(dtype),
                    start,
                    scope.regularizer,
                    scope.reuse,
                    lambda **unused: list(slicing),
                    options,
                )
            )

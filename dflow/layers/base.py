"""The base of layers: a function of tensors that keeps its variables, its updates and its losses.

    class Scale(df.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", [], initializer=df.ones_initializer())
            self.built = True

        def call(self, inputs):
            return inputs * self.factor

    scale = Scale()
    y = scale(x)     # makes scale/factor, y is scale/mul
    z = scale(y)     # the same variable

Variables are made with `get_variable`, in a variable scope of the layer's name, which is opened at its first use.
Source: tf.layers.Layer of TensorFlow 1.15.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, float32
from dflow.graph import Graph, GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.layers.input_spec import InputSpec, check_inputs
from dflow.nest import flatten, map_structure
from dflow.ops.array.cast import cast
from dflow.ops.array.shape import shape as shape_of
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.division import truediv
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.variable_lists import global_variables, trainable_variables
from dflow.ops.state.variable_scope import VariableScope, variable_scope
from dflow.ops.state.variables import Variable
from dflow.shapes import TensorShape, as_shape

__all__ = ["InputSpec", "Layer"]

_NAMES = "__layer_names"  # the collection of a graph with the number of layers of each automatic name


class Layer:
    """Base class of layers; a layer defines `call`, and `build` if it has variables.

    trainable: whether its variables are trained; name: None: one made of the name of the class; dtype: of its
    variables; None: that of its first input.  activity_regularizer: a function of each output, whose value is a loss.
    """

    def __init__(self, trainable: bool = True, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        scope = kwargs.pop("_scope", None)
        self._reuse = kwargs.pop("_reuse", None)
        self.activity_regularizer = kwargs.pop("activity_regularizer", None)
        for unknown in kwargs:
            raise TypeError("Keyword argument not understood:", unknown)
        self.trainable = trainable
        self.built = False
        self.input_spec: Any = None
        self._dtype = None if dtype is None else as_dtype(dtype)
        self._base_name = name or snake_case(type(self).__name__)
        self._name = name or _numbered(self._base_name)
        self._trainable_weights: list[Variable] = []
        self._non_trainable_weights: list[Variable] = []
        self.updates_collections: Any = GraphKeys.UPDATE_OPS
        self._updates: list[tuple[Any, bool]] = []  # the update, and whether it depends on the inputs
        self._losses: list[tuple[Any, bool]] = []
        self._call_inputs: Any = None  # while `call` runs
        self._graph: Graph | None = None
        self._scope: VariableScope | None = None
        self._current_scope: VariableScope | None = None
        if scope:
            with variable_scope(scope) as captured:
                self._scope = captured

    # -- what a layer defines

    def build(self, input_shape: Any) -> None:
        """Make the variables; called once, with the static shape of the first input."""

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The static shape of the output for one of the input."""
        raise NotImplementedError(f"{type(self).__name__} does not say the shape of its output")

    # -- using it

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs for these inputs, built under the layer's name.

        ValueError for inputs that do not meet `input_spec`, and for those of another graph than before.
        """
        scope = kwargs.pop("scope", None)
        graph = self._bind_graph(inputs)
        with scopes.building_in(graph):
            if any(isinstance(leaf, (np.ndarray, float, int)) for leaf in flatten(inputs)):
                inputs = map_structure(convert_to_tensor, inputs)
            self._set_scope(scope)
            reuse = True if self.built else self._reuse
            with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as current:
                self._current_scope = current
                if "scope" in inspect.signature(self.call).parameters:
                    kwargs["scope"] = current
                with graph.name_scope(current.original_name_scope):
                    outputs = self._built_call(inputs, args, kwargs)
        for name in _names(self.updates_collections):
            _add_new(graph, name, self.updates)
        return outputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The same as a call of the layer."""
        return self(inputs, *args, **kwargs)

    def _built_call(self, inputs: Any, args: Any, kwargs: Any) -> Any:
        check_inputs(self.input_spec, inputs, self.name)
        self._call_inputs = inputs
        try:
            if not self.built:
                first = flatten(inputs)[0] if flatten(inputs) else None
                if self._dtype is None:
                    self._dtype = getattr(first, "dtype", None)
                self.build(map_structure(lambda x: getattr(x, "shape", None), inputs))
                check_inputs(self.input_spec, inputs, self.name)
            outputs = self.call(inputs, *args, **kwargs)
            self.built = True
            if self.activity_regularizer is not None:
                self._regularize(flatten(outputs))
        finally:
            self._call_inputs = None
        return outputs

    def _regularize(self, outputs: Sequence[Tensor]) -> None:
        """Add the activity regularizer's loss of each output, by the number of its rows."""
        with get_default_graph().name_scope("ActivityRegularizer"):
            for output in outputs:
                loss = self.activity_regularizer(output)
                rows = cast(get_item(shape_of(output), 0), loss.dtype)
                self.add_loss(truediv(loss, rows), inputs=True)

    def _bind_graph(self, inputs: Any) -> Graph:
        graphs = [leaf.graph for leaf in flatten(inputs) if isinstance(getattr(leaf, "graph", None), Graph)]
        graph = graphs[0] if graphs else get_default_graph()
        if self._graph is None:
            self._graph = graph
        if any(other is not self._graph for other in (graph, *graphs)):
            raise ValueError(
                f"Input graph and Layer graph are not the same: the inputs of {self.name!r} are of another"
            )
        return graph

    def _set_scope(self, scope: Any = None) -> None:
        """Open the layer's variable scope, at its first use."""
        if self._scope is not None:
            return
        if self._reuse:
            block = variable_scope(self._base_name if scope is None else scope)
        else:
            block = variable_scope(scope, default_name=self._base_name)
        with block as captured:
            self._scope = captured

    # -- variables

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Callable[[Variable], Any] | None = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        partitioner: Any = None,
        **kwargs: Any,
    ) -> Variable:
        """A variable of the layer, by `get_variable` in its scope; dtype None: the layer's.

        regularizer: a function of it, whose value is a loss of the layer, if the variable is new.
        synchronization, aggregation, use_resource: accepted for TensorFlow 1 programs.
        """
        for unknown in kwargs:
            raise TypeError("Unknown keyword argument:", unknown)
        trainable = True if trainable is None else trainable
        target = as_dtype(dtype or self.dtype or float32)
        self._set_scope()
        graph = get_default_graph()
        existing = {*global_variables(), *graph.get_collection(GraphKeys.LOCAL_VARIABLES)}
        given = {"constraint": constraint, "partitioner": partitioner, "use_resource": use_resource}
        options = {key: value for key, value in given.items() if value is not None}
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as current:
            self._current_scope = current
            with graph.name_scope(current.original_name_scope):
                variable: Variable = get_variable(
                    name,
                    shape,
                    target,
                    current.initializer if initializer is None else initializer,
                    trainable=trainable and self.trainable,
                    **options,
                )
                if variable in existing:  # made elsewhere, or before
                    return variable
                if regularizer is not None:
                    self._regularize_weight(graph, name, variable, regularizer)
        self._own(variable, trainable)
        return variable

    add_variable = add_weight

    def _regularize_weight(self, graph: Graph, name: str, variable: Any, regularizer: Callable[[Any], Any]) -> None:
        for part in variable if isinstance(variable, (list, tuple)) else [variable]:
            with graph.name_scope(f"{name}/Regularizer"):
                loss = regularizer(part)
            if loss is not None:
                self.add_loss(loss)

    def _own(self, variable: Variable, trainable: bool) -> None:
        trained = trainable and (not self.trainable or variable in trainable_variables())
        (self._trainable_weights if trained else self._non_trainable_weights).append(variable)

    @property
    def trainable_weights(self) -> list[Variable]:
        return list(self._trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        own = [] if self.trainable else self._trainable_weights
        return [*own, *self._non_trainable_weights]

    @property
    def weights(self) -> list[Variable]:
        return [*self.trainable_weights, *self.non_trainable_weights]

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def count_params(self) -> int:
        """The number of values of all variables; ValueError if they are not made yet."""
        if not self.built:
            raise ValueError(f"You tried to call `count_params` on {self.name}, but the layer isn't built.")
        return sum(variable.shape.num_elements() or 0 for variable in self.weights)

    # -- updates and losses

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add operations that update variables; those that are made of the inputs of a call belong to these.

        inputs: outside of a call: whether they depend on inputs, if it is not None.
        """
        for update in updates if isinstance(updates, (list, tuple)) else [updates]:
            update = update() if callable(update) else update
            if self._call_inputs is None:
                conditional = inputs is not None
            else:
                conditional = reaches(update, flatten(self._call_inputs))
            self._updates.append((update, conditional))

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add losses, and to the collection REGULARIZATION_LOSSES; inputs: None if they depend on no inputs."""
        for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
            loss = loss() if callable(loss) else loss
            if loss is None:
                continue
            tensor = convert_to_tensor(loss)
            self._losses.append((tensor, inputs is not None))
            _add_new(tensor.graph, GraphKeys.REGULARIZATION_LOSSES, [tensor])

    @property
    def updates(self) -> list[Any]:
        return [update for update, _ in self._updates] if self.trainable else []

    @property
    def losses(self) -> list[Any]:
        return [loss for loss, _ in self._losses]

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that are made of these inputs; None: those that are made of no inputs."""
        return _relevant(self._updates if self.trainable else [], inputs)

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that are made of these inputs; None: those that are made of no inputs."""
        return _relevant(self._losses, inputs)

    # -- properties

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> DType | None:
        """None before the first call, if the layer was made without one."""
        return self._dtype

    @property
    def graph(self) -> Graph | None:
        """The graph of its first call."""
        return self._graph

    @property
    def scope_name(self) -> str:
        """The name of its variable scope; ValueError before its first use."""
        if self._scope is None:
            raise ValueError(
                f'No name available for layer scope because the layer "{self._name}" has not been used yet. The scope '
                "name is determined the first time the layer instance is called. You must therefore call the layer "
                "before querying `scope_name`."
            )
        return self._scope.name

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        """A copy of the same graph, tensors and variables."""
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        for key, value in vars(self).items():
            shared = isinstance(value, (Graph, Tensor, Operation, Variable, VariableScope))
            weights = isinstance(value, list) and key.startswith("_")
            copied = value if shared else list(value) if weights else copy.deepcopy(value, memo)
            object.__setattr__(result, key, copied)
        return result


def snake_case(name: str) -> str:
    """The name of a class as that of its layer: Conv2DTranspose is conv2d_transpose."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    return f"private{snake}" if snake.startswith("_") else snake


def _numbered(name: str) -> str:
    """The name with the number of the layer among those of the graph that were named so: dense_1, dense_2."""
    ref = get_default_graph().get_collection_ref((_NAMES,))
    if not ref:
        ref.append({})
    ref[0][name] = ref[0].get(name, 0) + 1
    return f"{name}_{ref[0][name]}"


def _add_new(graph: Graph, collection: str, items: Iterable[Any]) -> None:
    ref = graph.get_collection_ref(collection)
    there = {id(item) for item in ref}
    ref.extend(item for item in items if id(item) not in there)


def _relevant(items: Sequence[tuple[Any, bool]], inputs: Any) -> list[Any]:
    if inputs is None:
        return [item for item, conditional in items if not conditional]
    sources = flatten(inputs)
    return [item for item, conditional in items if conditional and reaches(item, sources)]


def reaches(item: Any, sources: Sequence[Any]) -> bool:
    """Whether a tensor or an operation is computed from one of these tensors."""
    wanted = {id(source) for source in sources if not isinstance(source, Variable)}
    wanted |= {id(source.op.outputs[0]) for source in sources if isinstance(source, Variable)}
    start: list[Any] = list(item.inputs) if isinstance(item, Operation) else [convert_to_tensor(item)]
    seen: set[Operation] = set()
    while start:
        tensor = start.pop()
        if id(tensor) in wanted:
            return True
        if tensor.op not in seen:
            seen.add(tensor.op)
            start.extend(tensor.op.inputs)
    return False


def static_shape(input_shape: Any) -> TensorShape:
    """A shape that a user may have given as a list."""
    return as_shape(input_shape)


def _names(collections: Any) -> Sequence[str]:
    """The names of collections: one, several, or None for none."""
    return [collections] if isinstance(collections, str) else list(collections or ())

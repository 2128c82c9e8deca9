"""The base of optimizers: gradients of a loss, and one operation that applies all of them.

An optimizer is a class with `_apply_dense(gradient, variable)`, which adds the update of one variable, and, if it keeps
state, `_create_slots(variables)`.  The state of a variable is a *slot*: a variable of its own, beside the one that it
belongs to and in the same container.

Why updates need no ordering by the user: each one happens under its variable's lock, so that several loops that train
the same variables lose no update.  Which update comes first is open, as in TensorFlow 1.
Source: tf.train.Optimizer of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dflow.gradients import gradients
from dflow.graph import Graph, GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros, zeros_like
from dflow.ops.control import group, tuple_
from dflow.ops.state.variable_lists import trainable_variables
from dflow.ops.state.variables import Variable

GradAndVar = tuple[Tensor | None, Variable]


class Optimizer:
    """Base class of optimizers.

    use_locking: accepted for TensorFlow 1 programs; an update is always made under its variable's lock.
    name: the name scope of the update operations, and of the slots.  ValueError if it is empty.
    """

    GATE_NONE = 0  # a gradient is applied as soon as it is there
    GATE_OP = 1  # the same here: values are immutable, so no update disturbs a gradient that is being computed
    GATE_GRAPH = 2  # no gradient is applied before all of them are there

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Variable, Variable]] = {}
        self._non_slots: dict[tuple[str, Graph], Variable] = {}

    def get_name(self) -> str:
        return self._name

    # -- the public methods

    def minimize(
        self,
        loss: Any,
        global_step: Variable | None = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """One operation that makes `loss` smaller: `compute_gradients`, then `apply_gradients`.

        ValueError if the loss depends on none of the variables, and where these two raise it.
        """
        grads_and_vars = self.compute_gradients(
            loss, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )
        if all(gradient is None for gradient, _ in grads_and_vars):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, "
                f"between variables {[str(v) for _, v in grads_and_vars]} and loss {loss}."
            )
        return self.apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[GradAndVar]:
        """The gradient of `loss` with respect to each variable, as (gradient, variable); None where it depends on none.

        loss: a floating tensor, of any shape (its values are summed).  var_list: a variable or a list of them; None:
        the trainable variables.  grad_loss: the gradient of the loss itself, of its shape; None: ones.
        ValueError if there are no variables, the loss is not floating, or `gate_gradients` is none of `GATE_*`.
        """
        if callable(loss):
            raise RuntimeError("`loss` is a tensor of the graph, not a function")
        if gate_gradients not in (Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  "
                f"Not {gate_gradients}"
            )
        loss = convert_to_tensor(loss)
        _check_floating([loss] if grad_loss is None else [loss, convert_to_tensor(grad_loss, loss.dtype)])
        with scopes.building_in(loss.graph):
            variables = _flat(trainable_variables() if var_list is None else var_list)
        if not variables:
            raise ValueError("No variables to optimize.")
        grads: Sequence[Tensor | None] = gradients(
            loss,
            variables,
            grad_ys=None if grad_loss is None else [grad_loss],
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == Optimizer.GATE_GRAPH and any(gradient is not None for gradient in grads):
            with scopes.building_in(loss.graph):
                grads = tuple_(grads)
        return list(zip(grads, variables, strict=True))

    def apply_gradients(
        self, grads_and_vars: Iterable[GradAndVar], global_step: Variable | None = None, name: str | None = None
    ) -> Operation:
        """One operation that ends when every gradient is applied to its variable.

        grads_and_vars: pairs, as from `compute_gradients`; each gradient has its variable's shape and dtype; pairs
        without a gradient are skipped.  global_step: a variable that is incremented by one after all updates.
        name: of the operation; None: the optimizer's.

        ValueError if there are no pairs, no gradients, or a variable that is not floating.
        """
        pairs = [_checked(gradient, variable) for gradient, variable in grads_and_vars]
        if not pairs:
            raise ValueError("No variables provided.")
        applied = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
        if not applied:
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        _check_floating([variable for _, variable in applied])
        graph = applied[0][1].graph
        with scopes.building_in(graph):
            self._create_slots([variable for _, variable in applied])
            with graph.name_scope(name or self._name) as scope:
                self._prepare()
                train_op = self._updates(graph, applied, global_step, scope)
        ref = graph.get_collection_ref(GraphKeys.TRAIN_OP)
        if train_op not in ref:
            ref.append(train_op)
        return train_op

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The slot `name` of a variable; None if there is none."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names of the slots that were made so far, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """The optimizer's own variables in the default graph, sorted by name."""
        graph = get_default_graph()
        own = [slot for slots in self._slots.values() for slot in slots.values()] + list(self._non_slots.values())
        return sorted((variable for variable in own if variable.graph is graph), key=lambda variable: variable.name)

    # -- methods that an optimizer defines

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        """Make the state that the optimizer keeps for these variables."""

    def _prepare(self) -> None:
        """Make the tensors that all updates share, such as the learning rate."""

    def _apply_dense(self, grad: Tensor, var: Variable) -> Any:
        """The update of one variable; called under its device and a name scope of its own."""
        raise NotImplementedError(f"{type(self).__name__} must define _apply_dense")

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Operation:
        """The operation that ends after all updates, and after the optimizer's own last operations."""
        return group(*update_ops, name=name_scope)

    # -- the parts of these methods

    def _updates(
        self, graph: Graph, applied: Sequence[tuple[Tensor, Variable]], global_step: Variable | None, scope: str
    ) -> Operation:
        updates = []
        for gradient, variable in applied:
            with graph.name_scope(f"update_{variable.op.name}"), graph.colocate_with(variable.op):
                updates.append(self._apply_dense(gradient, variable))
        if global_step is None:
            return self._finish(updates, scope)
        with graph.colocate_with(global_step.op):
            one = convert_to_tensor(1, global_step.dtype, name="value")
        with graph.control_dependencies([self._finish(updates, "update")]):
            return global_step.assign_add(one, name=scope).op

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """The slot of a variable, zeros of its shape and dtype at first; made as `<variable>/<op_name>`."""
        slots = self._slots.setdefault(slot_name, {})
        if var not in slots:
            slots[var] = _beside(var, lambda: _zeros_for(var), f"{var.op.name}/{op_name}", var.validate_shape)
        return slots[var]

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Variable) -> Variable:
        """A variable of the optimizer that belongs to no single variable; one for each graph."""
        key = (name, colocate_with.graph)
        if key not in self._non_slots:
            graph = colocate_with.graph
            with graph.colocate_with(colocate_with.op), graph.container(colocate_with.spec.container):
                self._non_slots[key] = Variable(initial_value, name=name, trainable=False)
        return self._non_slots[key]

    def _get_non_slot_variable(self, name: str, graph: Graph) -> Variable:
        return self._non_slots[name, graph]


def as_hyperparameter(value: Any) -> Any:
    """A hyperparameter, or the result of a function of it: a plain number, or a tensor of the graph."""
    value = value() if callable(value) else value
    return convert_to_tensor(value) if isinstance(value, Variable) else value


def in_dtype_of(value: Any, var: Variable, name: str) -> Tensor:
    """A hyperparameter as a scalar of a variable's dtype; a plain number is exact in that dtype."""
    if not isinstance(value, Tensor):
        return convert_to_tensor(value, var.dtype, name=name)
    if value.dtype == var.dtype:
        return value
    tensor: Tensor = cast(value, var.dtype)
    return tensor


def _beside(var: Variable, initial_value: Callable[[], Tensor], name: str, validate_shape: bool) -> Variable:
    """A variable on the device and in the container of another one, named from the root."""
    graph = var.graph
    with graph.name_scope(None), graph.colocate_with(var.op), graph.container(var.spec.container):
        return Variable(initial_value, name=name, trainable=False, validate_shape=validate_shape)


def _zeros_for(var: Variable) -> Tensor:
    shape = var.shape
    return zeros(shape, var.dtype) if shape.is_fully_defined() else zeros_like(var.initialized_value())


def _flat(items: Any) -> list[Variable]:
    if isinstance(items, Variable):
        return [items]
    variables = [
        variable for item in items for variable in (_flat(item) if isinstance(item, (list, tuple)) else [item])
    ]
    for item in variables:
        if not isinstance(item, Variable):
            raise TypeError(f"Argument is not a dflow.Variable: {item!r}")
    return variables


def _checked(gradient: Any, variable: Any) -> GradAndVar:
    if not isinstance(variable, Variable):
        raise TypeError(f"Argument is not a dflow.Variable: {variable!r}")
    return (None if gradient is None else convert_to_tensor(gradient)), variable


def _check_floating(items: Iterable[Tensor | Variable]) -> None:
    for item in items:
        if not item.dtype.is_floating:
            raise ValueError(
                f"Invalid type {item.dtype.name} for {item.name}, expected: [float32, float64, float16, bfloat16]."
            )

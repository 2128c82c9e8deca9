"""The base of optimizers: gradients of a loss, and one operation that applies all of them.

An optimizer is a class with `_apply_dense(gradient, variable)`, which adds the update of one variable; with
`_apply_sparse(slices, variable)` for gradients that are IndexedSlices; and, if it keeps state,
`_create_slots(variables)`.  The state of a variable is a *slot*: a variable of its own, beside the one that it belongs
to and in the same container.

Why updates need no ordering by the user: each one happens under its variable's lock, so that several loops that train
the same variables lose no update.  Which update comes first is open, as in TensorFlow 1.
Source: tf.train.Optimizer of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dflow.gradients import gradients
from dflow.graph import Graph, GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import fill
from dflow.ops.array.indexed_slices import IndexedSlices, convert_to_tensor_or_indexed_slices
from dflow.ops.array.shape import shape
from dflow.ops.control import group, tuple_
from dflow.ops.math.aggregate import Gradient
from dflow.ops.state.initializers import constant_initializer
from dflow.ops.state.variable_lists import trainable_variables
from dflow.ops.state.variables import ResourceVariable, Variable
from dflow.train import slot_creator
from dflow.train.deduplicate import deduplicate_indexed_slices

GradAndVar = tuple[Gradient | None, Any]


class Optimizer:
    """Base class of optimizers.

    use_locking: accepted for TensorFlow 1 programs; an update is always made under its variable's lock.
    name: the name scope of the update operations, and of the slots.  ValueError if it is empty.
    """

    GATE_NONE = 0  # a gradient is applied as soon as it is there
    GATE_OP = 1  # no gradient that an operation gives is used before all of them are there
    GATE_GRAPH = 2  # no gradient is applied before all of them are there

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Any, Variable]] = {}  # slot name -> the key of a variable -> its slot
        self._non_slot_dict: dict[tuple[str, Graph], Variable] = {}

    def get_name(self) -> str:
        return self._name

    # -- the public methods

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
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
            loss,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
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

        A gradient is IndexedSlices where only rows of the variable were used, as `gather` does.
        loss: a floating tensor of any shape, whose values are summed, or a function without arguments that gives one.
        var_list: a variable or nested lists of them, or tensors; None: the trainable variables.
        grad_loss: the gradient of the loss itself, of its shape; None: ones.
        ValueError if there are no variables, the loss is not floating, or `gate_gradients` is none of `GATE_*`.
        """
        loss = loss() if callable(loss) else loss
        if gate_gradients not in (Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  "
                f"Not {gate_gradients}"
            )
        loss = convert_to_tensor(loss)
        self._assert_valid_dtypes([loss] if grad_loss is None else [loss, convert_to_tensor(grad_loss, loss.dtype)])
        with scopes.building_in(loss.graph):
            variables = _flat(self._trainable() if var_list is None else var_list)
        if not variables:
            raise ValueError("No variables to optimize.")
        grads: Sequence[Gradient | None] = gradients(
            loss,
            variables,
            grad_ys=None if grad_loss is None else [grad_loss],
            gate_gradients=gate_gradients == Optimizer.GATE_OP,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == Optimizer.GATE_GRAPH and any(gradient is not None for gradient in grads):
            with scopes.building_in(loss.graph):
                grads = tuple_(grads)
        pairs = list(zip(grads, variables, strict=True))
        self._assert_valid_dtypes([variable for gradient, variable in pairs if gradient is not None])
        return pairs

    @staticmethod
    def _trainable() -> list[Variable]:
        more = get_default_graph().get_collection(GraphKeys.TRAINABLE_RESOURCE_VARIABLES)
        return [*trainable_variables(), *more]

    def apply_gradients(
        self, grads_and_vars: Iterable[GradAndVar], global_step: Any = None, name: str | None = None
    ) -> Operation:
        """One operation that ends when every gradient is applied to its variable.

        grads_and_vars: pairs, as from `compute_gradients`; each gradient has its variable's shape and dtype; pairs
        without a gradient are skipped.  global_step: a variable that is incremented by one after all updates.
        name: of the operation; None: the optimizer's.

        ValueError if there are no pairs, no gradients, or a variable that is not floating; TypeError for a gradient
        that is none; NotImplementedError for a tensor in the place of a variable.
        """
        pairs = [_checked(gradient, variable) for gradient, variable in grads_and_vars]
        if not pairs:
            raise ValueError("No variables provided.")
        applied = [(gradient, variable) for gradient, variable in pairs if gradient is not None]
        if not applied:
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        self._assert_valid_dtypes([variable for _, variable in applied])
        graph: Graph = applied[0][1].graph
        with scopes.building_in(graph):
            with graph.control_dependencies(None):
                self._create_slots([variable for _, variable in applied])
            with graph.name_scope(name or self._name) as scope:
                self._prepare()
                train_op = self._updates(graph, applied, global_step, scope)
        ref = graph.get_collection_ref(GraphKeys.TRAIN_OP)
        if train_op not in ref:
            ref.append(train_op)
        return train_op

    def get_slot(self, var: Any, name: str) -> Any:
        """The slot `name` of a variable; None if there is none."""
        return self._slots.get(name, {}).get(_key(var))

    def get_slot_names(self) -> list[str]:
        """The names of the slots that were made so far, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """The optimizer's own variables in the default graph, sorted by name."""
        graph = get_default_graph()
        own = [slot for slots in self._slots.values() for slot in slots.values()] + self._non_slot_variables()
        return sorted((variable for variable in own if variable.graph is graph), key=lambda variable: variable.name)

    # -- methods that an optimizer defines

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Make the state that the optimizer keeps for these variables."""

    def _prepare(self) -> None:
        """Make the tensors that all updates share, such as the learning rate."""

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        """The update of one variable; called under its device and a name scope of its own."""
        raise NotImplementedError(f"{type(self).__name__} must define _apply_dense")

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        """The update of rows of one variable; no index comes twice."""
        raise NotImplementedError(f"{type(self).__name__} must define _apply_sparse")

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        """The update of rows of one variable; of an index that comes several times, the values are summed first."""
        summed, distinct = deduplicate_indexed_slices(grad.values, grad.indices)
        return self._apply_sparse(IndexedSlices(summed, distinct, grad.dense_shape), var)

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        """As `_apply_dense`, of a `ResourceVariable`."""
        return self._apply_dense(grad, handle)

    def _resource_apply_sparse_duplicate_indices(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        """As `_apply_sparse_duplicate_indices`, of a `ResourceVariable`; grad: the values."""
        if type(self)._resource_apply_sparse is Optimizer._resource_apply_sparse:
            return self._apply_sparse_duplicate_indices(IndexedSlices(grad, indices), handle)
        summed, distinct = deduplicate_indexed_slices(grad, indices)
        return self._resource_apply_sparse(summed, handle, distinct)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        """As `_apply_sparse`, of a `ResourceVariable`; grad: the values."""
        return self._apply_sparse(IndexedSlices(grad, indices), handle)

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Any:
        """The operation that ends after all updates, and after the optimizer's own last operations."""
        return group(*update_ops, name=name_scope)

    def _valid_dtypes(self) -> set[Any]:
        """The dtypes that losses and variables may have."""
        return {"float16", "bfloat16", "float32", "float64"}

    # -- what an optimizer may use

    def _assert_valid_dtypes(self, tensors: Iterable[Any]) -> None:
        valid = self._valid_dtypes()
        names = {getattr(dtype, "name", dtype) for dtype in valid}
        for item in tensors:
            if item.dtype.name not in names:
                raise ValueError(f"Invalid type {item.dtype.name} for {item.name}, expected: {sorted(names)}.")

    def _call_if_callable(self, param: Any) -> Any:
        """A hyperparameter, or the result of the function that it is."""
        return param() if callable(param) else param

    def _slot_dict(self, slot_name: str) -> dict[Any, Variable]:
        """The slots of this name: the key of a variable -> its slot."""
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(self, var: Any, val: Any, slot_name: str, op_name: str) -> Variable:
        """The slot of a variable, `val` at first; made as `<variable>/<op_name>`."""
        slots = self._slot_dict(slot_name)
        if _key(var) not in slots:
            slots[_key(var)] = slot_creator.create_slot(var, val, op_name)
        return slots[_key(var)]

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Variable:
        """The slot of a variable, of this shape and dtype, with a value from an initializer at first."""
        slots = self._slot_dict(slot_name)
        if _key(var) not in slots:
            slots[_key(var)] = slot_creator.create_slot_with_initializer(var, initializer, shape, dtype, op_name)
        return slots[_key(var)]

    def _filled_slot(self, var: Any, value: float, slot_name: str, op_name: str) -> Variable:
        """The slot of a variable, of its shape and dtype and with this number everywhere at first."""
        if var.shape.is_fully_defined():
            initializer = constant_initializer(value, var.dtype)
            return self._get_or_make_slot_with_initializer(var, initializer, var.shape, var.dtype, slot_name, op_name)
        sizes = shape(var.initialized_value())
        return self._get_or_make_slot(var, fill(sizes, convert_to_tensor(value, var.dtype)), slot_name, op_name)

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Variable:
        """The slot of a variable, zeros of its shape and dtype at first; made as `<variable>/<op_name>`."""
        slots = self._slot_dict(slot_name)
        if _key(var) not in slots:
            slots[_key(var)] = slot_creator.create_zeros_slot(var, op_name)
        return slots[_key(var)]

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any) -> Variable:
        """A variable of the optimizer that belongs to no single variable; one for each graph."""
        graph: Graph = colocate_with.graph
        if (name, graph) not in self._non_slot_dict:
            resource = isinstance(colocate_with, ResourceVariable)
            with graph.colocate_with(colocate_with.op), graph.container(colocate_with.spec.container):
                made = Variable(initial_value, name=name, trainable=False, use_resource=resource)
            self._non_slot_dict[name, graph] = made
        return self._non_slot_dict[name, graph]

    def _get_non_slot_variable(self, name: str, graph: Graph | None = None) -> Any:
        return self._non_slot_dict.get((name, graph or get_default_graph()))

    def _non_slot_variables(self) -> list[Variable]:
        return list(self._non_slot_dict.values())

    # -- the parts of these methods

    def _updates(
        self, graph: Graph, applied: Sequence[tuple[Gradient, Any]], global_step: Any, scope: str
    ) -> Operation:
        updates = []
        for gradient, variable in applied:
            with graph.name_scope(f"update_{variable.op.name}"), graph.colocate_with(variable.op):
                updates.append(self._update(gradient, variable))
        if global_step is None:
            return _operation(self._finish(updates, scope))
        with graph.colocate_with(global_step.op):
            one = convert_to_tensor(1, global_step.dtype, name="value")
        with graph.control_dependencies([self._finish(updates, "update")]):
            return _operation(global_step.assign_add(one, name=scope))

    def _update(self, gradient: Gradient, variable: Any) -> Any:
        """The update of one variable by a gradient, and after it that of the variable's constraint."""
        resource = isinstance(variable, ResourceVariable)
        if isinstance(gradient, IndexedSlices):
            if variable.constraint is not None:
                raise RuntimeError("Cannot use a constraint function on a sparse variable.")
            if resource:
                return self._resource_apply_sparse_duplicate_indices(gradient.values, variable, gradient.indices)
            return self._apply_sparse_duplicate_indices(gradient, variable)
        update = (self._resource_apply_dense if resource else self._apply_dense)(gradient, variable)
        if variable.constraint is None:
            return update
        with variable.graph.control_dependencies([update]):
            return variable.assign(variable.constraint(variable))


def _operation(item: Any) -> Operation:
    op: Operation = item.op if isinstance(item, Tensor) else item
    return op


def _key(var: Any) -> Any:
    return var.graph, var.op.name


def as_hyperparameter(value: Any) -> Any:
    """A hyperparameter, or the result of a function of it: a plain number, or a tensor of the graph."""
    value = value() if callable(value) else value
    return convert_to_tensor(value) if isinstance(value, Variable) else value


def in_dtype_of(value: Any, var: Any, name: str) -> Tensor:
    """A hyperparameter as a scalar of a variable's dtype; a plain number is exact in that dtype."""
    if not isinstance(value, Tensor):
        return convert_to_tensor(value, var.dtype, name=name)
    if value.dtype == var.dtype:
        return value
    tensor: Tensor = cast(value, var.dtype)
    return tensor


def _flat(items: Any) -> list[Any]:
    if isinstance(items, (list, tuple)):
        return [leaf for item in items for leaf in _flat(item)]
    if not isinstance(items, (Variable, Tensor)):
        raise TypeError(f"Argument is not a dflow.Variable: {items!r}")
    return [items]


def _checked(gradient: Any, variable: Any) -> GradAndVar:
    if isinstance(variable, Tensor) and gradient is not None:
        raise NotImplementedError("Trying to update a Tensor ", variable)
    if not isinstance(variable, (Variable, Tensor)):
        raise TypeError(f"Argument is not a dflow.Variable: {variable!r}")
    if gradient is None:
        return None, variable
    try:
        return convert_to_tensor_or_indexed_slices(gradient), variable
    except TypeError:
        raise TypeError(f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {gradient!r}") from None


_deduplicate_indexed_slices = deduplicate_indexed_slices  # its name in TensorFlow's module

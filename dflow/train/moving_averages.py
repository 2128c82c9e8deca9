"""Exponential moving averages of variables and tensors.

    average = df.train.ExponentialMovingAverage(0.99)
    with df.control_dependencies([train]):
        train_and_average = average.apply([v, w])
    ...
    average.average(v)  # a variable, for use in an evaluation

Source: tf.train.ExponentialMovingAverage, assign_moving_average, weighted_moving_average of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dflow.dtypes import float32
from dflow.graph import GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.ops.array.cast import cast
from dflow.ops.control import group
from dflow.ops.math.arithmetic import add, minimum, multiply, subtract
from dflow.ops.math.division import div, realdiv, truediv
from dflow.ops.math.powers import pow
from dflow.ops.state.assign import assign_add, assign_sub
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import zeros_initializer
from dflow.ops.state.variable_lists import global_variables, moving_average_variables, trainable_variables
from dflow.ops.state.variable_scope import get_variable_scope, variable_scope
from dflow.ops.state.variables import Variable
from dflow.train.slot_creator import create_slot, create_zeros_slot

__all__ = ["ExponentialMovingAverage", "assign_moving_average", "weighted_moving_average"]


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Tensor:
    """`variable = variable * decay + value * (1 - decay)`; gives the new value.

    value: a tensor of the variable's shape and dtype; decay: a number or a scalar tensor.
    zero_debias: the variable was zeros at first, and is corrected for that: an average without the correction and the
    number of its updates are kept in the variables `<variable>/biased` and `<variable>/local_step`.
    """
    graph = variable.graph
    with scopes.building_in(graph), graph.name_scope(name or "AssignMovingAvg") as scope:
        with graph.colocate_with(variable.op):
            rate = convert_to_tensor(1.0 - decay, name="decay")
            rate = rate if rate.dtype == variable.dtype else cast(rate, variable.dtype)
            if zero_debias:
                delta = subtract(variable, _unbiased(variable, value, rate))
            else:
                delta = multiply(subtract(variable, value), rate)
        return assign_sub(variable, delta, name=scope)


def _unbiased(variable: Any, value: Any, rate: Tensor) -> Tensor:
    """The new average, corrected for its start at zero.  rate: 1 - decay."""
    graph = variable.graph
    with variable_scope(variable.op.name, values=[variable, value, rate]):
        with graph.control_dependencies(None):
            start = zeros_initializer()(variable.shape, variable.dtype)
            biased = get_variable(_free("biased"), initializer=start, trainable=False)
            step = get_variable(
                _free("local_step"), [], variable.dtype, initializer=zeros_initializer(), trainable=False
            )
        updates = [assign_sub(biased, multiply(subtract(biased, value), rate)), assign_add(step, 1)]
        with graph.control_dependencies(updates):
            weight = 1 - pow(1 - rate, step.read_value())
            return realdiv(biased.read_value(), weight)


def _free(name: str) -> str:
    """The name, with _1, _2, ... if a variable of the scope has it, unless variables are reused."""
    scope = get_variable_scope()
    if scope.reuse:
        return name
    taken = {variable.op.name for variable in scope.global_variables()}
    candidate, number = name, 0
    while f"{scope.name}/{candidate}" in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def weighted_moving_average(
    value: Any,
    decay: Any,
    weight: Any,
    truediv: bool = True,
    collections: Iterable[Any] | None = None,
    name: str | None = None,
) -> Tensor:
    """The moving average of `value * weight` divided by that of `weight`; a run of it takes one more value.

    value, weight: tensors of known shapes, which broadcast.  truediv=False: integers are divided with `div`.
    collections: of the two variables that it keeps; None: GLOBAL_VARIABLES.
    """
    names = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
    with variable_scope(name, "WeightedMovingAvg", [value, weight, decay]) as scope:
        product, total = (
            get_variable(
                its_name,
                its.shape,
                its.dtype,
                initializer=zeros_initializer(),
                trainable=False,
                collections=names,
            )
            for its_name, its in (("value_x_weight", value), ("weight", weight))
        )
        above = assign_moving_average(product, multiply(value, weight), decay, zero_debias=False)
        below = assign_moving_average(total, weight, decay, zero_debias=False)
        return (_truediv if truediv else div)(above, below, name=scope.name)


_truediv = truediv


class ExponentialMovingAverage:
    """Keeps moving averages: `average = average * decay + value * (1 - decay)`.

    decay: a number or a scalar tensor, near 1.  num_updates: the number of updates so far: if it is given, the decay is
    at most `(1 + num_updates) / (10 + num_updates)`.  zero_debias: correct the averages of tensors for their start at
    zero.  name: of the operation, and of the averages, `<variable>/<name>`.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        self._averages: dict[Any, Variable] = {}

    @property
    def name(self) -> str:
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Operation:
        """The operation that updates the averages, which are made in the first call for a variable.

        var_list: variables and tensors, floating; None: the trainable variables.  The average of a variable begins at
        its initial value, that of a tensor at zeros.  Such variables are added to MOVING_AVERAGE_VARIABLES.
        TypeError for what is not floating.
        """
        items = trainable_variables() if var_list is None else list(var_list)
        corrected = set[Variable]()
        for item in items:
            if not item.dtype.is_floating:
                raise TypeError(f"The variables must be half, float, or double: {item.name}")
            if item not in self._averages:
                average = self._averages[item] = self._made(item)
                if self._zero_debias and not isinstance(item, Variable):
                    corrected.add(average)
        graph = items[0].graph if items else get_default_graph()
        with scopes.building_in(graph), graph.name_scope(self._name) as scope:
            decay = convert_to_tensor(self._decay, name="decay")
            if self._num_updates is not None:
                count = cast(self._num_updates, float32, name="num_updates")
                decay = minimum(decay, realdiv(add(count, 1.0), add(count, 10.0)))
            updates = [
                assign_moving_average(self._averages[item], item, decay, self._averages[item] in corrected)
                for item in items
            ]
            return group(*updates, name=scope)

    def _made(self, item: Any) -> Variable:
        graph = item.graph
        with scopes.building_in(graph), graph.control_dependencies(None):
            if not isinstance(item, Variable):
                return create_zeros_slot(item, self._name, colocate_with_primary=item.op.type == "VariableV2")
            average = create_slot(item, item.initialized_value(), self._name)
            graph.add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, item)
            return average

    def average(self, var: Any) -> Variable | None:
        """The variable with the average of a variable or tensor; None if there is none."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name of that variable's operation, also before it is made."""
        if var in self._averages:
            return self._averages[var].op.name
        return get_default_graph().unique_name(f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables: Iterable[Variable] | None = None) -> dict[str, Variable]:
        """name in a checkpoint -> variable, which loads each variable's average in its place.

        moving_avg_variables: None: the trainable variables and those of MOVING_AVERAGE_VARIABLES.  Variables without an
        average have their own names.
        """
        given = moving_avg_variables
        averaged = [*trainable_variables(), *moving_average_variables()] if given is None else list(given)
        names = {self.average_name(variable): variable for variable in dict.fromkeys(averaged)}
        taken = {variable.name for variable in averaged}
        for variable in global_variables():
            if variable.name not in taken and variable.op.name not in names:
                names[variable.op.name] = variable
        return names

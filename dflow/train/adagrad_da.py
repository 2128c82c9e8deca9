"""Adagrad with dual averaging, for sparse linear models.

Source: tf.train.AdagradDAOptimizer of TensorFlow 1.15; J. Duchi, E. Hazan, Y. Singer: Adaptive subgradient methods,
2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import int64
from dflow.graph import Tensor, get_default_graph
from dflow.ops.array.cast import cast
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.control import identity
from dflow.ops.math.arithmetic import add
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.shrink import shrunk
from dflow.train.update_ops import apply_update, define_update

__all__ = ["AdagradDAOptimizer"]


def _rule(
    grad: Any, value: Any, total: Any, squares: Any, *, lr: Any, l1: Any, l2: Any, global_step: Any
) -> Sequence[Any]:
    xp = namespace(grad)
    step = xp.astype(global_step, grad.dtype)
    new_total = pairwise("add", total, grad)
    new_squares = pairwise("multiply", grad, grad)
    new_squares += squares
    new = shrunk(new_total, l1 * step) if l1 > 0 else new_total
    new = new * -lr
    size = xp.sqrt(new_squares)
    size += l2 * step * lr
    new /= size
    return new, new_total, new_squares


define_update(
    "AdagradDA",
    _rule,
    slots=("gradient_accumulator", "gradient_squared_accumulator"),
    operands=("grad", "lr", "l1", "l2", "global_step"),
)


class AdagradDAOptimizer(Optimizer):
    """Adagrad with dual averaging: a variable follows from the sums of its gradients, and is regularized lazily.

    global_step: a scalar variable or tensor of integers, the number of updates before this one.
    learning_rate, the strengths of regularization: as the learning rate of `GradientDescentOptimizer`.
    Its slots are "gradient_accumulator", zeros at first, and "gradient_squared_accumulator"; ValueError unless the
    initial value of the latter is positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        if initial_gradient_squared_accumulator_value <= 0.0:
            raise ValueError(
                "initial_gradient_squared_accumulator_value must be positive: "
                f"{initial_gradient_squared_accumulator_value}"
            )
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._global_step = global_step
        self._initial_gradient_squared_accumulator_value = initial_gradient_squared_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        start = self._initial_gradient_squared_accumulator_value
        for variable in var_list:
            self._filled_slot(variable, 0.0, "gradient_accumulator", self._name)
            self._filled_slot(variable, start, "gradient_squared_accumulator", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)
        self._global_step_on_worker = add(identity(self._global_step), 1)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        with get_default_graph().colocate_with(var.op):
            step = cast(identity(self._global_step_on_worker), int64)
        operands = {
            "lr": in_dtype_of(self._learning_rate_tensor, var, "learning_rate"),
            "l1": in_dtype_of(as_hyperparameter(self._l1_regularization_strength), var, "l1"),
            "l2": in_dtype_of(as_hyperparameter(self._l2_regularization_strength), var, "l2"),
            "global_step": step,
        }
        names = ("gradient_accumulator", "gradient_squared_accumulator")
        slots = {name: self.get_slot(var, name) for name in names}
        return apply_update("AdagradDA", var, grad, operands, slots)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

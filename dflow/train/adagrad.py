"""Adagrad: each value has a rate of its own, by the sum of the squares of its gradients.

Source: tf.train.AdagradOptimizer of TensorFlow 1.15; J. Duchi, E. Hazan, Y. Singer: Adaptive subgradient methods, 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.update_ops import apply_update, define_update

__all__ = ["AdagradOptimizer"]


def _rule(grad: Any, value: Any, accum: Any, *, lr: Any, update_slots: bool) -> Sequence[Any]:
    new = accum
    if update_slots:
        new = pairwise("multiply", grad, grad)
        new += accum
    step = pairwise("multiply", grad, -lr)
    step /= namespace(grad).sqrt(new)
    step += value
    return step, new


define_update("Adagrad", _rule, slots=("accum",), operands=("lr", "grad"))


class AdagradOptimizer(Optimizer):
    """`accumulator += gradient**2; variable -= learning_rate * gradient / sqrt(accumulator)`.

    learning_rate: as in `GradientDescentOptimizer`.  Its slot is "accumulator", which begins at
    `initial_accumulator_value` and is kept as `<variable>/Adagrad`; ValueError if it is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._filled_slot(variable, self._initial_accumulator_value, "accumulator", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        operands = {"lr": in_dtype_of(self._learning_rate_tensor, var, "learning_rate")}
        slots = {"accum": self.get_slot(var, "accumulator")}
        return apply_update("Adagrad", var, grad, operands, slots, update_slots=True)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

"""Proximal Adagrad.

Source: tf.train.ProximalAdagradOptimizer of TensorFlow 1.15; J. Duchi, Y. Singer: Efficient learning using
forward-backward splitting, 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import namespace
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.shrink import shrunk
from dflow.train.update_ops import apply_update, define_update

__all__ = ["ProximalAdagradOptimizer"]


def _rule(grad: Any, value: Any, accum: Any, *, lr: Any, l1: Any, l2: Any) -> Sequence[Any]:
    new_accum = grad * grad
    new_accum += accum
    rate = lr / namespace(grad).sqrt(new_accum)
    new = value - grad * rate
    if l1 > 0:
        new = shrunk(new, rate * l1)
    rate *= l2
    rate += 1
    new /= rate
    return new, new_accum


define_update("ProximalAdagrad", _rule, slots=("accum",), operands=("lr", "l1", "l2", "grad"))


class ProximalAdagradOptimizer(Optimizer):
    """Adagrad, after which each value is moved by `rate * l1` towards 0 and divided by `1 + rate * l2`.

    rate: `learning_rate / sqrt(accumulator)`, after `accumulator += gradient**2`.
    learning_rate, the strengths of regularization: as the learning rate of `GradientDescentOptimizer`.  Its slot is
    "accumulator", which begins at `initial_accumulator_value`; ValueError if it is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._filled_slot(variable, self._initial_accumulator_value, "accumulator", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)
        self._l1_regularization_strength_tensor = as_hyperparameter(self._l1_regularization_strength)
        self._l2_regularization_strength_tensor = as_hyperparameter(self._l2_regularization_strength)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        operands = {
            "lr": in_dtype_of(self._learning_rate_tensor, var, "learning_rate"),
            "l1": in_dtype_of(self._l1_regularization_strength_tensor, var, "l1_regularization_strength"),
            "l2": in_dtype_of(self._l2_regularization_strength_tensor, var, "l2_regularization_strength"),
        }
        return apply_update("ProximalAdagrad", var, grad, operands, {"accum": self.get_slot(var, "accumulator")})

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

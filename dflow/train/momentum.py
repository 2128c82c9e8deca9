"""Gradient descent with momentum.  Source: tf.train.MomentumOptimizer of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import pairwise
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.update_ops import apply_update, define_update

__all__ = ["MomentumOptimizer"]


def _rule(grad: Any, value: Any, accum: Any, *, lr: Any, momentum: Any, use_nesterov: bool) -> Sequence[Any]:
    new = pairwise("multiply", accum, momentum)
    new += grad
    step = pairwise("multiply", new, momentum if use_nesterov else -lr)
    if use_nesterov:
        step *= -lr
        step += pairwise("multiply", grad, -lr)
    step += value
    return step, new


define_update("Momentum", _rule, slots=("accum",), operands=("lr", "grad", "momentum"))


class MomentumOptimizer(Optimizer):
    """`accumulation = momentum * accumulation + gradient; variable -= learning_rate * accumulation`.

    use_nesterov: `variable -= learning_rate * (gradient + momentum * accumulation)`, with the new accumulation.
    learning_rate, momentum: as in `GradientDescentOptimizer`.  Its slot is "momentum", kept as `<variable>/Momentum`.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._zeros_slot(variable, "momentum", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)
        self._momentum_tensor = as_hyperparameter(self._momentum)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        rate = in_dtype_of(self._learning_rate_tensor, var, "learning_rate")
        momentum = in_dtype_of(self._momentum_tensor, var, "momentum")
        slots = {"accum": self.get_slot(var, "momentum")}
        operands = {"lr": rate, "momentum": momentum}
        return apply_update("Momentum", var, grad, operands, slots, use_nesterov=self._use_nesterov)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

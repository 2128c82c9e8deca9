"""Adadelta.  Source: tf.train.AdadeltaOptimizer of TensorFlow 1.15; M. Zeiler: ADADELTA, 2012."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.update_ops import apply_update, define_update

__all__ = ["AdadeltaOptimizer"]


def _rule(grad: Any, value: Any, accum: Any, accum_update: Any, *, lr: Any, rho: Any, epsilon: Any) -> Sequence[Any]:
    xp = namespace(grad)
    new_accum = _moved(accum, grad, rho)
    update = xp.sqrt(accum_update + epsilon)
    update /= xp.sqrt(new_accum + epsilon)
    update *= grad
    new_accum_update = _moved(accum_update, update, rho)
    update *= -lr
    update += value
    return update, new_accum, new_accum_update


def _moved(average: Any, value: Any, rho: Any) -> Any:
    """A moving average of squares, after one more value."""
    new = pairwise("multiply", value, value)
    new *= 1 - rho
    new += pairwise("multiply", average, rho)
    return new


define_update("Adadelta", _rule, slots=("accum", "accum_update"), operands=("lr", "rho", "epsilon", "grad"))


class AdadeltaOptimizer(Optimizer):
    """Adadelta: the rate of each value is the ratio of the sizes of its recent updates and gradients.

        accum = rho * accum + (1 - rho) * gradient**2
        update = gradient * sqrt(accum_update + epsilon) / sqrt(accum + epsilon)
        accum_update = rho * accum_update + (1 - rho) * update**2
        variable -= learning_rate * update

    learning_rate, rho, epsilon: as the learning rate of `GradientDescentOptimizer`.  Its slots are "accum" and
    "accum_update", zeros at first.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._rho = rho
        self._epsilon = epsilon

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._zeros_slot(variable, "accum", self._name)
            self._zeros_slot(variable, "accum_update", self._name)

    def _prepare(self) -> None:
        self._lr_t = as_hyperparameter(self._lr)
        self._rho_t = as_hyperparameter(self._rho)
        self._epsilon_t = as_hyperparameter(self._epsilon)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        operands = {
            "lr": in_dtype_of(self._lr_t, var, "lr"),
            "rho": in_dtype_of(self._rho_t, var, "rho"),
            "epsilon": in_dtype_of(self._epsilon_t, var, "epsilon"),
        }
        slots = {name: self.get_slot(var, name) for name in ("accum", "accum_update")}
        return apply_update("Adadelta", var, grad, operands, slots)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

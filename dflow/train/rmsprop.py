"""RMSProp.  Source: tf.train.RMSPropOptimizer of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.update_ops import apply_update, define_update

__all__ = ["RMSPropOptimizer"]


def _moved(average: Any, value: Any, rho: Any) -> Any:
    """A moving average, after one more value."""
    new = pairwise("subtract", value, average)
    new *= 1 - rho
    new += average
    return new


def _step(grad: Any, value: Any, mom: Any, mean_square: Any, lr: Any, momentum: Any, epsilon: Any) -> tuple[Any, Any]:
    """The new value and momentum."""
    size = namespace(grad).sqrt(mean_square + epsilon)
    new_mom = pairwise("multiply", grad, lr)
    new_mom /= size
    new_mom += pairwise("multiply", mom, momentum)
    return value - new_mom, new_mom


def _rule(grad: Any, value: Any, ms: Any, mom: Any, *, lr: Any, rho: Any, momentum: Any, epsilon: Any) -> Sequence[Any]:
    new_ms = _moved(ms, grad * grad, rho)
    new, new_mom = _step(grad, value, mom, new_ms, lr, momentum, epsilon)
    return new, new_ms, new_mom


def _centered_rule(
    grad: Any, value: Any, mg: Any, ms: Any, mom: Any, *, lr: Any, rho: Any, momentum: Any, epsilon: Any
) -> Sequence[Any]:
    new_ms, new_mg = _moved(ms, grad * grad, rho), _moved(mg, grad, rho)
    new, new_mom = _step(grad, value, mom, new_ms - new_mg * new_mg, lr, momentum, epsilon)
    return new, new_mg, new_ms, new_mom


_OPERANDS = ("lr", "rho", "momentum", "epsilon", "grad")

define_update("RMSProp", _rule, slots=("ms", "mom"), operands=_OPERANDS)
define_update("CenteredRMSProp", _centered_rule, slots=("mg", "ms", "mom"), operands=_OPERANDS)


class RMSPropOptimizer(Optimizer):
    """RMSProp: the gradient is divided by the root of the moving average of its squares.

        rms = decay * rms + (1 - decay) * gradient**2
        momentum_slot = momentum * momentum_slot + learning_rate * gradient / sqrt(rms + epsilon)
        variable -= momentum_slot

    centered: the square of the moving average of the gradient, the slot "mg", is subtracted from rms in the root.
    learning_rate, decay, momentum, epsilon: as the learning rate of `GradientDescentOptimizer`.  Its slots are "rms",
    ones at first, and "momentum".
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._decay = decay
        self._momentum = momentum
        self._epsilon = epsilon
        self._centered = centered

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._filled_slot(variable, 1.0, "rms", self._name)
            if self._centered:
                self._zeros_slot(variable, "mg", self._name)
            self._zeros_slot(variable, "momentum", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)
        self._decay_tensor = as_hyperparameter(self._decay)
        self._momentum_tensor = as_hyperparameter(self._momentum)
        self._epsilon_tensor = as_hyperparameter(self._epsilon)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        operands = {
            "lr": in_dtype_of(self._learning_rate_tensor, var, "learning_rate"),
            "rho": in_dtype_of(self._decay_tensor, var, "decay"),
            "momentum": in_dtype_of(self._momentum_tensor, var, "momentum"),
            "epsilon": in_dtype_of(self._epsilon_tensor, var, "epsilon"),
        }
        slots = {"ms": self.get_slot(var, "rms"), "mom": self.get_slot(var, "momentum")}
        if not self._centered:
            return apply_update("RMSProp", var, grad, operands, slots)
        return apply_update("CenteredRMSProp", var, grad, operands, {"mg": self.get_slot(var, "mg"), **slots})

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

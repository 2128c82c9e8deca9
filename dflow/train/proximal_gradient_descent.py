"""Proximal gradient descent.

Source: tf.train.ProximalGradientDescentOptimizer of TensorFlow 1.15; J. Duchi, Y. Singer: Efficient learning using
forward-backward splitting, 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import pairwise
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.shrink import shrunk
from dflow.train.update_ops import apply_update, define_update

__all__ = ["ProximalGradientDescentOptimizer"]


def _rule(grad: Any, value: Any, *, alpha: Any, l1: Any, l2: Any) -> Sequence[Any]:
    new = pairwise("multiply", grad, -alpha)
    new += value
    if l1 > 0:
        new = shrunk(new, alpha * l1)
    new /= alpha * l2 + 1
    return (new,)


define_update("ProximalGradientDescent", _rule, slots=(), operands=("alpha", "l1", "l2", "grad"))


class ProximalGradientDescentOptimizer(Optimizer):
    """Gradient descent, after which each value is moved by `rate * l1` towards 0 and divided by `1 + rate * l2`.

    learning_rate, the strengths of regularization: as the learning rate of `GradientDescentOptimizer`.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)
        self._l1_regularization_strength_tensor = as_hyperparameter(self._l1_regularization_strength)
        self._l2_regularization_strength_tensor = as_hyperparameter(self._l2_regularization_strength)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        operands = {
            "alpha": in_dtype_of(self._learning_rate_tensor, var, "learning_rate"),
            "l1": in_dtype_of(self._l1_regularization_strength_tensor, var, "l1_regularization_strength"),
            "l2": in_dtype_of(self._l2_regularization_strength_tensor, var, "l2_regularization_strength"),
        }
        return apply_update("ProximalGradientDescent", var, grad, operands, {})

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

"""Gradient descent.  Source: tf.train.GradientDescentOptimizer of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.math.arithmetic import multiply
from dflow.ops.rules.arrays import pairwise
from dflow.ops.state.scatter import scatter_sub
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.update_ops import apply_update, define_update

__all__ = ["GradientDescentOptimizer"]


def _rule(grad: Any, value: Any, *, alpha: Any, out: Any) -> Sequence[Any]:
    new = pairwise("multiply", grad, -alpha, out)
    new += value
    return (new,)


define_update("GradientDescent", _rule, slots=(), operands=("alpha", "grad"), sparse=False, inplace=True)


class GradientDescentOptimizer(Optimizer):
    """`variable -= learning_rate * gradient`.

    learning_rate: a number, a scalar tensor, or a function without arguments that gives one, called when the update is
    built.  A number is exact in each variable's dtype; a tensor of another dtype is cast.
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._learning_rate_tensor: Any = None

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        rate = in_dtype_of(self._learning_rate_tensor, var, "learning_rate")
        return apply_update("GradientDescent", var, grad, {"alpha": rate}, {})

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        rate = in_dtype_of(self._learning_rate_tensor, var, "learning_rate")
        return scatter_sub(var, grad.indices, multiply(grad.values, rate), use_locking=self._use_locking).op

"""Variants of Adam.  Source: tf.contrib.opt of TensorFlow 1.15."""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.gather import gather
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.control import group
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import sqrt
from dflow.ops.state.scatter import scatter_sub
from dflow.train.adam import AdamOptimizer
from dflow.train.update_ops import apply_update

__all__ = ["LazyAdamOptimizer", "NadamOptimizer"]


class LazyAdamOptimizer(AdamOptimizer):
    """Adam, of which IndexedSlices change their rows alone: the averages of other rows stay.

    Each step takes time for its rows, not for the whole variable; the results are not those of `AdamOptimizer`.
    Source: tf.contrib.opt.LazyAdamOptimizer.
    """

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        slots = {name: self.get_slot(var, name) for name in ("m", "v")}
        return apply_update("Adam", var, grad, self._operands(var), slots, use_nesterov=False)


class NadamOptimizer(AdamOptimizer):
    """Adam with Nesterov momentum: the step is that of `beta1 * m + (1 - beta1) * gradient`, with the new m.

    Source: tf.contrib.opt.NadamOptimizer; T. Dozat: Incorporating Nesterov momentum into Adam, 2016.
    """

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        slots = {name: self.get_slot(var, name) for name in ("m", "v")}
        return apply_update("Adam", var, grad, self._operands(var), slots, use_nesterov=True)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        its = self._operands(var)
        m = self._moved(self.get_slot(var, "m"), grad, its["beta1"], grad.values)
        v = self._moved(self.get_slot(var, "v"), grad, its["beta2"], multiply(grad.values, grad.values))
        ahead = add(multiply(grad.values, 1 - its["beta1"]), multiply(gather(m, grad.indices), its["beta1"]))
        size = add(sqrt(gather(v, grad.indices)), its["epsilon"])
        step = realdiv(multiply(ahead, self._rate(its)), size)
        return group(scatter_sub(var, grad.indices, step, use_locking=self._use_locking), m, v)

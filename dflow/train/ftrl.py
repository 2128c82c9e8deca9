"""FTRL-proximal, for sparse linear models.

Source: tf.train.FtrlOptimizer of TensorFlow 1.15; H. McMahan et al.: Ad click prediction, 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import namespace
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.shrink import clipped
from dflow.train.update_ops import apply_update, define_update

__all__ = ["FtrlOptimizer"]


def _power(accum: Any, lr_power: Any) -> Any:
    """accum ** -lr_power; a root is faster."""
    xp = namespace(accum)
    return xp.sqrt(accum) if float(lr_power) == -0.5 else xp.pow(accum, -lr_power)


def _rule(
    grad: Any,
    value: Any,
    accum: Any,
    linear: Any,
    *,
    lr: Any,
    l1: Any,
    l2: Any,
    lr_power: Any,
    l2_shrinkage: Any = None,
) -> Sequence[Any]:
    new_accum = grad * grad
    new_accum += accum
    size = _power(new_accum, lr_power)
    new_linear = size - _power(accum, lr_power)
    new_linear *= value / -lr
    new_linear += grad
    new_linear += linear
    if l2_shrinkage is not None:
        new_linear += value * (l2_shrinkage * 2)
    new = clipped(new_linear, l1) - new_linear  # 0 for a sum that is not larger than l1
    size /= lr
    size += l2 * 2
    new /= size
    return new, new_accum, new_linear


define_update("Ftrl", _rule, slots=("accum", "linear"), operands=("grad", "lr", "l1", "l2", "lr_power"))
define_update(
    "FtrlV2", _rule, slots=("accum", "linear"), operands=("grad", "lr", "l1", "l2", "l2_shrinkage", "lr_power")
)


class FtrlOptimizer(Optimizer):
    """FTRL-proximal: a variable follows from the sums of its gradients, with L1 and L2 regularization.

        new_accum = accum + gradient**2
        linear += gradient - (new_accum**-p - accum**-p) / learning_rate * variable
        variable = (sign(linear) * l1 - linear) / (new_accum**-p / learning_rate + 2 * l2) if abs(linear) > l1 else 0

    p: `learning_rate_power`; l2_shrinkage_regularization_strength: the gradient in the second line has `2 *` this `*
    variable` added.  learning_rate and the strengths: as the learning rate of `GradientDescentOptimizer`.
    Its slots are "accum", which begins at `initial_accumulator_value`, and "linear"; accum_name, linear_name: their
    names, in place of the optimizer's.
    ValueError for a positive power, and for other numbers that are negative.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
    ) -> None:
        super().__init__(use_locking, name)
        for what, number in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if number < 0.0:
                raise ValueError(f"{what} {number:f} needs to be positive or zero")
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power:f} needs to be negative or zero")
        self._learning_rate = learning_rate
        self._learning_rate_power = learning_rate_power
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength
        self._l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self._accum_name = accum_name
        self._linear_name = linear_name

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            start = self._initial_accumulator_value
            self._filled_slot(variable, start, "accum", self._accum_name or self._name)
            self._zeros_slot(variable, "linear", self._linear_name or self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = as_hyperparameter(self._learning_rate)

    def _apply_dense(self, grad: Tensor | IndexedSlices, var: Any) -> Any:
        operands = {
            "lr": in_dtype_of(self._learning_rate_tensor, var, "learning_rate"),
            "l1": in_dtype_of(self._l1_regularization_strength, var, "l1_regularization_strength"),
            "l2": in_dtype_of(self._l2_regularization_strength, var, "l2_regularization_strength"),
            "lr_power": in_dtype_of(self._learning_rate_power, var, "learning_rate_power"),
        }
        slots = {name: self.get_slot(var, name) for name in ("accum", "linear")}
        if self._l2_shrinkage_regularization_strength <= 0.0:
            return apply_update("Ftrl", var, grad, operands, slots)
        shrinkage = self._l2_shrinkage_regularization_strength
        operands["l2_shrinkage"] = in_dtype_of(shrinkage, var, "l2_shrinkage_regularization_strength")
        return apply_update("FtrlV2", var, grad, operands, slots)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_dense(grad, var)

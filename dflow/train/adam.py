"""Adam.  Source: tf.train.AdamOptimizer of TensorFlow 1.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.graph import Tensor, create_op
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.control import group
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import sqrt
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.state.assign import assign, assign_sub
from dflow.ops.state.scatter import scatter_add
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of
from dflow.train.update_ops import apply_update, define_update

__all__ = ["AdamOptimizer"]


def _rule(
    grad: Any,
    value: Any,
    m: Any,
    v: Any,
    *,
    beta1_power: Any,
    beta2_power: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    use_nesterov: bool = False,
) -> Sequence[Any]:
    xp = namespace(grad)
    rate = lr * xp.sqrt(1 - beta2_power) / (1 - beta1_power)
    new_m = pairwise("subtract", grad, m)
    new_m *= 1 - beta1
    new_m += m
    new_v = pairwise("multiply", grad, grad)
    new_v -= v
    new_v *= 1 - beta2
    new_v += v
    size = xp.sqrt(new_v)
    size += epsilon
    if use_nesterov:
        step = pairwise("multiply", grad, 1 - beta1)
        step += new_m * beta1
        step *= -rate
    else:
        step = pairwise("multiply", new_m, -rate)
    step /= size
    step += value
    return step, new_m, new_v


define_update(
    "Adam",
    _rule,
    slots=("m", "v"),
    operands=("beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon", "grad"),
)


class AdamOptimizer(Optimizer):
    """Adam: moving averages of the gradient and of its square, corrected for their start at zero.

    At update t, with `rate = learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t)`:

        m += (1 - beta1) * (gradient - m)
        v += (1 - beta2) * (gradient**2 - v)
        variable -= rate * m / (sqrt(v) + epsilon)

    learning_rate, beta1, beta2, epsilon: as in `GradientDescentOptimizer`.  Its slots are "m" and "v", kept as
    `<variable>/Adam` and `<variable>/Adam_1`; beta1**t and beta2**t are the variables `beta1_power` and `beta2_power`,
    beside the first variable by name, float32.  Variables should be float32 or float64: 0.999 is 1 in bfloat16, and
    1e-8 is 0 in float16.  IndexedSlices change all rows: the averages of the others shrink.
    D. Kingma, J. Ba: Adam, 2014 (the form before section 2.1).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta1 = beta1
        self._beta2 = beta2
        self._epsilon = epsilon

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        """beta1**t and beta2**t."""
        return self._get_non_slot_variable("beta1_power"), self._get_non_slot_variable("beta2_power")

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda variable: str(variable.name))
        self._create_non_slot_variable(as_hyperparameter(self._beta1), "beta1_power", first)
        self._create_non_slot_variable(as_hyperparameter(self._beta2), "beta2_power", first)
        for variable in var_list:
            self._zeros_slot(variable, "m", self._name)
            self._zeros_slot(variable, "v", self._name)

    def _prepare(self) -> None:
        self._lr_t = as_hyperparameter(self._lr)
        self._beta1_t = as_hyperparameter(self._beta1)
        self._beta2_t = as_hyperparameter(self._beta2)
        self._epsilon_t = as_hyperparameter(self._epsilon)

    def _operands(self, var: Any) -> dict[str, Tensor]:
        beta1_power, beta2_power = self._get_beta_accumulators()
        values = {
            "beta1_power": beta1_power.value(),
            "beta2_power": beta2_power.value(),
            "lr": self._lr_t,
            "beta1": self._beta1_t,
            "beta2": self._beta2_t,
            "epsilon": self._epsilon_t,
        }
        names = {"lr": "learning_rate"}
        return {name: in_dtype_of(value, var, names.get(name, name)) for name, value in values.items()}

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        slots = {name: self.get_slot(var, name) for name in ("m", "v")}
        return apply_update("Adam", var, grad, self._operands(var), slots, use_nesterov=False)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        its = self._operands(var)
        rate = self._rate(its)
        m = self._moved(self.get_slot(var, "m"), grad, its["beta1"], grad.values)
        v = self._moved(self.get_slot(var, "v"), grad, its["beta2"], multiply(grad.values, grad.values))
        step = realdiv(multiply(rate, m), add(sqrt(v), its["epsilon"]))
        return group(assign_sub(var, step, use_locking=self._use_locking), m, v)

    def _rate(self, its: dict[str, Tensor]) -> Tensor:
        """The learning rate, corrected for the start of the averages at zero."""
        return realdiv(multiply(its["lr"], sqrt(1 - its["beta2_power"])), 1 - its["beta1_power"])

    def _moved(self, slot: Any, grad: IndexedSlices, beta: Tensor, values: Tensor) -> Tensor:
        """A moving average after rows of new values and zeros elsewhere."""
        shrunk = assign(slot, multiply(slot.value(), beta), use_locking=self._use_locking)
        return scatter_add(shrunk, grad.indices, multiply(values, 1 - beta), use_locking=self._use_locking)

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Any:
        """Multiply the powers of the betas after all updates, each under its lock."""
        graph = update_ops[0].graph
        steps = []
        betas = (self._beta1_t, self._beta2_t)
        for i, (power, beta) in enumerate(zip(self._get_beta_accumulators(), betas, strict=True), 1):
            with graph.colocate_with(power.op):
                factor = in_dtype_of(beta, power, f"beta{i}")
                with graph.control_dependencies(update_ops):
                    steps.append(create_op("AssignMul", factor, variable=power.spec))
        return group(*update_ops, *steps, name=name_scope)

"""The optimizers gradient descent, momentum and Adam.

    d = df.train.GradientDescentOptimizer(0.1).minimize(loss)

The update of a variable is one operation on the variable's device.  It reads and replaces the variable and its slots
under their locks, so that concurrent updates happen one after the other, each with a slot that fits its variable.

Why locks are always taken in the order variable, then slots: two updates of one variable cannot wait for each other.
Why values are never changed in place: a step that read the variable before still holds its old value.  A new value is
computed in memory of its own, by operators such as `+=`.
Source: tf.train.GradientDescentOptimizer, MomentumOptimizer, AdamOptimizer of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dflow.errors import DTypeError, InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, create_op
from dflow.ops.control import group
from dflow.ops.rules.arrays import namespace, pairwise
from dflow.ops.state.variable_state import VariableState, state_of
from dflow.ops.state.variables import Variable
from dflow.registry import KernelContext, define, no_gradient
from dflow.specs import TensorSpec, VariableSpec
from dflow.train.optimizer import Optimizer, as_hyperparameter, in_dtype_of

# -- the update operations


def _update_spec(*inputs: TensorSpec, variable: VariableSpec, **attrs: Any) -> TensorSpec:
    """Scalars first, the gradient last, all of the variable's dtype; the output is the variable's new value."""
    *scalars, gradient = inputs
    for spec in inputs:
        if spec.dtype != variable.dtype:
            raise DTypeError(f"variable {variable.name!r} is {variable.dtype.name}, got {spec.dtype.name}")
    for spec in scalars:
        if not spec.shape.is_compatible_with(()):
            raise ShapeError(f"variable {variable.name!r}: a hyperparameter must be a scalar, got {spec.shape}")
    if not gradient.shape.is_compatible_with(variable.shape):
        raise ShapeError(f"variable {variable.name!r} is {variable.shape}, its gradient is {gradient.shape}")
    return TensorSpec(variable.shape, variable.dtype)


def _update(
    context: KernelContext, variables: Sequence[VariableSpec], grad: Any, change: Callable[..., Sequence[Any]]
) -> Any:
    """Replace a variable and its slots by `change(value, *slots)`, all of the gradient's shape; gives the new value."""

    def checked(*values: Any) -> Sequence[Any]:
        for spec, value in zip(variables, values, strict=True):
            if tuple(value.shape) != tuple(grad.shape):
                raise InvalidArgumentError(
                    None,
                    None,
                    f"variable {spec.name!r} and the gradient do not have the same shape: "
                    f"{list(value.shape)} {list(grad.shape)}",
                )
        return change(*values)

    return _update_together([state_of(context, spec) for spec in variables], (), checked)[0]


def _update_together(
    states: Sequence[VariableState], values: tuple[Any, ...], change: Callable[..., Sequence[Any]]
) -> Sequence[Any]:
    """Hold the locks of all states, in their order, and replace their values by `change(*values)`; gives the new ones.

    Nothing is replaced if `change` fails.
    """
    if not states:
        return change(*values)
    results: list[Sequence[Any]] = []

    def replace(value: Any) -> Any:
        results.append(_update_together(states[1:], (*values, value), change))
        return results[0][len(values)]

    states[0].update(replace)
    return results[0]


def _gradient_descent_kernel(
    context: KernelContext, lr: Any, grad: Any, variable: VariableSpec, out: Any = None
) -> Any:
    def change(value: Any) -> Sequence[Any]:
        new = pairwise("multiply", grad, -lr, out)
        new += value
        return (new,)

    return _update(context, (variable,), grad, change)


def _momentum_kernel(
    context: KernelContext,
    lr: Any,
    momentum: Any,
    grad: Any,
    variable: VariableSpec,
    accum: VariableSpec,
    use_nesterov: bool,
) -> Any:
    def change(value: Any, old: Any) -> Sequence[Any]:
        new = pairwise("multiply", old, momentum)
        new += grad
        step = pairwise("multiply", new, momentum if use_nesterov else -lr)
        if use_nesterov:
            step *= -lr
            step += pairwise("multiply", grad, -lr)
        step += value
        return step, new

    return _update(context, (variable, accum), grad, change)


def _adam_kernel(
    context: KernelContext,
    beta1_power: Any,
    beta2_power: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    grad: Any,
    variable: VariableSpec,
    m: VariableSpec,
    v: VariableSpec,
) -> Any:
    xp = namespace(grad)

    def change(value: Any, old_m: Any, old_v: Any) -> Sequence[Any]:
        rate = lr * xp.sqrt(1 - beta2_power) / (1 - beta1_power)
        new_m = pairwise("subtract", grad, old_m)
        new_m *= 1 - beta1
        new_m += old_m
        new_v = pairwise("multiply", grad, grad)
        new_v -= old_v
        new_v *= 1 - beta2
        new_v += old_v
        size = xp.sqrt(new_v)
        size += epsilon
        step = pairwise("multiply", new_m, -rate)
        step /= size
        step += value
        return step, new_m, new_v

    return _update(context, (variable, m, v), grad, change)


def _multiply_kernel(context: KernelContext, factor: Any, variable: VariableSpec) -> Any:
    return state_of(context, variable).update(lambda value: pairwise("multiply", value, factor))


_STATE = no_gradient("an update of a variable is a side effect")

define(
    "ApplyGradientDescent",
    spec=_update_spec,
    kernel=_gradient_descent_kernel,
    gradient=_STATE,
    stateful=True,
    inplace=(1,),
)
define("ApplyMomentum", spec=_update_spec, kernel=_momentum_kernel, gradient=_STATE, stateful=True)
define("ApplyAdam", spec=_update_spec, kernel=_adam_kernel, gradient=_STATE, stateful=True)
define("AssignMul", spec=_update_spec, kernel=_multiply_kernel, gradient=_STATE, stateful=True)


# -- the optimizers


class GradientDescentOptimizer(Optimizer):
    """`variable -= learning_rate * gradient`.

    learning_rate: a number, a scalar tensor, or a function without arguments that gives one, called when the update is
    built.  A number is exact in each variable's dtype; a tensor of another dtype is cast.
    Source: tf.train.GradientDescentOptimizer.
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate

    def _prepare(self) -> None:
        self._rate = as_hyperparameter(self._learning_rate)

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        rate = in_dtype_of(self._rate, var, "learning_rate")
        return create_op("ApplyGradientDescent", rate, grad, variable=var.spec)


class MomentumOptimizer(Optimizer):
    """`accumulation = momentum * accumulation + gradient; variable -= learning_rate * accumulation`.

    use_nesterov: `variable -= learning_rate * (gradient + momentum * accumulation)`, with the new accumulation.
    learning_rate, momentum: as in `GradientDescentOptimizer`.  Its slot is "momentum", kept as `<variable>/Momentum`.
    Source: tf.train.MomentumOptimizer.
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

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for variable in var_list:
            self._zeros_slot(variable, "momentum", self._name)

    def _prepare(self) -> None:
        self._rate = as_hyperparameter(self._learning_rate)
        self._decay = as_hyperparameter(self._momentum)

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return create_op(
            "ApplyMomentum",
            in_dtype_of(self._rate, var, "learning_rate"),
            in_dtype_of(self._decay, var, "momentum"),
            grad,
            variable=var.spec,
            accum=self._zeros_slot(var, "momentum", self._name).spec,
            use_nesterov=self._use_nesterov,
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
    1e-8 is 0 in float16.
    Source: tf.train.AdamOptimizer; D. Kingma, J. Ba: Adam, 2014 (the form before section 2.1).
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
        self._given = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        first = min(var_list, key=lambda variable: variable.name)
        for name in ("beta1", "beta2"):
            self._create_non_slot_variable(as_hyperparameter(self._given[name]), f"{name}_power", first)
        for variable in var_list:
            self._zeros_slot(variable, "m", self._name)
            self._zeros_slot(variable, "v", self._name)

    def _prepare(self) -> None:
        self._values = {name: as_hyperparameter(value) for name, value in self._given.items()}

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        powers = [self._get_non_slot_variable(name, var.graph).value() for name in ("beta1_power", "beta2_power")]
        values = {**dict(zip(("beta1_power", "beta2_power"), powers, strict=True)), **self._values}
        return create_op(
            "ApplyAdam",
            *(in_dtype_of(value, var, name) for name, value in values.items()),
            grad,
            variable=var.spec,
            m=self._zeros_slot(var, "m", self._name).spec,
            v=self._zeros_slot(var, "v", self._name).spec,
        )

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Operation:
        """Multiply the powers of the betas after all updates, each under its lock."""
        graph = update_ops[0].graph
        steps = []
        for name in ("beta1", "beta2"):
            power = self._get_non_slot_variable(f"{name}_power", graph)
            with graph.colocate_with(power.op):
                factor = in_dtype_of(self._values[name], power, name)
                with graph.control_dependencies(update_ops):
                    steps.append(create_op("AssignMul", factor, variable=power.spec))
        return group(*update_ops, *steps, name=name_scope)

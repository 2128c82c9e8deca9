"""One operation that trains: the gradients of a loss, changed as asked, applied by an optimizer.

Source: tf.contrib.layers.optimize_loss of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dflow.graph import GraphKeys, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.control import with_dependencies
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.nn.clip import clip_by_global_norm
from dflow.ops.random import truncated_normal
from dflow.ops.state.get_variable import get_variable
from dflow.ops.state.initializers import constant_initializer
from dflow.ops.state.variable_lists import trainable_variables
from dflow.ops.state.variable_scope import variable_scope
from dflow.ops.state.variables import Variable
from dflow.train import (
    AdagradOptimizer,
    AdamOptimizer,
    FtrlOptimizer,
    GradientDescentOptimizer,
    MomentumOptimizer,
    RMSPropOptimizer,
)
from dflow.train.global_step import assert_global_step, get_global_step
from dflow.train.optimizer import Optimizer

__all__ = ["OPTIMIZER_CLS_NAMES", "optimize_loss"]

OPTIMIZER_CLS_NAMES: dict[str, Any] = {
    "Adagrad": AdagradOptimizer,
    "Adam": AdamOptimizer,
    "Ftrl": FtrlOptimizer,
    "Momentum": lambda learning_rate: MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": RMSPropOptimizer,
    "SGD": GradientDescentOptimizer,
}

Pairs = list[tuple[Any, Any]]  # gradients and variables


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Mapping[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[[Any, Any], Any] | None = None,
    update_ops: Sequence[Any] | None = None,
    variables: Sequence[Any] | None = None,
    name: Any = None,
    summaries: Any = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Tensor:
    """The loss, after one step of training.

    learning_rate: a number or a scalar tensor, or None; learning_rate_decay_fn: of it and the global step.
    optimizer: a name of `OPTIMIZER_CLS_NAMES`, a class, a function of the learning rate, or an optimizer.
    gradient_noise_scale: of noise on the gradients; gradient_multipliers: by variables or their names; clip_gradients:
    the largest global norm, or a function of pairs of gradients and variables.
    update_ops: what happens before; None: the collection UPDATE_OPS.  summaries: accepted, without effect.
    ValueError for arguments of other kinds.
    """
    loss = convert_to_tensor(loss)
    if not loss.shape.is_compatible_with([]):
        raise ValueError(f"Invalid loss shape {loss.shape}.")
    step = get_global_step() if global_step is None else global_step
    if step is not None:
        assert_global_step(step)
    with variable_scope(name, "OptimizeLoss", [loss, step]):
        updates = get_default_graph().get_collection(GraphKeys.UPDATE_OPS) if update_ops is None else update_ops
        if updates:
            loss = with_dependencies(list(dict.fromkeys(updates)), loss)
        rate = _learning_rate(learning_rate)
        if learning_rate_decay_fn is not None:
            if step is None:
                raise ValueError("global_step is required for learning_rate_decay_fn.")
            rate = learning_rate_decay_fn(rate, step)
        opt = _optimizer(optimizer, rate)
        trained = trainable_variables() if variables is None else variables
        pairs: Pairs = opt.compute_gradients(loss, trained, colocate_gradients_with_ops=colocate_gradients_with_ops)
        if gradient_noise_scale is not None:
            pairs = [(_with_noise(gradient, gradient_noise_scale), it) for gradient, it in pairs]
        if gradient_multipliers is not None:
            pairs = _multiplied(pairs, gradient_multipliers)
        if clip_gradients is not None:
            pairs = _clipped(pairs, clip_gradients)
        train = opt.apply_gradients(pairs, global_step=step if increment_global_step else None, name="train")
        trained_loss: Tensor = with_dependencies([train], loss)
        return trained_loss


def _learning_rate(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (Tensor, Variable)):
        if value.shape.ndims == 0:
            return value
    elif isinstance(value, float):
        if value < 0.0:
            raise ValueError(f"Invalid learning_rate {value}.")
        initial = constant_initializer(value)
        return get_variable("learning_rate", [], trainable=False, initializer=initial)
    raise ValueError(f"Learning rate should be 0d Tensor or float. Got {value} of type {type(value)}")


def _optimizer(optimizer: Any, rate: Any) -> Optimizer:
    if isinstance(optimizer, str):
        if rate is None:
            raise ValueError(f"Learning rate is None, but should be specified if optimizer is string ({optimizer}).")
        if optimizer not in OPTIMIZER_CLS_NAMES:
            names = ", ".join(OPTIMIZER_CLS_NAMES)
            raise ValueError(f"Optimizer name should be one of [{names}], you provided {optimizer}.")
        made: Any = OPTIMIZER_CLS_NAMES[optimizer](learning_rate=rate)
    elif isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        if rate is None:
            raise ValueError(f"Learning rate is None, but should be specified if optimizer is class ({optimizer}).")
        made = optimizer(learning_rate=rate)  # type: ignore[call-arg]
    elif isinstance(optimizer, Optimizer):
        made = optimizer
    elif callable(optimizer):
        made = optimizer(rate) if rate is not None else optimizer()
    else:
        raise ValueError(
            "Unrecognized optimizer: should be string, subclass of Optimizer, instance of subclass of Optimizer or "
            f"function with one argument. Got {optimizer}."
        )
    if not isinstance(made, Optimizer):
        raise ValueError(f"Unrecognized optimizer: function should return subclass of Optimizer. Got {made}.")
    return made


def _with_noise(gradient: Any, scale: float) -> Any:
    return None if gradient is None else add(gradient, multiply(truncated_normal(gradient.shape), scale))


def _multiplied(pairs: Pairs, multipliers: Mapping[Any, Any]) -> Pairs:
    found = []
    for gradient, variable in pairs:
        key = variable if variable in multipliers else variable.name
        if gradient is not None and key in multipliers:
            factor = multipliers[key]
            gradient = multiply(gradient, convert_to_tensor(factor, gradient.dtype))
        found.append((gradient, variable))
    return found


def _clipped(pairs: Pairs, how: Any) -> Pairs:
    if isinstance(how, (float, int)):
        gradients, _ = clip_by_global_norm([gradient for gradient, _ in pairs], how)
        return list(zip(gradients, [variable for _, variable in pairs], strict=True))
    if callable(how):
        return list(how(pairs))
    raise ValueError(f"Unknown type {type(how)} for clip_gradients")

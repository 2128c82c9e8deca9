"""Learning rates that follow from the number of steps.

    step = df.train.get_or_create_global_step()
    rate = df.train.exponential_decay(0.1, step, 1000, 0.96, staircase=True)
    train = df.train.GradientDescentOptimizer(rate).minimize(loss, global_step=step)

In each, learning_rate is the rate at first, a number or a scalar tensor, and the result is a scalar of its dtype (that
of `values` in `piecewise_constant`).  global_step, decay_steps and other numbers are cast to it; global_step is a
variable, a tensor or a number of any dtype, and None is a ValueError.
Source: tf.train.exponential_decay, ... of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dflow.dtypes import int32, int64
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.math.arithmetic import add, maximum, minimum, multiply, subtract
from dflow.ops.math.compare import equal, less_equal, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import exp, log, pow, sqrt
from dflow.ops.math.rounding import ceil, floor
from dflow.ops.math.trigonometry import cos
from dflow.ops.random import random_normal
from dflow.ops.rules.static import graph_of, is_symbolic

__all__ = [
    "cosine_decay",
    "cosine_decay_restarts",
    "exponential_decay",
    "inverse_time_decay",
    "linear_cosine_decay",
    "natural_exp_decay",
    "noisy_linear_cosine_decay",
    "piecewise_constant",
    "piecewise_constant_decay",
    "polynomial_decay",
]


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * decay_rate ** (global_step / decay_steps)`; staircase: of the whole number of that ratio."""
    with _numbers("ExponentialDecay", "exponential_decay", name, learning_rate, global_step) as (rate, number):
        periods = _periods(number(global_step), number(decay_steps), staircase)
        return multiply(rate, pow(number(decay_rate), periods), name=name)


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * exp(-decay_rate * global_step / decay_steps)`; staircase: as in `exponential_decay`."""
    with _numbers("NaturalExpDecay", "natural_exp_decay", name, learning_rate, global_step) as (rate, number):
        natural = exp(multiply(number(decay_rate), -1))
        return exponential_decay(rate, global_step, decay_steps, natural, staircase, name)


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate / (1 + decay_rate * global_step / decay_steps)`; staircase: as in `exponential_decay`."""
    with _numbers("InverseTimeDecay", "inverse_time_decay", name, learning_rate, global_step) as (rate, number):
        periods = _periods(number(global_step), number(decay_steps), staircase)
        return realdiv(rate, add(multiply(number(decay_rate), periods), 1), name=name)


def piecewise_constant(x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None) -> Tensor:
    """values[0] up to boundaries[0], values[i] above boundaries[i - 1] and up to boundaries[i].

    x: a scalar variable, tensor or number; boundaries: ascending, of its dtype (int32 beside int64 too); values: of one
    dtype, one more than boundaries.  ValueError for other dtypes and numbers.
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    graph = graph_of((x, boundaries, values))
    with scopes.building_in(graph), graph.name_scope(name or "PiecewiseConstant"):
        at = convert_to_tensor(x)
        limits = [convert_to_tensor(limit) for limit in boundaries]
        for i, limit in enumerate(limits):
            if (limit.dtype, at.dtype) == (int32, int64):
                limits[i] = cast(limit, int64)
            elif limit.dtype != at.dtype:
                raise ValueError(f"Boundaries ({limit.dtype.name}) must have the same dtype as x ({at.dtype.name}).")
        numbers = [convert_to_tensor(value) for value in values]
        for value in numbers[1:]:
            if value.dtype != numbers[0].dtype:
                raise ValueError(
                    "Values must have elements all with the same dtype "
                    f"({numbers[0].dtype.name} vs {value.dtype.name})."
                )
        result = numbers[-1]
        for limit, value in zip(reversed(limits), reversed(numbers[:-1]), strict=True):
            result = where(less_equal(at, limit), value, result)
        return result


piecewise_constant_decay = piecewise_constant


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """From `learning_rate` to `end_learning_rate` in `decay_steps` steps, by `(1 - step / decay_steps) ** power`.

    cycle: after that, decay_steps is the next multiple of it; otherwise the rate stays.
    """
    with _numbers("PolynomialDecay", "polynomial_decay", name, learning_rate, global_step) as (rate, number):
        step, steps, end = number(global_step), number(decay_steps), number(end_learning_rate)
        if cycle:
            steps = multiply(steps, maximum(ceil(realdiv(step, steps)), where(equal(step, 0), number(1), number(0))))
        else:
            step = minimum(step, steps)
        left = pow(1 - realdiv(step, steps), number(power))
        return add(multiply(subtract(rate, end), left), end, name=name)


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: Any = 0.0, name: str | None = None
) -> Tensor:
    """From `learning_rate` to `alpha * learning_rate` in `decay_steps` steps, along half a period of a cosine."""
    with _numbers("CosineDecay", "cosine_decay", name, learning_rate, global_step) as (rate, number):
        steps = number(decay_steps)
        done = realdiv(minimum(number(global_step), steps), steps)
        return multiply(rate, _above(number(alpha), _half_cosine(done)))


def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """As `cosine_decay`, again and again: each period is `t_mul` times as long as the one before it, and begins at
    `m_mul` times its rate."""
    with _numbers("SGDRDecay", "cosine_decay_restarts", name, learning_rate, global_step) as (rate, number):
        periods = realdiv(number(global_step), number(first_decay_steps))
        factor = number(t_mul)
        restarts, done = _restarts(periods, factor, None if is_symbolic(t_mul) else float(t_mul))
        height = multiply(pow(number(m_mul), restarts), _half_cosine(done))
        return multiply(rate, _above(number(alpha), height), name=name)


def _restarts(periods: Tensor, factor: Tensor, known: float | None) -> tuple[Tensor, Tensor]:
    """The number of restarts so far, and the part of the present period that is done.

    periods: in units of the first one; factor: the ratio of lengths of periods; known: the same as a number, or None.
    """
    even = floor(periods)
    if known == 1.0:
        return even, subtract(periods, even)
    growth = 1 - factor
    restarts = floor(realdiv(log(1 - multiply(periods, growth)), log(factor)))
    length = pow(factor, restarts)
    done = realdiv(subtract(periods, realdiv(1 - length, growth)), length)
    if known is not None:
        return restarts, done
    equally_long = equal(factor, 1)
    return where(equally_long, even, restarts), where(equally_long, subtract(periods, even), done)


def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * ((alpha + linear) * cosine + beta)`.

    linear: from 1 to 0 in `decay_steps` steps; cosine: `(1 + cos(pi * 2 * num_periods * step / decay_steps)) / 2`.
    """
    with _numbers("LinearCosineDecay", "linear_cosine_decay", name, learning_rate, global_step) as (rate, number):
        steps = number(decay_steps)
        step = minimum(number(global_step), steps)
        linear = realdiv(subtract(steps, step), steps)
        return _linear_cosine(
            rate, linear, realdiv(step, steps), number(num_periods), number(alpha), number(beta), name
        )


def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """As `linear_cosine_decay`, with normal noise of variance `initial_variance / (1 + step) ** variance_decay` added
    to `linear`."""
    function = "noisy_linear_cosine_decay"
    with _numbers("NoisyLinearCosineDecay", function, name, learning_rate, global_step) as (rate, number):
        steps = number(decay_steps)
        step = minimum(number(global_step), steps)
        linear = realdiv(subtract(steps, step), steps)
        variance = realdiv(number(initial_variance), pow(add(step, 1), number(variance_decay)))
        noise = multiply(random_normal(linear.shape, dtype=rate.dtype), sqrt(variance))
        done = realdiv(step, steps)
        return _linear_cosine(rate, add(linear, noise), done, number(num_periods), number(alpha), number(beta), name)


def _linear_cosine(
    rate: Tensor, linear: Tensor, done: Tensor, periods: Tensor, alpha: Tensor, beta: Tensor, name: str | None
) -> Tensor:
    cosine = _half_cosine(multiply(multiply(periods, 2), done))
    return multiply(rate, add(multiply(add(alpha, linear), cosine), beta), name=name)


def _half_cosine(done: Tensor) -> Tensor:
    """From 1 at 0 to 0 at 1."""
    return multiply(add(cos(multiply(done, math.pi)), 1), 0.5)


def _above(alpha: Tensor, height: Tensor) -> Tensor:
    """From 1 to alpha where `height` goes from 1 to 0."""
    return add(multiply(1 - alpha, height), alpha)


def _periods(step: Tensor, steps: Tensor, staircase: bool) -> Tensor:
    periods = realdiv(step, steps)
    return floor(periods) if staircase else periods


@contextmanager
def _numbers(
    scope: str, function: str, name: str | None, learning_rate: Any, global_step: Any
) -> Iterator[tuple[Tensor, Callable[[Any], Tensor]]]:
    """The learning rate as a tensor, and a function that makes a tensor of its dtype of a number."""
    if global_step is None:
        raise ValueError(f"global_step is required for {function}.")
    graph = graph_of((learning_rate, global_step))
    with scopes.building_in(graph), graph.name_scope(name or scope):
        rate = convert_to_tensor(learning_rate, name="learning_rate")

        def number(value: Any) -> Tensor:
            result: Tensor = cast(value, rate.dtype) if is_symbolic(value) else convert_to_tensor(value, rate.dtype)
            return result

        yield rate, number

"""Moving averages of a batch's statistics, and the correction of its outputs to these averages.

Source: tf.layers.BatchNormalization of TensorFlow 1.15; S. Ioffe, Batch Renormalization, 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.control import identity, stop_gradient
from dflow.ops.math.arithmetic import maximum, minimum, multiply, subtract
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import sqrt, square
from dflow.ops.nn.activations import relu
from dflow.ops.rules.blocks import named
from dflow.ops.state.assign import assign
from dflow.ops.state.variables import Variable

__all__ = ["check_bounds", "composed", "corrections", "moved", "moved_deviation"]

_BOUNDS = ("rmax", "rmin", "dmax")


def check_bounds(bounds: Mapping[str, Any]) -> None:
    """ValueError for a name that no bound of the correction has."""
    if any(key not in _BOUNDS for key in bounds):
        raise ValueError(f"renorm_clipping {bounds} contains keys not in {_BOUNDS}")


def moved(average: Variable, value: Tensor, momentum: Any) -> Tensor:
    """The update of a moving average, which does nothing if the value is the average itself."""
    with named(None, "AssignMovingAvg", (average,)) as scope, average.graph.colocate_with(average.op):
        decay = subtract(convert_to_tensor(1.0, average.dtype), cast(momentum, average.dtype))
        distance = average.value() - cast(value, average.dtype)
        update: Tensor = average.assign_sub(multiply(distance, decay), name=scope)
        return update


def moved_deviation(deviation: Variable, variance: Variable, value: Tensor, momentum: Any, epsilon: float) -> Tensor:
    """The update of the average of sqrt(value + epsilon), and of the variance that belongs to it."""
    new = moved(deviation, sqrt(value + epsilon), momentum)
    with named(None, "AssignNewValue", (variance,)) as scope:
        rounded_up = relu(square(new) - epsilon)
        return assign(variance, rounded_up, name=scope)


def composed(factor: Any, summand: Any, scale: Any, offset: Any) -> tuple[Any, Any]:
    """The one transformation that does `x * factor + summand`, then `x * scale + offset`, of which may be None."""
    if scale is not None:
        factor, summand = multiply(factor, scale), multiply(summand, scale)
    return factor, summand if offset is None else summand + offset


def corrections(
    mean: Tensor,
    variance: Tensor,
    averages: tuple[Variable, Variable],
    epsilon: float,
    bounds: Mapping[str, Any],
    momentum: Any,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """r and d of a batch, by the averages before it; then its mean and variance, which wait for the averages' updates.

    averages: of the mean and of the standard deviation.
    """
    graph = mean.graph
    deviation = sqrt(variance + epsilon)
    known_mean = averages[0].value()
    known = maximum(averages[1].value(), sqrt(convert_to_tensor(epsilon, mean.dtype)))
    r, d = realdiv(deviation, known), realdiv(mean - known_mean, known)
    with graph.control_dependencies([r, d]):
        values = identity(mean), identity(deviation)
    updates = [moved(average, value, momentum) for average, value in zip(averages, values, strict=True)]
    with graph.control_dependencies(updates):
        followed = identity(mean), identity(variance)
    r, d = _bounded(r, bounds.get("rmin"), bounds.get("rmax")), _bounded(d, None, bounds.get("dmax"), both=True)
    return stop_gradient(r, name="renorm_r"), stop_gradient(d, name="renorm_d"), *followed


def _bounded(value: Tensor, least: Any, most: Any, both: bool = False) -> Tensor:
    """both: -most is the least."""
    if both and most is not None:
        least = -most
    if least is not None:
        value = maximum(value, least)
    return value if most is None else minimum(value, most)

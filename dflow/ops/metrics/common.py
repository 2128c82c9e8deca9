"""What metrics share: their variables, their operands of fitting shapes, their collections.

Source: metrics_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dflow.dtypes import float32
from dflow.graph import GraphKeys, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros, zeros_like
from dflow.ops.array.shape import reshape, size
from dflow.ops.control import identity
from dflow.ops.losses.ranks import fit_weights, remove_squeezable_dimensions
from dflow.ops.losses.weights import broadcast_weights
from dflow.ops.math.arithmetic import maximum, multiply
from dflow.ops.math.compare import greater, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.blocks import same_shape
from dflow.ops.state.variable_scope import variable_scope
from dflow.ops.state.variables import Variable

__all__ = [
    "Metric",
    "collect",
    "comparable",
    "fit",
    "flat",
    "metric_variable",
    "ratio",
    "streaming_mean",
    "streaming_sum",
    "weigh",
]

Metric = tuple[Tensor, Tensor]
Collections = Iterable[str] | str | None


def metric_variable(shape: Any, dtype: Any, validate_shape: bool = True, name: str | None = None) -> Variable:
    """A local variable of a metric, of zeros at first, in the collections LOCAL_VARIABLES and METRIC_VARIABLES."""
    return Variable(
        lambda: zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        validate_shape=validate_shape,
        name=name,
    )


def collect(value: Tensor, update: Tensor, metrics: Collections, updates: Collections) -> Metric:
    """Add the value and its update to their collections; gives both."""
    for names, tensor in ((metrics, value), (updates, update)):
        if names:
            tensor.graph.add_to_collections(names, tensor)
    return value, update


def fit(predictions: Any, labels: Any, weights: Any) -> tuple[Tensor, Any, Any]:
    """Predictions, labels and weights with ranks that fit, by axes of size 1 at their end; None stays None."""
    predictions = convert_to_tensor(predictions)
    if labels is not None:
        labels, predictions = remove_squeezable_dimensions(labels, predictions)
        same_shape(predictions, labels)
    return predictions, labels, None if weights is None else fit_weights(weights, predictions)


def comparable(predictions: Any, labels: Any, weights: Any) -> tuple[Tensor, Tensor, Any]:
    """As `fit`; the predictions have the dtype of the labels."""
    predictions, labels, weights = fit(predictions, labels, weights)
    return cast(predictions, labels.dtype), labels, weights


def flat(x: Any) -> Tensor:
    """The values as a vector, if they are not known to be one."""
    x = convert_to_tensor(x)
    return reshape(x, [-1]) if x.shape.ndims is None or x.shape.ndims > 1 else x


def weigh(values: Tensor, weights: Any) -> Tensor:
    """The values times the weights, which are cast to their dtype; weights of None are ones."""
    return values if weights is None else multiply(values, cast(weights, values.dtype))


def ratio(numerator: Tensor, denominator: Tensor, name: str) -> Tensor:
    """The quotient, and 0 where the denominator is not above 0."""
    quotient = realdiv(numerator, denominator)
    return where(greater(denominator, 0), quotient, zeros_like(quotient), name)


def streaming_mean(
    values: Any, weights: Any, metrics: Collections, updates: Collections, name: str | None, default: str = "mean"
) -> Metric:
    """The weighted mean of all values so far; variables `total` and `count`."""
    with variable_scope(name, default, (values, weights)):
        values = cast(values, float32)
        total = metric_variable([], float32, name="total")
        count = metric_variable([], float32, name="count")
        if weights is None:
            number = cast(size(values), float32)
        else:
            values, _, weights = fit(values, None, weights)
            weights = broadcast_weights(cast(weights, float32), values)
            values = multiply(values, weights)
            number = reduce_sum(weights)
        total_now = total.assign_add(reduce_sum(values))
        with values.graph.control_dependencies([values]):
            count_now = count.assign_add(number)
        value = div_no_nan(total.value(), maximum(count.value(), 0), name="value")
        update = div_no_nan(total_now, maximum(count_now, 0), name="update_op")
        return collect(value, update, metrics, updates)


def streaming_sum(shape: Any, dtype: Any, name: str | None, batch: Callable[[], Tensor]) -> Metric:
    """The sum of what each batch gives, in a variable of this name."""
    total = metric_variable(shape, dtype, name=name)
    update = total.assign_add(batch())
    return identity(total), update

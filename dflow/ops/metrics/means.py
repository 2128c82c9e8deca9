"""Metrics that are means: of values, of matches, of errors.

labels and predictions have one shape; weights are of their rank, each size theirs or 1, or a scalar; None: ones.
Errors: ValueError for shapes that do not fit, InvalidArgumentError if only a run tells.
Source: tf.metrics of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.losses.ranks import remove_squeezable_dimensions
from dflow.ops.losses.weights import broadcast_weights
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import maximum, multiply, subtract
from dflow.ops.math.compare import equal, less, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import sqrt, square
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect, comparable, fit, metric_variable, streaming_mean
from dflow.ops.state.variable_scope import variable_scope

__all__ = [
    "accuracy",
    "mean",
    "mean_absolute_error",
    "mean_cosine_distance",
    "mean_relative_error",
    "mean_squared_error",
    "mean_tensor",
    "percentage_below",
    "root_mean_squared_error",
]


def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The weighted mean of all values.  Source: tf.metrics.mean."""
    return streaming_mean(values, weights, metrics_collections, updates_collections, name)


def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """How often predictions equal labels.  Source: tf.metrics.accuracy."""
    predictions, labels, weights = comparable(predictions, labels, weights)
    correct = cast(equal(predictions, labels), float32)
    return mean(correct, weights, metrics_collections, updates_collections, name or "accuracy")


def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The weighted mean of each value of a tensor of a known shape.  Source: tf.metrics.mean_tensor."""
    with variable_scope(name, "mean", (values, weights)):
        values = cast(values, float32)
        total = metric_variable(values.shape, float32, name="total_tensor")
        count = metric_variable(values.shape, float32, name="count_tensor")
        number = ones_like(values)
        if weights is not None:
            values, _, weights = fit(values, None, weights)
            weights = broadcast_weights(cast(weights, float32), values)
            values, number = multiply(values, weights), multiply(number, weights)
        total_now = total.assign_add(values)
        with values.graph.control_dependencies([values]):
            count_now = count.assign_add(number)
        value = div_no_nan(total.value(), maximum(count.value(), 0), name="value")
        update = div_no_nan(total_now, maximum(count_now, 0), name="update_op")
        return collect(value, update, metrics_collections, updates_collections)


def percentage_below(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the values that is less than `threshold`, from 0 to 1.  Source: tf.metrics.percentage_below."""
    below = cast(less(values, threshold), float32)
    return mean(below, weights, metrics_collections, updates_collections, name or "percentage_below_threshold")


def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of |predictions - labels|.  Source: tf.metrics.mean_absolute_error."""
    predictions, labels, weights = fit(predictions, labels, weights)
    errors = abs_(subtract(predictions, labels))
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_absolute_error")


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of (predictions - labels)².  Source: tf.metrics.mean_squared_error."""
    predictions, labels, weights = fit(predictions, labels, weights)
    errors = square(subtract(labels, predictions))
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_squared_error")


def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The root of the mean of (predictions - labels)².  Source: tf.metrics.root_mean_squared_error."""
    predictions, labels, weights = fit(predictions, labels, weights)
    value, update = mean_squared_error(labels, predictions, weights, None, None, name or "root_mean_squared_error")
    return collect(sqrt(value), sqrt(update), metrics_collections, updates_collections)


def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean of |labels - predictions| / normalizer; where that is 0, of 0.  normalizer: in their shape.

    Source: tf.metrics.mean_relative_error.
    """
    predictions, labels, weights = fit(predictions, labels, weights)
    predictions, normalizer = remove_squeezable_dimensions(predictions, normalizer)
    errors = abs_(subtract(labels, predictions))
    nothing = zeros_like(errors)
    relative = where(equal(normalizer, convert_to_tensor(0, normalizer.dtype)), nothing, realdiv(errors, normalizer))
    return mean(relative, weights, metrics_collections, updates_collections, name or "mean_relative_error")


def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """1 - the mean of sum(labels * predictions) along the axis `dim`, of vectors of norm 1.

    weights: of the shape of the labels with size 1 along `dim`.  Source: tf.metrics.mean_cosine_distance.
    """
    predictions, labels, weights = fit(predictions, labels, weights)
    products: Tensor = reduce_sum(multiply(predictions, labels), axis=[dim], keepdims=True)
    value, update = mean(products, weights, None, None, name or "mean_cosine_distance")
    return collect(subtract(1.0, value), subtract(1.0, update), metrics_collections, updates_collections)

"""Metrics that count: true and false positives and negatives, and the precision and the recall that follow from them.

labels and predictions are taken for bools.  weights: of their rank, each size theirs or 1, or a scalar; None: ones.
Source: tf.metrics of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.dtypes import bool_, float32
from dflow.graph import Tensor
from dflow.ops.array.cast import cast
from dflow.ops.control import identity
from dflow.ops.losses.weights import broadcast_weights
from dflow.ops.math.arithmetic import add
from dflow.ops.math.compare import logical_and, logical_not
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect, fit, metric_variable, ratio, weigh
from dflow.ops.state.variable_scope import variable_scope

__all__ = ["false_negatives", "false_positives", "precision", "recall", "true_negatives", "true_positives"]


def _counted(
    name: str | None,
    default: str,
    condition: Callable[[Tensor, Tensor], Tensor],
    labels: Any,
    predictions: Any,
    weights: Any,
    metrics: Collections,
    updates: Collections,
) -> Metric:
    """The weighted number of values that meet a condition of (labels, predictions); variable `count`."""
    with variable_scope(name, default, (predictions, labels, weights)):
        predictions, labels, weights = fit(cast(predictions, bool_), cast(labels, bool_), weights)
        met = condition(labels, predictions)
        count = metric_variable([], float32, name="count")
        values = cast(met, float32)
        if weights is not None:
            values = weigh(values, broadcast_weights(cast(weights, float32), values))
        return collect(identity(count), count.assign_add(reduce_sum(values)), metrics, updates)


def true_positives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The number of values that are true and predicted to be.  Source: tf.metrics.true_positives."""
    both = metrics_collections, updates_collections
    return _counted(name, "true_positives", logical_and, labels, predictions, weights, *both)


def true_negatives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The number of values that are false and predicted to be.  Source: tf.metrics.true_negatives."""

    def neither(label: Tensor, prediction: Tensor) -> Tensor:
        return logical_and(logical_not(label), logical_not(prediction))

    both = metrics_collections, updates_collections
    return _counted(name, "true_negatives", neither, labels, predictions, weights, *both)


def false_positives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The number of values that are false and predicted to be true.  Source: tf.metrics.false_positives."""

    def only_predicted(label: Tensor, prediction: Tensor) -> Tensor:
        return logical_and(logical_not(label), prediction)

    both = metrics_collections, updates_collections
    return _counted(name, "false_positives", only_predicted, labels, predictions, weights, *both)


def false_negatives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The number of values that are true and predicted to be false.  Source: tf.metrics.false_negatives."""

    def missed(label: Tensor, prediction: Tensor) -> Tensor:
        return logical_and(label, logical_not(prediction))

    both = metrics_collections, updates_collections
    return _counted(name, "false_negatives", missed, labels, predictions, weights, *both)


def precision(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the positive predictions that is true; 0 if there is none.  Source: tf.metrics.precision."""
    with variable_scope(name, "precision", (predictions, labels, weights)):
        predictions, labels, weights = fit(cast(predictions, bool_), cast(labels, bool_), weights)
        hits, hits_now = true_positives(labels, predictions, weights)
        false, false_now = false_positives(labels, predictions, weights)
        value = ratio(hits, add(hits, false), "value")
        update = ratio(hits_now, add(hits_now, false_now), "update_op")
        return collect(value, update, metrics_collections, updates_collections)


def recall(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the true values that is predicted to be true; 0 if there is none.  Source: tf.metrics.recall."""
    with variable_scope(name, "recall", (predictions, labels, weights)):
        predictions, labels, weights = fit(cast(predictions, bool_), cast(labels, bool_), weights)
        hits, hits_now = true_positives(labels, predictions, weights)
        missed, missed_now = false_negatives(labels, predictions, weights)
        value = ratio(hits, add(hits, missed), "value")
        update = ratio(hits_now, add(hits_now, missed_now), "update_op")
        return collect(value, update, metrics_collections, updates_collections)

"""Counts of true and false predictions at each of several thresholds, and what follows from them.

predictions are numbers in [0, 1], which count as true above a threshold; labels are taken for bools.
InvalidArgumentError at run time for predictions outside of [0, 1].
Source: tf.metrics of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dflow.dtypes import bool_, float32
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.array.shape import expand_dims, reshape
from dflow.ops.control import Assert, identity
from dflow.ops.losses.weights import broadcast_weights
from dflow.ops.math.compare import greater, greater_equal, less_equal, logical_and, logical_not
from dflow.ops.math.division import realdiv
from dflow.ops.math.reduction import reduce_all, reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect, fit, metric_variable
from dflow.ops.rules.blocks import named
from dflow.ops.state.variable_scope import variable_scope

__all__ = [
    "false_negatives_at_thresholds",
    "false_positives_at_thresholds",
    "precision_at_thresholds",
    "recall_at_thresholds",
    "true_negatives_at_thresholds",
    "true_positives_at_thresholds",
]

Counts = dict[str, Tensor]  # "tp", "fn", "tn", "fp": one number for each threshold

_NAMES = {"tp": "true_positives", "fn": "false_negatives", "tn": "true_negatives", "fp": "false_positives"}
_EPSILON = 1e-7


def counts_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None, includes: Sequence[str] = ()
) -> tuple[Counts, Counts]:
    """The counts so far, and with this batch; includes: which of them, () for all.  ValueError for another one."""
    for item in includes:
        if item not in _NAMES:
            raise ValueError(f"Invalid key: {item}.")
    predictions = convert_to_tensor(predictions)
    with predictions.graph.control_dependencies(_in_unit_interval(predictions)):
        predictions, labels, weights = fit(cast(predictions, float32), cast(labels, bool_), weights)
        if weights is not None:
            weights = reshape(broadcast_weights(cast(weights, float32), predictions), [1, -1])
        limits = expand_dims(constant(list(thresholds), float32), 1)
        positive = greater(reshape(predictions, [1, -1]), limits)
        truth = reshape(labels, [1, -1])
    masks: dict[str, Callable[[], Tensor]] = {
        "tp": lambda: logical_and(truth, positive),
        "fn": lambda: logical_and(truth, logical_not(positive)),
        "tn": lambda: logical_and(logical_not(truth), logical_not(positive)),
        "fp": lambda: logical_and(logical_not(truth), positive),
    }
    values: Counts = {}
    updates: Counts = {}
    for key in includes or _NAMES:
        count = metric_variable([len(thresholds)], float32, name=_NAMES[key])
        found = cast(masks[key](), float32)
        values[key] = count.value()
        updates[key] = count.assign_add(reduce_sum(found if weights is None else found * weights, 1))
    return values, updates


def _in_unit_interval(predictions: Tensor) -> list[Operation]:
    """Operations that fail unless all predictions are in [0, 1]."""
    with named(None, "assert_in_unit_interval", (predictions,)):
        zero, one = (convert_to_tensor(limit, predictions.dtype) for limit in (0, 1))
        inside = reduce_all(greater_equal(predictions, zero)), reduce_all(less_equal(predictions, one))
        return [Assert(it, ["predictions must be in [0, 1]", predictions]) for it in inside]


def spread_thresholds(number: int) -> list[float]:
    """Thresholds that divide [0, 1] evenly, the outer ones a little beyond."""
    inner = [(i + 1) * 1.0 / (number - 1) for i in range(number - 2)]
    return [0.0 - _EPSILON, *inner, 1.0 + _EPSILON]


def _single(
    key: str,
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any,
    metrics: Collections,
    updates: Collections,
    name: str | None,
) -> Metric:
    with variable_scope(name, _NAMES[key], (predictions, labels, weights)):
        values, updated = counts_at_thresholds(labels, predictions, thresholds, weights, (key,))
        return collect(identity(values[key]), updated[key], metrics, updates)


def true_positives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The true positives at each threshold: [thresholds].  Source: tf.metrics.true_positives_at_thresholds."""
    both = metrics_collections, updates_collections
    return _single("tp", labels, predictions, thresholds, weights, *both, name)


def true_negatives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The true negatives at each threshold: [thresholds].  Source: tf.metrics.true_negatives_at_thresholds."""
    both = metrics_collections, updates_collections
    return _single("tn", labels, predictions, thresholds, weights, *both, name)


def false_positives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The false positives at each threshold: [thresholds].  Source: tf.metrics.false_positives_at_thresholds."""
    both = metrics_collections, updates_collections
    return _single("fp", labels, predictions, thresholds, weights, *both, name)


def false_negatives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The false negatives at each threshold: [thresholds].  Source: tf.metrics.false_negatives_at_thresholds."""
    both = metrics_collections, updates_collections
    return _single("fn", labels, predictions, thresholds, weights, *both, name)


def _part(hits: Tensor, others: Tensor, name: str) -> Tensor:
    return realdiv(hits, _EPSILON + hits + others, name=name)


def precision_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The precision at each threshold: [thresholds].  Source: tf.metrics.precision_at_thresholds."""
    with variable_scope(name, "precision_at_thresholds", (predictions, labels, weights)):
        values, updates = counts_at_thresholds(labels, predictions, thresholds, weights, ("tp", "fp"))
        value = _part(values["tp"], values["fp"], "precision_value")
        update = _part(updates["tp"], updates["fp"], "precision_update_op")
        return collect(value, update, metrics_collections, updates_collections)


def recall_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The recall at each threshold: [thresholds].  Source: tf.metrics.recall_at_thresholds."""
    with variable_scope(name, "recall_at_thresholds", (predictions, labels, weights)):
        values, updates = counts_at_thresholds(labels, predictions, thresholds, weights, ("tp", "fn"))
        value = _part(values["tp"], values["fn"], "recall_value")
        update = _part(updates["tp"], updates["fn"], "recall_update_op")
        return collect(value, update, metrics_collections, updates_collections)

"""Precision, recall and average precision of the k best predictions of each row.

predictions: [..., classes], of which the k largest count; predictions_idx: int64 [..., k], the numbers of k classes.
labels: int64 [..., m], m labels a row, dense or sparse, or [...], one a row.
weights: a scalar, or of the shape [...], each size that of the labels or 1; None: ones.
class_id: the only class that counts; None: all.
Source: tf.metrics of TensorFlow 1.15.
"""

from __future__ import annotations

import warnings
from typing import Any

from dflow.dtypes import float64, int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like
from dflow.ops.array.shape import shape, size
from dflow.ops.array.strided_slice import get_item
from dflow.ops.losses.weights import assert_broadcastable, broadcast_weights
from dflow.ops.math.arithmetic import add, minimum, multiply
from dflow.ops.math.cumsum import cumsum
from dflow.ops.math.division import realdiv
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect, metric_variable
from dflow.ops.metrics.hits import counts_at_k, relevance_at_k
from dflow.ops.order.top_k import top_k
from dflow.ops.rules.blocks import named

__all__ = [
    "average_precision_at_k",
    "precision_at_k",
    "precision_at_top_k",
    "recall_at_k",
    "recall_at_top_k",
    "sparse_average_precision_at_k",
    "sparse_precision_at_k",
]

_TRUE_POSITIVES, _FALSE_POSITIVES, _FALSE_NEGATIVES = range(3)  # the outputs of `counts_at_k`
_NAMES = ("true_positive", "false_positive", "false_negative")


def _at_k(name: str, k: int | None, class_id: int | None = None) -> str:
    name = f"{name}_at_{'k' if k is None else k}"
    return name if class_id is None else f"{name}_class{class_id}"


def _streaming_count(
    which: int, labels: Any, predictions_idx: Tensor, k: int | None, class_id: int | None, weights: Any
) -> tuple[Any, Tensor]:
    """The variable of one of the counts, and its value with this batch."""
    with named(None, _at_k(_NAMES[which], k, class_id), (predictions_idx, labels, weights)) as scope:
        counts = counts_at_k(labels, predictions_idx, class_id)[which]
        if weights is not None:
            with counts.graph.control_dependencies((assert_broadcastable(weights, counts),)):
                counts = multiply(counts, cast(weights, float64))
        count = metric_variable([], float64, name=scope)
        return count, count.assign_add(reduce_sum(counts), name="update")


def _part(
    what: str,
    others: int,
    labels: Any,
    predictions_idx: Any,
    k: int | None,
    class_id: int | None,
    weights: Any,
    metrics: Collections,
    updates: Collections,
    name: str | None,
) -> Metric:
    """True positives by true positives and the other count; NaN where there are none."""
    with named(name, _at_k(what, k, class_id), (predictions_idx, labels, weights)) as scope:
        places = cast(convert_to_tensor(predictions_idx), int64)
        hits, hits_now = _streaming_count(_TRUE_POSITIVES, labels, places, k, class_id, weights)
        rest, rest_now = _streaming_count(others, labels, places, k, class_id, weights)
        value = realdiv(hits, add(hits, rest), name=scope)
        update = realdiv(hits_now, add(hits_now, rest_now), name="update")
        return collect(value, update, metrics, updates)


def precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the predictions that is among the labels.  Source: tf.metrics.precision_at_top_k."""
    both = metrics_collections, updates_collections
    return _part("precision", _FALSE_POSITIVES, labels, predictions_idx, k, class_id, weights, *both, name)


def recall_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the labels that is among the predictions.  Source: tf.metrics.recall_at_top_k."""
    both = metrics_collections, updates_collections
    return _part("recall", _FALSE_NEGATIVES, labels, predictions_idx, k, class_id, weights, *both, name)


def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the k best predictions that is among the labels.  Source: tf.metrics.precision_at_k."""
    with named(name, _at_k("precision", k, class_id), (predictions, labels, weights)) as scope:
        places = top_k(predictions, k)[1]
        both = metrics_collections, updates_collections
        return precision_at_top_k(labels, places, k, class_id, weights, *both, name=scope)


def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The part of the labels that is among the k best predictions.  Source: tf.metrics.recall_at_k."""
    with named(name, _at_k("recall", k, class_id), (predictions, labels, weights)) as scope:
        places = top_k(predictions, k)[1]
        both = metrics_collections, updates_collections
        return recall_at_top_k(labels, places, k, class_id, weights, *both, name=scope)


def sparse_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The older name of `precision_at_k`; warns of that.  Source: tf.metrics.sparse_precision_at_k."""
    warnings.warn("sparse_precision_at_k is deprecated, use precision_at_k", DeprecationWarning, stacklevel=2)
    both = metrics_collections, updates_collections
    return precision_at_k(labels, predictions, k, class_id, weights, *both, name=name)


def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean over the rows of the mean precision at each of the k best predictions that is right.

    ValueError for k below 1.  Source: tf.metrics.average_precision_at_k.
    """
    if k < 1:
        raise ValueError(f"Invalid k={k}.")
    with named(name, _at_k("average_precision", k), (predictions, labels, weights)) as scope:
        predictions = convert_to_tensor(predictions)
        places = cast(top_k(predictions, k)[1], int64)
        single = _average_precision(labels, places, k, get_item(shape(predictions), -1))
        return _streaming_average(single, weights, metrics_collections, updates_collections, scope)


def sparse_average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The older name of `average_precision_at_k`; warns of that.  Source: tf.metrics.sparse_average_precision_at_k."""
    text = "sparse_average_precision_at_k is deprecated, use average_precision_at_k"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    both = metrics_collections, updates_collections
    return average_precision_at_k(labels, predictions, k, weights, *both, name=name)


def _average_precision(labels: Any, predictions_idx: Tensor, k: int, num_classes: Tensor) -> Tensor:
    """The average precision of each row: float64 [...]."""
    with named(None, "average_precision", (predictions_idx, labels)) as scope:
        relevant, labels_there = relevance_at_k(labels, predictions_idx, num_classes)
        precision = realdiv(cumsum(relevant, -1), cumsum(ones_like(relevant), -1))
        total = reduce_sum(multiply(precision, relevant), -1)
        return realdiv(total, minimum(labels_there, convert_to_tensor(k, float64)), name=scope)


def _streaming_average(values: Tensor, weights: Any, metrics: Collections, updates: Collections, scope: str) -> Metric:
    if weights is not None:
        weights = broadcast_weights(cast(weights, float64), values)
        values = multiply(values, weights)
    with named(None, "max", (values,)) as max_scope:
        most = metric_variable([], float64, name=max_scope)
        batch = cast(size(values), float64, "batch_max") if weights is None else reduce_sum(weights, name="batch_max")
        most_now = most.assign_add(batch, name="update")
    with named(None, "total", (values,)) as total_scope:
        total = metric_variable([], float64, name=total_scope)
        total_now = total.assign_add(reduce_sum(values, name="batch_total"), name="update")
    value = div_no_nan(total.value(), most.value(), name="mean")
    update = div_no_nan(total_now, most_now, name=scope)
    return collect(value, update, metrics, updates)

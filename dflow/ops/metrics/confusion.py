"""Metrics that follow from how often each class is taken for each other one.

Source: tf.metrics.mean_iou, tf.metrics.mean_per_class_accuracy of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import float32, float64, int64
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.array.gather import gather
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import reshape
from dflow.ops.math.arithmetic import maximum, multiply
from dflow.ops.math.compare import equal, greater, not_equal, where
from dflow.ops.math.confusion_matrix import confusion_matrix
from dflow.ops.math.division import realdiv
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_mean, reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect, flat, metric_variable
from dflow.ops.rules.blocks import same_shape
from dflow.ops.segments.unsorted import unsorted_segment_sum
from dflow.ops.state.variable_scope import variable_scope

__all__ = ["mean_iou", "mean_per_class_accuracy"]


def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean over the classes of hits / (hits + false positives + false negatives).

    labels, predictions: integers in [0, num_classes), of one shape; weights: in their shape; None: ones.
    The update is the confusion matrix so far, float64.  Source: tf.metrics.mean_iou.
    """
    with variable_scope(name, "mean_iou", (predictions, labels, weights)):
        labels, predictions = convert_to_tensor(labels), convert_to_tensor(predictions)
        same_shape(predictions, labels)
        total = metric_variable([num_classes, num_classes], float64, name="total_confusion_matrix")
        labels, predictions = flat(cast(labels, int64)), flat(cast(predictions, int64))
        weights = None if weights is None else flat(weights)
        current = confusion_matrix(labels, predictions, num_classes, dtype=float64, weights=weights)
        update = total.assign_add(current)
        return collect(_mean_iou(total.value(), num_classes), update, metrics_collections, updates_collections)


def _mean_iou(matrix: Tensor, num_classes: int) -> Tensor:
    rows, columns = cast(reduce_sum(matrix, 0), float32), cast(reduce_sum(matrix, 1), float32)
    hits = cast(_diagonal(matrix, num_classes), float32)
    union = rows + columns - hits
    valid = reduce_sum(cast(not_equal(union, 0.0), float32))
    parts = realdiv(hits, where(greater(union, 0.0), union, ones_like(union)))
    mean = realdiv(reduce_sum(parts, name="mean_iou"), valid)
    return where(greater(valid, 0.0), mean, zeros_like(mean))


def _diagonal(matrix: Tensor, size: int) -> Tensor:
    return gather(reshape(matrix, [-1]), range_(0, size * size, size + 1))


def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """The mean over the classes of how often labels of the class are predicted.

    labels, predictions: integers in [0, num_classes), of one shape; weights: in their shape; None: ones.
    The update is the accuracy of each class, [num_classes].  Source: tf.metrics.mean_per_class_accuracy.
    """
    with variable_scope(name, "mean_accuracy", (predictions, labels, weights)):
        labels, predictions = cast(labels, int64), convert_to_tensor(predictions)
        same_shape(predictions, labels)
        labels, predictions = flat(labels), cast(flat(predictions), int64)
        total = metric_variable([num_classes], float32, name="total")
        count = metric_variable([num_classes], float32, name="count")
        ones = ones_like(labels, dtype=float32)
        correct = cast(equal(predictions, labels), float32)
        if weights is not None:
            weights = cast(flat(weights), float32)
            ones, correct = multiply(ones, weights), multiply(correct, weights)
        total_now = total.assign_add(_by_class(ones, labels, num_classes))
        count_now = count.assign_add(_by_class(correct, labels, num_classes))
        accuracies = div_no_nan(count.value(), maximum(total.value(), 0), name="per_class")
        value = reduce_mean(accuracies, name="mean_accuracy")
        update = div_no_nan(count_now, maximum(total_now, 0), name="update_op")
        return collect(value, update, metrics_collections, updates_collections)


def _by_class(values: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    total: Tensor = unsorted_segment_sum(values, labels, num_classes)
    return total

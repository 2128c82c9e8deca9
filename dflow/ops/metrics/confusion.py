"""How often each class is taken for each other one, and the metrics that follow from that.

Source: tf.confusion_matrix, tf.metrics.mean_iou, tf.metrics.mean_per_class_accuracy of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype, float32, float64, int32, int64
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.array.gather import gather
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import reshape
from dflow.ops.array.stack import stack
from dflow.ops.control import Assert
from dflow.ops.losses.ranks import remove_squeezable_dimensions
from dflow.ops.math.arithmetic import add, maximum, multiply
from dflow.ops.math.compare import equal, greater, greater_equal, less, not_equal, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_all, reduce_max, reduce_mean, reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect, flat, metric_variable
from dflow.ops.rules.blocks import named, same_shape
from dflow.ops.rules.static import known_value
from dflow.ops.segments.unsorted import unsorted_segment_sum
from dflow.ops.state.variable_scope import variable_scope

__all__ = ["confusion_matrix", "mean_iou", "mean_per_class_accuracy"]


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """[classes, classes]: row i and column j count how often the label i is predicted to be j.

    labels, predictions: integers in [0, classes), [n]; num_classes: None: the largest of them and 1.
    weights: how much each pair counts, [n]; None: 1.  InvalidArgumentError at run time for numbers out of range.
    """
    with named(name, "confusion_matrix", (predictions, labels, num_classes, weights)) as scope:
        labels, predictions = remove_squeezable_dimensions(labels, predictions)
        labels, predictions = cast(labels, int64), cast(predictions, int64)
        pair = {"labels": labels, "predictions": predictions}
        checks = [
            _check(greater_equal(x, _int64(0)), f"`{key}` contains negative values", x) for key, x in pair.items()
        ]
        if num_classes is None:
            count = maximum(reduce_max(predictions), reduce_max(labels)) + _int64(1)
        else:
            count = cast(num_classes, int64)
            checks += [_check(less(x, count), f"`{key}` out of bound", x) for key, x in pair.items()]
        target = as_dtype(dtype)
        if weights is not None:
            weights = convert_to_tensor(weights, name="weights")
            same_shape(predictions, weights)
        with labels.graph.control_dependencies(checks):
            values = ones_like(predictions, dtype=target) if weights is None else cast(weights, target)
            places = add(multiply(labels, count), predictions)
            total = unsorted_segment_sum(values, places, multiply(count, count))
            return reshape(total, _square(count), name=scope)


def _int64(number: int) -> Tensor:
    return convert_to_tensor(number, int64)


def _square(count: Tensor) -> Any:
    known = known_value(count)
    return stack([count, count]) if known is None else [int(known)] * 2


def _check(condition: Tensor, text: str, data: Tensor) -> Operation:
    return Assert(reduce_all(condition), [text, data])


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

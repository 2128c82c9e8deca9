"""Metrics of a curve over all thresholds: the area below it, and points on it.

Source: tf.metrics.auc, tf.metrics.sensitivity_at_specificity, tf.metrics.specificity_at_sensitivity of TensorFlow 1.15.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from dflow.dtypes import int32, int64
from dflow.graph import Tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like
from dflow.ops.array.gather import gather
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arg_reduction import argmax, argmin
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import add, maximum, minimum, multiply, subtract
from dflow.ops.math.compare import equal, greater, logical_and, where
from dflow.ops.math.cumsum import cumsum
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import log
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_min, reduce_sum
from dflow.ops.metrics.common import Collections, Metric, collect
from dflow.ops.metrics.thresholds import Counts, counts_at_thresholds, spread_thresholds
from dflow.ops.state.variable_scope import variable_scope

__all__ = ["auc", "sensitivity_at_specificity", "specificity_at_sensitivity"]

_EPSILON = 1.0e-6  # of rates
_SMALL = 1e-7  # of thresholds and points


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Sequence[float] | None = None,
) -> Metric:
    """The area under a curve, by the counts at thresholds.

    labels, predictions, weights: as of the counts at thresholds.  curve: "ROC", or "PR" of precision and recall.
    summation_method: "trapezoidal"; "careful_interpolation", which is right for "PR"; "minoring" and "majoring" for
    bounds.  thresholds: in [0, 1]; None: `num_thresholds` that divide it evenly.
    ValueError for another curve or method.
    """
    with variable_scope(name, "auc", (labels, predictions, weights)):
        if curve not in ("ROC", "PR"):
            raise ValueError(f"curve must be either ROC or PR, {curve} unknown")
        if thresholds is None:
            limits = spread_thresholds(num_thresholds)
        else:
            limits = [0.0 - _SMALL, *sorted(thresholds), 1.0 + _SMALL]
        values, updates = counts_at_thresholds(labels, predictions, limits, weights)
        if curve == "PR" and summation_method == "trapezoidal":
            text = "Trapezoidal rule is known to produce incorrect PR-AUCs; please switch to 'careful_interpolation'."
            warnings.warn(text, stacklevel=3)
        value = _area(values, curve, summation_method, "value")
        update = _area(updates, curve, summation_method, "update_op")
        return collect(value, update, metrics_collections, updates_collections)


def _area(counts: Counts, curve: str, method: str, name: str) -> Tensor:
    tp, fn, tn, fp = (counts[key] for key in ("tp", "fn", "tn", "fp"))
    if curve == "PR" and method == "careful_interpolation":
        return _interpolated(tp, fp, fn)
    recall = realdiv(tp + _EPSILON, tp + fn + _EPSILON)
    if curve == "ROC":
        x, y = realdiv(fp, fp + tn + _EPSILON), recall
    else:
        x, y = recall, realdiv(tp + _EPSILON, tp + fp + _EPSILON)
    heights: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "trapezoidal": lambda a, b: (a + b) / 2.0,
        "careful_interpolation": lambda a, b: (a + b) / 2.0,
        "minoring": minimum,
        "majoring": maximum,
    }
    if method not in heights:
        raise ValueError(f"Invalid summation_method: {method}")
    width = subtract(_but_last(x), _but_first(x))
    return reduce_sum(multiply(width, heights[method](_but_last(y), _but_first(y))), name=name)


def _but_last(x: Tensor) -> Tensor:
    return get_item(x, slice(None, -1))


def _but_first(x: Tensor) -> Tensor:
    return get_item(x, slice(1, None))


def _interpolated(tp: Tensor, fp: Tensor, fn: Tensor) -> Tensor:
    """The area under the curve of precision and recall, with the counts interpolated between thresholds.

    Source: J. Davis, M. Goadrich: The Relationship Between Precision-Recall and ROC Curves, 2006.
    """
    hits = _but_last(tp) - _but_first(tp)
    p = tp + fp
    before, after = _but_last(p), _but_first(p)
    slope = div_no_nan(hits, maximum(before - after, 0), name="prec_slope")
    intercept = _but_first(tp) - multiply(slope, after)
    both = logical_and(greater(before, 0), greater(after, 0))
    proportion = where(both, div_no_nan(before, maximum(after, 0), name="recall_relative_ratio"), ones_like(after))
    positives = maximum(_but_first(tp) + _but_first(fn), 0)
    increments = div_no_nan(slope * (hits + intercept * log(proportion)), positives, name="pr_auc_increment")
    return reduce_sum(increments, name="interpolate_pr_auc")


def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """tp / (tp + fn) at the threshold whose tn / (tn + fp) is nearest to `specificity`, which is in [0, 1].

    ValueError for another one.  Source: tf.metrics.sensitivity_at_specificity.
    """
    _in_unit_interval(specificity=specificity)

    def point(counts: Counts, name: str) -> Tensor:
        found = realdiv(counts["tn"], counts["tn"] + counts["fp"] + _SMALL)
        place = cast(argmin(abs_(found - specificity), 0), int32)
        tp, fn = gather(counts["tp"], place), gather(counts["fn"], place)
        return realdiv(tp, add(tp, fn) + _SMALL, name)

    with variable_scope(name, "sensitivity_at_specificity", (predictions, labels, weights)):
        values, updates = counts_at_thresholds(labels, predictions, spread_thresholds(num_thresholds), weights)
        both = metrics_collections, updates_collections
        return collect(point(values, "value"), point(updates, "update_op"), *both)


def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> Metric:
    """tn / (tn + fp) at the last threshold whose tp / (tp + fn) is nearest to `sensitivity`, which is in [0, 1].

    ValueError for another one.  Source: tf.metrics.specificity_at_sensitivity.
    """
    _in_unit_interval(sensitivity=sensitivity)

    def point(counts: Counts, name: str) -> Tensor:
        distance = abs_(realdiv(counts["tp"], counts["tp"] + counts["fn"] + _SMALL) - sensitivity)
        nearest = cast(equal(distance, reduce_min(distance)), int64)
        place = cast(argmax(cumsum(nearest), 0), int32)
        tn, fp = gather(counts["tn"], place), gather(counts["fp"], place)
        return realdiv(tn, add(tn, fp) + _SMALL, name)

    with variable_scope(name, "specificity_at_sensitivity", (predictions, labels, weights)):
        values, updates = counts_at_thresholds(labels, predictions, spread_thresholds(num_thresholds), weights)
        both = metrics_collections, updates_collections
        return collect(point(values, "value"), point(updates, "update_op"), *both)


def _in_unit_interval(**arguments: float) -> None:
    for name, value in arguments.items():
        if value < 0 or value > 1:
            raise ValueError(f"`{name}` must be in the range [0, 1].")

"""`df.metrics`: what they give after each batch, variables, collections; against NumPy on all values so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow import errors

m = df.metrics
RNG = np.random.default_rng(11)
BATCHES = 3


def batches(make: Callable[[], Any]) -> list[np.ndarray]:
    return [np.asarray(make()) for _ in range(BATCHES)]


NUMBERS = batches(lambda: RNG.normal(size=(4, 2)).astype(np.float32))
OTHERS = batches(lambda: RNG.normal(size=(4, 2)).astype(np.float32))
CHANCES = batches(lambda: RNG.uniform(size=(4, 2)).astype(np.float32))
BITS = batches(lambda: RNG.integers(0, 2, (4, 2)))
GUESSES = batches(lambda: RNG.integers(0, 2, (4, 2)))
CLASSES = batches(lambda: RNG.integers(0, 4, (4, 2)))
SAID = batches(lambda: RNG.integers(0, 4, (4, 2)))
WEIGHTS = batches(lambda: RNG.uniform(0.5, 2, size=(4, 1)).astype(np.float32))
AT = [0.0, 0.25, 0.6]

Judge = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]  # labels, predictions, weights: all so far, flat


def mean_of(error: Callable[[Any, Any], Any]) -> Judge:
    return lambda y, x, w: (error(y, x) * w).sum() / w.sum()


def at_each(count: Judge) -> Judge:
    return lambda y, x, w: np.array([count(y, x > threshold, w) for threshold in AT])


def hits(y: Any, x: Any, w: Any) -> Any:
    return (w * (y != 0) * (x != 0)).sum()


def rejections(y: Any, x: Any, w: Any) -> Any:
    return (w * (y == 0) * (x == 0)).sum()


def alarms(y: Any, x: Any, w: Any) -> Any:
    return (w * (y == 0) * (x != 0)).sum()


def misses(y: Any, x: Any, w: Any) -> Any:
    return (w * (y != 0) * (x == 0)).sum()


def precision(y: Any, x: Any, w: Any) -> Any:
    return hits(y, x, w) / max(1e-7, hits(y, x, w) + alarms(y, x, w))


def recall(y: Any, x: Any, w: Any) -> Any:
    return hits(y, x, w) / max(1e-7, hits(y, x, w) + misses(y, x, w))


def order_of_pairs(y: Any, x: Any, w: Any) -> Any:
    """The area under the ROC curve: how often a true value is above a false one."""
    pairs = (x[y != 0][:, None] > x[y == 0][None, :]) * w[y != 0][:, None] * w[y == 0][None, :]
    return pairs.sum() / (w[y != 0].sum() * w[y == 0].sum())


def by_class(y: Any, x: Any, w: Any) -> Any:
    return np.mean([(w * (y == c) * (x == c)).sum() / (w * (y == c)).sum() for c in range(4)])


def overlap(y: Any, x: Any, w: Any) -> Any:
    return np.mean([(w * (y == c) * (x == c)).sum() / (w * ((y == c) | (x == c))).sum() for c in range(4)])


def with_names(metric: Callable[..., Any], **given: Any) -> Callable[..., Any]:
    return lambda y, x, **options: metric(y, x, **given, **options)


# name: the metric, labels, predictions, what NumPy says, its variables
EACH: dict[str, tuple[Callable[..., Any], Any, Any, Judge, list[str]]] = {
    "mean": (lambda y, x, **o: m.mean(x, **o), NUMBERS, OTHERS, mean_of(lambda y, x: x), ["total", "count"]),
    "percentage_below_threshold": (
        lambda y, x, **o: m.percentage_below(x, 0.2, **o),
        NUMBERS,
        OTHERS,
        mean_of(lambda y, x: x < 0.2),
        ["total", "count"],
    ),
    "accuracy": (m.accuracy, CLASSES, SAID, mean_of(lambda y, x: y == x), ["total", "count"]),
    "mean_absolute_error": (
        m.mean_absolute_error,
        NUMBERS,
        OTHERS,
        mean_of(lambda y, x: abs(y - x)),
        ["total", "count"],
    ),
    "mean_squared_error": (
        m.mean_squared_error,
        NUMBERS,
        OTHERS,
        mean_of(lambda y, x: (y - x) ** 2),
        ["total", "count"],
    ),
    "root_mean_squared_error": (
        m.root_mean_squared_error,
        NUMBERS,
        OTHERS,
        lambda y, x, w: np.sqrt(mean_of(lambda y, x: (y - x) ** 2)(y, x, w)),
        ["total", "count"],
    ),
    "mean_relative_error": (
        lambda y, x, **o: m.mean_relative_error(y, x, df.nn.relu(x), **o),
        NUMBERS,
        OTHERS,
        mean_of(lambda y, x: np.where(x > 0, abs(y - x) / np.where(x > 0, x, 1), 0)),
        ["total", "count"],
    ),
    "true_positives": (m.true_positives, BITS, GUESSES, hits, ["count"]),
    "true_negatives": (m.true_negatives, BITS, GUESSES, rejections, ["count"]),
    "false_positives": (m.false_positives, BITS, GUESSES, alarms, ["count"]),
    "false_negatives": (m.false_negatives, BITS, GUESSES, misses, ["count"]),
    "precision": (m.precision, BITS, GUESSES, precision, ["true_positives/count", "false_positives/count"]),
    "recall": (m.recall, BITS, GUESSES, recall, ["true_positives/count", "false_negatives/count"]),
    "true_positives_at": (
        with_names(m.true_positives_at_thresholds, thresholds=AT),
        BITS,
        CHANCES,
        at_each(hits),
        ["true_positives"],
    ),
    "true_negatives_at": (
        with_names(m.true_negatives_at_thresholds, thresholds=AT),
        BITS,
        CHANCES,
        at_each(rejections),
        ["true_negatives"],
    ),
    "false_positives_at": (
        with_names(m.false_positives_at_thresholds, thresholds=AT),
        BITS,
        CHANCES,
        at_each(alarms),
        ["false_positives"],
    ),
    "false_negatives_at": (
        with_names(m.false_negatives_at_thresholds, thresholds=AT),
        BITS,
        CHANCES,
        at_each(misses),
        ["false_negatives"],
    ),
    "precision_at_thresholds": (
        with_names(m.precision_at_thresholds, thresholds=AT),
        BITS,
        CHANCES,
        at_each(precision),
        ["true_positives", "false_positives"],
    ),
    "recall_at_thresholds": (
        with_names(m.recall_at_thresholds, thresholds=AT),
        BITS,
        CHANCES,
        at_each(recall),
        ["true_positives", "false_negatives"],
    ),
    "auc": (
        with_names(m.auc, num_thresholds=4000),
        BITS,
        CHANCES,
        order_of_pairs,
        ["true_positives", "false_negatives", "true_negatives", "false_positives"],
    ),
    "mean_accuracy": (
        with_names(m.mean_per_class_accuracy, num_classes=4),
        CLASSES,
        SAID,
        by_class,
        ["total", "count"],
    ),
    "mean_iou": (with_names(m.mean_iou, num_classes=4), CLASSES, SAID, overlap, ["total_confusion_matrix"]),
}


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_is_what_numpy_says_of_all_batches_so_far(name: str, weighted: bool) -> None:
    metric, labels, predictions, judge, variables = EACH[name]
    y, x = (df.placeholder(df.as_dtype(it[0].dtype), [4, 2]) for it in (labels, predictions))
    w = df.placeholder(df.float32, [4, 2]) if weighted else None
    weights = [np.broadcast_to(it, (4, 2)) for it in WEIGHTS] if weighted else [np.ones((4, 2))] * BATCHES
    value, update = metric(y, x, weights=w, metrics_collections="values", updates_collections=["updates"])
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        assert not np.any(sess.run(value))
        for count in range(1, BATCHES + 1):
            fed = {y: labels[count - 1], x: predictions[count - 1]}
            updated = sess.run(update, fed | ({w: weights[count - 1]} if w is not None else {}))
            so_far = [
                np.concatenate([it.reshape(-1) for it in all_[:count]]) for all_ in (labels, predictions, weights)
            ]
            wanted = judge(*so_far)
            np.testing.assert_allclose(sess.run(value), wanted, rtol=2e-3, atol=1e-5)
            if name not in ("mean_iou", "mean_accuracy"):  # their updates are the counts of each class
                np.testing.assert_allclose(updated, sess.run(value), rtol=1e-6)
    made = [variable.op.name for variable in df.get_collection(df.GraphKeys.METRIC_VARIABLES)]
    assert [it.partition("/")[2] for it in made] == variables
    assert [variable.op.name for variable in df.local_variables()] == made
    assert (df.get_collection("values"), df.get_collection("updates")) == ([value], [update])
    assert (df.global_variables(), df.trainable_variables()) == ([], [])


def updated(metric: tuple[Any, Any], feeds: Any = None) -> Any:
    with df.Session() as sess:
        sess.run(df.local_variables_initializer())
        return sess.run(metric[1], feeds)


def test_variables_are_named_after_the_metric() -> None:
    m.accuracy([1], [1])
    m.accuracy([1], [1])
    m.recall([1], [1], name="mine")
    assert [variable.op.name for variable in df.local_variables()] == [
        *("accuracy/total", "accuracy/count", "accuracy_1/total", "accuracy_1/count"),
        *("mine/true_positives/count", "mine/false_negatives/count"),
    ]


def test_the_mean_of_a_tensor_has_its_shape() -> None:
    value, update = m.mean_tensor([[1.0, 2.0]], weights=[[1.0, 0.0]])
    np.testing.assert_array_equal(updated((value, update)), [[1.0, 0.0]])
    assert (value.op.name, update.op.name) == ("mean/value", "mean/update_op")


def test_the_cosine_distance_is_one_minus_the_product() -> None:
    found = updated(m.mean_cosine_distance(np.eye(3)[:2], np.eye(3)[[0, 2]], dim=1, weights=[[1.0], [3.0]]))
    np.testing.assert_allclose(found, 0.75)


def test_no_positive_prediction_means_a_precision_of_zero() -> None:
    assert updated(m.precision([True, False], [False, False])) == 0
    assert updated(m.recall([False], [True])) == 0


def test_points_of_a_curve_are_the_nearest_to_what_is_asked() -> None:
    truths = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    chances = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.15, 0.25, 0.45, 0.5, 0.8])
    assert abs(updated(m.sensitivity_at_specificity(truths, chances, 0.6)) - 0.8) < 1e-5
    assert abs(updated(m.specificity_at_sensitivity(truths, chances, 0.6)) - 1.0) < 1e-5
    for metric in (m.sensitivity_at_specificity, m.specificity_at_sensitivity):
        with pytest.raises(ValueError, match=r"must be in the range \[0, 1\]"):
            metric(truths, chances, 1.5)


def test_areas_below_curves_are_between_their_bounds() -> None:
    truths, chances = np.concatenate(BITS).reshape(-1), np.concatenate(CHANCES).reshape(-1)
    for curve in ("ROC", "PR"):
        methods = "minoring", "careful_interpolation", "majoring"
        low, middle, high = (
            updated(m.auc(truths, chances, curve=curve, summation_method=it, num_thresholds=20)) for it in methods
        )
        assert low <= middle <= high
    with pytest.warns(UserWarning, match="Trapezoidal rule is known to produce incorrect PR-AUCs"):
        m.auc(truths, chances, curve="PR")
    for wrong in ({"curve": "TPR"}, {"summation_method": "other"}):
        with pytest.raises(ValueError):
            m.auc(truths, chances, **wrong)


def test_values_that_cannot_be_meant_are_refused() -> None:
    y, x = df.placeholder(df.float32), df.placeholder(df.float32)
    for metric in (m.auc, m.mean_squared_error):
        with pytest.raises(ValueError):
            metric(np.ones((2, 3)), np.ones((4, 5)))
    with pytest.raises(errors.InvalidArgumentError, match=r"predictions must be in \[0, 1\]"):
        updated(m.auc(y, x), {y: [1.0], x: [1.5]})
    w = df.placeholder(df.float32)
    with pytest.raises(errors.InvalidArgumentError, match="weights can not be broadcast to values"):
        updated(m.mean(x, w), {x: np.ones((2, 3)), w: np.ones((3, 2))})
    labels = df.placeholder(df.int64, [None])
    for wrong, text in ((-1, "contains negative values"), (2, "out of bound")):
        with pytest.raises(errors.InvalidArgumentError, match=text):
            updated(m.mean_iou(labels, [0], 2), {labels: [wrong]})

"""Streaming metrics: values before and after each batch, names of variables, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import names, session

RNG = np.random.RandomState(3)
BATCHES = 3
NUMBERS = [RNG.normal(size=(4, 2)).astype(np.float32) for _ in range(BATCHES)]
OTHERS = [RNG.normal(size=(4, 2)).astype(np.float32) for _ in range(BATCHES)]
CHANCES = [RNG.uniform(size=(4, 2)).astype(np.float32) for _ in range(BATCHES)]
BITS = [RNG.randint(0, 2, size=(4, 2)) for _ in range(BATCHES)]
OTHER_BITS = [RNG.randint(0, 2, size=(4, 2)) for _ in range(BATCHES)]
CLASSES = [RNG.randint(0, 4, size=(4, 2)) for _ in range(BATCHES)]
OTHER_CLASSES = [RNG.randint(0, 4, size=(4, 2)) for _ in range(BATCHES)]
SCORES = [RNG.uniform(size=(4, 6)).astype(np.float32) for _ in range(BATCHES)]
SETS = [
    np.array([[0, 3], [5, 5], [1, -1], [7, 2]]),
    np.array([[1, 2], [3, 4], [0, 0], [2, 1]]),
    RNG.randint(0, 6, (4, 2)),
]
WEIGHTS = [np.array([[1.0], [0.0], [2.0], [0.5]], np.float32)] * BATCHES


def _streamed(
    tf: Any, metric: Callable[..., Any], labels: Any, predictions: Any, weights: Any = None, known: bool = True
) -> dict[str, Any]:
    """What a metric gives at first and after each batch, and what its variables are called."""
    with tf.Graph().as_default(), session(tf) as sess:
        feeds = [
            tf.placeholder(tf.as_dtype(it[0].dtype), it[0].shape if known else None) for it in (labels, predictions)
        ]
        weigh = None if weights is None else tf.placeholder(tf.float32, weights[0].shape if known else None)
        value, update = metric(*feeds, weights=weigh, metrics_collections="values", updates_collections=["updates"])
        sess.run(tf.local_variables_initializer())
        found: dict[str, Any] = {"first": sess.run(value), "updates": []}
        for i in range(BATCHES):
            fed = dict(zip(feeds, (labels[i], predictions[i]), strict=True))
            if weigh is not None:
                fed[weigh] = weights[i]
            found["updates"].append([sess.run(update, fed), sess.run(value)])
        found["variables"] = sorted(names(tf.get_collection(tf.GraphKeys.METRIC_VARIABLES)))
        found["local"] = sorted(names(tf.local_variables()))
        found["collections"] = [tf.get_collection("values") == [value], tf.get_collection("updates") == [update]]
        return found


def _with_and_without_weights(tf: Any, metric: Callable[..., Any], labels: Any, predictions: Any) -> dict[str, Any]:
    return {
        "plain": _streamed(tf, metric, labels, predictions),
        "weighted": _streamed(tf, metric, labels, predictions, WEIGHTS),
        "unknown": _streamed(tf, metric, labels, predictions, WEIGHTS, known=False),
    }


def errors_of_predictions(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    metrics = [m.mean_absolute_error, m.mean_squared_error, m.root_mean_squared_error]
    found = {it.__name__: _with_and_without_weights(tf, it, NUMBERS, OTHERS) for it in metrics}
    found["relative"] = _with_and_without_weights(
        tf, lambda y, x, **kw: m.mean_relative_error(y, x, normalizer=tf.nn.relu(y), **kw), NUMBERS, OTHERS
    )
    found["cosine"] = _with_and_without_weights(
        tf, lambda y, x, **kw: m.mean_cosine_distance(y, x, dim=1, **kw), NUMBERS, OTHERS
    )
    return found


def means(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    return {
        "mean": _with_and_without_weights(tf, lambda y, x, **kw: m.mean(x, **kw), NUMBERS, OTHERS),
        "tensor": _streamed(tf, lambda y, x, **kw: m.mean_tensor(x, **kw), NUMBERS, OTHERS),
        "tensor, weighted": _streamed(tf, lambda y, x, **kw: m.mean_tensor(x, **kw), NUMBERS, OTHERS, WEIGHTS),
        "below": _with_and_without_weights(tf, lambda y, x, **kw: m.percentage_below(x, 0.2, **kw), NUMBERS, OTHERS),
        "accuracy": _with_and_without_weights(tf, m.accuracy, CLASSES, OTHER_CLASSES),
        "named": _streamed(tf, lambda y, x, **kw: m.accuracy(y, x, name="mine", **kw), CLASSES, OTHER_CLASSES),
    }


def counts(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    kinds = [m.true_positives, m.true_negatives, m.false_positives, m.false_negatives, m.precision, m.recall]
    return {it.__name__: _with_and_without_weights(tf, it, BITS, OTHER_BITS) for it in kinds}


def thresholds(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    kinds = [
        *(m.true_positives_at_thresholds, m.true_negatives_at_thresholds, m.false_positives_at_thresholds),
        *(m.false_negatives_at_thresholds, m.precision_at_thresholds, m.recall_at_thresholds),
    ]
    at = [0.0, 0.25, 0.5, 0.9]
    return {
        it.__name__: _with_and_without_weights(
            tf, lambda y, x, it=it, **kw: it(y, x, thresholds=at, **kw), BITS, CHANCES
        )
        for it in kinds
    }


def curves(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    found = {}
    for curve in ("ROC", "PR"):
        for method in ("trapezoidal", "careful_interpolation", "minoring", "majoring"):
            if (curve, method) != ("PR", "trapezoidal"):  # TensorFlow warns of it
                found[f"{curve} {method}"] = _with_and_without_weights(
                    tf,
                    lambda y, x, curve=curve, method=method, **kw: m.auc(
                        y, x, curve=curve, summation_method=method, num_thresholds=20, **kw
                    ),
                    BITS,
                    CHANCES,
                )
    found["thresholds"] = _streamed(tf, lambda y, x, **kw: m.auc(y, x, thresholds=[0.3, 0.1, 0.6], **kw), BITS, CHANCES)
    for name, metric in (
        ("sensitivity", lambda y, x, **kw: m.sensitivity_at_specificity(y, x, 0.7, num_thresholds=20, **kw)),
        ("specificity", lambda y, x, **kw: m.specificity_at_sensitivity(y, x, 0.7, num_thresholds=20, **kw)),
    ):
        found[name] = _with_and_without_weights(tf, metric, BITS, CHANCES)
    return found


def classes(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    weights = [RNG.uniform(size=(4, 2)).astype(np.float32) for _ in range(BATCHES)]
    found = {}
    for name, metric in (("iou", m.mean_iou), ("accuracy", m.mean_per_class_accuracy)):
        found[name] = _streamed(
            tf, lambda y, x, metric=metric, **kw: metric(y, x, num_classes=4, **kw), CLASSES, OTHER_CLASSES
        )
        found[f"{name}, weighted"] = _streamed(
            tf, lambda y, x, metric=metric, **kw: metric(y, x, num_classes=5, **kw), CLASSES, OTHER_CLASSES, weights
        )
    return found


def at_k(tf: Any, folder: Path) -> dict[str, Any]:
    m = tf.metrics
    weights = [np.array([1.0, 0.0, 2.0, 0.5], np.float32)] * BATCHES
    found = {}
    for name, metric in (("precision", m.precision_at_k), ("recall", m.recall_at_k)):
        for k in (1, 3):
            for class_id in (None, 2):
                kind = f"{name} {k} {class_id}"
                options = {"k": k, "class_id": class_id}
                found[kind] = _streamed(
                    tf, lambda y, x, metric=metric, o=options, **kw: metric(y, x, **o, **kw), SETS, SCORES
                )
                found[f"{kind}, weighted"] = _streamed(
                    tf, lambda y, x, metric=metric, o=options, **kw: metric(y, x, **o, **kw), SETS, SCORES, weights
                )
    for k in (1, 3):
        for name, heavy in (("average", None), ("average, weighted", weights)):
            streamed = _streamed(
                tf, lambda y, x, k=k, **kw: m.average_precision_at_k(y, x, k, **kw), SETS, SCORES, heavy
            )
            found[f"{name} {k}"] = {key: streamed[key] for key in ("first", "updates", "collections")}
    single = [it[:, 0] for it in SETS]
    found["one label"] = _streamed(tf, lambda y, x, **kw: m.recall_at_k(y, x, 2, **kw), single, SCORES)
    places = [np.argsort(-it, axis=1)[:, :2] for it in SCORES]
    found["top"] = _streamed(tf, lambda y, x, **kw: m.precision_at_top_k(y, x, **kw), SETS, places)
    return found


def sparse_labels(tf: Any, folder: Path) -> dict[str, Any]:
    labels = tf.SparseTensor([[0, 0], [0, 1], [2, 0], [3, 0], [3, 1]], np.array([0, 3, 5, 2, 2], np.int64), [4, 2])
    metrics = {
        "precision": tf.metrics.precision_at_k(labels, SCORES[0], 3),
        "recall": tf.metrics.recall_at_k(labels, SCORES[0], 3),
        "class": tf.metrics.recall_at_k(labels, SCORES[0], 3, class_id=2),
        "average": tf.metrics.average_precision_at_k(labels, SCORES[0], 3),
    }
    with session(tf) as sess:
        sess.run(tf.local_variables_initializer())
        return {name: sess.run(update) for name, (_, update) in metrics.items()}

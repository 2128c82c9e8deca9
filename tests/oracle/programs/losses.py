"""Losses with weights and reductions, and the losses of `tf.nn`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, names, outcomes, session

LABELS = np.array([[1.0, 9.0, 2.0], [-5.0, -2.0, 6.0]], np.float32)
PREDICTIONS = np.array([[4.0, 8.0, 12.0], [8.0, 1.0, 3.0]], np.float32)
TRUTHS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], np.float32)
LOGITS = np.array([[0.5, -2.0, 1.5], [3.0, 0.2, -0.7]], np.float32)
CLASSES = np.eye(3, dtype=np.float32)[[2, 0]]


def _losses(tf: Any) -> dict[str, Callable[..., Any]]:
    return {
        "absolute": lambda **kw: tf.losses.absolute_difference(LABELS, PREDICTIONS, **kw),
        "squared": lambda **kw: tf.losses.mean_squared_error(LABELS, PREDICTIONS, **kw),
        "huber": lambda **kw: tf.losses.huber_loss(LABELS, PREDICTIONS, delta=2.0, **kw),
        "log": lambda **kw: tf.losses.log_loss(TRUTHS, 1 / (1 + np.exp(-LOGITS)), **kw),
        "hinge": lambda **kw: tf.losses.hinge_loss(TRUTHS, LOGITS, **kw),
        "cosine": lambda **kw: tf.losses.cosine_distance(LABELS, PREDICTIONS, 1, **kw),
        "sigmoid": lambda **kw: tf.losses.sigmoid_cross_entropy(TRUTHS, LOGITS, label_smoothing=0.1, **kw),
        "softmax": lambda **kw: tf.losses.softmax_cross_entropy(CLASSES, LOGITS, label_smoothing=0.1, **kw),
        "sparse": lambda **kw: tf.losses.sparse_softmax_cross_entropy([2, 0], LOGITS, **kw),
        "sparse, more axes": lambda **kw: tf.losses.sparse_softmax_cross_entropy([[2], [0]], LOGITS, **kw),
        "pairwise": lambda **kw: tf.losses.mean_pairwise_squared_error(LABELS, PREDICTIONS, **kw),
    }


def values_and_names(tf: Any, folder: Path) -> dict[str, Any]:
    losses = {name: loss() for name, loss in _losses(tf).items()}
    with session(tf) as sess:
        return {"values": sess.run(losses), "names": names(tf.losses.get_losses())}


def reductions(tf: Any, folder: Path) -> dict[str, Any]:
    ways = ("NONE", "SUM", "MEAN", "SUM_OVER_BATCH_SIZE", "SUM_BY_NONZERO_WEIGHTS", "SUM_OVER_NONZERO_WEIGHTS")
    weights = {"number": 2.0, "zero": 0.0, "rows": [[1.5], [0.0]], "columns": [[1.0, 0.0, 2.0]], "wrong": [1.0, 2.0]}
    found: dict[str, Any] = {"words": sorted(set(tf.losses.Reduction.all()))}
    with session(tf) as sess:
        for way in ways:
            reduction = getattr(tf.losses.Reduction, way)
            found[way] = outcomes(
                sess,
                {
                    name: lambda it=it, reduction=reduction: tf.losses.compute_weighted_loss(
                        tf.constant(LABELS, tf.float64), it, reduction=reduction
                    )
                    for name, it in weights.items()
                },
            )
    return found


def weights_known_at_run_time(tf: Any, folder: Path) -> dict[str, Any]:
    values, weights = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    loss = tf.losses.compute_weighted_loss(values, weights)
    found = {}
    with session(tf) as sess:
        for shape in [(), (2, 1), (1, 3), (2, 3)]:
            found[str(shape)] = sess.run(loss, {values: LABELS, weights: np.full(shape, 2.0)})
        for shape in [(2,), (3,), (3, 2), (1, 2, 3)]:
            fed = {values: LABELS, weights: np.ones(shape)}
            found[str(shape)] = error(lambda fed=fed: sess.run(loss, fed), "weights can not be broadcast to values")[
                "error"
            ]
    return found


def ranks_known_at_run_time(tf: Any, folder: Path) -> dict[str, Any]:
    labels, weights = tf.placeholder(tf.int32), tf.placeholder(tf.float32)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, LOGITS, weights)
    with session(tf) as sess:
        return {
            f"{np.shape(some)} {np.shape(heavy)}": sess.run(loss, {labels: some, weights: heavy})
            for some in ([2, 0], [[2], [0]])
            for heavy in (3.0, [1.0, 0.0], [[1.0], [3.0]])
        }


def gradients_of_losses(tf: Any, folder: Path) -> dict[str, Any]:
    x, logits = tf.constant(PREDICTIONS), tf.constant(LOGITS)
    losses = [
        tf.losses.absolute_difference(LABELS, x),
        tf.losses.huber_loss(LABELS, x),
        tf.losses.mean_squared_error(LABELS, x, [[1.0], [0.0]]),
        tf.losses.mean_pairwise_squared_error(LABELS, x),
        tf.losses.hinge_loss(TRUTHS, logits),
        tf.losses.softmax_cross_entropy(CLASSES, logits),
        tf.losses.sparse_softmax_cross_entropy([2, 0], logits),
        tf.losses.sigmoid_cross_entropy(TRUTHS, logits, weights=0),
    ]
    with session(tf) as sess:
        return {
            "gradients": sess.run([tf.gradients(loss, [x if i < 4 else logits])[0] for i, loss in enumerate(losses)])
        }


def collections(tf: Any, folder: Path) -> dict[str, Any]:
    first = tf.losses.absolute_difference(LABELS, PREDICTIONS, scope="a")
    tf.losses.mean_squared_error(LABELS, PREDICTIONS, loss_collection="mine")
    tf.losses.hinge_loss(TRUTHS, LOGITS, loss_collection=None)
    tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, tf.constant(2.0, name="r"))
    totals = [
        tf.losses.get_total_loss(),
        tf.losses.get_total_loss(False, name="other"),
        tf.losses.get_regularization_loss(),
        tf.losses.get_regularization_loss("nowhere"),
    ]
    with session(tf) as sess:
        return {
            "totals": sess.run(totals),
            "total names": names(totals[:3]),
            "names": names([first, *tf.get_collection("mine"), *tf.losses.get_losses("a")]),
        }


def losses_of_nn(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.constant(LOGITS), tf.constant(TRUTHS)
    rates = tf.constant([[0.5, 1.0, 3.0], [0.0, 7.0, 2.0]])
    with session(tf) as sess:
        return outcomes(
            sess,
            {
                "weighted": lambda: tf.nn.weighted_cross_entropy_with_logits(y, x, 3.0),
                "weighted, by tensor": lambda: tf.nn.weighted_cross_entropy_with_logits(
                    y, x, tf.constant([1.0, 2.0, 3.0])
                ),
                "weighted, shapes": lambda: tf.nn.weighted_cross_entropy_with_logits(y[:1, :2], x, 3.0),
                "poisson": lambda: tf.nn.log_poisson_loss(rates, x),
                "poisson, full": lambda: tf.nn.log_poisson_loss(rates, x, compute_full_loss=True),
                "poisson, shapes": lambda: tf.nn.log_poisson_loss(rates[:1, :2], x),
                "normal": lambda: tf.nn.l2_normalize(x, 1),
                "normal, all": lambda: tf.nn.l2_normalize(x),
                "normal, zero": lambda: tf.nn.l2_normalize(tf.zeros([2, 2]), 0),
                "normal, gradient": lambda: tf.gradients(tf.nn.l2_normalize(x, [0, 1]), x)[0],
            },
        )

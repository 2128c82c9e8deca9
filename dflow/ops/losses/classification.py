"""Losses of predictions that are logits of classes.

`weights`, `scope` (the name), `loss_collection` and `reduction`: as `compute_weighted_loss`.
ValueError for None in the place of labels or logits, and for shapes that do not fit.
Source: tf.losses of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import float32
from dflow.graph import GraphKeys, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like
from dflow.ops.array.shape import shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.control import stop_gradient
from dflow.ops.losses.ranks import remove_squeezable_dimensions, squeeze_weights
from dflow.ops.losses.reduction import Reduction, compute_weighted_loss
from dflow.ops.losses.regression import required
from dflow.ops.math.arithmetic import multiply, subtract
from dflow.ops.math.division import realdiv
from dflow.ops.nn.activations import relu
from dflow.ops.nn.losses import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from dflow.ops.rules.blocks import named, same_shape

__all__ = [
    "hinge_loss",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """max(0, 1 - (2 * labels - 1) * logits), weighted and reduced.  labels: 0 or 1, in the shape of the logits.

    Source: tf.losses.hinge_loss.
    """
    required(labels=labels, logits=logits)
    with named(scope, "hinge_loss", (logits, labels, weights)) as name:
        logits = cast(logits, float32)
        labels = cast(labels, float32)
        same_shape(logits, labels)
        ones = ones_like(labels)
        signs = subtract(2 * labels, ones)
        losses = relu(subtract(ones, multiply(signs, logits)))
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The cross entropy of each class for itself, weighted and reduced.

    multi_class_labels: 0 or 1, [n, classes], in the shape of the logits.  label_smoothing: moves the labels towards
    1/2 by this part.  Source: tf.losses.sigmoid_cross_entropy.
    """
    required(multi_class_labels=multi_class_labels, logits=logits)
    with named(scope, "sigmoid_cross_entropy_loss", (logits, multi_class_labels, weights)) as name:
        logits = convert_to_tensor(logits)
        labels = cast(multi_class_labels, logits.dtype)
        same_shape(logits, labels)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The cross entropy of classes that exclude each other, weighted and reduced.

    onehot_labels: [n, classes], in the shape of the logits; no gradient goes to them.  label_smoothing: moves the
    labels towards 1/classes by this part.  Source: tf.losses.softmax_cross_entropy.
    """
    required(onehot_labels=onehot_labels, logits=logits)
    with named(scope, "softmax_cross_entropy_loss", (logits, onehot_labels, weights)) as name:
        logits = convert_to_tensor(logits)
        labels = cast(onehot_labels, logits.dtype)
        same_shape(logits, labels)
        if label_smoothing > 0:
            classes = cast(get_item(shape(labels), -1), logits.dtype)
            labels = labels * (1.0 - label_smoothing) + realdiv(
                convert_to_tensor(label_smoothing, logits.dtype), classes
            )
        labels = stop_gradient(labels, name="labels_stop_gradient")
        losses = softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The cross entropy of classes that exclude each other, given by their numbers, weighted and reduced.

    labels: int32 or int64, [n] or [n, 1]; logits: [n, classes]; weights: a scalar, [n] or [n, 1].
    Source: tf.losses.sparse_softmax_cross_entropy.
    """
    required(labels=labels, logits=logits)
    with named(scope, "sparse_softmax_cross_entropy_loss", (logits, labels, weights)) as name:
        labels, logits = remove_squeezable_dimensions(labels, logits, expected_rank_diff=1)
        if weights is not None:
            weights = squeeze_weights(weights, labels)
        losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)

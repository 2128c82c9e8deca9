"""Losses of predictions that are numbers: how far they are from their labels.

Each of these functions takes `labels` and `predictions`, numbers of one shape, which are cast to float32, and
`weights`, `scope` (the name), `loss_collection` and `reduction` as `compute_weighted_loss`.
ValueError for None in the place of labels or predictions, and for shapes that do not fit.
Source: tf.losses of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dflow.dtypes import float32
from dflow.graph import GraphKeys, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank
from dflow.ops.losses.collection import add_loss
from dflow.ops.losses.reduction import Reduction, compute_weighted_loss, num_present
from dflow.ops.losses.weights import assert_broadcastable
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import add, maximum, minimum, multiply, negative, squared_difference, subtract
from dflow.ops.math.compare import greater, where
from dflow.ops.math.powers import log, square
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.blocks import named, same_shape

__all__ = [
    "absolute_difference",
    "cosine_distance",
    "huber_loss",
    "log_loss",
    "mean_pairwise_squared_error",
    "mean_squared_error",
]


def required(**arguments: Any) -> None:
    """ValueError for an argument that is None."""
    for name, value in arguments.items():
        if value is None:
            raise ValueError(f"{name} must not be None.")


@contextmanager
def _operands(
    scope: str | None, default: str, labels: Any, predictions: Any, weights: Any
) -> Iterator[tuple[Tensor, Tensor, str]]:
    """The name scope of a loss, with the predictions and the labels as float32 of one shape."""
    required(labels=labels, predictions=predictions)
    with named(scope, default, (predictions, labels, weights)) as name:
        predictions = cast(predictions, float32)
        labels = cast(labels, float32)
        same_shape(predictions, labels)
        yield predictions, labels, name


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """|predictions - labels|, weighted and reduced.  Source: tf.losses.absolute_difference."""
    with _operands(scope, "absolute_difference", labels, predictions, weights) as (x, y, name):
        losses = abs_(subtract(x, y))
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """(predictions - labels)², weighted and reduced.  Source: tf.losses.mean_squared_error."""
    with _operands(scope, "mean_squared_error", labels, predictions, weights) as (x, y, name):
        return compute_weighted_loss(squared_difference(x, y), weights, name, loss_collection, reduction)


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Half the square of the error up to `delta`, and linear beyond, weighted and reduced.

    Source: tf.losses.huber_loss.
    """
    with _operands(scope, "huber_loss", labels, predictions, weights) as (x, y, name):
        size = abs_(subtract(x, y))
        quadratic = minimum(size, delta)
        linear = subtract(size, quadratic)
        half = convert_to_tensor(0.5, quadratic.dtype)
        losses = add(
            multiply(half, multiply(quadratic, quadratic)), multiply(convert_to_tensor(delta, x.dtype), linear)
        )
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """-labels * log(predictions) - (1 - labels) * log(1 - predictions), weighted and reduced.

    epsilon: is added in each logarithm.  Source: tf.losses.log_loss.
    """
    with _operands(scope, "log_loss", labels, predictions, weights) as (x, y, name):
        positive = negative(multiply(y, log(x + epsilon)))
        losses = positive - multiply(1 - y, log(1 - x + epsilon))
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: int | None = None,
) -> Tensor:
    """1 - sum(labels * predictions) along `axis`, which stays with size 1, weighted and reduced.

    labels, predictions: of norm 1 along the axis.  dim: an older name of `axis`; ValueError for both and for none.
    Source: tf.losses.cosine_distance.
    """
    if axis is not None and dim is not None:
        raise ValueError("Cannot specify both 'axis' and 'dim'")
    place = dim if axis is None else axis
    if place is None:
        raise ValueError("You must specify 'axis'.")
    with _operands(scope, "cosine_distance_loss", labels, predictions, weights) as (x, y, name):
        losses = 1 - reduce_sum(multiply(x, y), axis=(place,), keepdims=True)
        return compute_weighted_loss(losses, weights, name, loss_collection, reduction)


def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
) -> Tensor:
    """The mean square of the differences of errors, of all pairs of values within one row, a scalar.

    weights: a scalar, [n], [n, 1, ...] or the shape of the labels, whose first axis counts the rows.
    Source: tf.losses.mean_pairwise_squared_error.
    """
    required(labels=labels, predictions=predictions)
    with named(scope, "mean_pairwise_squared_error", (predictions, labels, weights)):
        weights, labels = cast(weights, float32), cast(labels, float32)
        with labels.graph.control_dependencies((assert_broadcastable(weights, labels),)):
            predictions = cast(predictions, float32)
            same_shape(predictions, labels)
            errors = subtract(predictions, labels)
            counts = num_present(errors, weights, per_batch=True)
            total = reduce_sum(multiply(_pairwise(errors, counts), weights))
            present = greater(reduce_sum(counts), 0.0)
            loss = where(present, total, zeros_like(total), name="value")
        add_loss(loss, loss_collection)
        return loss


def _pairwise(errors: Tensor, counts: Tensor) -> Tensor:
    """The mean square of the differences of all pairs in each row: [n, 1, ...]."""
    axes = range_(1, rank(errors))
    squares = reduce_sum(square(errors), axis=axes, keepdims=True)
    first = 2.0 * div_no_nan(squares, maximum(counts - 1, 0.0), name="value")
    total = reduce_sum(errors, axis=axes, keepdims=True)
    pairs = maximum(multiply(counts, counts - 1), 0.0)
    return first - 2.0 * div_no_nan(square(total), pairs, name="value")

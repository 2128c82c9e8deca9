"""Weighted losses and how they become one number.

Source: tf.losses.Reduction and tf.losses.compute_weighted_loss of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import float32
from dflow.graph import GraphKeys, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank, size
from dflow.ops.losses.collection import add_loss
from dflow.ops.losses.weights import assert_broadcastable, broadcast_weights
from dflow.ops.math.arithmetic import multiply
from dflow.ops.math.compare import equal, where
from dflow.ops.math.products_with_zero import div_no_nan
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.blocks import named

__all__ = ["Reduction", "compute_weighted_loss", "num_present"]


class Reduction:
    """How weighted losses become one number.

    NONE: they stay as they are.  SUM: their sum.  MEAN: their sum by the sum of the weights.  SUM_OVER_BATCH_SIZE: by
    the number of losses.  SUM_BY_NONZERO_WEIGHTS: by the number of losses whose weight is not 0.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All ways, each once."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: Any) -> None:
        """ValueError for a word that names no way."""
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}.")


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The losses times the weights, reduced to a scalar, or with `Reduction.NONE` in the shape of the losses.

    losses: numbers of any shape.  weights: a scalar, or of the rank of the losses, each size theirs or 1.  The sums
    are made in float32, the result has the dtype of the losses.  It is added to `loss_collection`.
    ValueError for weights that are None or of another shape; InvalidArgumentError if only a run tells.
    Source: tf.losses.compute_weighted_loss.
    """
    Reduction.validate(reduction)
    with named(scope, "weighted_loss", (losses, weights)):
        values = convert_to_tensor(losses)
        check = assert_broadcastable(weights, values)
        with values.graph.control_dependencies((check,)):
            single = cast(values, float32)
            weighed = cast(weights, float32)
            found = _reduced(multiply(single, weighed), weighed, weights, reduction)
            loss = cast(found, values.dtype)
        add_loss(loss, loss_collection)
        return loss


def _reduced(losses: Tensor, weights: Tensor, given: Any, reduction: str) -> Tensor:
    if reduction == Reduction.NONE:
        return losses
    total = reduce_sum(losses)
    if reduction == Reduction.MEAN:
        return _mean(total, reduce_sum(multiply(ones_like(losses), weights)))
    if reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
        return _mean(total, _num_elements(losses) if _is_plain(given) else num_present(losses, weights))
    if reduction == Reduction.SUM_OVER_BATCH_SIZE:
        return _mean(total, _num_elements(losses))
    return total


def _is_plain(weights: Any) -> bool:
    """Whether it is a number that leaves no loss out."""
    return isinstance(weights, float) and weights != 0.0


def _mean(total: Tensor, count: Tensor) -> Tensor:
    return div_no_nan(reduce_sum(total), count, name="value")


def _num_elements(losses: Tensor) -> Tensor:
    with named(None, "num_elements", (losses,)) as scope:
        return cast(size(losses, name=scope), losses.dtype)


def num_present(losses: Tensor, weights: Any, per_batch: bool = False) -> Tensor:
    """The number of losses whose weight is not 0; per_batch: of each row, [n, 1, ...]."""
    with named(None, "num_present", (losses, weights)) as scope:
        weights = cast(weights, float32)
        present = where(equal(weights, 0.0), zeros_like(weights), ones_like(weights))
        present = broadcast_weights(present, losses)
        if per_batch:
            return reduce_sum(present, axis=range_(1, rank(present)), keepdims=True, name=scope)
        return reduce_sum(present, name=scope)

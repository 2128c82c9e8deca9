"""Labels, predictions and weights brought to ranks that fit, by one axis of size 1 at the end.

Source: confusion_matrix.remove_squeezable_dimensions of TensorFlow 1.15, and the functions of losses and of metrics
that go beyond it.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.shape import expand_dims, squeeze
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.blocks import named
from dflow.ops.rules.like import only_first, reshape_like
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["fit_weights", "remove_squeezable_dimensions", "squeeze_weights"]


def remove_squeezable_dimensions(
    labels: Any, predictions: Any, expected_rank_diff: int = 0, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Labels and predictions, one of them without its last axis of size 1 if its rank is one too high.

    expected_rank_diff: rank(predictions) - rank(labels) as it should be.  An axis of another size is left for later
    errors.  Ranks that only a run knows are dealt with then.
    """
    with named(name, "remove_squeezable_dimensions", (labels, predictions)):
        predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
        first, second = predictions.shape.ndims, labels.shape.ndims
        if first is not None and second is not None:
            difference = first - second
            if difference == expected_rank_diff + 1 and _last_may_be_one(predictions):
                predictions = squeeze(predictions, [-1])
            elif difference == expected_rank_diff - 1 and _last_may_be_one(labels):
                labels = squeeze(labels, [-1])
            return labels, predictions
        given = predictions
        if _last_may_be_one(predictions):
            predictions = _squeezed_beside(predictions, labels, expected_rank_diff + 1)
        if _last_may_be_one(labels):
            labels = _squeezed_beside(labels, given, 1 - expected_rank_diff)
        return labels, predictions


def squeeze_weights(weights: Any, labels: Tensor) -> Tensor:
    """Weights, without their last axis of size 1 if they have one axis more than the labels."""
    weights = convert_to_tensor(weights)
    if weights.shape.ndims is not None and labels.shape.ndims is not None:
        return squeeze(weights, [-1]) if weights.shape.ndims - labels.shape.ndims == 1 else weights
    return _squeezed_beside(weights, labels, 1) if _last_may_be_one(weights) else weights


def fit_weights(weights: Any, predictions: Tensor) -> Tensor:
    """Weights with the rank of the predictions, by one axis of size 1 at their end more or less; a scalar stays."""
    result: Tensor = convert_to_tensor(weights)
    if result.shape.ndims == 0:
        return result
    if result.shape.ndims is not None and predictions.shape.ndims is not None:
        difference = result.shape.ndims - predictions.shape.ndims
        if difference == 1:
            return squeeze(result, [-1])
        if difference == -1:
            result = expand_dims(result, -1)
        return result
    result = add_op("ExpandedBeside", _squeezed_beside(result, predictions, 1), predictions)
    return result


def _last_may_be_one(x: Tensor) -> bool:
    return x.shape.ndims is None or (x.shape.ndims > 0 and x.spec.shape[-1] in (1, None))


def _squeezed_beside(x: Tensor, other: Tensor, difference: int) -> Tensor:
    """`x`, without its last axis, of size 1, if rank(x) - rank(other) is `difference`."""
    result: Tensor = add_op("SqueezedBeside", x, other, difference=difference)
    return result


def _squeezed_kernel(x: Any, other: Any, difference: int) -> Any:
    if x.ndim - other.ndim != difference or not x.ndim or x.shape[-1] != 1:
        return x
    return namespace(x).reshape(x, tuple(x.shape[:-1]))


def _squeezed_spec(x: TensorSpec, other: TensorSpec, difference: int) -> TensorSpec:
    if x.shape.ndims is None or other.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    fits = x.shape.ndims - other.shape.ndims == difference and x.shape.ndims > 0 and x.shape[-1] == 1
    return TensorSpec(x.shape[:-1] if fits else x.shape, x.dtype)


def _expanded_kernel(x: Any, other: Any) -> Any:
    return namespace(x).expand_dims(x, axis=-1) if x.ndim and other.ndim - x.ndim == 1 else x


def _expanded_spec(x: TensorSpec, other: TensorSpec) -> TensorSpec:
    if x.shape.ndims is None or other.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    fits = x.shape.ndims > 0 and other.shape.ndims - x.shape.ndims == 1
    return TensorSpec(x.shape.concatenate(TensorShape([1])) if fits else x.shape, x.dtype)


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, reshape_like(dy, op.inputs[0]))


define("SqueezedBeside", spec=_squeezed_spec, kernel=_squeezed_kernel, gradient=_gradient)
define("ExpandedBeside", spec=_expanded_spec, kernel=_expanded_kernel, gradient=_gradient)

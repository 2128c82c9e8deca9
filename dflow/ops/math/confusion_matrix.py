"""How often each class is predicted for each class.

Source: confusion_matrix of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype, int32, int64
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like
from dflow.ops.array.shape import reshape
from dflow.ops.array.stack import stack
from dflow.ops.checks.comparisons import assert_less, assert_non_negative
from dflow.ops.control import with_dependencies
from dflow.ops.losses.ranks import remove_squeezable_dimensions
from dflow.ops.math.arithmetic import add, maximum, multiply
from dflow.ops.math.counting import bincount
from dflow.ops.math.reduction import reduce_max
from dflow.ops.rules.named import scope_of

__all__ = ["confusion_matrix", "remove_squeezable_dimensions"]


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """A matrix [n, n]: how often (or with which sum of weights) a label, its row, is predicted as its column.

    labels, predictions: vectors of classes, integers from 0 on; num_classes: n, None: one more than the largest class;
    dtype: of the matrix; weights: of the shape of the predictions.
    InvalidArgumentError, when it is known, for a class that is negative or not below `num_classes`; ShapeError for
    shapes that differ.
    """
    with scope_of((predictions, labels, num_classes, weights), name, "confusion_matrix") as scope:
        labels, predictions = remove_squeezable_dimensions(
            convert_to_tensor(labels, name="labels"), convert_to_tensor(predictions, name="predictions")
        )
        labels = _at_least_zero("labels", cast(labels, int64))
        predictions = _at_least_zero("predictions", cast(predictions, int64))
        if num_classes is None:
            count = add(maximum(reduce_max(predictions), reduce_max(labels)), 1)
        else:
            count = cast(num_classes, int64)
            labels = _below("labels", labels, count)
            predictions = _below("predictions", predictions, count)
        shape = stack([count, count])
        if not predictions.shape.is_compatible_with(labels.shape):
            raise ShapeError(f"labels and predictions differ in shape: {labels.shape} and {predictions.shape}")
        values = ones_like(predictions, as_dtype(dtype)) if weights is None else _weights(weights, predictions, dtype)
        cells = cast(add(multiply(labels, count), predictions), int32)
        square = cast(multiply(count, count), int32)
        return reshape(bincount(cells, values, square, square), shape, name=scope)


def _at_least_zero(what: str, values: Tensor) -> Tensor:
    check = assert_non_negative(values, message=f"`{what}` contains negative values")
    checked: Tensor = with_dependencies([check], values)
    return checked


def _below(what: str, values: Tensor, count: Tensor) -> Tensor:
    checked: Tensor = with_dependencies([assert_less(values, count, message=f"`{what}` out of bound")], values)
    return checked


def _weights(weights: Any, predictions: Tensor, dtype: Any) -> Tensor:
    tensor = convert_to_tensor(weights)
    if not predictions.shape.is_compatible_with(tensor.shape):
        raise ShapeError(
            f"weights are of shape {tensor.shape}, and not of that of the predictions, {predictions.shape}"
        )
    return cast(tensor, dtype)

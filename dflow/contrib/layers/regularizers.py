"""Regularizers: functions of weights whose values are losses.  Source: tf.contrib.layers of TensorFlow 1.15."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from dflow.graph import GraphKeys, Tensor, convert_to_tensor, get_default_graph
from dflow.ops.array.constants import constant
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import add_n, multiply
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.nn.losses import l2_loss
from dflow.ops.rules.blocks import named

__all__ = ["apply_regularization", "l1_l2_regularizer", "l1_regularizer", "l2_regularizer", "sum_regularizer"]

Regularizer = Callable[[Any], Tensor | None]


def _checked(scale: Any) -> Any:
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"scale cannot be an integer: {scale}")
    if isinstance(scale, numbers.Real) and scale < 0.0:
        raise ValueError(f"Setting a scale less than 0 on a regularizer: {scale:g}")
    return scale


def _nothing(weights: Any) -> None:
    return None


def l1_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """scale * sum(|weights|); nothing for a scale of 0.  ValueError for a negative one and for an integer."""
    if _checked(scale) == 0.0:
        return _nothing

    def l1(weights: Any) -> Tensor:
        with named(scope, "l1_regularizer", (weights,)) as name:
            weights = convert_to_tensor(weights)
            return multiply(convert_to_tensor(scale, weights.dtype, name="scale"), reduce_sum(abs_(weights)), name=name)

    return l1


def l2_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """scale * sum(weights²) / 2; nothing for a scale of 0.  ValueError for a negative one and for an integer."""
    if _checked(scale) == 0.0:
        return _nothing

    def l2(weights: Any) -> Tensor:
        with named(scope, "l2_regularizer", (weights,)) as name:
            weights = convert_to_tensor(weights)
            return multiply(convert_to_tensor(scale, weights.dtype, name="scale"), l2_loss(weights), name=name)

    return l2


def l1_l2_regularizer(scale_l1: Any = 1.0, scale_l2: Any = 1.0, scope: str | None = None) -> Regularizer:
    """The sum of both."""
    for scale in (scale_l1, scale_l2):
        _checked(scale)
    scope = scope or "l1_l2_regularizer"
    if scale_l1 == 0.0:
        return l2_regularizer(scale_l2, scope)
    if scale_l2 == 0.0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope=scope) or _nothing


def sum_regularizer(regularizer_list: Sequence[Regularizer | None], scope: str | None = None) -> Regularizer | None:
    """The sum of several; entries of None are left out; None for none."""
    used = [regularizer for regularizer in regularizer_list if regularizer is not None]
    if not used:
        return None

    def total(weights: Any) -> Tensor | None:
        with named(scope, "sum_regularizer", (weights,)) as name:
            losses = [loss for loss in (regularizer(weights) for regularizer in used) if loss is not None]
            return add_n(losses, name=name) if losses else None

    return total


def apply_regularization(regularizer: Regularizer, weights_list: Sequence[Any] | None = None) -> Tensor:
    """The sum of a regularizer's values, which is added to the collection REGULARIZATION_LOSSES.

    weights_list: None: the collection WEIGHTS.  ValueError for none, and for a value that is no scalar.
    """
    weights = weights_list or get_default_graph().get_collection(GraphKeys.WEIGHTS)
    if not weights:
        raise ValueError("No weights to regularize.")
    with named(None, "get_regularization_penalty", weights) as scope:
        penalties = [constant(0.0) if (it := regularizer(w)) is None else it for w in weights]
        if any(penalty.shape.ndims != 0 for penalty in penalties):
            raise ValueError("regularizer must return a scalar Tensor instead of a Tensor with rank > 0")
        total = add_n(penalties, name=scope)
    total.graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
    return total

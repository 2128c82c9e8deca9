"""Losses of logits whose positive labels weigh more, and of the logarithm of a rate.

Source: nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import add, multiply, negative
from dflow.ops.math.compare import greater_equal, less_equal, logical_and, where
from dflow.ops.math.powers import exp, log, log1p
from dflow.ops.nn.activations import relu
from dflow.ops.rules.blocks import named

__all__ = ["log_poisson_loss", "weighted_cross_entropy_with_logits"]


def _of_one_shape(first: Tensor, second: Tensor, what: str) -> None:
    if not first.shape.is_compatible_with(second.shape):
        raise ShapeError(f"{what} must have the same shape ({first.shape} vs {second.shape})")


def weighted_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None, targets: Any = None
) -> Tensor:
    """-labels * log(sigmoid(logits)) * pos_weight - (1 - labels) * log(1 - sigmoid(logits)), without overflow.

    labels, logits: floating, of one shape; pos_weight: a number or a tensor that broadcasts; targets: an older name of
    labels.  ValueError for both names, and for shapes that differ.
    """
    if labels is not None and targets is not None:
        raise ValueError("Cannot specify both 'labels' and 'targets'")
    with named(name, "logistic_loss", (logits, labels, targets)) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(targets if labels is None else labels, name="labels")
        _of_one_shape(logits, labels, "logits and labels")
        weight = 1 + (pos_weight - 1) * labels
        rest = log1p(exp(negative(abs_(logits)))) + relu(negative(logits))
        return add(multiply(1 - labels, logits), multiply(weight, rest), name=scope)


def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None) -> Tensor:
    """exp(log_input) - log_input * targets, elementwise: the loss of a Poisson distribution's rate.

    targets, log_input: floating, of one shape.  compute_full_loss: with Stirling's approximation of log(targets!), of
    targets above 1, which does not depend on log_input.
    """
    with named(name, "log_poisson_loss", (log_input, targets)) as scope:
        log_input = convert_to_tensor(log_input, name="log_input")
        targets = convert_to_tensor(targets, name="targets")
        _of_one_shape(log_input, targets, "log_input and targets")
        result: Tensor = exp(log_input) - log_input * targets
        if not compute_full_loss:
            return result
        stirling = targets * log(targets) - targets + 0.5 * log(2 * math.pi * targets)
        nothing = zeros_like(targets)
        small = logical_and(greater_equal(targets, nothing), less_equal(targets, ones_like(targets)))
        return add(result, where(small, nothing, stirling), name=scope)

"""Losses for training, with weights and reductions.  Source: tf.losses of TensorFlow 1.15."""

from dflow.ops.losses.classification import (
    hinge_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from dflow.ops.losses.collection import (
    add_loss,
    get_losses,
    get_regularization_loss,
    get_regularization_losses,
    get_total_loss,
)
from dflow.ops.losses.reduction import Reduction, compute_weighted_loss
from dflow.ops.losses.regression import (
    absolute_difference,
    cosine_distance,
    huber_loss,
    log_loss,
    mean_pairwise_squared_error,
    mean_squared_error,
)

__all__ = [
    "Reduction",
    "absolute_difference",
    "add_loss",
    "compute_weighted_loss",
    "cosine_distance",
    "get_losses",
    "get_regularization_loss",
    "get_regularization_losses",
    "get_total_loss",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "mean_pairwise_squared_error",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]

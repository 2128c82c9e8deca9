"""Neural networks: activations and losses.  Source: tf.nn of TensorFlow 1.15."""

from dflow.ops.array.depth import depth_to_space, space_to_depth
from dflow.ops.array.space import space_to_batch
from dflow.ops.math.trigonometry import tanh
from dflow.ops.nn.activations import log_softmax, relu, sigmoid, softmax, softplus
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.dropout import dropout
from dflow.ops.nn.losses import (
    l2_loss,
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from dflow.ops.nn.top_k import in_top_k
from dflow.ops.order.top_k import top_k

__all__ = [
    "bias_add",
    "depth_to_space",
    "dropout",
    "in_top_k",
    "l2_loss",
    "log_softmax",
    "relu",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "softplus",
    "space_to_batch",
    "space_to_depth",
    "sparse_softmax_cross_entropy_with_logits",
    "tanh",
    "top_k",
]

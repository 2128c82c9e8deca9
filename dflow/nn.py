"""Neural networks: layers, activations, pooling, normalisation and losses.  Source: tf.nn of TensorFlow 1.15."""

from dflow.ops.array.depth import depth_to_space, space_to_depth
from dflow.ops.array.space import space_to_batch
from dflow.ops.conv.conv import (
    conv1d,
    conv2d,
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv3d,
    conv3d_backprop_filter_v2,
)
from dflow.ops.conv.convolution import atrous_conv2d, convolution
from dflow.ops.conv.depthwise import (
    depthwise_conv2d,
    depthwise_conv2d_backprop_filter,
    depthwise_conv2d_backprop_input,
    depthwise_conv2d_native,
    depthwise_conv2d_native_backprop_filter,
    depthwise_conv2d_native_backprop_input,
    separable_conv2d,
)
from dflow.ops.conv.morphology import dilation2d, erosion2d
from dflow.ops.conv.space import with_space_to_batch
from dflow.ops.conv.transposed import (
    atrous_conv2d_transpose,
    conv1d_transpose,
    conv2d_transpose,
    conv3d_transpose,
    conv_transpose,
)
from dflow.ops.math.trigonometry import tanh
from dflow.ops.linalg.norms import l2_normalize
from dflow.ops.math.hyperbolic import tanh
from dflow.ops.nn.activations import log_softmax, relu, sigmoid, softmax, softplus
from dflow.ops.nn.batch_norm import batch_norm_with_global_normalization, batch_normalization
from dflow.ops.nn.bias import bias_add
from dflow.ops.nn.dropout import dropout
from dflow.ops.nn.fused_batch_norm import fused_batch_norm
from dflow.ops.nn.layers import relu_layer, xw_plus_b, zero_fraction
from dflow.ops.nn.losses import (
    l2_loss,
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from dflow.ops.nn.lrn import local_response_normalization, lrn
from dflow.ops.nn.moments import moments, normalize_moments, sufficient_statistics, weighted_moments
from dflow.ops.nn.rectifiers import crelu, elu, leaky_relu, relu6, selu, softsign, swish
from dflow.ops.nn.top_k import in_top_k
from dflow.ops.order.top_k import top_k
from dflow.ops.pool.any_rank import avg_pool_v2, max_pool_v2
from dflow.ops.pool.argmax import max_pool_with_argmax
from dflow.ops.pool.avg_pool import avg_pool, avg_pool1d, avg_pool2d, avg_pool3d
from dflow.ops.pool.fractional import fractional_avg_pool, fractional_max_pool
from dflow.ops.pool.max_pool import max_pool, max_pool1d, max_pool2d, max_pool3d
from dflow.ops.pool.pool import pool

conv3d_backprop_filter = conv3d_backprop_filter_v2
silu = swish

__all__ = [
    "atrous_conv2d",
    "atrous_conv2d_transpose",
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "avg_pool_v2",
    "batch_norm_with_global_normalization",
    "batch_normalization",
    "bias_add",
    "depth_to_space",
    "conv1d",
    "conv1d_transpose",
    "conv2d",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "conv3d",
    "conv3d_backprop_filter",
    "conv3d_backprop_filter_v2",
    "conv3d_transpose",
    "conv_transpose",
    "convolution",
    "crelu",
    "depthwise_conv2d",
    "depthwise_conv2d_backprop_filter",
    "depthwise_conv2d_backprop_input",
    "depthwise_conv2d_native",
    "depthwise_conv2d_native_backprop_filter",
    "depthwise_conv2d_native_backprop_input",
    "dilation2d",
    "dropout",
    "elu",
    "erosion2d",
    "fractional_avg_pool",
    "fractional_max_pool",
    "fused_batch_norm",
    "in_top_k",
    "l2_loss",
    "leaky_relu",
    "local_response_normalization",
    "l2_normalize",
    "log_softmax",
    "lrn",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool_v2",
    "max_pool_with_argmax",
    "moments",
    "normalize_moments",
    "pool",
    "relu",
    "relu6",
    "relu_layer",
    "selu",
    "separable_conv2d",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "softplus",
    "space_to_batch",
    "space_to_depth",
    "softsign",
    "sparse_softmax_cross_entropy_with_logits",
    "sufficient_statistics",
    "swish",
    "tanh",
    "top_k",
    "weighted_moments",
    "with_space_to_batch",
    "xw_plus_b",
    "zero_fraction",
]

"""Layers, regularizers and initializers with names and defaults of their own.

Source: tf.contrib.layers of TensorFlow 1.15.
"""

from dflow.contrib.framework.arg_scope import arg_scope
from dflow.contrib.layers.collections import collect_named_outputs
from dflow.contrib.layers.convolution import (
    conv1d,
    conv2d,
    conv2d_transpose,
    conv3d,
    convolution,
    convolution1d,
    convolution2d,
    convolution2d_transpose,
    convolution3d,
    separable_conv2d,
    separable_convolution2d,
)
from dflow.contrib.layers.dense import bias_add, embed_sequence, fully_connected, linear, relu, repeat, stack
from dflow.contrib.layers.initializers import (
    variance_scaling_initializer,
    xavier_initializer,
    xavier_initializer_conv2d,
)
from dflow.contrib.layers.normalization import batch_norm, layer_norm, unit_norm
from dflow.contrib.layers.optimize import OPTIMIZER_CLS_NAMES, optimize_loss
from dflow.contrib.layers.pooling import (
    avg_pool2d,
    avg_pool3d,
    dropout,
    flatten,
    max_pool2d,
    max_pool3d,
    one_hot_encoding,
    softmax,
)
from dflow.contrib.layers.regularizers import (
    apply_regularization,
    l1_l2_regularizer,
    l1_regularizer,
    l2_regularizer,
    sum_regularizer,
)

__all__ = [
    "OPTIMIZER_CLS_NAMES",
    "apply_regularization",
    "arg_scope",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bias_add",
    "collect_named_outputs",
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "convolution",
    "convolution1d",
    "convolution2d",
    "convolution2d_transpose",
    "convolution3d",
    "dropout",
    "embed_sequence",
    "flatten",
    "fully_connected",
    "l1_l2_regularizer",
    "l1_regularizer",
    "l2_regularizer",
    "layer_norm",
    "linear",
    "max_pool2d",
    "max_pool3d",
    "one_hot_encoding",
    "optimize_loss",
    "relu",
    "repeat",
    "separable_conv2d",
    "separable_convolution2d",
    "softmax",
    "stack",
    "sum_regularizer",
    "unit_norm",
    "variance_scaling_initializer",
    "xavier_initializer",
    "xavier_initializer_conv2d",
]

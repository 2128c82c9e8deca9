"""Kinds of TensorFlow's operations that dflow builds of others, for `df.raw_ops`: kind -> a function of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.graph import Tensor, add_op
from dflow.ops.array.concat_offset import concat_offset
from dflow.ops.array.gather import gather
from dflow.ops.array.one_hot import one_hot
from dflow.ops.array.reverse import reverse
from dflow.ops.array.shape import shape
from dflow.ops.array.space import batch_to_space, space_to_batch
from dflow.ops.array.transpose import transpose
from dflow.ops.conv.conv import (
    conv2d_backprop_filter,
    conv2d_backprop_input,
    conv3d_backprop_filter_v2,
    conv3d_backprop_input_v2,
)
from dflow.ops.conv.depthwise import depthwise_conv2d_native_backprop_filter, depthwise_conv2d_native_backprop_input
from dflow.ops.math.arithmetic import abs as absolute
from dflow.ops.math.arithmetic import conj
from dflow.ops.math.division import div, truncatemod
from dflow.ops.math.powers import exp
from dflow.ops.nn.activations import softmax
from dflow.ops.nn.clip import clip_by_value
from dflow.ops.nn.top_k import in_top_k
from dflow.ops.order.top_k import top_k
from dflow.ops.pool.avg_pool import avg_pool3d_grad, avg_pool_grad
from dflow.ops.rules.static import constant_value

__all__ = ["FORMULAS"]


def _reverse(tensor: Tensor, dims: Tensor) -> Tensor:
    chosen = constant_value(dims)
    if chosen is None:
        raise ValueError("dims must be known while the graph is built")
    return reverse(tensor, np.flatnonzero(chosen).astype(np.int32))


def _conv3d_input(x: Tensor, kernel: Tensor, dy: Tensor, **attrs: Any) -> Tensor:
    return conv3d_backprop_input_v2(shape(x), kernel, dy, **attrs)


def _conv3d_filter(x: Tensor, kernel: Tensor, dy: Tensor, **attrs: Any) -> Tensor:
    return conv3d_backprop_filter_v2(x, shape(kernel), dy, **attrs)


def _reciprocal_grad(y: Tensor, dy: Tensor) -> Tensor:
    return -dy * conj(y) * conj(y)


def _padded(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A convolution's function, for the operation whose explicit paddings are an attribute of their own."""

    def formula(*inputs: Tensor, padding: Any, explicit_paddings: Any, **attrs: Any) -> Tensor:
        if padding == "EXPLICIT":
            padding = [explicit_paddings[place : place + 2] for place in range(0, len(explicit_paddings), 2)]
        return function(*inputs, padding=padding, **attrs)

    return formula


def _softmax_loss(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and its gradient."""
    loss = add_op("SoftmaxCrossEntropyWithLogits", features, labels, axis=-1)
    return loss, softmax(features) - labels


def _sparse_softmax_loss(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    loss = add_op("SparseSoftmaxCrossEntropyWithLogits", features, labels)
    classes = features.spec.shape[-1]
    depth = shape(features)[-1] if classes is None else classes
    return loss, softmax(features) - one_hot(labels, depth, dtype=features.dtype)


FORMULAS: dict[str, Callable[..., Any]] = {
    "AvgPoolGrad": avg_pool_grad,
    "AvgPool3DGrad": avg_pool3d_grad,
    "BatchToSpace": lambda x, crops, block_size: batch_to_space(x, crops, block_size),
    "ClipByValue": clip_by_value,
    "ComplexAbs": lambda x, Tout: absolute(x),
    "ConcatOffset": concat_offset,
    "ConjugateTranspose": lambda x, perm: transpose(x, perm, conjugate=True),
    "Conv2DBackpropFilter": _padded(conv2d_backprop_filter),
    "Conv2DBackpropInput": _padded(conv2d_backprop_input),
    "Conv3DBackpropFilter": _conv3d_filter,
    "Conv3DBackpropInput": _conv3d_input,
    "Conv3DBackpropFilterV2": conv3d_backprop_filter_v2,
    "Conv3DBackpropInputV2": conv3d_backprop_input_v2,
    "DepthwiseConv2dNativeBackpropFilter": _padded(depthwise_conv2d_native_backprop_filter),
    "DepthwiseConv2dNativeBackpropInput": _padded(depthwise_conv2d_native_backprop_input),
    "Div": div,
    "Gather": lambda params, indices, validate_indices: gather(params, indices),
    "InTopK": lambda predictions, targets, k: in_top_k(predictions, targets, k),
    "InvGrad": _reciprocal_grad,
    "Mod": truncatemod,
    "ReciprocalGrad": _reciprocal_grad,
    "Reverse": _reverse,
    "RsqrtGrad": lambda y, dy: dy * -0.5 * conj(y) * conj(y) * conj(y),
    "SigmoidGrad": lambda y, dy: dy * conj(y) * (1 - conj(y)),
    "SoftmaxCrossEntropyWithLogits": _softmax_loss,
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_softmax_loss,
    "SoftplusGrad": lambda gradients, features: gradients / (exp(-features) + 1),
    "SpaceToBatch": lambda x, paddings, block_size: space_to_batch(x, paddings, block_size),
    "SqrtGrad": lambda y, dy: dy * 0.5 / conj(y),
    "TanhGrad": lambda y, dy: dy * (1 - conj(y) * conj(y)),
    "TopK": top_k,
}

"""Kinds of TensorFlow's operations that dflow builds of others, for `df.raw_ops`: kind -> a function of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.graph import Tensor
from dflow.ops.array.concat_offset import concat_offset
from dflow.ops.array.gather import gather
from dflow.ops.array.reverse import reverse
from dflow.ops.array.shape import shape
from dflow.ops.array.space import batch_to_space, space_to_batch
from dflow.ops.array.transpose import transpose
from dflow.ops.conv.conv import conv3d_backprop_filter_v2, conv3d_backprop_input_v2
from dflow.ops.math.arithmetic import abs as absolute
from dflow.ops.math.arithmetic import conj
from dflow.ops.math.division import div, truncatemod
from dflow.ops.math.powers import exp
from dflow.ops.nn.clip import clip_by_value
from dflow.ops.nn.top_k import in_top_k
from dflow.ops.order.top_k import top_k
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


FORMULAS: dict[str, Callable[..., Any]] = {
    "BatchToSpace": lambda x, crops, block_size: batch_to_space(x, crops, block_size),
    "ClipByValue": clip_by_value,
    "ComplexAbs": lambda x, Tout: absolute(x),
    "ConcatOffset": concat_offset,
    "ConjugateTranspose": lambda x, perm: transpose(x, perm, conjugate=True),
    "Conv3DBackpropFilter": _conv3d_filter,
    "Conv3DBackpropInput": _conv3d_input,
    "Div": div,
    "Gather": lambda params, indices, validate_indices: gather(params, indices),
    "InTopK": lambda predictions, targets, k: in_top_k(predictions, targets, k),
    "InvGrad": _reciprocal_grad,
    "Mod": truncatemod,
    "ReciprocalGrad": _reciprocal_grad,
    "Reverse": _reverse,
    "RsqrtGrad": lambda y, dy: dy * -0.5 * conj(y) * conj(y) * conj(y),
    "SigmoidGrad": lambda y, dy: dy * conj(y) * (1 - conj(y)),
    "SoftplusGrad": lambda gradients, features: gradients / (exp(-features) + 1),
    "SpaceToBatch": lambda x, paddings, block_size: space_to_batch(x, paddings, block_size),
    "SqrtGrad": lambda y, dy: dy * 0.5 / conj(y),
    "TanhGrad": lambda y, dy: dy * (1 - conj(y) * conj(y)),
    "TopK": top_k,
}

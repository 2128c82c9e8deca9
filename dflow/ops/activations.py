"""Activations: relu, sigmoid, softmax.

Source: nn_ops and math_ops.sigmoid of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.arithmetic import multiply, subtract
from dflow.ops.arrays import namespace, pairwise
from dflow.ops.batching import along_axis, elementwise
from dflow.ops.elementwise import floating, real, unary
from dflow.ops.powers import exp
from dflow.ops.reduction import reduce_sum
from dflow.ops.static import normal_axis, only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["log_softmax", "relu", "sigmoid", "softmax"]


def relu(features: Any, name: str | None = None) -> Tensor:
    """The larger of x and 0, elementwise.  Real numbers."""
    return unary("Relu", features, name)


def _relu_kernel(x: Any, out: Any = None) -> Any:
    return np.maximum(x, 0, out=out) if type(out) is np.ndarray else namespace(x).maximum(x, 0)


def _relu_grad_kernel(dy: Any, y: Any, out: Any = None) -> Any:
    passes = y > 0
    if type(dy) is not np.ndarray:  # NumPy converts while it multiplies
        passes = namespace(dy, y).astype(passes, dy.dtype)
    return pairwise("multiply", dy, passes, out)


define(
    "Relu",
    spec=real,
    kernel=_relu_kernel,
    gradient=lambda op, dy: add_op("ReluGrad", dy, op.outputs[0]),
    batch=elementwise,
    fresh=True,
    over=(0,),
)
define(
    "ReluGrad",
    spec=real,
    kernel=_relu_grad_kernel,
    gradient=lambda op, dx: (add_op("ReluGrad", dx, op.inputs[1]), None),
    batch=elementwise,
    fresh=True,
    over=(0,),
)


def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), without overflow.  Floating."""
    return unary("Sigmoid", x, name)


def _sigmoid_kernel(x: Any) -> Any:
    xp = namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _sigmoid_gradient(op: Operation, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    return multiply(dy, multiply(y, subtract(1, y)))


define("Sigmoid", spec=floating, kernel=_sigmoid_kernel, gradient=_sigmoid_gradient, batch=elementwise)


def softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along one axis, the last one if none is named.  Floating."""
    result: Tensor = add_op("Softmax", logits, name=name, axis=one_axis(axis, dim))
    return result


def log_softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """log(softmax(x)) along one axis, the last one if none is named, without underflow.  Floating."""
    result: Tensor = add_op("LogSoftmax", logits, name=name, axis=one_axis(axis, dim))
    return result


def one_axis(axis: int | None, dim: int | None) -> int:
    """The axis that is named, by its older name `dim` too, else the last one."""
    return int(axis) if axis is not None else -1 if dim is None else int(dim)


def _softmax_spec(x: TensorSpec, axis: int) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    if x.shape.ndims is not None:
        normal_axis(axis, x.shape.ndims)
    return x


def _shifted(x: Any, axis: int) -> Any:
    """x minus its largest value along the axis: its exponential does not overflow."""
    return x - namespace(x).max(x, axis=axis, keepdims=True) if x.size else x


def _softmax_kernel(x: Any, axis: int) -> Any:
    xp = namespace(x)
    powers = xp.exp(_shifted(x, axis))
    return powers / xp.sum(powers, axis=axis, keepdims=True, dtype=x.dtype)


def log_softmax_kernel(x: Any, axis: int) -> Any:
    xp = namespace(x)
    shifted = _shifted(x, axis)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True, dtype=x.dtype))


def _softmax_gradient(op: Operation, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    inner = reduce_sum(multiply(dy, y), op.attrs["axis"], keepdims=True)
    return multiply(subtract(dy, inner), y)


def _log_softmax_gradient(op: Operation, dy: Tensor) -> Tensor:
    total = reduce_sum(dy, op.attrs["axis"], keepdims=True)
    return subtract(dy, multiply(total, exp(op.outputs[0])))


define("Softmax", spec=_softmax_spec, kernel=_softmax_kernel, gradient=_softmax_gradient, batch=along_axis)
define("LogSoftmax", spec=_softmax_spec, kernel=log_softmax_kernel, gradient=_log_softmax_gradient, batch=along_axis)

"""Activations: relu, sigmoid, softplus, softmax.

Source: nn_ops and math_ops.sigmoid of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.arithmetic import chain, multiply, subtract
from dflow.ops.math.powers import exp
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import axis_of, is_complex, namespace, pairwise
from dflow.ops.rules.batching import along_axis, elementwise
from dflow.ops.rules.elementwise import floating, inexact, real, unary
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.like import only_first
from dflow.ops.rules.static import is_symbolic, normal_axis, only, static_axis
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["log_softmax", "relu", "sigmoid", "softmax", "softplus"]


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
    owns_outputs=True,
    inplace=(0,),
)
define(
    "ReluGrad",
    spec=real,
    kernel=_relu_grad_kernel,
    gradient=lambda op, dx: (add_op("ReluGrad", dx, op.inputs[1]), zeros_like(op.inputs[1])),
    batch=elementwise,
    owns_outputs=True,
    inplace=(0,),
)


def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), without overflow.  Floating or complex."""
    return unary("Sigmoid", x, name)


def _sigmoid_kernel(x: Any) -> Any:
    if type(x) is np.ndarray and x.ndim and x.dtype in (np.float32, np.float64):
        return _sigmoid_in_place(np.negative(x))
    xp = namespace(x)
    if is_complex(x):
        return 1 / (1 + xp.exp(-x))
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _sigmoid_in_place(y: Any) -> Any:
    """1 / (1 + exp(y)), in the memory of y; where exp overflows, it is 0, as it should be."""
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def _sigmoid_gradient(op: Operation, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    return chain(dy, multiply(y, 1 - y))


define("Sigmoid", spec=inexact, kernel=_sigmoid_kernel, gradient=_sigmoid_gradient, batch=elementwise)


def softplus(features: Any, name: str | None = None) -> Tensor:
    """log(1 + exp(x)), without overflow, elementwise.  Floating."""
    return unary("Softplus", features, name)


def _softplus_kernel(x: Any) -> Any:
    xp = namespace(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))


define(
    "Softplus",
    spec=floating,
    kernel=_softplus_kernel,
    gradient=lambda op, dy: multiply(dy, sigmoid(op.inputs[0])),
    batch=elementwise,
)


def softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) along one axis, the last one if none is named: a number or a tensor.  Floating."""
    place, inputs = _softmax_axis(axis, dim)
    result: Tensor = add_op("Softmax", logits, *inputs, name=name, axis=place)
    return result


def log_softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """log(softmax(x)) along one axis, the last one if none is named: a number or a tensor.  No underflow; floating."""
    place, inputs = _softmax_axis(axis, dim)
    result: Tensor = add_op("LogSoftmax", logits, *inputs, name=name, axis=place)
    return result


def _softmax_axis(axis: Any, dim: Any) -> tuple[int | None, tuple[Tensor, ...]]:
    """The axis as an attribute, or as an input if its value is known only at run time."""
    place = dim if axis is None else axis
    return late(place) if is_symbolic(place) else (one_axis(axis, dim), ())


def one_axis(axis: Any, dim: Any) -> int:
    """The axis that is named, by its older name `dim` too, else the last one."""
    place = dim if axis is None else axis
    return -1 if place is None else static_axis(place)


def _softmax_spec(x: TensorSpec, axis: int) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    if x.shape.ndims is not None:
        normal_axis(axis, x.shape.ndims)
    return x


def _shifted(x: Any, axis: int) -> Any:
    """x minus its largest value along the axis: its exponential does not overflow."""
    axis_of(x, axis)
    return x - namespace(x).max(x, axis=axis, keepdims=True) if x.size else x


def _softmax_kernel(x: Any, axis: int) -> Any:
    xp = namespace(x)
    powers = xp.exp(_shifted(x, axis))
    return powers / xp.sum(powers, axis=axis, keepdims=True, dtype=x.dtype)


def log_softmax_kernel(x: Any, axis: int) -> Any:
    xp = namespace(x)
    shifted = _shifted(x, axis)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True, dtype=x.dtype))


def _softmax_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    y = op.outputs[0]
    inner = reduce_sum(multiply(dy, y), _axis_of_run(op), keepdims=True)
    return only_first(op, multiply(subtract(dy, inner), y))


def _log_softmax_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    total = reduce_sum(dy, _axis_of_run(op), keepdims=True)
    return only_first(op, subtract(dy, multiply(total, exp(op.outputs[0]))))


def _axis_of_run(op: Operation) -> Any:
    return op.inputs[1] if op.attrs["axis"] is None else op.attrs["axis"]


define(
    "Softmax",
    **late_rules("axis", spec=_softmax_spec, unknown=floating, kernel=_softmax_kernel, batch=along_axis),
    gradient=_softmax_gradient,
)
define(
    "LogSoftmax",
    **late_rules("axis", spec=_softmax_spec, unknown=floating, kernel=log_softmax_kernel, batch=along_axis),
    gradient=_log_softmax_gradient,
)

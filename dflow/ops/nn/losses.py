"""Losses of neural networks.

They are computed from logits, without overflow: no probability is rounded to 0 before its logarithm is taken.
Source: nn_ops and nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.shape import expand_dims
from dflow.ops.control import stop_gradient
from dflow.ops.math.arithmetic import add, multiply, negative, subtract
from dflow.ops.math.compare import greater_equal, where
from dflow.ops.math.powers import exp, log1p
from dflow.ops.nn.activations import log_softmax, log_softmax_kernel, one_axis, softmax
from dflow.ops.rules.arrays import check_indices, namespace
from dflow.ops.rules.batching import along_axis, each, step_shapes
from dflow.ops.rules.like import sum_like
from dflow.ops.rules.static import as_tensor, normal_axis, only, operands, same_dtype, spec_of
from dflow.registry import define
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape, broadcast
from dflow.specs import TensorSpec

__all__ = [
    "l2_loss",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "sparse_softmax_cross_entropy_with_logits",
]


def _by_name(function: str, sentinel: Any, labels: Any, logits: Any) -> None:
    if sentinel is not None:
        raise ValueError(f"Only call `{function}` with named arguments (labels=..., logits=..., ...)")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")


def _of_one_dtype(logits: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors, the labels cast to the dtype of the logits."""
    logits, labels = operands((logits, labels), ("logits", "labels"), "SoftmaxCrossEntropyWithLogits")
    return logits, cast(labels, logits.dtype)


def softmax_cross_entropy_with_logits_v2(
    labels: Any = None, logits: Any = None, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """-sum(labels * log_softmax(logits)) along one axis, the last one if none is named.

    logits: floating, [..., n, ...] -> [..., ...].  labels: probabilities, which add up to 1;
    they are cast to the dtype of the logits and broadcast to their shape.  Gradients flow into both.
    """
    _by_name("softmax_cross_entropy_with_logits_v2", None, labels, logits)
    logits, labels = _of_one_dtype(logits, labels)
    result: Tensor = add_op(
        "SoftmaxCrossEntropyWithLogits",
        logits,
        labels,
        name=name or "softmax_cross_entropy_with_logits",
        axis=one_axis(axis, dim),
    )
    return result


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Tensor:
    """As `softmax_cross_entropy_with_logits_v2`; gradients flow into logits only.  By named arguments only."""
    _by_name("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    logits, labels = _of_one_dtype(logits, labels)
    return softmax_cross_entropy_with_logits_v2(stop_gradient(labels), logits, axis, name, dim)


def _cross_entropy_spec(logits: TensorSpec, labels: TensorSpec, axis: int) -> TensorSpec:
    same_dtype(logits, labels)
    only(logits, logits.dtype.is_floating, "floating numbers")
    both = broadcast(logits.shape, labels.shape).merge_with(logits.shape)
    if both.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, logits.dtype)
    place = normal_axis(axis, both.ndims)
    return spec_of([size for i, size in enumerate(both) if i != place], logits.dtype)


def _cross_entropy_kernel(logits: Any, labels: Any, axis: int) -> Any:
    xp = namespace(logits, labels)
    if tuple(logits.shape) != tuple(labels.shape):
        try:
            labels = xp.broadcast_to(labels, logits.shape)
        except ValueError:
            sizes = f"logits_size={list(logits.shape)} labels_size={list(labels.shape)}"
            raise InvalidArgumentError(None, None, f"logits and labels must be broadcastable: {sizes}") from None
    return xp.sum(labels * -log_softmax_kernel(logits, axis), axis=axis, dtype=logits.dtype)


def _cross_entropy_batch(kernel: Any, arrays: Any, batched: Any, attrs: Any) -> Any:
    equal = len(set(step_shapes(arrays, batched))) == 1
    return (along_axis if equal else each)(kernel, arrays, batched, attrs)


def _cross_entropy_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    logits, labels = op.inputs
    axis = op.attrs["axis"]
    each_class = expand_dims(dy, axis)
    into_logits = multiply(each_class, subtract(softmax(logits, axis), labels))
    return into_logits, sum_like(negative(multiply(each_class, log_softmax(logits, axis))), labels)


define(
    "SoftmaxCrossEntropyWithLogits",
    spec=_cross_entropy_spec,
    kernel=_cross_entropy_kernel,
    gradient=_cross_entropy_gradient,
    batch=_cross_entropy_batch,
)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """-log_softmax(logits)[label], for labels that are class numbers.  By named arguments only.

    logits: floating [..., n]; labels: int32 or int64 [...] -> [...].  InvalidArgumentError at run time for a label that
    is not in [0, n).
    """
    _by_name("sparse_softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    result: Tensor = add_op(
        "SparseSoftmaxCrossEntropyWithLogits",
        logits,
        labels,
        name=name or "SparseSoftmaxCrossEntropyWithLogits",
    )
    return result


def _sparse_spec(logits: TensorSpec, labels: TensorSpec) -> TensorSpec:
    only(logits, logits.dtype.is_floating, "floating logits")
    only(labels, labels.dtype.name in ("int32", "int64"), "int32 and int64 labels")
    if logits.shape.ndims is None:
        return TensorSpec(labels.shape, logits.dtype)
    if logits.shape.ndims == 0:
        raise ShapeError(f"Logits cannot be scalars - received shape {logits.shape}.")
    if labels.shape.ndims not in (None, logits.shape.ndims - 1):
        raise ShapeError(
            f"Rank mismatch: Rank of labels (received {labels.shape.ndims}) should equal rank of logits minus 1 "
            f"(received {logits.shape.ndims})."
        )
    return TensorSpec(TensorShape(logits.shape.known[:-1]).merge_with(labels.shape), logits.dtype)


def _sparse_kernel(logits: Any, labels: Any) -> Any:
    xp = namespace(logits, labels)
    if tuple(logits.shape[:-1]) != tuple(labels.shape):
        raise InvalidArgumentError(
            None,
            None,
            "logits and labels must have the same first dimension, got logits shape "
            f"{list(logits.shape)} and labels shape {list(labels.shape)}",
        )
    check_indices(labels, logits.shape[-1], "labels")
    chosen = xp.expand_dims(xp.astype(labels, xp.int64, copy=False), axis=-1)
    return -xp.squeeze(xp.take_along_axis(log_softmax_kernel(logits, -1), chosen, axis=-1), axis=-1)


def _sparse_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, None]:
    logits, labels = op.inputs
    return multiply(expand_dims(dy, -1), add_op("MinusOneHot", softmax(logits), labels)), None


def _minus_one_hot_kernel(x: Any, labels: Any) -> Any:
    xp = namespace(x, labels)
    check_indices(labels, x.shape[-1], "labels")
    if type(x) is np.ndarray:  # changes one number a row, for any number of classes
        result = x.copy()
        rows = result.reshape(-1, x.shape[-1])
        rows[np.arange(len(rows)), labels.reshape(-1)] -= 1
        return result
    classes = xp.arange(x.shape[-1], dtype=labels.dtype, device=device(x))
    return x - xp.astype(classes == xp.expand_dims(labels, axis=-1), x.dtype)


define(
    "SparseSoftmaxCrossEntropyWithLogits",
    spec=_sparse_spec,
    kernel=_sparse_kernel,
    gradient=_sparse_gradient,
    batch=each,
)
define(
    "MinusOneHot",
    spec=lambda x, labels: x,
    kernel=_minus_one_hot_kernel,
    gradient=lambda op, dy: (dy, None),
)


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """-labels * log(sigmoid(logits)) - (1 - labels) * log(1 - sigmoid(logits)), elementwise, without overflow.

    labels, logits: floating, of one shape.  By named arguments only.
    """
    _by_name("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    logits = as_tensor(logits, beside=(labels,), name="logits")
    labels = as_tensor(labels, beside=(logits,), name="labels")
    same_dtype(logits.spec, labels.spec)
    try:
        labels.shape.merge_with(logits.shape)
    except ShapeError:
        raise ShapeError(f"logits and labels must have the same shape ({logits.shape} vs {labels.shape})") from None
    with logits.graph.as_default(), logits.graph.name_scope(name or "logistic_loss") as scope:
        zeros = zeros_like(logits)
        positive = greater_equal(logits, zeros)
        largest = where(positive, logits, zeros)
        minus_size = where(positive, negative(logits), logits)
        return add(subtract(largest, multiply(logits, labels)), log1p(exp(minus_size)), name=scope)


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """sum(t * t) / 2, a scalar.  Floating."""
    result: Tensor = add_op("L2Loss", t, name=name)
    return result


def _l2_loss_spec(t: TensorSpec) -> TensorSpec:
    only(t, t.dtype.is_floating, "floating numbers")
    return TensorSpec(SCALAR, t.dtype)


define(
    "L2Loss",
    spec=_l2_loss_spec,
    kernel=lambda t: namespace(t).sum(t * t, dtype=t.dtype) / 2,
    gradient=lambda op, dy: multiply(op.inputs[0], dy),
    batch=each,
)

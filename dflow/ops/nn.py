"""Operations of neural networks: activations, losses, dropout.

Losses are computed from logits, without overflow: no probability is ever rounded to 0 before its logarithm is taken.
Source: nn_ops and nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from dflow.dtypes import bool_
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array import expand_dims, shape, zeros_like
from dflow.ops.arrays import check_indices, namespace
from dflow.ops.batching import Attrs, Kernel, along_axis, each, elementwise
from dflow.ops.compare import greater_equal, where
from dflow.ops.control import stop_gradient
from dflow.ops.functions import exp, log1p
from dflow.ops.like import sum_like
from dflow.ops.math import add, cast, multiply, negative, real, realdiv, subtract
from dflow.ops.random import random_uniform
from dflow.ops.reduce import reduce_sum
from dflow.ops.static import is_symbolic, normal_axis, only, operands, same_dtype, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "bias_add",
    "dropout",
    "in_top_k",
    "l2_loss",
    "log_softmax",
    "relu",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "sparse_softmax_cross_entropy_with_logits",
]

# -- activations


def relu(features: Any, name: str | None = None) -> Tensor:
    """The larger of x and 0, elementwise.  Real numbers."""
    result: Tensor = add_op("Relu", features, name=name)
    return result


def _relu_gradient(op: Operation, dy: Tensor) -> Tensor:
    result: Tensor = add_op("ReluGrad", dy, op.outputs[0])
    return result


def _relu_grad_kernel(dy: Any, y: Any) -> Any:
    return dy * namespace(dy, y).astype(y > 0, dy.dtype)


define(
    "Relu",
    spec=real,
    kernel=lambda x: namespace(x).clip(x, min=0),
    gradient=_relu_gradient,
    batch=elementwise,
)
define(
    "ReluGrad",
    spec=real,
    kernel=_relu_grad_kernel,
    gradient=lambda op, dx: (add_op("ReluGrad", dx, op.inputs[1]), None),
    batch=elementwise,
)


def softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along one axis, the last one if none is named.  Floating."""
    result: Tensor = add_op("Softmax", logits, name=name, axis=_one_axis(axis, dim))
    return result


def log_softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """log(softmax(x)) along one axis, the last one if none is named, without underflow.  Floating."""
    result: Tensor = add_op("LogSoftmax", logits, name=name, axis=_one_axis(axis, dim))
    return result


def _one_axis(axis: int | None, dim: int | None) -> int:
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


def _log_softmax_kernel(x: Any, axis: int) -> Any:
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
define("LogSoftmax", spec=_softmax_spec, kernel=_log_softmax_kernel, gradient=_log_softmax_gradient, batch=along_axis)

# -- losses


def _by_name(function: str, sentinel: Any, labels: Any, logits: Any) -> None:
    if sentinel is not None:
        raise ValueError(f"Only call `{function}` with named arguments (labels=..., logits=..., ...)")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")


def softmax_cross_entropy_with_logits_v2(
    labels: Any = None, logits: Any = None, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """-sum(labels * log_softmax(logits)) along one axis, the last one if none is named.

    labels, logits: floating, [..., n, ...]; labels are probabilities, which add up to 1 -> [..., ...].  Gradients flow
    into both.
    """
    _by_name("softmax_cross_entropy_with_logits_v2", None, labels, logits)
    logits, labels = operands((logits, labels), ("logits", "labels"), "SoftmaxCrossEntropyWithLogits")
    result: Tensor = add_op(
        "SoftmaxCrossEntropyWithLogits",
        logits,
        labels,
        name=name or "softmax_cross_entropy_with_logits",
        axis=_one_axis(axis, dim),
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
    logits, labels = operands((logits, labels), ("logits", "labels"), "SoftmaxCrossEntropyWithLogits")
    return softmax_cross_entropy_with_logits_v2(stop_gradient(labels), logits, axis, name, dim)


def _cross_entropy_spec(logits: TensorSpec, labels: TensorSpec, axis: int) -> TensorSpec:
    same_dtype(logits, labels)
    only(logits, logits.dtype.is_floating, "floating numbers")
    both = logits.shape.merge_with(labels.shape)
    if both.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, logits.dtype)
    place = normal_axis(axis, both.ndims)
    return spec_of([size for i, size in enumerate(both) if i != place], logits.dtype)


def _cross_entropy_kernel(logits: Any, labels: Any, axis: int) -> Any:
    xp = namespace(logits, labels)
    if tuple(logits.shape) != tuple(labels.shape):
        raise InvalidArgumentError(
            None,
            None,
            f"logits and labels must have one shape: logits_size={list(logits.shape)} labels_size={list(labels.shape)}",
        )
    return xp.sum(labels * -_log_softmax_kernel(logits, axis), axis=axis, dtype=logits.dtype)


def _cross_entropy_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    logits, labels = op.inputs
    axis = op.attrs["axis"]
    each_class = expand_dims(dy, axis)
    into_logits = multiply(each_class, subtract(softmax(logits, axis), labels))
    return into_logits, negative(multiply(each_class, log_softmax(logits, axis)))


def _cross_entropy_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    return along_axis(kernel, arrays, batched, attrs)


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
    return -xp.squeeze(xp.take_along_axis(_log_softmax_kernel(logits, -1), chosen, axis=-1), axis=-1)


def _sparse_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, None]:
    logits, labels = op.inputs
    return multiply(expand_dims(dy, -1), add_op("MinusOneHot", softmax(logits), labels)), None


def _minus_one_hot_kernel(x: Any, labels: Any) -> Any:
    xp = namespace(x, labels)
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
    logits, labels = operands((logits, labels), ("logits", "labels"), "sigmoid_cross_entropy_with_logits")
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


def _l2_loss_kernel(t: Any) -> Any:
    return namespace(t).sum(t * t, dtype=t.dtype) / 2


define(
    "L2Loss",
    spec=_l2_loss_spec,
    kernel=_l2_loss_kernel,
    gradient=lambda op, dy: multiply(op.inputs[0], dy),
    batch=each,
)

# -- layers


def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """value + bias, one number a channel.  value: [..., c], bias: [c]; with "NCHW" value is [n, c, ...]."""
    value, bias = operands((value, bias), ("value", "bias"), "BiasAdd")
    if data_format not in (None, "NHWC", "NCHW"):
        raise ValueError(f"data_format must be of the form `N...C` or `NC...`, got {data_format!r}")
    result: Tensor = add_op("BiasAdd", value, bias, name=name, channels_first=data_format == "NCHW")
    return result


def _bias_add_spec(value: TensorSpec, bias: TensorSpec, channels_first: bool) -> TensorSpec:
    same_dtype(value, bias)
    only(value, value.dtype.is_numeric, "numbers")
    (channels,) = bias.shape.with_rank(1)
    if value.shape.ndims is None:
        return value
    if value.shape.ndims < 2:
        raise ShapeError(f"the value has at least two axes, its shape is {value.shape}")
    place = 1 if channels_first else value.shape.ndims - 1
    wanted: list[int | None] = [None] * value.shape.ndims
    wanted[place] = channels
    return TensorSpec(value.shape.merge_with(wanted), value.dtype)


def _bias_add_kernel(value: Any, bias: Any, channels_first: bool) -> Any:
    channels = value.shape[1 if channels_first else -1]
    if bias.shape[0] != channels:
        raise InvalidArgumentError(
            None, None, f"Must provide as many biases as channels: {bias.shape[0]} for shape {list(value.shape)}"
        )
    if channels_first:
        bias = namespace(bias).reshape(bias, (-1, *(1,) * (value.ndim - 2)))
    return value + bias


def _bias_add_gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    bias = op.inputs[1]
    if not op.attrs["channels_first"]:
        return dy, sum_like(dy, bias)
    rank = len(op.inputs[0].shape.known)
    return dy, reduce_sum(dy, [axis for axis in range(rank) if axis != 1])


def _bias_add_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if batched[1] or attrs["channels_first"]:
        return each(kernel, arrays, batched, attrs)
    return kernel(*arrays, **attrs)


define("BiasAdd", spec=_bias_add_spec, kernel=_bias_add_kernel, gradient=_bias_add_gradient, batch=_bias_add_batch)


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """x with each value set to 0 with probability `rate`, or else divided by keep_prob = 1 - rate.

    x: floating.  keep_prob: a number in (0, 1] or a scalar tensor; or rate, in [0, 1).  noise_shape: where it has size
    1, values are kept or dropped together.  With keep_prob 1, x itself.
    """
    if (keep_prob is None) == (rate is None):
        raise ValueError("dropout needs either keep_prob or rate")
    tensor = convert_to_tensor(x)
    if not tensor.dtype.is_floating:
        raise ValueError(
            "x has to be a floating point tensor since it's going to be scaled. "
            f"Got a {tensor.dtype.name} tensor instead."
        )
    keep: Any = keep_prob if rate is None else (subtract(1.0, rate) if is_symbolic(rate) else 1 - rate)
    if not is_symbolic(keep):
        if not 0 < keep <= 1:
            raise ValueError(f"keep_prob must be a scalar tensor or a float in the range (0, 1], got {keep}")
        if keep == 1:
            return tensor
    with tensor.graph.as_default(), tensor.graph.name_scope(name or "dropout") as scope:
        probability = convert_to_tensor(keep, None if is_symbolic(keep) else tensor.dtype)
        noise = random_uniform(_noise_shape(tensor, noise_shape), dtype=tensor.dtype, seed=seed)
        kept = cast(greater_equal(noise, subtract(1, probability)), tensor.dtype)
        result = multiply(realdiv(tensor, probability), kept, name=scope)
        result.set_shape(tensor.shape)
    return result


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    if noise_shape is not None:
        return noise_shape
    return x.shape.as_list() if x.shape.is_fully_defined() else shape(x)


# -- predictions


def in_top_k(predictions: Any, targets: Any, k: int, name: str | None = None) -> Tensor:
    """Is the target among the k largest predictions?  Of equal ones all are in if one is.

    predictions: float32 [n, classes]; targets: int32 or int64 [n], class numbers -> bool [n].  False for a target that
    is no class and for a row with a value that is not finite.
    """
    result: Tensor = add_op("InTopKV2", predictions, targets, name=name or "InTopK", k=int(k))
    return result


def _in_top_k_spec(predictions: TensorSpec, targets: TensorSpec, k: int) -> TensorSpec:
    only(predictions, predictions.dtype.is_floating, "floating predictions")
    only(targets, targets.dtype.name in ("int32", "int64"), "int32 and int64 targets")
    rows = TensorShape([predictions.shape.with_rank(2)[0]])
    return TensorSpec(rows.merge_with(targets.shape), bool_)


def _in_top_k_kernel(predictions: Any, targets: Any, k: int) -> Any:
    xp = namespace(predictions, targets)
    known = xp.logical_and(targets >= 0, targets < predictions.shape[1])
    places = xp.astype(xp.where(known, targets, xp.zeros_like(targets)), xp.int64, copy=False)
    own = xp.take_along_axis(predictions, xp.expand_dims(places, axis=1), axis=1)
    above = xp.sum(xp.astype(predictions > own, xp.int64), axis=1)
    return xp.logical_and(xp.logical_and(known, xp.all(xp.isfinite(predictions), axis=1)), above < k)


define(
    "InTopKV2",
    spec=_in_top_k_spec,
    kernel=_in_top_k_kernel,
    gradient=no_gradient("a bool is a step"),
    batch=each,
)

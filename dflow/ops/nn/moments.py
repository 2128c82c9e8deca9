"""Means and variances, from values or from sums.

Source: nn_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import float16, float32
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.gather import gather
from dflow.ops.array.shape import shape, squeeze
from dflow.ops.control import stop_gradient
from dflow.ops.math.arithmetic import add, multiply, squared_difference, subtract
from dflow.ops.math.powers import reciprocal, square
from dflow.ops.math.reduction import reduce_mean, reduce_prod, reduce_sum
from dflow.ops.rules.building import one_of, scoped
from dflow.ops.rules.static import static_value

__all__ = ["moments", "normalize_moments", "sufficient_statistics", "weighted_moments"]

Statistics = tuple[Tensor, Tensor, Tensor, Tensor | None]


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the variance along axes.  Floating; float16 is computed in float32.  `shift` has no effect.

    axes: numbers that are known while the graph is built.  keepdims: each of them stays, with size 1.
    Source: tf.nn.moments.
    """
    keep = bool(one_of("keepdims", keepdims, "keep_dims", keep_dims))
    with scoped("moments", name, x):
        tensor = convert_to_tensor(x, name="x")
        y = cast(tensor, float32) if tensor.dtype == float16 else tensor
        mean = reduce_mean(y, axes, keepdims=True, name="mean")
        variance = reduce_mean(squared_difference(y, stop_gradient(mean)), axes, keepdims=True, name="variance")
        return _shaped(tensor, mean, variance, axes, keep)


def _shaped(x: Tensor, mean: Tensor, variance: Tensor, axes: Any, keep: bool) -> tuple[Tensor, Tensor]:
    """Both without the axes of size 1, in the dtype of x."""
    if not keep:
        places = _numbers(axes)
        mean, variance = (squeeze(it, places) if places != [] else it for it in (mean, variance))
    return cast(mean, x.dtype), cast(variance, x.dtype)


def _numbers(axes: Any) -> list[int] | None:
    if axes is None:
        return None
    value = static_value(axes)
    if value is None:
        raise ValueError(f"the axes must be known while the graph is built, or keepdims be True, got {axes!r}")
    return [int(axis) for axis in value.reshape(-1)]


def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
    keepdims: bool | None = None,
) -> Statistics:
    """The count of the values along axes, their sum, the sum of their squares, and the shift.

    x: floating; shift: None, or what is subtracted from each value first.  Source: tf.nn.sufficient_statistics.
    """
    keep = bool(one_of("keepdims", keepdims, "keep_dims", keep_dims))
    places = sorted(set(_numbers(axes) or []))
    with scoped("sufficient_statistics", name, x, shift):
        tensor = convert_to_tensor(x, name="x")
        counts = _counts(tensor, places)
        if shift is None:
            mean_ss, var_ss = tensor, square(tensor)
        else:
            shift = convert_to_tensor(shift, tensor.dtype, name="shift")
            mean_ss, var_ss = subtract(tensor, shift), squared_difference(tensor, shift)
        mean_ss = reduce_sum(mean_ss, places, keepdims=keep, name="mean_ss")
        var_ss = reduce_sum(var_ss, places, keepdims=keep, name="var_ss")
    return counts, mean_ss, var_ss, shift


def _counts(x: Tensor, axes: list[int]) -> Tensor:
    sizes = [None] if x.shape.ndims is None else [x.spec.shape[axis] for axis in axes]
    if None in sizes:
        return reduce_prod(gather(cast(shape(x), x.dtype), axes), name="count")
    count = 1
    for size in sizes:
        count *= size or 0
    return constant(count, dtype=x.dtype)


def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean and the variance from `sufficient_statistics`.  Source: tf.nn.normalize_moments."""
    with scoped("normalize", name, counts, mean_ss, variance_ss, shift):
        divisor = reciprocal(counts, name="divisor")
        shifted = multiply(mean_ss, divisor, name="mean" if shift is None else "shifted_mean")
        mean = shifted if shift is None else add(shifted, shift, name="mean")
        variance = subtract(multiply(variance_ss, divisor), square(shifted), name="variance")
    return mean, variance


def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the variance along axes, of values that count as often as their weights say.

    x: floating; frequency_weights: of a shape that broadcasts with that of x.  Source: tf.nn.weighted_moments.
    """
    keep = bool(one_of("keepdims", keepdims, "keep_dims", keep_dims))
    with scoped("weighted_moments", name, x, frequency_weights):
        tensor = convert_to_tensor(x, name="x")
        y = cast(tensor, float32) if tensor.dtype == float16 else tensor
        weights = cast(convert_to_tensor(frequency_weights, name="frequency_weights"), y.dtype)
        total = reduce_sum(multiply(weights, y), axes, keepdims=True, name="weighted_input_sum")
        each = add(weights, zeros_like(y))  # one weight a value
        divisor = reciprocal(reduce_sum(each, axes, keepdims=True, name="sum_of_weights"), name="inv_weight_sum")
        mean = multiply(total, divisor)
        squares = multiply(weights, squared_difference(y, mean))
        variance = multiply(reduce_sum(squares, axes, keepdims=True, name="weighted_distsq"), divisor)
        return _shaped(tensor, mean, variance, axes, keep)

"""Reductions along axes: sums, means, products, extremes, logic.

`axis` is a number, several, a tensor, or None for all axes; `keepdims=True` keeps each reduced axis with size 1.  The
dtype stays.  TensorFlow 1's older names `reduction_indices` and `keep_dims` work too.
Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros_like
from dflow.ops.control import stop_gradient
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.math.compare import equal, is_finite, not_equal, truths, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import exp, log
from dflow.ops.math.products import prod_gradient
from dflow.ops.rules.arrays import is_integral, is_unsigned, namespace
from dflow.ops.rules.batching import along_axes
from dflow.ops.rules.like import only_first, reshape_like
from dflow.ops.rules.reductions import Axis, bool_spec, number_spec, real_spec, reduce, reduced_axes, spread_back
from dflow.registry import define, no_gradient

__all__ = [
    "count_nonzero",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
]


# -- sums and means


def reduce_sum(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The sum along axes.  Numbers."""
    return reduce("Sum", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _sum_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    return namespace(x).sum(x, axis=reduced_axes(x, axes, axis), dtype=x.dtype, keepdims=keepdims)


define(
    "Sum",
    spec=number_spec,
    kernel=_sum_kernel,
    gradient=lambda op, dy: only_first(op, spread_back(op, dy)),
    batch=along_axes,
)


def reduce_mean(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The mean along axes; of integers, rounded towards zero; of no values, NaN.  Numbers."""
    return reduce("Mean", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _mean_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    xp = namespace(x)
    places = reduced_axes(x, axes, axis)
    if x.size and not is_integral(x):
        return xp.mean(x, axis=places, keepdims=keepdims)
    if not is_integral(x):
        return xp.sum(x, axis=places, dtype=x.dtype, keepdims=keepdims) / 0
    wide = xp.uint64 if is_unsigned(x) else xp.int64  # as TensorFlow's: the sum may not fit the dtype
    total = xp.sum(x, axis=places, dtype=wide, keepdims=keepdims)
    count = max(1, x.size // max(1, total.size))
    quotient = total // count
    return xp.astype(quotient + xp.astype(xp.logical_and(quotient < 0, quotient * count != total), wide), x.dtype)


define(
    "Mean",
    spec=number_spec,
    kernel=_mean_kernel,
    gradient=lambda op, dy: only_first(op, spread_back(op, dy, mean=True)),
    batch=along_axes,
)

# -- products


def reduce_prod(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The product along axes.  Numbers.  Its gradients of all orders hold for zeros too."""
    return reduce("Prod", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _prod_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    return namespace(x).prod(x, axis=reduced_axes(x, axes, axis), dtype=x.dtype, keepdims=keepdims)


define("Prod", spec=number_spec, kernel=_prod_kernel, gradient=prod_gradient, batch=along_axes)

# -- extremes


def reduce_max(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The largest value along axes; of no values, the smallest of the dtype.  Real numbers.

    Equal values share the gradient.
    """
    return reduce("Max", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def reduce_min(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The smallest value along axes; of no values, the largest of the dtype.  Real numbers.

    Equal values share the gradient.
    """
    return reduce("Min", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _extreme(function: str, x: Any, axes: Any, axis: Axis, keepdims: bool) -> Any:
    xp = namespace(x)
    places = reduced_axes(x, axes, axis)
    if 0 not in (x.shape[place] for place in places):
        return getattr(xp, function)(x, axis=places, keepdims=keepdims)
    empty = xp.sum(x, axis=places, dtype=x.dtype, keepdims=keepdims)
    if not is_integral(x):
        return xp.full_like(empty, float("-inf") if function == "max" else float("inf"))
    limits = xp.iinfo(x.dtype)
    return xp.full_like(empty, limits.min if function == "max" else limits.max)


def _extreme_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    chosen = cast(equal(op.inputs[0], spread_back(op, op.outputs[0])), dy.dtype)
    count = add_op("Sum", chosen, *op.inputs[1:], axis=op.attrs["axis"], keepdims=op.attrs["keepdims"])
    return only_first(op, multiply(chosen, spread_back(op, realdiv(dy, count))))


define(
    "Max",
    spec=real_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: _extreme("max", x, axes, axis, keepdims),
    gradient=_extreme_gradient,
    batch=along_axes,
)
define(
    "Min",
    spec=real_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: _extreme("min", x, axes, axis, keepdims),
    gradient=_extreme_gradient,
    batch=along_axes,
)

# -- logic


def reduce_all(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """True where all values along axes are true.  bool; of no values, True."""
    return reduce("All", truths(input_tensor), axis, keepdims, name, reduction_indices, keep_dims)


def reduce_any(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """True where any value along axes is true.  bool; of no values, False."""
    return reduce("Any", truths(input_tensor), axis, keepdims, name, reduction_indices, keep_dims)


define(
    "All",
    spec=bool_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: namespace(x).all(
        x, axis=reduced_axes(x, axes, axis), keepdims=keepdims
    ),
    gradient=no_gradient("it is a step function"),
    batch=along_axes,
)
define(
    "Any",
    spec=bool_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: namespace(x).any(
        x, axis=reduced_axes(x, axes, axis), keepdims=keepdims
    ),
    gradient=no_gradient("it is a step function"),
    batch=along_axes,
)

# -- combinations of these


def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = "int64",
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """The number of values along axes that are not zero (not False, not empty): of int64, or of `dtype`.

    input: a newer name of `input_tensor`.
    """
    if (input_tensor is None) == (input is None):
        raise ValueError("give one of input_tensor and input: they are two names of one argument")
    x = convert_to_tensor(input if input_tensor is None else input_tensor)
    nonzero = cast(not_equal(x, x.dtype.zero), dtype)
    return reduce_sum(nonzero, axis, keepdims, name or "count_nonzero", reduction_indices, keep_dims)


def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """log(sum(exp(x))) along axes, without overflow.  Floating."""
    x = convert_to_tensor(input_tensor)
    place = axis if reduction_indices is None else reduction_indices
    largest = reduce_max(x, place, keepdims=True)
    largest = stop_gradient(where(is_finite(largest), largest, zeros_like(largest)))
    total = log(reduce_sum(exp(subtract(x, largest)), place, keepdims=True))
    result = add(total, largest)
    keep = bool(keep_dims if keepdims is None else keepdims)
    return result if keep else reshape_like(result, reduce_sum(x, place))

"""Operations along axes: sums, means, extremes, and where they are.

`axis` is a number, several, a tensor, or None for all axes; `keepdims=True` keeps each reduced axis with size 1.  The
dtype stays.  TensorFlow 1's older names `reduction_indices` and `keep_dims` work too.
Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import DType, as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array import zeros_like
from dflow.ops.arrays import dtype_in, ints, is_integral, namespace
from dflow.ops.batching import along_axes
from dflow.ops.compare import equal, is_finite, not_equal, where
from dflow.ops.control import stop_gradient
from dflow.ops.functions import exp, log
from dflow.ops.like import reshape_like
from dflow.ops.math import add, cast, multiply, realdiv, subtract
from dflow.ops.static import is_symbolic, known_value, normal_axes, normal_axis, number_or_tensor, only, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = [
    "argmax",
    "argmin",
    "count_nonzero",
    "cumsum",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
]

Axis = int | tuple[int, ...] | None

# -- what all reductions share


def _reduce(kind: str, x: Any, axis: Any, keepdims: Any, name: str | None, indices: Any, keep_dims: Any) -> Tensor:
    place, inputs = _axis_argument(axis if indices is None else indices)
    keep = bool(keep_dims if keepdims is None else keepdims)
    result: Tensor = add_op(kind, x, *inputs, name=name, axis=place, keepdims=keep)
    return result


def _axis_argument(axis: Any) -> tuple[Any, tuple[Any, ...]]:
    if axis is None:
        return None, ()
    if is_symbolic(axis):
        value = known_value(convert_to_tensor(axis))
        axis = axis if value is None else value
    return number_or_tensor(axis)


def _reduced(x: TensorSpec, axes: TensorSpec | None, axis: Axis, keepdims: bool) -> TensorSpec:
    rank = x.shape.ndims
    if axes is None and axis is None and not keepdims:
        return spec_of([], x.dtype)
    if rank is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    if axes is not None:
        return spec_of([None] * rank if keepdims else None, x.dtype)
    gone = normal_axes(axis, rank)
    if keepdims:
        return spec_of([1 if place in gone else size for place, size in enumerate(x.shape)], x.dtype)
    return spec_of([size for place, size in enumerate(x.shape) if place not in gone], x.dtype)


def _number_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, keepdims: bool) -> TensorSpec:
    only(x, x.dtype.is_numeric, "numbers")
    return _reduced(x, axes, axis, keepdims)


def _real_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, keepdims: bool) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return _reduced(x, axes, axis, keepdims)


def _bool_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, keepdims: bool) -> TensorSpec:
    only(x, x.dtype.is_bool, "bool")
    return _reduced(x, axes, axis, keepdims)


def _places(x: Any, axes: Any, axis: Axis) -> tuple[int, ...]:
    """The axes to reduce, in [0, rank)."""
    try:
        return normal_axes(axis if axes is None else ints(axes), x.ndim)
    except ShapeError as error:
        raise InvalidArgumentError(None, None, f"Invalid reduction dimension: {error}") from None


def _spread(op: Operation, dy: Tensor, mean: bool = False) -> Tensor:
    """A reduced value repeated along the axes that were reduced; `mean`: divided by how many values were reduced."""
    result: Tensor = add_op("SpreadLike", dy, *op.inputs, axis=op.attrs["axis"], mean=mean)
    return result


def _first(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    return (dx, *(None for _ in op.inputs[1:]))


def _spread_kernel(y: Any, x: Any, axes: Any = None, *, axis: Axis, mean: bool) -> Any:
    gone = _places(x, axes, axis)
    xp = namespace(y, x)
    shape = tuple(1 if place in gone else size for place, size in enumerate(x.shape))
    value = xp.reshape(y, shape)
    if mean:
        value = value / max(1, x.size // max(1, y.size))
    return xp.broadcast_to(value, tuple(x.shape))


def _spread_gradient(op: Operation, dx: Tensor) -> tuple[Tensor | None, ...]:
    kind = "Mean" if op.attrs["mean"] else "Sum"
    total = add_op(kind, dx, *op.inputs[2:], axis=op.attrs["axis"], keepdims=False)
    return _first(op, reshape_like(total, op.inputs[0]))


define(
    "SpreadLike",
    spec=lambda y, x, axes=None, *, axis, mean: TensorSpec(x.shape, y.dtype),
    kernel=_spread_kernel,
    gradient=_spread_gradient,
)

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
    return _reduce("Sum", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _sum_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    return namespace(x).sum(x, axis=_places(x, axes, axis), dtype=x.dtype, keepdims=keepdims)


define(
    "Sum",
    spec=_number_spec,
    kernel=_sum_kernel,
    gradient=lambda op, dy: _first(op, _spread(op, dy)),
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
    return _reduce("Mean", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _mean_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    xp = namespace(x)
    places = _places(x, axes, axis)
    if x.size and not is_integral(x):
        return xp.mean(x, axis=places, keepdims=keepdims)
    total = xp.sum(x, axis=places, dtype=x.dtype, keepdims=keepdims)
    if not is_integral(x):
        return total / 0
    count = max(1, x.size // max(1, total.size))
    quotient = total // count
    return quotient + xp.astype(xp.logical_and(quotient < 0, quotient * count != total), x.dtype)


define(
    "Mean",
    spec=_number_spec,
    kernel=_mean_kernel,
    gradient=lambda op, dy: _first(op, _spread(op, dy, mean=True)),
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
    """The product along axes.  Numbers.  Its gradient holds for zeros too; a second one is not offered."""
    return _reduce("Prod", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _prod_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    return namespace(x).prod(x, axis=_places(x, axes, axis), dtype=x.dtype, keepdims=keepdims)


def _prod_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return _first(op, multiply(_spread(op, dy), add_op("ProdOfOthers", *op.inputs, axis=op.attrs["axis"])))


def _prod_of_others_kernel(x: Any, axes: Any = None, *, axis: Axis) -> Any:
    """For each value the product of the others that are reduced with it: of those before times of those after."""
    xp = namespace(x)
    gone = _places(x, axes, axis)
    order = (*(place for place in range(x.ndim) if place not in gone), *gone)
    moved = xp.permute_dims(x, order)
    kept = moved.shape[: x.ndim - len(gone)]
    rows = xp.reshape(moved, (*kept, x.size // max(1, _product(kept))))
    before = _exclusive_product(rows)
    after = xp.flip(_exclusive_product(xp.flip(rows, axis=-1)), axis=-1)
    back = tuple(order.index(place) for place in range(x.ndim))
    return xp.permute_dims(xp.reshape(before * after, moved.shape), back)


def _product(sizes: Any) -> int:
    total = 1
    for size in sizes:
        total *= int(size)
    return total


def _exclusive_product(rows: Any) -> Any:
    xp = namespace(rows)
    shifted = xp.concat([xp.ones_like(rows[..., :1]), rows[..., :-1]], axis=-1) if rows.shape[-1] else rows
    return xp.cumulative_prod(shifted, axis=-1, dtype=rows.dtype)


define("Prod", spec=_number_spec, kernel=_prod_kernel, gradient=_prod_gradient, batch=along_axes)
define(
    "ProdOfOthers",
    spec=lambda x, axes=None, *, axis: x,
    kernel=_prod_of_others_kernel,
    gradient=no_gradient("the second derivative of a product along axes is not offered"),
)

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
    return _reduce("Max", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


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
    return _reduce("Min", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def _extreme(function: str, x: Any, axes: Any, axis: Axis, keepdims: bool) -> Any:
    xp = namespace(x)
    places = _places(x, axes, axis)
    if 0 not in (x.shape[place] for place in places):
        return getattr(xp, function)(x, axis=places, keepdims=keepdims)
    empty = xp.sum(x, axis=places, dtype=x.dtype, keepdims=keepdims)
    if not is_integral(x):
        return xp.full_like(empty, float("-inf") if function == "max" else float("inf"))
    limits = xp.iinfo(x.dtype)
    return xp.full_like(empty, limits.min if function == "max" else limits.max)


def _extreme_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    chosen = cast(equal(op.inputs[0], _spread(op, op.outputs[0])), dy.dtype)
    count = add_op("Sum", chosen, *op.inputs[1:], axis=op.attrs["axis"], keepdims=op.attrs["keepdims"])
    return _first(op, multiply(chosen, _spread(op, realdiv(dy, count))))


define(
    "Max",
    spec=_real_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: _extreme("max", x, axes, axis, keepdims),
    gradient=_extreme_gradient,
    batch=along_axes,
)
define(
    "Min",
    spec=_real_spec,
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
    """Are all values along axes true?  bool."""
    return _reduce("All", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


def reduce_any(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """Is any value along axes true?  bool."""
    return _reduce("Any", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


define(
    "All",
    spec=_bool_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: namespace(x).all(x, axis=_places(x, axes, axis), keepdims=keepdims),
    gradient=no_gradient("a bool is a step"),
    batch=along_axes,
)
define(
    "Any",
    spec=_bool_spec,
    kernel=lambda x, axes=None, *, axis, keepdims: namespace(x).any(x, axis=_places(x, axes, axis), keepdims=keepdims),
    gradient=no_gradient("a bool is a step"),
    batch=along_axes,
)

# -- made of the above


def count_nonzero(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = "int64",
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """How many values along axes are not zero (not False, not empty): of int64, or of `dtype`."""
    x = convert_to_tensor(input_tensor)
    found = cast(not_equal(x, x.dtype.zero), dtype)
    return reduce_sum(found, axis, keepdims, name or "count_nonzero", reduction_indices, keep_dims)


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


# -- places of extremes


def argmax(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = "int64"
) -> Tensor:
    """The index of the largest value along one axis (0 if none is named), the first of equal ones: int64."""
    return _place_of("ArgMax", input, axis, name, dimension, output_type)


def argmin(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = "int64"
) -> Tensor:
    """The index of the smallest value along one axis (0 if none is named), the first of equal ones: int64."""
    return _place_of("ArgMin", input, axis, name, dimension, output_type)


def _place_of(kind: str, x: Any, axis: Any, name: str | None, dimension: Any, output_type: Any) -> Tensor:
    place, inputs = _axis_argument(0 if axis is None and dimension is None else dimension if axis is None else axis)
    result: Tensor = add_op(kind, x, *inputs, name=name, axis=place, output_type=as_dtype(output_type))
    return result


def _place_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: int | None, output_type: DType) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    only(TensorSpec(x.shape, output_type), output_type.name in ("int32", "int64"), "int32 and int64 as output_type")
    rank = x.shape.ndims
    if rank is None or axis is None:
        return spec_of(None if rank is None else [None] * (rank - 1), output_type)
    gone = normal_axis(axis, rank)
    return spec_of([size for place, size in enumerate(x.shape) if place != gone], output_type)


def _place(function: str, x: Any, axes: Any, axis: int | None, output_type: DType) -> Any:
    xp = namespace(x)
    (place,) = _places(x, axes, axis)
    if not x.shape[place]:
        raise InvalidArgumentError(None, None, f"Reduction axis {place} is empty in shape {list(x.shape)}")
    return xp.astype(getattr(xp, function)(x, axis=place), dtype_in(xp, output_type), copy=False)


define(
    "ArgMax",
    spec=_place_spec,
    kernel=lambda x, axes=None, *, axis, output_type: _place("argmax", x, axes, axis, output_type),
    gradient=no_gradient("an index is an integer"),
    batch=along_axes,
)
define(
    "ArgMin",
    spec=_place_spec,
    kernel=lambda x, axes=None, *, axis, output_type: _place("argmin", x, axes, axis, output_type),
    gradient=no_gradient("an index is an integer"),
    batch=along_axes,
)

# -- running sums


def cumsum(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """The sum of the values up to each one along an axis.  Numbers.

    exclusive: without the value itself; reverse: from the end.
    """
    result: Tensor = add_op("Cumsum", x, name=name, axis=int(axis), exclusive=bool(exclusive), reverse=bool(reverse))
    return result


def _cumsum_spec(x: TensorSpec, axis: int, exclusive: bool, reverse: bool) -> TensorSpec:
    only(x, x.dtype.is_numeric, "numbers")
    if x.shape.ndims is not None:
        normal_axis(axis, x.shape.ndims)
    return x


def _cumsum_kernel(x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    xp = namespace(x)
    values = xp.flip(x, axis=axis) if reverse else x
    total = xp.cumulative_sum(values, axis=axis, dtype=x.dtype, include_initial=exclusive)
    if exclusive:
        place = axis % x.ndim
        total = total[(*(slice(None) for _ in range(place)), slice(0, x.shape[place]), ...)]
    return xp.flip(total, axis=axis) if reverse else total


define(
    "Cumsum",
    spec=_cumsum_spec,
    kernel=_cumsum_kernel,
    gradient=lambda op, dy: cumsum(dy, op.attrs["axis"], op.attrs["exclusive"], not op.attrs["reverse"]),
    batch=along_axes,
)

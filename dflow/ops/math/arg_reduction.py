"""The indices of the extremes along an axis.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.rules.arrays import dtype_in, is_integral, namespace
from dflow.ops.rules.batching import along_axes
from dflow.ops.rules.reductions import Axis, axis_argument, reduced_axes
from dflow.ops.rules.static import normal_axis, only, spec_of
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["arg_max", "arg_min", "argmax", "argmin"]


def argmax(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = "int64"
) -> Tensor:
    """The index of the largest value along one axis (0 if none is named), the first of equal ones: int64.

    NaN is left out; the index among NaN only is 0.
    """
    return _place_of("ArgMax", input, axis, name, dimension, output_type)


def argmin(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = "int64"
) -> Tensor:
    """The index of the smallest value along one axis (0 if none is named), the first of equal ones: int64.

    NaN is left out; the index among NaN only is 0.
    """
    return _place_of("ArgMin", input, axis, name, dimension, output_type)


def arg_max(input: Any, dimension: Any, output_type: Any = "int64", name: str | None = None) -> Tensor:
    """An older name of `argmax`."""
    warnings.warn("arg_max is deprecated, use argmax instead", DeprecationWarning, stacklevel=2)
    return argmax(input, dimension, name, output_type=output_type)


def arg_min(input: Any, dimension: Any, output_type: Any = "int64", name: str | None = None) -> Tensor:
    """An older name of `argmin`."""
    warnings.warn("arg_min is deprecated, use argmin instead", DeprecationWarning, stacklevel=2)
    return argmin(input, dimension, name, output_type=output_type)


def _place_of(kind: str, x: Any, axis: Any, name: str | None, dimension: Any, output_type: Any) -> Tensor:
    place, inputs = axis_argument(0 if axis is None and dimension is None else dimension if axis is None else axis)
    result: Tensor = add_op(kind, x, *inputs, name=name, axis=place, output_type=as_dtype(output_type))
    return result


def _place_spec(x: TensorSpec, axes: TensorSpec | None = None, *, axis: Axis, output_type: DType) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    only(TensorSpec(x.shape, output_type), output_type.name in ("int32", "int64"), "int32 and int64 as output_type")
    if isinstance(axis, tuple) or (axes is not None and axes.shape.ndims not in (0, None)):
        raise ShapeError(f"the axis is one number, got {axis if axes is None else axes.shape}")
    rank = x.shape.ndims
    if rank is None or axis is None:
        return spec_of(None if rank is None else [None] * (rank - 1), output_type)
    gone = normal_axis(
        axis,
        rank,
        f"Dimension ({axis}) must be in the range [{-rank}, {rank}), where {rank} is the number of dimensions in the "
        "input.",
    )
    return spec_of([size for place, size in enumerate(x.shape) if place != gone], output_type)


def _place(function: str, x: Any, axes: Any, axis: Axis, output_type: DType) -> Any:
    xp = namespace(x)
    places = reduced_axes(x, axes, axis)
    if len(places) != 1 or (axes is not None and axes.ndim):
        raise InvalidArgumentError(None, None, f"the axis is one number, got {list(places)}")
    (place,) = places
    if not x.shape[place]:
        raise InvalidArgumentError(None, None, f"Reduction axis {place} is empty in shape {list(x.shape)}")
    indices = _indices(xp, function, x, place)
    return xp.astype(indices, dtype_in(xp, output_type), copy=False)


def _indices(xp: Any, function: str, x: Any, place: int) -> Any:
    """The indices, NaN left out."""
    find = getattr(xp, function)
    if is_integral(x):
        return find(x, axis=place)
    if isinstance(x, np.ndarray):  # NumPy finds the first NaN if there is one
        indices = find(x, axis=place)
        if not np.isnan(np.take_along_axis(x, np.expand_dims(indices, place), place)).any():
            return indices
    worst = xp.full_like(x, float("-inf") if function == "argmax" else float("inf"))
    return find(xp.where(xp.isnan(x), worst, x), axis=place)


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

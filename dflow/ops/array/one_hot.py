"""Indices as vectors.

Source: array_ops.one_hot of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import DType, as_dtype, bool_, float32, to_array
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.fill import fill
from dflow.ops.array.shape import shape
from dflow.ops.math.compare import where
from dflow.ops.rules.arrays import dtype_in, namespace
from dflow.ops.rules.batching import along_axis
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.static import graph_of, is_symbolic, normal_axis, only, spec_of, static_axis, static_value
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["one_hot"]


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """A new axis of `depth` values (the last one, or `axis`): on_value at the index, off_value elsewhere.

    indices: integers of any shape; one outside of [0, depth) gives off_value everywhere.  depth: a number or a tensor.
    on_value, off_value: scalars; None: 1 and 0.  dtype: None: that of the values, else float32.
    """
    target = _target(on_value, off_value, dtype)
    on = _one(target) if on_value is None else on_value
    off = target.zero if off_value is None else off_value
    static_values = [static_value(item) if is_symbolic(item) else item for item in (on, off)]
    if any(item is None for item in static_values):
        return _one_hot_of_tensors(indices, depth, on, off, axis, target, name or "one_hot")
    count, inputs = late(depth, "depth")
    attrs = {key: _scalar(item, target) for key, item in zip(("on_value", "off_value"), static_values, strict=True)}
    if not is_symbolic(indices) and not np.size(indices):
        indices = np.asarray(indices, np.int32)  # an empty list has no dtype of its own
    place = -1 if axis is None else static_axis(axis)
    with scopes.building_in(graph_of((indices, depth, on, off))):
        result: Tensor = add_op(
            "OneHot", indices, *inputs, name=name or "one_hot", depth=count, **attrs, axis=place, dtype=target
        )
    return result


def _one(dtype: DType) -> Any:
    return dtype.numpy_dtype.type(1)


def _scalar(value: Any, dtype: DType) -> Any:
    array = to_array(value, dtype)
    if array.ndim:
        raise ShapeError(f"on_value and off_value are scalars, got a shape of {array.shape}")
    return array.item()


def _one_hot_of_tensors(
    indices: Any, depth: Any, on_value: Any, off_value: Any, axis: Any, dtype: DType, name: str
) -> Tensor:
    """As `one_hot`, for values of which one is known only at run time."""
    graph = graph_of((indices, depth, on_value, off_value))
    with scopes.building_in(graph), graph.name_scope(name) as scope:
        hit = one_hot(indices, depth, True, False, axis, bool_)
        on, off = (fill(shape(hit), convert_to_tensor(item, dtype)) for item in (on_value, off_value))
        return where(hit, on, off, scope)


def _target(on_value: Any, off_value: Any, dtype: Any) -> DType:
    """The dtype of the result; TypeError if the values have other dtypes than it, or than each other."""
    wanted = None if dtype is None else as_dtype(dtype)
    found = [None if it is None else _value_dtype(it, wanted) for it in (on_value, off_value)]
    for what, it in zip(("on_value", "off_value"), found, strict=True):
        if wanted is not None and it not in (None, wanted):
            raise TypeError(f"dtype {it!r} of {what} does not match dtype parameter {wanted!r}")
    on_dtype, off_dtype = found
    target = wanted or on_dtype or off_dtype or float32
    for it, default in zip(found, (1, 0), strict=True):
        if it is None:
            to_array(default, target)
    if on_dtype and off_dtype and on_dtype != off_dtype:
        raise TypeError(f"dtype {on_dtype!r} of on_value does not match dtype {off_dtype!r} of off_value")
    return target


def _value_dtype(value: Any, wanted: DType | None) -> DType:
    """The dtype of a value; that of the result, for a Python number that it can hold."""
    if wanted is not None and not hasattr(value, "dtype") and not is_symbolic(value):
        try:
            to_array(value, wanted)
        except (TypeError, ValueError):
            pass
        else:
            return wanted
    return convert_to_tensor(value).dtype


def _one_hot_spec(
    indices: TensorSpec, depth: int, on_value: Any, off_value: Any, axis: int, dtype: DType
) -> TensorSpec:
    if depth < 0:
        raise ShapeError(f"depth must be non-negative, got: {depth}")
    return _one_hot_shape(indices, depth, axis, dtype)


def _one_hot_shape(indices: TensorSpec, depth: int | None, axis: int, dtype: DType) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    if indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, dtype)
    if axis < -1:
        raise ShapeError("axis must be >= -1")
    place = normal_axis(axis, indices.shape.ndims + 1)
    dims = indices.shape.as_list()
    return spec_of([*dims[:place], depth, *dims[place:]], dtype)


def _one_hot_kernel(indices: Any, depth: int, on_value: Any, off_value: Any, axis: int, dtype: DType) -> Any:
    xp = namespace(indices)
    if depth < 0:
        raise InvalidArgumentError(None, None, f"depth must be non-negative, got: {depth}")
    if not -indices.ndim - 1 <= axis <= indices.ndim:
        raise InvalidArgumentError(None, None, f"Expected axis to be -1 or between [0, {indices.ndim}], got {axis}")
    place = axis % (indices.ndim + 1)
    classes = xp.reshape(
        xp.arange(depth, dtype=indices.dtype, device=device(indices)),
        (*(1,) * place, depth, *(1,) * (indices.ndim - place)),
    )
    hit = xp.expand_dims(indices, axis=place) == classes
    kind = dtype_in(xp, dtype)
    if (on_value, off_value) == (1, 0):
        return xp.astype(hit, kind)
    on, off = (xp.asarray(value, dtype=kind, device=device(indices)) for value in (on_value, off_value))
    return xp.where(hit, on, off)


define(
    "OneHot",
    **late_rules(
        "depth",
        spec=_one_hot_spec,
        unknown=lambda indices, on_value, off_value, axis, dtype: _one_hot_shape(indices, None, axis, dtype),
        kernel=_one_hot_kernel,
        batch=along_axis,
    ),
    gradient=no_gradient("an index is an integer"),
)

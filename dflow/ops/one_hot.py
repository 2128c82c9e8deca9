"""Indices as vectors.

Source: array_ops.one_hot of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import DType, as_dtype
from dflow.errors import ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.arrays import dtype_in, namespace
from dflow.ops.batching import along_axis
from dflow.ops.static import known_value, normal_axis, only, spec_of, static_value
from dflow.registry import define, no_gradient
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

__all__ = ["one_hot"]


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """A new axis of `depth` values (the last one, or `axis`): on_value at the index, off_value elsewhere.

    indices: integers of any shape; one outside of [0, depth) gives off_value everywhere.  on_value and off_value:
    numbers, 1 and 0 if not given.  dtype: as given, else that of the values, else float32.
    """
    depth_value = known_value(convert_to_tensor(depth))
    if depth_value is None:
        raise ValueError("depth must be known while the graph is built")
    values = [1 if on_value is None else on_value, 0 if off_value is None else off_value]
    known = [static_value(item) for item in values]
    if any(item is None for item in known):
        raise ValueError("on_value and off_value must be known while the graph is built")
    target = as_dtype(dtype) if dtype is not None else _dtype_of_values(on_value, off_value)
    on, off = (np.asarray(item).astype(target.numpy_dtype).item() for item in known)
    result: Tensor = add_op(
        "OneHot",
        indices,
        name=name or "one_hot",
        depth=int(depth_value),
        on_value=on,
        off_value=off,
        axis=-1 if axis is None else int(axis),
        dtype=target,
    )
    return result


def _dtype_of_values(*values: Any) -> DType:
    given = [value for value in values if value is not None]
    return convert_to_tensor(given[0]).dtype if given else as_dtype("float32")


def _one_hot_spec(
    indices: TensorSpec, depth: int, on_value: Any, off_value: Any, axis: int, dtype: DType
) -> TensorSpec:
    only(indices, indices.dtype.is_integer, "integers as indices")
    if depth < 0:
        raise ShapeError(f"depth must be non-negative, got: {depth}")
    if indices.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, dtype)
    place = normal_axis(axis, indices.shape.ndims + 1)
    dims = indices.shape.as_list()
    return spec_of([*dims[:place], depth, *dims[place:]], dtype)


def _one_hot_kernel(indices: Any, depth: int, on_value: Any, off_value: Any, axis: int, dtype: DType) -> Any:
    xp = namespace(indices)
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
    spec=_one_hot_spec,
    kernel=_one_hot_kernel,
    gradient=no_gradient("an index is an integer"),
    batch=along_axis,
)

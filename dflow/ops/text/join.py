"""Strings put together: those of several tensors, or those along axes of one tensor.

Source: tf.string_join, tf.reduce_join of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import string
from dflow.errors import InvalidArgumentError, OutOfRangeError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.batching import each as each_step
from dflow.ops.rules.static import Axes, graph_of, is_symbolic, known_value, number_or_tensor
from dflow.ops.text.each import NO_GRADIENT, Array, array_of, check, text_of
from dflow.registry import define
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["reduce_join", "string_join"]


def string_join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Tensor:
    """The strings of several tensors put together, with `separator` between them.

    inputs: tensors of one shape; scalars stand beside each string of the others.
    ShapeError, or InvalidArgumentError at run time, for shapes that differ.
    """
    graph = graph_of(inputs)
    with scopes.building_in(graph), graph.name_scope(name or "StringJoin") as scope:
        parts = [convert_to_tensor(item, string, name=f"inputs_{i}") for i, item in enumerate(inputs)]
        tensor: Tensor = add_op("StringJoin", *parts, name=scope, separator=text_of(separator))
    return tensor


def _join_spec(*inputs: TensorSpec, separator: str) -> TensorSpec:
    shape = SCALAR
    for spec in inputs:
        check(spec, "each input")
        if spec.shape.ndims is None:
            return TensorSpec(UNKNOWN_SHAPE, string)
        if spec.shape.ndims:
            shape = spec.shape if shape.ndims == 0 else shape.merge_with(spec.shape)
    return TensorSpec(shape, string)


def _join_kernel(*inputs: Array, separator: str) -> Array:
    shapes = {array.shape for array in inputs if array.ndim}
    if len(shapes) > 1:
        listed = ", ".join(str(list(array.shape)) for array in inputs)
        fact = f"Input shapes do not match: all inputs must have the same shape or be scalars, got {listed}"
        raise InvalidArgumentError(None, None, fact)
    shape = next(iter(shapes), ())
    count = int(np.prod(shape, dtype=np.int64))
    columns = [array.reshape(-1).tolist() if array.ndim else [array.item()] * count for array in inputs]
    return array_of(map(separator.encode().join, zip(*columns, strict=True)), shape)


define("StringJoin", spec=_join_spec, kernel=_join_kernel, gradient=NO_GRADIENT, batch=each_step, host_only=True)


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The strings along axes put together: first those along the first one of `axis`, then along the next.

    axis: a number, a list, or a tensor; None: all, so that the strings come in row-major order; []: none.
    keepdims: whether the axes stay, with one string each.  reduction_indices, keep_dims: their older names.
    ShapeError for axes that are not there or come twice; at run time, OutOfRangeError and InvalidArgumentError.
    """
    if axis is not None and reduction_indices is not None:
        raise ValueError("Cannot specify both 'axis' and 'reduction_indices'.")
    if keepdims is not None and keep_dims is not None:
        raise ValueError("Cannot specify both 'keepdims' and 'keep_dims'.")
    axis = reduction_indices if axis is None else axis
    keep = bool(keep_dims if keepdims is None else keepdims)
    graph = graph_of((inputs, axis))
    with scopes.building_in(graph), graph.name_scope("ReduceJoin"):
        texts = convert_to_tensor(inputs, None if is_symbolic(inputs) else string, name="inputs")
        place, more = (None, ()) if axis is None else _axis(axis)
        attrs = {"axis": place, "all_axes": axis is None, "keepdims": keep, "separator": text_of(separator)}
        tensor: Tensor = add_op("ReduceJoin", texts, *more, name=name, **attrs)
    return tensor


def _axis(axis: Any) -> tuple[Axes | None, tuple[Tensor, ...]]:
    """Axes as (attribute, inputs): numbers that are known, or a tensor."""
    if is_symbolic(axis):
        known = known_value(convert_to_tensor(axis))
        axis = axis if known is None else known
    place, inputs = number_or_tensor(axis)
    return (place,) if isinstance(place, int) else place, inputs


def _reduce_spec(
    texts: TensorSpec, *axes: TensorSpec, axis: Axes | None, all_axes: bool, keepdims: bool, separator: str
) -> TensorSpec:
    check(texts)
    if axes or texts.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, string)
    rank = texts.shape.ndims
    gone = _normal(_chosen(axis, all_axes, rank), rank, building=True)
    sizes = [(1 if i in gone else size) for i, size in enumerate(texts.shape.known) if keepdims or i not in gone]
    return TensorSpec(TensorShape(sizes), string)


def _chosen(axis: Axes | None, all_axes: bool, rank: int) -> Axes:
    return tuple(range(rank - 1, -1, -1)) if all_axes else axis or ()


def _normal(axis: Axes, rank: int, building: bool) -> list[int]:
    """Axes in [0, rank); an error for one that is outside, and for one that comes twice."""
    places: list[int] = []
    for item in axis:
        if not -rank <= item < rank:
            fact = f"Invalid reduction dimension {item} for input with {rank} dimensions."
            raise ShapeError(fact) if building else OutOfRangeError(None, None, fact)
        if item % rank in places:
            fact = f"Duplicate reduction dimension {item % rank}"
            raise ShapeError(fact) if building else InvalidArgumentError(None, None, fact)
        places.append(item % rank)
    return places


def _reduce_kernel(
    texts: Array, *axes: Array, axis: Axes | None, all_axes: bool, keepdims: bool, separator: str
) -> Array:
    if axes:
        axis = tuple(axes[0].reshape(-1).tolist())
    gone = _normal(_chosen(axis, all_axes, texts.ndim), texts.ndim, building=False)
    kept = [i for i in range(texts.ndim) if i not in gone]
    rows = texts.transpose(*kept, *reversed(gone))
    shape = rows.shape[: len(kept)]
    count = int(np.prod(shape, dtype=np.int64))
    length = int(np.prod([texts.shape[i] for i in gone], dtype=np.int64))
    joined = array_of(map(separator.encode().join, rows.reshape(count, length).tolist()), shape)
    return np.expand_dims(joined, tuple(gone)) if keepdims else joined


define("ReduceJoin", spec=_reduce_spec, kernel=_reduce_kernel, gradient=NO_GRADIENT, batch=each_step, host_only=True)

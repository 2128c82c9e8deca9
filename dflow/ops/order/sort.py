"""Values sorted along an axis, and the places of the sorted values.

Source: sort_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.concat import concat
from dflow.ops.array.constants import constant
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import rank, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import add, negative
from dflow.ops.math.bitwise import invert
from dflow.ops.order.top_k import top_k
from dflow.ops.rules.static import graph_of, static_axis

__all__ = ["argsort", "sort"]


def sort(values: Any, axis: Any = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """The values sorted along an axis.

    values: real numbers; axis: known while the graph is built; direction: "ASCENDING" or "DESCENDING".
    """
    graph = graph_of((values,))
    with scopes.building_in(graph), graph.name_scope(name or "sort"):
        return _sorted(values, axis, direction, places=False)


def argsort(
    values: Any, axis: Any = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The int32 places of the values in their order along an axis: gathered at them, the values are sorted.

    Arguments as for `sort`.  Equal values keep their order, with `stable` and without.
    """
    graph = graph_of((values,))
    with scopes.building_in(graph), graph.name_scope(name or "argsort"):
        return _sorted(values, axis, direction, places=True)


def _sorted(values: Any, axis: Any, direction: str, places: bool) -> Tensor:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f'{direction} should be one of "ASCENDING", "DESCENDING"')
    x, place = convert_to_tensor(values), static_axis(axis)
    if direction == "DESCENDING":
        return _falling(x, place, places)
    turn = invert if x.dtype.is_integer else negative  # the smallest integer has no negative
    found = _falling(turn(x), place, places)
    return found if places else turn(found)


def _falling(x: Tensor, axis: int, places: bool) -> Tensor:
    """Sorted from the largest value on: `top_k` of all, with the axis moved to the end and back."""
    k = get_item(shape(x), axis)
    order = _exchange(x, axis)
    found = top_k(x if order is None else transpose(x, order), k)[1 if places else 0]
    if order is None:
        return found
    result = transpose(found, order)
    result.set_shape(x.shape)
    return result


def _exchange(x: Tensor, axis: int) -> Tensor | None:
    """The order of axes in which `axis` and the last one are exchanged; None if they are the same."""
    count = x.shape.ndims
    if axis == -1 or axis + 1 == count:
        return None
    if count is not None:
        place = axis + count if axis < 0 else axis
        order = np.r_[np.arange(place), [count - 1], np.arange(place + 1, count - 1), [place]]
        return constant(order, "int32", name="transposition")
    axes = rank(x)
    place_tensor = add(axes, axis) if axis < 0 else constant(axis, "int32")
    last = add(axes, -1)
    result: Tensor = concat(
        [range_(place_tensor), _one(last), range_(add(place_tensor, 1), last), _one(place_tensor)], 0
    )
    return result


def _one(number: Tensor) -> Tensor:
    result: Tensor = add_op("ExpandDims", number, axis=0)
    return result

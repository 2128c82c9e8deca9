"""The values of a tensor, each as often as a number says.

Tensors of every dtype pass through, `string` too.
Source: array_ops.repeat of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import broadcast_to, ones
from dflow.ops.array.gather import boolean_mask
from dflow.ops.array.mask import sequence_mask
from dflow.ops.array.shape import expand_dims, reshape, shape
from dflow.ops.array.tile import tile
from dflow.ops.math.arithmetic import maximum
from dflow.ops.math.reduction import reduce_max
from dflow.ops.rules.static import graph_of, normal_axis, static_axis

__all__ = ["repeat"]


def repeat(input: Any, repeats: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """Each slice along an axis repeated; None: each value of the flat tensor.

    repeats: an integer, or one for each slice.
    """
    graph = graph_of((input, repeats))
    with scopes.building_in(graph), graph.name_scope(name or "Repeat"):
        x, counts = convert_to_tensor(input, name="data"), convert_to_tensor(repeats, name="repeats")
        if axis is None:
            x, axis = reshape(x, [-1]), 0
        if x.shape.ndims is None:
            raise ValueError("repeat needs a tensor of known rank")
        if counts.shape.ndims not in (0, 1):
            raise ValueError("repeats must be a scalar or a vector")
        place = normal_axis(static_axis(axis), x.shape.ndims)
        sizes = shape(x)
        if counts.shape.ndims == 0:
            return reshape(_copies(x, place, counts), concat([sizes[:place], [-1], sizes[place + 1 :]], 0))
        counts = broadcast_to(counts, reshape(sizes[place], [1]))
        most = maximum(reduce_max(counts), 0)
        copies = _copies(x, place, most)
        result = boolean_mask(copies, sequence_mask(counts, most), axis=place)
        result.set_shape([None if i == place else dim for i, dim in enumerate(x.shape.known)])
        return result


def _copies(x: Tensor, axis: int, count: Tensor) -> Tensor:
    """The tensor with a new axis of copies behind `axis`."""
    rank = len(x.shape.known)
    before, behind = ones([axis + 1], count.dtype), ones([rank - axis - 1], count.dtype)
    return tile(expand_dims(x, axis + 1), concat([before, reshape(count, [1]), behind], 0))

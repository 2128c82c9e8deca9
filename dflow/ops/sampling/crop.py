"""A random part of a tensor.

Source: random_ops.random_crop of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import int32
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.shape import shape
from dflow.ops.array.slice import slice as slice_
from dflow.ops.control import Assert, with_dependencies
from dflow.ops.math.arithmetic import add, subtract
from dflow.ops.math.compare import greater_equal
from dflow.ops.math.division import floormod
from dflow.ops.math.reduction import reduce_all
from dflow.ops.random import random_uniform
from dflow.ops.rules.static import graph_of, is_symbolic

__all__ = ["random_crop"]


def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The part of a size that starts at a random place.

    value: any dtype; size: one number for each axis, at most that of the axis, as numbers or as a tensor.
    InvalidArgumentError at run time for a larger one.
    """
    graph = graph_of((value, size))
    with scopes.building_in(graph), graph.name_scope(name or "random_crop") as scope:
        x = convert_to_tensor(value, name="value")
        part = convert_to_tensor(size, None if is_symbolic(size) else int32, name="size")
        whole = shape(x, out_type=part.dtype)
        check = Assert(
            reduce_all(greater_equal(whole, part)), ["Need value.shape >= size, got ", whole, part], summarize=1000
        )
        whole = with_dependencies([check], whole)
        limit = add(subtract(whole, part), 1)
        drawn = random_uniform(shape(whole), dtype=part.dtype, maxval=part.dtype.max, seed=seed)
        return slice_(x, floormod(drawn, limit), part, name=scope)

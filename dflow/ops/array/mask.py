"""Masks of sequences of different lengths.

Source: array_ops.sequence_mask of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype, bool_
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims
from dflow.ops.math.arithmetic import maximum
from dflow.ops.math.compare import less
from dflow.ops.math.reduction import reduce_max
from dflow.ops.rules.static import graph_of

__all__ = ["sequence_mask"]


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = bool_, name: str | None = None) -> Tensor:
    """True in the first lengths[i] of `maxlen` places, for each length.

    lengths: integers of any shape; maxlen: a scalar, the largest length if it is not given; dtype: of the result
    -> [*lengths, maxlen].
    """
    graph = graph_of((lengths, maxlen))
    with scopes.building_in(graph), graph.name_scope(name or "SequenceMask"):
        counts = convert_to_tensor(lengths)
        if maxlen is None:
            largest = reduce_max(counts)
            limit = maximum(constant(0, largest.dtype), largest)
        else:
            limit = convert_to_tensor(maxlen)
        if limit.shape.ndims not in (0, None):
            raise ValueError("maxlen must be scalar for sequence_mask")
        places = range_(constant(0, limit.dtype), limit, constant(1, limit.dtype))
        inside = less(places, cast(expand_dims(counts, -1), limit.dtype))
        return inside if dtype is None or as_dtype(dtype) == inside.dtype else cast(inside, dtype)

"""The sum of the gradients that one tensor has received: dense tensors, indexed slices, or both.

Source: the aggregation of gradients of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence

from dflow.dtypes import int64
from dflow.graph import Tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.indexed_slices import IndexedSlices, densified
from dflow.ops.math.arithmetic import add_n

__all__ = ["Gradient", "PASSES_SLICES", "aggregated"]

Gradient = Tensor | IndexedSlices

# The kinds of operations whose gradient rule takes indexed slices; the others get a dense tensor.
PASSES_SLICES = frozenset(["Identity"])


def aggregated(gradients: Sequence[Gradient]) -> Gradient:
    """The sum of one gradient or more, of one tensor: slices of slices alone, dense if one of them is dense."""
    slices = [it for it in gradients if isinstance(it, IndexedSlices)]
    if len(gradients) == 1:
        return gradients[0]
    with scopes.building_in(gradients[0].graph):
        if len(slices) < len(gradients):
            total: Tensor = add_n([densified(it) for it in gradients])
            return total
        indices = [it.indices for it in slices]
        if len({it.dtype for it in indices}) > 1:
            indices = [cast(it, int64) for it in indices]
        return IndexedSlices(concat([it.values for it in slices], 0), concat(indices, 0), slices[0].dense_shape)

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


def aggregated(gradients: Sequence[Gradient], in_turn: str | None = None) -> Gradient:
    """The sum of one gradient or more, of one tensor: slices of slices alone, dense if one of them is dense.

    in_turn: to sum dense ones one after the other, the name of the tensor's operation; None: all in one.
    """
    slices = [it for it in gradients if isinstance(it, IndexedSlices)]
    if len(gradients) == 1:
        return gradients[0]
    with scopes.building_in(gradients[0].graph):
        if len(slices) < len(gradients):
            dense = [densified(it) for it in gradients]
            return _sum_by_device(dense) if in_turn is None else _sum_in_turn(dense, in_turn)
        indices = [it.indices for it in slices]
        if len({it.dtype for it in indices}) > 1:
            indices = [cast(it, int64) for it in indices]
        return IndexedSlices(concat([it.values for it in slices], 0), concat(indices, 0), slices[0].dense_shape)


def _sum_by_device(gradients: Sequence[Tensor]) -> Tensor:
    """The sum of the sums of those on each device, the names of devices in order."""
    by_device: dict[str, list[Tensor]] = {}
    for gradient in gradients:
        by_device.setdefault(gradient.device, []).append(gradient)
    sums = []
    for _, beside in sorted(by_device.items()):
        with beside[0].graph.colocate_with(beside[0].op, ignore_existing=True):
            sums.append(add_n(beside))
    return add_n(sums)


def _sum_in_turn(gradients: Sequence[Tensor], name: str) -> Tensor:
    total = gradients[0]
    with total.graph.name_scope(f"{name}_gradient_sum"):
        for gradient in gradients[1:]:
            total = add_n([total, gradient])
    return total
